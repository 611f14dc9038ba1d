"""The steps of a plan: each a line for the reader, and a function on arrays of any framework."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Union

from rlmesh._values.dtypes import DTYPES
from rlmesh._values.ops import Ops
from rlmesh.errors import AdapterResolutionError

from ._encodings import Encoding, name_of
from ._rotations import Quaternion, convert
from ._singles import single_conversion
from .stats import Scale, Stats

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


def rotate(source: Encoding, target: Encoding, offset: Optional[Quaternion] = None) -> List[Step]:
    """Return the step to another encoding of a rotation; none where it would change nothing.

    Args:
        source: The encoding of what it takes.
        target: The encoding of what it gives.
        offset: A rotation about the body's own axes that comes first, see `convert`.
    """
    if source == target and offset is None:
        return []

    def apply(ops: Ops, value: Any) -> Any:
        device = None if ops.traces else ops.device_of(value)
        if is_builtin and not ops.traces and value.ndim == 1 and str(device) in ("None", "cpu"):
            single = single_conversion(source, target, value.dtype.itemsize, offset)
            with contextlib.suppress(ArithmeticError, ValueError):  # by what is not finite
                return ops.constant(single(value.tolist()), dtype_name(value), device)
        return convert(ops.xp, value, source, target, offset)

    is_builtin = isinstance(source, str) and isinstance(target, str)
    turned = ""
    if offset is not None:
        turned = f", turned first by ({', '.join(f'{one:g}' for one in offset)}) (quat_xyzw)"
    return [Step(f"{name_of(source)} -> {name_of(target)}{turned}", apply)]


def map_range(
    low: Sequence[float], high: Sequence[float], target_low: float, target_high: float
) -> Step:
    """Return the affine step from a range of each element, or of all, to another range."""
    # Not every framework can subtract a large integer from a float.
    lows, highs = ([float(one) for one in side] for side in (low, high))
    bottom, span = Row(lows), Row([float(top - bottom) for bottom, top in zip(low, high)])
    target_span = target_high - target_low

    def apply(ops: Ops, value: Any) -> Any:
        share = (value - bottom.on(ops, value)) / span.on(ops, value)
        return share * target_span + target_low

    line = f"[{bottom.text}, {Row(highs).text}] -> [{target_low:g}, {target_high:g}]"
    return Step(line, apply)


def scale_by(factor: Row) -> Step:
    """Return the step that multiplies."""
    return Step(f"times {factor.text}", lambda ops, value: value * factor.on(ops, value))


def shift_by(summand: Row) -> Step:
    """Return the step that adds."""
    return Step(f"plus {summand.text}", lambda ops, value: value + summand.on(ops, value))


def normalise(stats: Stats, width: int) -> Step:
    """Return the step by which statistics normalise."""
    scale = stats.scale(width)
    low, span, high = Row(scale.low), Row(scale.divisor), Row(scale.high)
    exempt, zeroed = _flags(scale.exempt), _flags(scale.zeroed)
    if stats.is_centred:
        # Minus 0 and divided by 1 an element is what it was.
        low = Row([0.0 if alone else one for one, alone in zip(scale.low, scale.exempt)])
        exempt = None
        line = f"minus mean {low.text}, divided by std {span.text}"
    else:
        names = stats.ends
        line = f"[{', '.join(names)}] -> [-1, 1] ({names[0]} {low.text}, {names[1]} {high.text})"

    def apply(ops: Ops, value: Any) -> Any:
        mapped = (value - low.on(ops, value)) / span.on(ops, value)
        if not stats.is_centred:
            mapped = 2 * mapped - 1
        if zeroed is not None:
            mapped = _blend(ops, zeroed, ops.xp.zeros_like(mapped), mapped)
        return mapped if exempt is None else _blend(ops, exempt, value, mapped)

    return Step(line + _spared(scale), apply)


def denormalise(stats: Stats, width: int) -> Step:
    """Return the step that undoes `normalise`; an element of no span gets its mean or low end."""
    scale = stats.scale(width)
    low, span, high = Row(scale.low), Row(scale.factor), Row(scale.high)
    exempt = None if stats.is_centred else _flags(scale.masked)
    if stats.is_centred:
        line = f"times std {span.text}, plus mean {low.text}"
    else:
        names = stats.ends
        line = f"[-1, 1] -> [{', '.join(names)}] ({names[0]} {low.text}, {names[1]} {high.text})"

    def apply(ops: Ops, value: Any) -> Any:
        share = value if stats.is_centred else (value + 1) / 2
        mapped = share * span.on(ops, value) + low.on(ops, value)
        return mapped if exempt is None else _blend(ops, exempt, value, mapped)

    return Step(line + _listed("; not element", scale.masked), apply)


def _spared(scale: Scale) -> str:
    """Return what a line says of the elements that are left alone, or become zero."""
    return _listed("; not element", scale.exempt) + _listed("; zero for element", scale.zeroed)


def _listed(text: str, flags: Sequence[bool]) -> str:
    places = [str(i) for i, flag in enumerate(flags) if flag]
    return f"{text} {', '.join(places)}" if places else ""


def _flags(flags: Sequence[bool]) -> Optional[Row]:
    """Return 1 for each element of a flag, and 0 for the others; None where there is no flag."""
    return Row([float(one) for one in flags]) if any(flags) else None


def _blend(ops: Ops, flags: Row, flagged: Any, others: Any) -> Any:
    taken = ops.xp.zeros_like(others) + flags.on(ops, others)
    return ops.xp.where(taken > 0.5, flagged, others)


def clamp(low: float, high: float) -> Step:
    """Return the step that clamps."""
    whole = [int(one) for one in (low, high) if float(one).is_integer()]

    def apply(ops: Ops, value: Any) -> Any:
        dtype = DTYPES[dtype_name(value)]
        if dtype.kind == "i" and len(whole) == 2:
            least, most = dtype.limits
            return ops.xp.clip(value, *(min(max(one, least), most) for one in whole))
        # Bounds need not be whole, nor numbers that half precision can express.
        return ops.xp.clip(as_float(ops, value), low, high)

    return Step(f"clamped to [{low:g}, {high:g}]", apply)


def as_float(ops: Ops, value: Any) -> Any:
    """Return an array in the narrower of float32 and float64 that holds its numbers."""
    dtype = DTYPES[dtype_name(value)]
    if dtype.name in ("float32", "float64"):
        return value
    is_wide = dtype.itemsize == 8 or (dtype.is_integer and dtype.itemsize == 4)
    return ops.astype(value, "float64" if is_wide else "float32")


def sincos() -> Step:
    """Return the step from angles, in radians, to all their sines and then all their cosines."""

    def apply(ops: Ops, value: Any) -> Any:
        return ops.xp.concatenate([ops.xp.sin(value), ops.xp.cos(value)], -1)

    return Step("sines, then cosines", apply)


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
