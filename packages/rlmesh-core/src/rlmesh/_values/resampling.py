"""How images are resized: the definition of each method, and an implementation by tables.

A resize is two passes, along the width and then along the height. Each pixel of a pass is a
weighted sum of a run of neighbours; `taps` says which, and with what weights.

`"bilinear"` and `"area"` round once, half to even, after both passes. Methods that end in `_aa`
are Pillow's to the bit: their weights are whole multiples of 2**-22, and each pass is rounded, half
up, and clamped to 0..255. Pillow 13 and later take the height first for some sizes, which can
change a pixel by 30 levels; here the width is always first.
"""

from __future__ import annotations

import math
import struct
from functools import lru_cache
from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Tuple

from rlmesh.errors import InvalidValue

from .ops import Ops

Box = Tuple[float, float, float, float]
Taps = List[Tuple[int, List[float]]]

METHODS = ("bilinear", "bilinear_aa", "bicubic_aa", "lanczos3_aa", "area")

PRECISION = 22
"""The bits behind the point in the weights of the `_aa` methods."""

_MANY_TAPS = 5


class Pass(NamedTuple):
    """A resize along one axis.

    Attributes:
        method: One of `METHODS`.
        in_size: Pixels along the axis.
        out_size: Pixels of the result.
        start: Where the part that is resized begins, in pixels; it need not be whole.
        extent: How long that part is, in pixels; it need not be whole.
    """

    method: str
    in_size: int
    out_size: int
    start: float
    extent: float


def taps(method: str, in_size: int, out_size: int, start: float, extent: float) -> Taps:
    """Return the first input pixel and the weights of each output pixel; they sum to 1.

    Pixel `i` covers `i` to `i + 1`. The part from `start` to `start + extent` lies in the image,
    and becomes `out_size` pixels. Where a kernel reaches beyond the part, it sees the pixels there;
    beyond the image `"bilinear"` sees the outermost pixel, and the `_aa` methods see nothing.

    Args:
        method: One of `METHODS`.
        in_size: Pixels of the image along this axis.
        out_size: Pixels of the result.
        start: In pixels, need not be whole.
        extent: In pixels, need not be whole.
    """
    scale = extent / out_size
    if method == "bilinear":
        return [_two_taps(start + (i + 0.5) * scale - 0.5, in_size) for i in range(out_size)]
    if method == "area":
        edges = [min(start + i * scale, in_size) for i in range(out_size + 1)]
        return [_overlaps(edges[i], edges[i + 1], in_size) for i in range(out_size)]
    kernel, radius = _KERNELS[method]
    # Pillow keeps the borders of the part in single precision.
    start, end = _single(start), _single(min(start + extent, in_size))
    scale = _single(end - start) / out_size
    # A kernel is as wide as it is drawn, or as an output pixel where that is wider.
    width = max(scale, 1.0)
    found: Taps = []
    for i in range(out_size):
        centre = start + (i + 0.5) * scale
        first = max(int(centre - radius * width + 0.5), 0)
        stop = min(int(centre + radius * width + 0.5), in_size)
        weights = [kernel((j - centre + 0.5) * (1 / width)) for j in range(first, stop)]
        found.append((first, _normalised(weights)))
    return found


def _single(value: float) -> float:
    """Return the number of single precision that is nearest."""
    rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    return rounded


def _two_taps(place: float, in_size: int) -> Tuple[int, List[float]]:
    place = min(max(place, 0.0), in_size - 1.0)
    first = int(place)
    part = place - first
    return (first, [1 - part, part]) if part else (first, [1.0])


def _overlaps(low: float, high: float, in_size: int) -> Tuple[int, List[float]]:
    first = min(int(low), in_size - 1)
    end = min(max(math.ceil(high), first + 1), in_size)
    return first, _normalised([min(high, j + 1) - max(low, j) for j in range(first, end)])


def _normalised(weights: List[float]) -> List[float]:
    total = sum(weights)
    return [weight / total for weight in weights]


def _triangle(x: float) -> float:
    return max(1 - abs(x), 0.0)


def _cubic(x: float) -> float:
    """Keys' cubic with a = -0.5."""
    x = abs(x)
    if x < 1:
        return (1.5 * x - 2.5) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * -0.5 if x < 2 else 0.0


def _lanczos3(x: float) -> float:
    return _sinc(x) * _sinc(x / 3) if -3 <= x < 3 else 0.0


def _sinc(x: float) -> float:
    return math.sin(math.pi * x) / (math.pi * x) if x else 1.0


_KERNELS = {
    "bilinear_aa": (_triangle, 1.0),
    "bicubic_aa": (_cubic, 2.0),
    "lanczos3_aa": (_lanczos3, 3.0),
}


def is_antialiased(method: str) -> bool:
    """Whether the method is one of Pillow's, with integer weights and rounded passes."""
    return method in _KERNELS


def table(step: Pass) -> Tuple[List[List[int]], List[List[float]]]:
    """Return the input pixels and weights of a pass, each of shape `(taps, out_size)`.

    Output pixels with fewer taps than others have weights of 0. The weights of an `_aa` method are
    integers, in units of `2**-PRECISION`, rounded as Pillow rounds them.
    """
    found = taps(*step)
    count = max(len(weights) for _, weights in found)
    indices = [[min(first + j, step.in_size - 1) for first, _ in found] for j in range(count)]
    rows: List[List[float]] = [
        [weights[j] if j < len(weights) else 0.0 for _, weights in found] for j in range(count)
    ]
    if is_antialiased(step.method):
        one = 1 << PRECISION
        return indices, [[int(w * one + math.copysign(0.5, w)) for w in row] for row in rows]
    return indices, rows


@lru_cache(maxsize=256)
def passes(
    shape: Tuple[int, ...], size: Tuple[int, int], method: str, box: Optional[Box]
) -> Sequence[Tuple[int, Pass]]:
    """Return the passes of a resize with their axes, in order: those that change anything.

    Args:
        shape: The images' shape, `(..., height, width, channels)`.
        size: Height and width of the result.
        method: One of `METHODS`.
        box: The part to resize: top, left, height and width, in pixels; None is all of it.

    Raises:
        InvalidValue: There is no such method.
    """
    if method not in METHODS:
        raise InvalidValue(f"resample: expected one of {', '.join(METHODS)}, got {method!r}")
    height, width = shape[-3], shape[-2]
    top, left, box_height, box_width = box or (0, 0, height, width)
    wanted = [
        (len(shape) - 2, Pass(method, width, size[1], left, box_width)),
        (len(shape) - 3, Pass(method, height, size[0], top, box_height)),
    ]
    return [(axis, step) for axis, step in wanted if not _changes_nothing(step)]


def _changes_nothing(step: Pass) -> bool:
    return step.start == 0 and step.extent == step.in_size == step.out_size


def resize_by_tables(
    ops: Ops,
    take: Callable[[Any, Any, int], Any],
    arrays: Callable[[Pass, int], Tuple[Any, Any]],
    image: Any,
    steps: Sequence[Tuple[int, Pass]],
) -> Any:
    """Return images in another size, for frameworks or methods without a routine that will do.

    Args:
        ops: The framework's.
        take: A function of an array, indices and an axis: the array's elements there.
        arrays: A function of a pass and a number of channels: `table`, as the framework's arrays
            on the image's device, indices as integers and weights as int32 for `_aa` methods, else
            float32. Weights are repeated to the shape `(taps, out_size, channels)`. This is the
            slow part, so it should keep what it returns.
        image: uint8, shape `(..., height, width, channels)`.
        steps: What `passes` returned.

    Returns:
        uint8, shape `(..., *size, channels)`; the image itself where there are no steps.
    """
    value = image
    for axis, step in steps:
        indices, weights = arrays(step, image.shape[-1])
        value = _resampled(ops.xp, take, value, axis, indices, weights)
        if is_antialiased(step.method):
            value += 1 << (PRECISION - 1)
            value >>= PRECISION
            value = ops.astype(ops.xp.clip(value, 0, 255), "uint8")
    if not steps or is_antialiased(steps[0][1].method):
        return value
    # Weights that are all positive and sum to 1 leave nothing to clamp.
    return ops.astype(ops.xp.round(value), "uint8")


def _resampled(
    xp: Any, take: Callable[[Any, Any, int], Any], value: Any, axis: int, indices: Any, weights: Any
) -> Any:
    """Return the sums of one pass, in the dtype of the weights."""
    shape, trailing = tuple(value.shape), value.ndim - 1 - axis
    many = len(weights) >= _MANY_TAPS
    if many:
        # Whole rows are taken at once, which pays for moving the axis if there are many to take.
        value, axis = xp.moveaxis(value, axis, 0).reshape((shape[axis], -1)), 0
        weights = weights[..., :1]
    elif trailing == 2:
        weights = weights[..., None, :1]
    total = take(value, indices[0], axis) * weights[0]
    for index, weight in zip(indices[1:], weights[1:]):
        total += take(value, index, axis) * weight
    if not many:
        return total
    axis = len(shape) - 1 - trailing
    rest = shape[:axis] + shape[axis + 1 :]
    return xp.moveaxis(total.reshape((total.shape[0], *rest)), 0, axis)
