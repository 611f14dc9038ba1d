"""What an adapter does, resolved once: which leaves it reads, and how it makes its payload."""

from __future__ import annotations

from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Set, Tuple, Union

from rlmesh._values.dtypes import DTYPES
from rlmesh._values.ops import Ops
from rlmesh.errors import InvalidValue
from rlmesh.spaces import Discrete, MultiDiscrete

from ._actuators import ActionPlan
from ._integers import clamp_into, integer_dtype, limits_of
from ._steps import Advisory, Step, as_float, dtype_name, run

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
    """A part of what the model emitted for the action that was executed last.

    Attributes:
        steps: What is done with the whole output.
    """

    steps: Sequence[Step]


class Pending(NamedTuple):
    """A part of what the model emitted for the actions that are still to be executed.

    Attributes:
        rows: For how many actions; those that are left over are zeros.
        steps: What is done with the whole outputs, along a first axis.
    """

    rows: int
    steps: Sequence[Step]


class PendingCount(NamedTuple):
    """The number of actions that are still to be executed, in an array of one element."""


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


Part = Union[Read, Previous, Pending, PendingCount, MadeUp]


class Outputs(NamedTuple):
    """What a payload may take from the model's own outputs.

    Attributes:
        last: The output for the action that was executed last; None if nothing reads it.
        pending: Those for the actions that are still to be executed, the next one first, and then
            zeros; None if nothing reads them.
        is_pending: For each of these 1, or 0 for the zeros; shape `(rows, 1)`.
        count: The number of actions that are still to be executed; shape `(1,)`.
    """

    last: Any = None
    pending: Any = None
    is_pending: Any = None
    count: Any = None


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
        name: What errors call it.
        dtype: Of the array; None where any will do.
        is_scalar: Whether the only element of the parts is the array.
    """

    parts: Sequence[Part]
    steps: Sequence[Step]
    history: Tuple[int, ...] = ()
    blank: Optional[MadeUp] = None
    lead_dims: int = 0
    as_list: bool = False
    name: str = ""
    dtype: Optional[str] = None
    is_scalar: bool = False

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
        template: In which it takes the place of `{text}`; None for the text alone.
    """

    path: Optional[Path]
    fill: Optional[str]
    as_list: bool
    template: Optional[str] = None


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
        initial: How what precedes the first action is read from the observation: for each of the
            model's actuators its width, and what is read; None for zeros. Empty for zeros only.
        doubles: The leaves that single precision would round.
        lines: What `explain` says.
        notes: What `advisories` says.
    """

    payload: Any
    reads: List[Path]
    texts: List[Path]
    reads_all: bool
    action: ActionPlan
    takes_instruction: bool
    initial: Sequence[Tuple[int, Optional[Read]]]
    doubles: List[str]
    lines: List[str]
    notes: List[Advisory]


def compile_frames(leaves: Sequence[ArrayLeaf], ops: Ops, device: Any) -> Callable[..., Any]:
    """Return a function from raw arrays and `Outputs` to the current array of each stack.

    Besides these it returns for each stack what `compile_payload` says of it.
    """

    def frames(raws: Sequence[Any], outputs: Outputs) -> Any:
        found = [_frame(leaf, ops, device, raws, outputs) for leaf in leaves if leaf.history]
        return [copied(ops, array) for array, _ in found], [is_sound for _, is_sound in found]

    return ops.jit(frames)


def compile_payload(leaves: Sequence[ArrayLeaf], ops: Ops, device: Any) -> Callable[..., Any]:
    """Return a function to each leaf's final array, to the current one of each stack, and more.

    It takes raw arrays, the model's own `Outputs`, and for each stack its past arrays: those of
    `history` that are not 0, in order. For a leaf that is a raw array as it is, it returns None:
    what a compiled function returns is always a copy. All else has memory of its own.

    In the end there is for each leaf whether its dtype could hold all of its numbers; None where
    there is no question.
    """

    def payload(raws: Sequence[Any], outputs: Outputs, pasts: Sequence[Sequence[Any]]) -> Any:
        finals: List[Any] = []
        currents: List[Any] = []
        sound: List[Any] = []
        for leaf in leaves:
            final, is_sound = _frame(leaf, ops, device, raws, outputs)
            sound.append(is_sound)
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
        return finals, currents, sound

    return ops.jit(payload)


def compile_initial(plan: Plan, ops: Ops, device: Any) -> Callable[..., Any]:
    """Return a function from raw arrays to what stands for an output before the first action."""

    def initial(raws: Sequence[Any]) -> Any:
        dtype = plan.action.dtype
        parts = []
        for width, read in plan.initial:
            if read is None:
                parts.append(ops.constant([0.0] * width, dtype, device))
            else:
                parts.append(ops.astype(run(ops, read.steps, raws[read.place]), dtype))
        return ops.xp.concatenate(parts, -1)

    return ops.jit(initial)


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


def _frame(
    leaf: ArrayLeaf, ops: Ops, device: Any, raws: Sequence[Any], outputs: Outputs
) -> Tuple[Any, Any]:
    """Return a leaf's current array, and whether its dtype could hold it, see `_is_sound`."""
    values = [_part(part, ops, device, raws, outputs) for part in leaf.parts]
    value = values[0]
    if len(values) > 1:
        # Parts of one dtype keep it; others meet in the wider of single and double precision.
        if any(one.dtype != value.dtype for one in values):
            floats = [as_float(ops, one) for one in values]
            wide = any(dtype_name(one) == "float64" for one in floats)
            values = [ops.astype(one, "float64" if wide else "float32") for one in floats]
        value = ops.xp.concatenate(values, -1)
    if not leaf.steps:
        return value, None
    value = run(ops, leaf.steps[:-1], value)
    is_sound = _is_sound(ops, value, leaf.dtype)
    if is_sound is not None and not ops.traces and not is_sound:
        return value, is_sound  # a cast would warn of it
    value = leaf.steps[-1].apply(ops, value)
    if isinstance(leaf.parts[0], Pending):
        rows = outputs.is_pending[: leaf.parts[0].rows] > 0
        value = ops.xp.where(rows, value, ops.xp.zeros_like(value))
    return value.reshape(()) if leaf.is_scalar else value, is_sound


def _part(part: Part, ops: Ops, device: Any, raws: Sequence[Any], outputs: Outputs) -> Any:
    if isinstance(part, Read):
        if part.levels_of is not None:
            _check_levels(raws[part.place], part.levels_of)
        return run(ops, part.steps, raws[part.place])
    if isinstance(part, Previous):
        return run(ops, part.steps, outputs.last)
    if isinstance(part, Pending):
        return run(ops, part.steps, outputs.pending[: part.rows])
    if isinstance(part, PendingCount):
        return outputs.count
    return make_up(part, ops, device)


def _is_sound(ops: Ops, value: Any, dtype: Optional[str]) -> Any:
    """Return whether floats are numbers that a dtype without floats holds; None for others."""
    if dtype is None or DTYPES[dtype].kind in "fV" or DTYPES[dtype_name(value)].kind not in "fV":
        return None
    if dtype == "bool":
        return (value == value).all()  # infinity is True, NaN is neither
    return ops.xp.isfinite(value).all()


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
