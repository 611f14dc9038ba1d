"""The steps of a plan: each a line for the reader, and a function on arrays of any framework."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Tuple, Union

from rlmesh._values.ops import Ops
from rlmesh.errors import AdapterResolutionError

from ._encodings import Encoding, name_of
from ._rotations import convert
from ._singles import single_conversion
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


def pick(indices: Sequence[int], width: int, line: str) -> List[Step]:
    """Return the step to some of `width` elements, in another order; none if nothing changes."""
    if list(indices) == list(range(width)):
        return []

    def apply(ops: Ops, value: Any) -> Any:
        return ops.xp.stack([value[..., i] for i in indices], -1)

    return [Step(line, apply)]


def rotate(source: Encoding, target: Encoding) -> List[Step]:
    """Return the step to another encoding of a rotation; none to the same one."""
    if source == target:
        return []

    def apply(ops: Ops, value: Any) -> Any:
        device = None if ops.traces else ops.device_of(value)
        if is_builtin and not ops.traces and value.ndim == 1 and str(device) in ("None", "cpu"):
            single = single_conversion(source, target, value.dtype.itemsize)
            with contextlib.suppress(ArithmeticError, ValueError):  # by what is not finite
                return ops.constant(single(value.tolist()), dtype_name(value), device)
        return convert(ops.xp, value, source, target)

    is_builtin = isinstance(source, str) and isinstance(target, str)
    return [Step(f"{name_of(source)} -> {name_of(target)}", apply)]


def map_range(
    low: Sequence[float], high: Sequence[float], target_low: float, target_high: float
) -> Step:
    """Return the affine step from a range of each element, or of all, to another range."""
    bottom, span = Row(low), Row([top - bottom for bottom, top in zip(low, high)])
    target_span = target_high - target_low

    def apply(ops: Ops, value: Any) -> Any:
        share = (value - bottom.on(ops, value)) / span.on(ops, value)
        return share * target_span + target_low

    line = f"[{bottom.text}, {Row(high).text}] -> [{target_low:g}, {target_high:g}]"
    return Step(line, apply)


def scale_by(factor: Row) -> Step:
    """Return the step that multiplies."""
    return Step(f"times {factor.text}", lambda ops, value: value * factor.on(ops, value))


def shift_by(summand: Row) -> Step:
    """Return the step that adds."""
    return Step(f"plus {summand.text}", lambda ops, value: value + summand.on(ops, value))


def normalise(stats: Stats, width: int) -> Step:
    """Return the step by which statistics normalise."""
    shift, divisor, high = _rows(stats, width)
    if not stats.is_quantiles:

        def apply(ops: Ops, value: Any) -> Any:
            return (value - shift.on(ops, value)) / divisor.on(ops, value)

        line = f"minus mean {shift.text}, divided by std {divisor.text}"
        return Step(line + _exempt(stats), apply)
    mask = _mask(stats)

    def apply_quantiles(ops: Ops, value: Any) -> Any:
        mapped = 2 * (value - shift.on(ops, value)) / divisor.on(ops, value) - 1
        return mapped if mask is None else _blend(ops, mask, mapped, value)

    line = f"[q01, q99] -> [-1, 1] (q01 {shift.text}, q99 {high.text})"
    return Step(line + _exempt(stats), apply_quantiles)


def denormalise(stats: Stats, width: int) -> Step:
    """Return the step that undoes `normalise`."""
    shift, divisor, high = _rows(stats, width)
    if not stats.is_quantiles:

        def apply(ops: Ops, value: Any) -> Any:
            return value * divisor.on(ops, value) + shift.on(ops, value)

        line = f"times std {divisor.text}, plus mean {shift.text}"
        return Step(line + _exempt(stats), apply)
    mask = _mask(stats)

    def apply_quantiles(ops: Ops, value: Any) -> Any:
        mapped = (value + 1) / 2 * divisor.on(ops, value) + shift.on(ops, value)
        return mapped if mask is None else _blend(ops, mask, mapped, value)

    line = f"[-1, 1] -> [q01, q99] (q01 {shift.text}, q99 {high.text})"
    return Step(line + _exempt(stats), apply_quantiles)


def _rows(stats: Stats, width: int) -> Tuple[Row, Row, Row]:
    """Return mean and std, or q01 and its distance from q99, and the sum of the two."""
    shift, divisor = stats.shift_and_divisor(width)
    return Row(shift), Row(divisor), Row([low + span for low, span in zip(shift, divisor)])


def _exempt(stats: Stats) -> str:
    """Return what a line says of the elements that statistics leave alone."""
    alone = [str(i) for i, used in enumerate(stats.mask or ()) if not used]
    return f"; not element {', '.join(alone)}" if alone else ""


def _mask(stats: Stats) -> Optional[Row]:
    """Return 1 for each element that is normalised and 0 for the others; None for all."""
    if stats.mask is None or all(stats.mask):
        return None
    return Row([float(one) for one in stats.mask])


def _blend(ops: Ops, mask: Row, mapped: Any, value: Any) -> Any:
    taken = ops.xp.zeros_like(value) + mask.on(ops, value)
    return ops.xp.where(taken > 0.5, mapped, value)


def clamp(low: float, high: float) -> Step:
    """Return the step that clamps."""

    def apply(ops: Ops, value: Any) -> Any:
        # Bounds need not be whole, nor numbers that half precision can express.
        if dtype_name(value) not in ("float32", "float64"):
            value = ops.astype(value, "float64" if value.dtype.itemsize == 8 else "float32")
        return ops.xp.clip(value, low, high)

    return Step(f"clamped to [{low:g}, {high:g}]", apply)


def pad(width: int, target: int) -> List[Step]:
    """Return the step that adds zeros at the end; none where there is nothing to add."""
    if width == target:
        return []

    def apply(ops: Ops, value: Any) -> Any:
        zeros = ops.xp.zeros_like(value[..., :1])
        shape = (*value.shape[:-1], target - width)
        return ops.xp.concatenate([value, ops.xp.broadcast_to(zeros, shape)], -1)

    return [Step(f"zeros up to {target} elements", apply)]


def reshape(shape: Sequence[int]) -> Step:
    """Return the step to another shape, of a single value."""
    return Step(f"shape {tuple(shape)}", lambda ops, value: value.reshape(tuple(shape)))


def run(ops: Ops, steps: Sequence[Step], value: Any) -> Any:
    """Return what the steps make of a value."""
    for step in steps:
        value = step.apply(ops, value)
    return value
