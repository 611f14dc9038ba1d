"""How images are resized: the definition of each method, and an implementation by tables.

A resize is two passes, along the width and then along the height. Every framework does the same
arithmetic, so that all of them agree exactly.

`"bilinear"` interpolates between two neighbours: `a + w * (b - a)`, where `w` and `b - a` are of
single precision, and so is the result, rounded once. After both passes it is rounded to a level,
half to even. This is what OpenCV does with 16-bit images where it has Intel's routines; with 8-bit
images it is off by an eighth of a level on average.

`"area"` counts how much of each pixel lies below an output pixel, in whole fractions of a pixel.
The sum over both axes is an integer, and is divided once, half to even. For a whole image the
fractions are exact as long as an output pixel has at most 2896 of them along an axis; otherwise,
and for a box, its edges are rounded to the finest fractions of which it has no more.

Methods that end in `_aa` are Pillow's to the bit: their weights are whole multiples of 2**-22, and
each pass is rounded, half up, and clamped to 0..255. Pillow 13 and later take the height first for
some sizes, which can change a pixel by 30 levels; here the width is always first.

`"lanczos3_tf"` is TensorFlow's `tf.image.resize(method="lanczos3", antialias=True)`: the same
kernel, but nothing is rounded or clamped before both passes are done; then half to even. Its
weights are whole multiples of 2**-20, of which double precision has exact sums in any order.
"""

from __future__ import annotations

import math
import struct
from functools import lru_cache
from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Tuple

from rlmesh.errors import InvalidValue

from .ops import Ops

Box = Tuple[float, float, float, float]
Taps = List[Tuple[int, Sequence[float]]]

METHODS = ("bilinear", "bilinear_aa", "bicubic_aa", "lanczos3_aa", "lanczos3_tf", "area")

PRECISION = 22
"""The bits behind the point in the weights of the `_aa` methods."""

MOST_PARTS = 2896
"""The most fractions of pixels that an output pixel of `"area"` has along an axis.

With as many along both, sums of levels fit in int32.
"""

_SHARES = 1 << 20
"""The parts of 1 of which the weights of `"lanczos3_tf"` have whole numbers."""

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
    """Return the first input pixel and the weights of each output pixel.

    Pixel `i` covers `i` to `i + 1`. The part from `start` to `start + extent` lies in the image,
    and becomes `out_size` pixels. Where a kernel reaches beyond the part, it sees the pixels there;
    beyond the image `"bilinear"` sees the outermost pixel, and the `_aa` methods see nothing.

    Args:
        method: One of `METHODS`.
        in_size: Pixels of the image along this axis.
        out_size: Pixels of the result.
        start: In pixels, need not be whole.
        extent: In pixels, need not be whole.

    Returns:
        Weights that sum to 1; those of `"area"` are integers.
    """
    scale = extent / out_size
    if method == "bilinear":
        return [_two_taps(start + (i + 0.5) * scale - 0.5, in_size) for i in range(out_size)]
    if method == "area":
        return _overlaps(in_size, out_size, start, extent)
    kernel, radius = _KERNELS[method]
    if is_antialiased(method):
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
    part = _single(place - first)
    return (first, [1 - part, part]) if part else (first, [1.0])


def _overlaps(in_size: int, out_size: int, start: float, extent: float) -> Taps:
    """Return how much of each input pixel lies below an output pixel, in fractions of a pixel."""
    common = math.gcd(in_size, out_size)
    if start == 0 and extent == in_size and in_size // common <= MOST_PARTS:
        parts = out_size // common
        edges = [i * (in_size // common) for i in range(out_size + 1)]
    else:
        parts = max(int((MOST_PARTS - 1) * min(out_size / extent, 1.0)), 1)  # edges are rounded
        scale = extent / out_size
        edges = [round(min(start + i * scale, in_size) * parts) for i in range(out_size + 1)]
    found: Taps = []
    for low, high in zip(edges, edges[1:]):
        low = min(low, in_size * parts - 1)
        high = max(high, low + 1)  # an output pixel may be smaller than a fraction
        pixels = range(low // parts, -(-high // parts))
        weights = [min(high, (j + 1) * parts) - max(low, j * parts) for j in pixels]
        found.append((pixels[0], weights))
    return found


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
    "lanczos3_tf": (_lanczos3, 3.0),
}


def is_antialiased(method: str) -> bool:
    """Whether the method is one of Pillow's, with integer weights and rounded passes."""
    return method.endswith("_aa")


def table(step: Pass) -> Tuple[List[List[int]], List[List[float]]]:
    """Return the input pixels and weights of a pass, each of shape `(taps, out_size)`.

    Output pixels with fewer taps than others have weights of 0. The weights of an `_aa` method are
    integers, in units of `2**-PRECISION`, rounded as Pillow rounds them. Those of `"bilinear"` are
    the second pixels' only.
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
    if step.method == "lanczos3_tf":
        return indices, [[round(w * _SHARES) / _SHARES for w in row] for row in rows]
    if step.method == "bilinear":
        none = [0.0] * step.out_size
        return [indices[0], indices[-1]], [rows[1] if count > 1 else none]
    return indices, rows


def weight_dtype(method: str) -> str:
    """Return the dtype of the weights in `table`."""
    return "float64" if method in ("bilinear", "lanczos3_tf") else "int32"


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
        InvalidValue: There is no such method, or sums of `"area"` would be too large.
    """
    if method not in METHODS:
        raise InvalidValue(f"resample: expected one of {', '.join(METHODS)}, got {method!r}")
    height, width = shape[-3], shape[-2]
    top, left, box_height, box_width = box or (0, 0, height, width)
    if method == "area" and max(box_height / size[0], box_width / size[1]) >= MOST_PARTS:
        raise InvalidValue(
            f"resample: expected fewer than {MOST_PARTS} pixels along an axis for each of the"
            f" result, got {box_height:g}x{box_width:g} to {size[0]}x{size[1]}"
        )
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
    dtype: str = "uint8",
) -> Any:
    """Return images in another size, for frameworks or methods without a routine that will do.

    Args:
        ops: The framework's.
        take: A function of an array, indices and an axis: the array's elements there.
        arrays: A function of a pass and a number of channels: `table`, as the framework's arrays
            on the image's device, indices as integers and weights of their `weight_dtype`. Weights
            are repeated to the shape `(taps, out_size, channels)`. This is the slow part, so it
            should keep what it returns.
        image: uint8, shape `(..., height, width, channels)`.
        steps: What `passes` returned.
        dtype: Of the result.

    Returns:
        Shape `(..., *size, channels)`; the image itself where there are no steps.
    """
    value = image
    wholes = []
    for axis, step in steps:
        indices, weights = arrays(step, image.shape[-1])
        if step.method == "bilinear":
            value = _interpolated(ops, take, value, axis, indices, weights)
            continue
        if step.method == "lanczos3_tf":
            value = ops.astype(value, "float64")
        value = _resampled(ops.xp, take, value, axis, indices, weights)
        if step.method == "lanczos3_tf":
            continue
        if is_antialiased(step.method):
            value += 1 << (PRECISION - 1)
            value >>= PRECISION
            value = ops.astype(ops.xp.clip(value, 0, 255), "uint8")
        else:
            wholes.append(_whole(weights, value.ndim - 1 - axis))
    if wholes:
        value = _divided(ops, value, wholes[0] if len(wholes) == 1 else wholes[0] * wholes[1])
    elif steps and steps[0][1].method == "bilinear":
        value = ops.xp.round(value)  # between two levels, so that there is nothing to clamp
    elif steps and steps[0][1].method == "lanczos3_tf":
        value = ops.xp.clip(ops.xp.round(value), 0, 255)
    return ops.astype(value, dtype)


def _interpolated(
    ops: Ops, take: Callable[[Any, Any, int], Any], value: Any, axis: int, indices: Any, part: Any
) -> Any:
    """Return one pass of `"bilinear"`, in single precision.

    The product is exact in double precision, whether or not it is fused with the sum.
    """
    part = part[0] if value.ndim - 1 - axis == 1 else part[0, :, None, :1]
    first, second = (ops.astype(take(value, index, axis), "float32") for index in indices)
    change = ops.astype(second - first, "float64")
    return ops.astype(ops.astype(first, "float64") + part * change, "float32")


def _whole(weights: Any, trailing: int) -> Any:
    """Return the sums of a pass's weights, in a shape that meets its result."""
    total = weights[0]
    for row in weights[1:]:
        total = total + row
    return total[:, None, :1] if trailing == 2 else total


def _divided(ops: Ops, value: Any, whole: Any) -> Any:
    """Return a quotient of integers, rounded to an integer, half to even."""
    level = value // whole
    rest = value - level * whole
    return level + ops.astype(rest * 2 + level % 2 > whole, "int32")


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
