"""The steps of a plan: each a line for the reader, and a function on arrays of any framework."""

from __future__ import annotations

from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Union

from rlmesh._values.ops import Ops
from rlmesh.errors import AdapterResolutionError

from ._encodings import Encoding, name_of
from ._rotations import convert
from .stats import Stats

Apply = Callable[[Ops, Any], Any]
Numbers = Union[float, Sequence[float]]


class Step(NamedTuple):
    """One transform.

    Attributes:
        line: What it does, for `explain`.
        apply: Takes the framework's functions and an array, and returns an array.
    """

    line: str
    apply: Apply


class Advisory(NamedTuple):
    """Something to know about an adapter that works.

    Attributes:
        severity: `"info"`, or `"caution"` where data is made up, replaced or dropped.
        leaf: The leaf that it is about.
        message: What is to be known.
    """

    severity: str
    leaf: str
    message: str


class Row:
    """Numbers that meet a vector element by element.

    Where all are equal, it is one number, which frameworks take as it is; else it is made an array
    once per framework and device.

    Args:
        values: The numbers.
    """

    def __init__(self, values: Sequence[float]) -> None:
        self._values = list(values)
        self._single = self._values[0] if len(set(self._values)) == 1 else None
        self._arrays: Any = {}

    @property
    def text(self) -> str:
        """The numbers as a line shows them."""
        if self._single is not None:
            return f"{self._single:g}"
        shown = ", ".join(f"{value:g}" for value in self._values[:8])
        return f"[{shown}{', ...' if len(self._values) > 8 else ''}]"

    def on(self, ops: Ops, array: Any) -> Any:
        """Return the numbers in the form in which they meet an array."""
        if self._single is not None:
            return self._single
        device = ops.device_of(array)
        key = (id(ops), str(device), str(array.dtype))
        found = self._arrays.get(key)
        if found is None:
            found = ops.constant(self._values, dtype_name(array), device)
            # What is made while a function is compiled belongs to that compilation.
            if not ops.traces:
                self._arrays[key] = found
        return found


def dtype_name(array: Any) -> str:
    """Return the name of an array's dtype, in any framework."""
    return str(array.dtype).rpartition(".")[2]


def row(value: Optional[Numbers], width: int, where: str) -> Row:
    """Return numbers for a vector.

    Raises:
        AdapterResolutionError: There are neither one nor `width` of them.
    """
    values = list(value) if isinstance(value, (list, tuple)) else [value] * width
    if len(values) != width:
        raise AdapterResolutionError(f"{where}: expected {width} numbers, got {len(values)}")
    return Row([float(one) for one in values])  # type: ignore[arg-type]


def astype(dtype: str) -> Step:
    """Return the step to another dtype."""
    return Step(f"as {dtype}", lambda ops, value: ops.astype(value, dtype))


def take(start: int, stop: int, total: int) -> List[Step]:
    """Return the step to some elements; none where these are all."""
    if (start, stop) == (0, total):
        return []
    line = f"element {start}" if stop == start + 1 else f"elements {start} to {stop - 1}"
    return [Step(line, lambda ops, value: value[..., start:stop])]


def pick(indices: Sequence[int], line: str) -> List[Step]:
    """Return the step to elements in another order; none where nothing changes."""
    if list(indices) == list(range(len(indices))):
        return []

    def apply(ops: Ops, value: Any) -> Any:
        return ops.xp.stack([value[..., i] for i in indices], -1)

    return [Step(line, apply)]


def rotate(source: Encoding, target: Encoding) -> List[Step]:
    """Return the step to another encoding of a rotation; none to the same one."""
    if source == target:
        return []

    def apply(ops: Ops, value: Any) -> Any:
        return convert(ops.xp, value, source, target)

    return [Step(f"{name_of(source)} -> {name_of(target)}", apply)]


def map_range(low: Row, high: Row, target_low: float, target_high: float) -> Step:
    """Return the affine step from one range to another."""

    def apply(ops: Ops, value: Any) -> Any:
        bottom, top = low.on(ops, value), high.on(ops, value)
        return (value - bottom) / (top - bottom) * (target_high - target_low) + target_low

    line = f"[{low.text}, {high.text}] -> [{target_low:g}, {target_high:g}]"
    return Step(line, apply)


def scale_by(factor: Row) -> Step:
    """Return the step that multiplies."""
    return Step(f"times {factor.text}", lambda ops, value: value * factor.on(ops, value))


def shift_by(summand: Row) -> Step:
    """Return the step that adds."""
    return Step(f"plus {summand.text}", lambda ops, value: value + summand.on(ops, value))


def normalise(stats: Stats, width: int) -> Step:
    """Return the step by which statistics normalise."""
    shift, divisor = (Row(part) for part in stats.shift_and_divisor(width))
    if not stats.is_quantiles:

        def apply(ops: Ops, value: Any) -> Any:
            return (value - shift.on(ops, value)) / divisor.on(ops, value)

        return Step(f"minus mean {shift.text}, divided by std {divisor.text}", apply)
    mask = _mask(stats, width)

    def apply_quantiles(ops: Ops, value: Any) -> Any:
        mapped = 2 * (value - shift.on(ops, value)) / divisor.on(ops, value) - 1
        return mapped if mask is None else _blend(ops, mask, mapped, value)

    return Step(f"[q01, q99] -> [-1, 1] (q01 {shift.text}, width {divisor.text})", apply_quantiles)


def denormalise(stats: Stats, width: int) -> Step:
    """Return the step that undoes `normalise`."""
    shift, divisor = (Row(part) for part in stats.shift_and_divisor(width))
    if not stats.is_quantiles:

        def apply(ops: Ops, value: Any) -> Any:
            return value * divisor.on(ops, value) + shift.on(ops, value)

        return Step(f"times std {divisor.text}, plus mean {shift.text}", apply)
    mask = _mask(stats, width)

    def apply_quantiles(ops: Ops, value: Any) -> Any:
        mapped = (value + 1) / 2 * divisor.on(ops, value) + shift.on(ops, value)
        return mapped if mask is None else _blend(ops, mask, mapped, value)

    return Step(f"[-1, 1] -> [q01, q99] (q01 {shift.text}, width {divisor.text})", apply_quantiles)


def clamp(low: float, high: float) -> Step:
    """Return the step that clamps."""
    return Step(f"clamped to [{low:g}, {high:g}]", lambda ops, v: ops.xp.clip(v, low, high))


def pad(width: int, target: int) -> List[Step]:
    """Return the step that adds zeros at the end; none where there is nothing to add."""
    if width == target:
        return []

    def apply(ops: Ops, value: Any) -> Any:
        zeros = ops.xp.zeros_like(value[..., :1])
        return ops.xp.concatenate([value, *[zeros] * (target - width)], -1)

    return [Step(f"zeros up to {target} elements", apply)]


def reshape(shape: Sequence[int]) -> Step:
    """Return the step to another shape, of a single value."""
    return Step(f"shape {tuple(shape)}", lambda ops, value: value.reshape(tuple(shape)))


def _mask(stats: Stats, width: int) -> Optional[Row]:
    """Return 1 for each element that is normalised and 0 for the others; None for all."""
    if stats.mask is None or all(stats.mask):
        return None
    return Row([float(one) for one in stats.mask])


def _blend(ops: Ops, mask: Row, mapped: Any, value: Any) -> Any:
    return ops.xp.where(mask.on(ops, value) > 0.5, mapped, value)


def run(ops: Ops, steps: Sequence[Step], value: Any) -> Any:
    """Return what the steps make of a value."""
    for step in steps:
        value = step.apply(ops, value)
    return value
