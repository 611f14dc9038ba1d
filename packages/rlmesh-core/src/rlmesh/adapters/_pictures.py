"""From an env's cameras to a model's pictures."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, List, NamedTuple, Optional, Tuple

from rlmesh._values.dtypes import DTYPES
from rlmesh._values.ops import Ops
from rlmesh.errors import AdapterResolutionError

from ._leaves import ImageLeaf
from ._steps import Advisory, Step, astype, normalise
from .inputs import Image
from .roles import named
from .stats import Stats

Box = Tuple[float, float, float, float]


class PicturePlan(NamedTuple):
    """How one picture comes about.

    Attributes:
        leaf: The camera that it is read from; None for one that is made up.
        steps: What is done with it, up to its layout.
        shape: Its shape then.
    """

    leaf: Optional[ImageLeaf]
    steps: List[Step]
    shape: Tuple[int, ...]


def plan_picture(
    spec: Image, leaf: Optional[ImageLeaf], where: str, notes: List[Advisory]
) -> PicturePlan:
    """Return how a model's picture comes from an env's camera.

    Raises:
        AdapterResolutionError: It cannot; the message names the leaf and the field.
    """
    if leaf is None:
        assert isinstance(spec.size, tuple)
        text = (
            f"the env has no {named(spec.role, spec.part)}: the picture is filled with {spec.fill}"
        )
        notes.append(Advisory("caution", where, text))
        steps: List[Step] = []
        height, width, channels = (*spec.size, spec.channels or 3)
    else:
        steps = _upright(spec, leaf)
        resized, (height, width) = _resized(spec, leaf, where, notes)
        steps += resized
        coloured, channels = _coloured(spec, leaf.channels, where, notes)
        steps += coloured
    if spec.channel_order == "bgr" and channels == 3:
        steps.append(Step("BGR", lambda ops, value: ops.xp.flip(value, (-1,))))
    steps += _values(spec, channels, where)
    if spec.layout == "chw":
        if len(steps) == 1 and leaf is not None and leaf.is_channels_first:
            return PicturePlan(leaf, [], (channels, height, width))  # back to where it was
        steps.append(Step("layout chw", lambda ops, value: ops.xp.moveaxis(value, -1, -3)))
        return PicturePlan(leaf, steps, (channels, height, width))
    return PicturePlan(leaf, steps, (height, width, channels))


def _upright(spec: Image, leaf: ImageLeaf) -> List[Step]:
    """Return the steps to height x width x channels, turned as the model wants it."""
    steps: List[Step] = []
    if not leaf.has_channel_axis:
        steps.append(Step("a channel axis", lambda ops, value: value[..., None]))
    elif leaf.is_channels_first:
        steps.append(Step("layout hwc", lambda ops, value: ops.xp.moveaxis(value, -3, -1)))
    if leaf.tag.upside_down != spec.upside_down:
        steps.append(Step("turned by 180 degrees", lambda ops, v: ops.xp.flip(v, (-3, -2))))
    return steps


def _resized(
    spec: Image, leaf: ImageLeaf, where: str, notes: List[Advisory]
) -> Tuple[List[Step], Tuple[int, int]]:
    """Return the steps of crop, fit and resize, and the size after them."""
    steps: List[Step] = []
    height, width = leaf.height, leaf.width
    side = spec.crop if spec.crop is not None else math.sqrt(spec.crop_area or 1.0)
    box: Optional[Box] = None
    if side < 1:
        notes.append(Advisory("info", where, f"the outer part is cropped off: {side:g} is kept"))
        if spec.crop_mode == "slice":
            cut_height, cut_width = max(round(height * side), 1), max(round(width * side), 1)
            top, left = (height - cut_height) // 2, (width - cut_width) // 2
            steps.append(_cut(top, left, cut_height, cut_width))
            height, width = cut_height, cut_width
        else:
            top_left = (height * (1 - side) / 2, width * (1 - side) / 2)
            box = (*top_left, height * side, width * side)
    if spec.size is None:
        if box is None:
            return steps, (height, width)
        # The whole pixels nearest to the box: no change of aspect or scale that one asks for.
        target = (max(round(box[2]), 1), max(round(box[3]), 1))
        steps.append(_resize(target, spec.resample, box))
        return steps, target
    assert isinstance(spec.size, tuple)
    target = spec.size
    if box is None and target == (height, width):
        return steps, target
    # A centred box of the same fraction on both sides has the picture's own aspect.
    extent = (height, width) if box is None else (box[2], box[3])
    if height * target[1] == width * target[0]:
        _check_growth(spec, extent, target, where)
        steps.append(_resize(target, spec.resample, box))
        return steps, target
    return steps + _fitted(spec, (height, width), extent, target, box, where, notes), target


def _fitted(
    spec: Image,
    size: Tuple[int, int],
    extent: Tuple[float, float],
    target: Tuple[int, int],
    box: Optional[Box],
    where: str,
    notes: List[Advisory],
) -> List[Step]:
    """Return the steps to a size of another aspect."""
    fits = (spec.fit,) if isinstance(spec.fit, str) else tuple(spec.fit or ())
    if not fits:
        raise AdapterResolutionError(
            f"{where}.fit: expected 'stretch', 'crop' or 'pad', because the aspect changes from"
            f" {size[0]}x{size[1]} to {target[0]}x{target[1]}, got None"
        )
    errors: List[AdapterResolutionError] = []
    for fit in fits:
        inner = _inner(fit, size, target)
        try:
            _check_growth(spec, extent, inner, where)
        except AdapterResolutionError as exc:
            errors.append(exc)
            continue
        steps = [_resize(inner, spec.resample, box)]
        if fit == "crop":
            top, left = (inner[0] - target[0]) // 2, (inner[1] - target[1]) // 2
            steps.append(_cut(top, left, *target))
        elif fit == "pad":
            steps.append(_padded(inner, target, spec.fill))
        text = {
            "stretch": "its aspect changes",
            "crop": "its longer side is cut off at both ends",
            "pad": f"its shorter side is padded with {spec.fill}",
        }[fit]
        notes.append(Advisory("info", where, f"the picture is fitted by {fit!r}: {text}"))
        return steps
    raise errors[0]


def _inner(fit: str, size: Tuple[int, int], target: Tuple[int, int]) -> Tuple[int, int]:
    """Return to what size the picture is resized before it is cut or padded.

    Only the aspect of `size` matters, so that a fractional crop needs no rounding here.
    """
    if fit == "stretch":
        return target
    (height, width), (rows, columns) = size, target
    ratios = Fraction(rows, height), Fraction(columns, width)
    if fit == "crop":
        scale = max(ratios)
        return max(round(height * scale), rows), max(round(width * scale), columns)
    scale = min(ratios)
    return max(math.floor(height * scale), 1), max(math.floor(width * scale), 1)


def _check_growth(
    spec: Image, extent: Tuple[float, float], target: Tuple[int, int], where: str
) -> None:
    """Check that enlarging is allowed where it would happen."""
    # A crop's fraction may fall short of a whole number of pixels by a rounding error.
    if all(wanted <= have + 1e-6 for wanted, have in zip(target, extent)):
        return
    sizes = f"{extent[0]:g}x{extent[1]:g} to {target[0]}x{target[1]}"
    if not spec.allow_upscale:
        raise AdapterResolutionError(
            f"{where}.allow_upscale: expected True, because the picture is enlarged from {sizes},"
            " got False"
        )
    if spec.resample == "area":
        raise AdapterResolutionError(
            f"{where}.resample: expected a method that enlarges, from {sizes}, got 'area'"
        )


def _resize(size: Tuple[int, int], method: str, box: Optional[Box]) -> Step:
    part = "" if box is None else f" of its central {box[2]:g}x{box[3]:g}"

    def apply(ops: Ops, value: Any) -> Any:
        return ops.resize_image(value, size, method, box)

    return Step(f"resized{part} to {size[0]}x{size[1]} ({method})", apply)


def _cut(top: int, left: int, height: int, width: int) -> Step:
    def apply(ops: Ops, value: Any) -> Any:
        return value[..., top : top + height, left : left + width, :]

    return Step(f"cut to {height}x{width} at ({top}, {left})", apply)


def _padded(inner: Tuple[int, int], target: Tuple[int, int], fill: int) -> Step:
    """Return the step that centres a picture in a larger one; the odd pixel is below or right."""
    (height, width), (rows, columns) = inner, target
    above, before = (rows - height) // 2, (columns - width) // 2
    below, after = rows - height - above, columns - width - before

    def joined(ops: Ops, value: Any, axis: int, before: int, after: int) -> Any:
        one = ops.astype(ops.xp.zeros_like(value[..., :1, :1, :]) + fill, "uint8")

        def strip(count: int) -> List[Any]:
            shape = list(value.shape)
            shape[axis] = count
            return [ops.xp.broadcast_to(one, tuple(shape))] if count else []

        parts = [*strip(before), value, *strip(after)]
        return ops.xp.concatenate(parts, axis) if len(parts) > 1 else value

    def apply(ops: Ops, value: Any) -> Any:
        return joined(ops, joined(ops, value, -3, above, below), -2, before, after)

    return Step(f"padded to {rows}x{columns} with {fill}", apply)


def _coloured(
    spec: Image, channels: int, where: str, notes: List[Advisory]
) -> Tuple[List[Step], int]:
    """Return the step between gray and RGB, and the number of channels after it."""
    wanted = spec.channels or channels
    if wanted == channels:
        return [], channels
    if not spec.convert_channels:
        raise AdapterResolutionError(
            f"{where}.channels: expected the camera's {channels}, or convert_channels=True,"
            f" got {wanted}"
        )
    if wanted == 3:
        notes.append(Advisory("info", where, "gray is repeated as red, green and blue"))
        return [Step("gray -> RGB", lambda ops, v: ops.xp.concatenate([v, v, v], -1))], 3
    notes.append(Advisory("info", where, "colour is dropped"))

    def to_gray(ops: Ops, value: Any) -> Any:
        # In whole thousandths, which no framework rounds: half to even, exactly.
        wide = ops.astype(value, "int32")
        total = wide[..., 0:1] * 299 + wide[..., 1:2] * 587 + wide[..., 2:3] * 114
        return ops.astype((total + 499 + total // 1000 % 2) // 1000, "uint8")

    return [Step("RGB -> gray", to_gray)], 1


def _values(spec: Image, channels: int, where: str) -> List[Step]:
    """Return the steps of normalising and dtype."""
    normalize = spec.normalize
    kind = DTYPES[spec.dtype]
    if kind.is_integer and kind.limits[1] < 255:
        raise AdapterResolutionError(
            f"{where}.dtype: expected a dtype that holds 0 to 255, got {spec.dtype!r}"
        )
    if normalize is False:
        return [] if spec.dtype == "uint8" else [astype(spec.dtype)]
    steps = [astype("float32")]
    if normalize is True:
        steps.append(_to_unit())
    elif isinstance(normalize, Stats):
        normalize.check_width(channels, f"{where}.normalize")
        steps += [_to_unit(), normalise(normalize, channels)]
    else:
        low, high = normalize
        span = high - low
        # Powers of two scale without rounding, so that they go into the same division.
        factor = span if math.frexp(span)[0] == 0.5 else 1.0

        def affine(ops: Ops, value: Any) -> Any:
            # In place, as the floats are new; new memory would cost more than the arithmetic.
            value /= 255 / factor
            if span != factor:
                value *= span
            value += low
            return value

        steps.append(Step(f"0..255 -> [{low:g}, {high:g}]", affine))
    if spec.dtype != "float32":
        steps.append(astype(spec.dtype))
    return steps


def _to_unit() -> Step:
    def apply(ops: Ops, value: Any) -> Any:
        value /= 255  # in place: the floats are new
        return value

    return Step("0..255 -> [0, 1]", apply)
