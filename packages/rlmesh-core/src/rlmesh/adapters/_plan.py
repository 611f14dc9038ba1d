"""What an adapter does, resolved once: which leaves it reads, and how it makes its payload."""

from __future__ import annotations

from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Tuple, Union

from rlmesh._values.dtypes import DTYPES
from rlmesh._values.ops import Ops
from rlmesh.spaces import Discrete, MultiDiscrete

from ._actuators import ActionPlan
from ._integers import clamp_into, integer_dtype, limits_of
from ._steps import Advisory, Step, dtype_name, run

Path = Tuple[Any, ...]


class Read(NamedTuple):
    """A leaf of the observation, and what is done with it.

    Attributes:
        place: Of the leaf in `Plan.reads`.
        steps: What is done with it.
    """

    place: int
    steps: Sequence[Step]


class Previous(NamedTuple):
    """A part of the model's last output, and what is done with it.

    Attributes:
        steps: What is done with the whole output.
    """

    steps: Sequence[Step]


class MadeUp(NamedTuple):
    """What the env does not have.

    Attributes:
        shape: The array's shape.
        value: All its elements.
        steps: What is done with it.
        dtype: Of what the steps are done with.
    """

    shape: Tuple[int, ...]
    value: float
    steps: Sequence[Step]
    dtype: str = "float32"


Part = Union[Read, Previous, MadeUp]


class ArrayLeaf(NamedTuple):
    """An array of the payload.

    Attributes:
        parts: What it is made of, joined along the last axis.
        steps: What is done with these together.
        history: How many env steps ago each of the stacked arrays was, oldest first; empty for one
            that is not stacked.
        blank: What precedes an episode in a stack; None repeats the first.
        lead_dims: Number of leading axes of size 1.
        as_list: Whether it becomes nested lists of Python numbers.
    """

    parts: Sequence[Part]
    steps: Sequence[Step]
    history: Tuple[int, ...] = ()
    blank: Optional[MadeUp] = None
    lead_dims: int = 0
    as_list: bool = False

    @property
    def only_read(self) -> int:
        """The place of the only part, of a leaf that is read as it is."""
        (part,) = self.parts
        assert isinstance(part, Read)
        return part.place


class TextLeaf(NamedTuple):
    """A text of the payload.

    Attributes:
        path: Where the observation has it; None if it has none.
        fill: What stands for it without an instruction and a path.
        as_list: Whether it becomes a list with one str.
    """

    path: Optional[Path]
    fill: Optional[str]
    as_list: bool


class CustomLeaf(NamedTuple):
    """Whatever a function makes of the observation.

    Attributes:
        transform: The function.
    """

    transform: Callable[[Any], Any]


PayloadLeaf = Union[ArrayLeaf, TextLeaf, CustomLeaf]


class Plan(NamedTuple):
    """All that an adapter does.

    Attributes:
        payload: A tree with a `PayloadLeaf` for each of the model's.
        reads: The leaves of the observation that become arrays.
        texts: The leaves of the observation that are text.
        reads_all: Whether a function reads the whole observation.
        action: How the action comes about.
        takes_instruction: Whether there is a text input.
        lines: What `explain` says.
        notes: What `advisories` says.
    """

    payload: Any
    reads: List[Path]
    texts: List[Path]
    reads_all: bool
    action: ActionPlan
    takes_instruction: bool
    lines: List[str]
    notes: List[Advisory]


def compile_frames(leaves: Sequence[ArrayLeaf], ops: Ops, device: Any) -> Callable[..., Any]:
    """Return a function from raw arrays and the last output to the current array of each stack."""

    def frames(raws: Sequence[Any], previous: Any) -> List[Any]:
        arrays = [_frame(leaf, ops, device, raws, previous) for leaf in leaves if leaf.history]
        return [copied(ops, array) for array in arrays]

    return ops.jit(frames)


def compile_payload(leaves: Sequence[ArrayLeaf], ops: Ops, device: Any) -> Callable[..., Any]:
    """Return a function to each leaf's final array, and to the current one of each stack.

    It takes raw arrays, the model's last output, and for each stack its past arrays: those of
    `history` that are not 0, in order. For a leaf that is a raw array as it is, it returns None:
    what a compiled function returns is always a copy.
    """

    def payload(raws: Sequence[Any], previous: Any, pasts: Sequence[Sequence[Any]]) -> Any:
        finals: List[Any] = []
        currents: List[Any] = []
        for leaf in leaves:
            final = _frame(leaf, ops, device, raws, previous)
            if leaf.history:
                past = pasts[len(currents)]
                currents.append(copied(ops, final))
                final = ops.xp.stack([*past, final] if leaf.history[-1] == 0 else list(past), 0)
            for _ in range(leaf.lead_dims):
                final = final[None]
            finals.append(None if any(final is raw for raw in raws) else final)
        return finals, currents

    return ops.jit(payload)


def compile_action(plan: ActionPlan, ops: Ops) -> Callable[[Any, Sequence[Any]], Any]:
    """Return a function from the model's output to the env's action, and whether it is finite.

    It takes the leaves of the observation that are added to, too: one for each of `plan.bases`.
    Where an actuator is sticky, what it returns has yet to be given its shape by `shaped`.
    """
    is_moved = any(part.is_moved for part in plan.parts)

    def action(output: Any, states: Sequence[Any]) -> Any:
        numbers = ops.astype(output, plan.dtype)
        is_finite = ops.xp.isfinite(numbers).all()
        if not ops.traces and not is_finite:
            return None, is_finite
        value = run(ops, plan.first, numbers)
        parts = []
        unused = iter(states)
        for part in plan.parts:
            if part.source is None:
                zero = ops.xp.zeros_like(value[..., :1])
                parts += [zero + number for number in part.fill]
                continue
            driven = run(ops, part.steps, value[..., part.source : part.source + part.width])
            if part.base is not None:
                driven = part.base.add(ops, driven, next(unused))
                is_finite = is_finite & ops.xp.isfinite(driven).all()
            parts.append(run(ops, part.last, driven))
        if not ops.traces and not is_finite:
            return None, is_finite
        joined = parts[0] if len(parts) == 1 else ops.xp.concatenate(parts, -1)
        made = run(ops, plan.last, joined)
        if is_moved and DTYPES[dtype_name(output)].is_integer:
            made = _with_integers(plan, ops, output, made)
        return made if plan.sticky else shaped(plan, made), is_finite

    return ops.jit(action)


def _with_integers(plan: ActionPlan, ops: Ops, output: Any, made: Any) -> Any:
    """Return actions in which integers of the model that stay what they are did not become floats.

    Args:
        plan: How the actions come about.
        ops: The framework's functions.
        output: What the model emits.
        made: The actions by way of floats, without their shape.
    """
    limits, dtype = limits_of(plan.space), integer_dtype(plan.space)
    parts = []
    start = 0
    for part in plan.parts:
        stop = start + part.size
        if part.is_moved and part.source is not None:
            driven = run(ops, part.steps, output[..., part.source : part.source + part.width])
            parts.append(clamp_into(ops, driven, limits[start:stop], dtype))
        else:
            parts.append(made[..., start:stop])
        start = stop
    return parts[0] if len(parts) == 1 else ops.xp.concatenate(parts, -1)


def shaped(plan: ActionPlan, made: Any) -> Any:
    """Return actions in the shape of the env's space, of their elements along the last axis."""
    if isinstance(plan.space, Discrete):
        return made[..., 0]
    if isinstance(plan.space, MultiDiscrete) and len(plan.space.shape) != 1:
        return made.reshape((*made.shape[:-1], *plan.space.shape))
    return made


def copied(ops: Ops, array: Any) -> Any:
    """Return a copy of an array, which the env and the model cannot write into."""
    return ops.xp.stack([array], 0)[0]


def make_up(part: MadeUp, ops: Ops, device: Any) -> Any:
    """Return an array that the env does not have."""
    one = ops.constant(part.value, part.dtype, device)
    return run(ops, part.steps, ops.xp.broadcast_to(one, part.shape))


def _frame(leaf: ArrayLeaf, ops: Ops, device: Any, raws: Sequence[Any], previous: Any) -> Any:
    values = []
    for part in leaf.parts:
        if isinstance(part, Read):
            values.append(run(ops, part.steps, raws[part.place]))
        elif isinstance(part, Previous):
            values.append(run(ops, part.steps, previous))
        else:
            values.append(make_up(part, ops, device))
    if len(values) > 1:
        # Parts of single and double precision meet in the wider one.
        wide = any(value.dtype.itemsize == 8 for value in values)
        dtype = "float64" if wide else "float32"
        values = [ops.xp.concatenate([ops.astype(value, dtype) for value in values], -1)]
    return run(ops, leaf.steps, values[0])


def lines_of(name: str, source: str, steps: Sequence[Step]) -> List[str]:
    """Return what `explain` says of one leaf."""
    if not steps:
        return [f"{name} <- {source}: as it is"]
    return [f"{name} <- {source}", *(f"    {step.line}" for step in steps)]
