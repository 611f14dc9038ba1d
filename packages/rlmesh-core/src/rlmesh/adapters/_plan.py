"""What an adapter does, resolved once: which leaves it reads, and how it makes its payload."""

from __future__ import annotations

from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Set, Tuple, Union

from rlmesh._values.ops import Ops
from rlmesh.errors import InvalidValue
from rlmesh.spaces import Discrete

from ._actuators import ActionPlan
from ._steps import Advisory, Step, dtype_name, run

Path = Tuple[Any, ...]


class Read(NamedTuple):
    """A leaf of the observation, and what is done with it.

    Attributes:
        place: Of the leaf in `Plan.reads`.
        steps: What is done with it.
        levels_of: What errors call a picture, which must be uint8; None for anything else.
    """

    place: int
    steps: Sequence[Step]
    levels_of: Optional[str] = None


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
    what a compiled function returns is always a copy. All else has memory of its own.
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
            if any(final is raw for raw in raws):
                finals.append(None)
                continue
            read = [raws[part.place] for part in leaf.parts if isinstance(part, Read)]
            shares = len(read) == 1 and ops.shares_memory(final, read[0])
            finals.append(ops.contiguous_copy(final) if shares else final)
        return finals, currents

    return ops.jit(payload)


def compile_action(plan: ActionPlan, ops: Ops) -> Callable[[Any], Any]:
    """Return a function from the model's output to the env's action, and whether it is finite."""

    def action(output: Any) -> Any:
        output = ops.astype(output, plan.dtype)
        is_finite = ops.xp.isfinite(output).all()
        if not ops.traces and not is_finite:
            return None, is_finite
        value = run(ops, plan.first, output)
        parts = []
        for part in plan.parts:
            if part.source is None:
                zero = ops.xp.zeros_like(value[..., :1])
                parts += [zero + number for number in part.fill]
            else:
                driven = value[..., part.source : part.source + part.width]
                parts.append(run(ops, part.steps, driven))
        joined = parts[0] if len(parts) == 1 else ops.xp.concatenate(parts, -1)
        made = run(ops, plan.last, joined)
        is_scalar = isinstance(plan.space, Discrete)
        return made[..., 0] if is_scalar else made, is_finite

    return ops.jit(action)


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
            if part.levels_of is not None:
                _check_levels(raws[part.place], part.levels_of)
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


def _check_levels(raw: Any, name: str) -> None:
    """Check that a picture is one of levels: floats would be divided by 255 once more."""
    if raw.dtype not in _LEVELS:  # which takes less time than the dtype's name
        if dtype_name(raw) != "uint8":
            raise InvalidValue(
                f"{name}: expected a picture of uint8, as its space says, got {dtype_name(raw)}"
            )
        _LEVELS.add(raw.dtype)


_LEVELS: Set[Any] = set()
"""The frameworks' dtypes that are uint8."""


def lines_of(name: str, source: str, steps: Sequence[Step]) -> List[str]:
    """Return what `explain` says of one leaf."""
    if not steps:
        return [f"{name} <- {source}: as it is"]
    return [f"{name} <- {source}", *(f"    {step.line}" for step in steps)]
