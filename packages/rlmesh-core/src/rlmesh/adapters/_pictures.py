"""From an env's cameras to a model's pictures."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import partial
from importlib.util import find_spec
from typing import Any, List, NamedTuple, Optional, Tuple, Union

from rlmesh._values.dtypes import DTYPES
from rlmesh._values.ops import Ops
from rlmesh._values.resampling import MOST_PARTS
from rlmesh.errors import AdapterResolutionError

from ._leaves import ImageLeaf
from ._plain import either
from ._steps import Advisory, Step, astype, normalise
from .inputs import Image
from .roles import named
from .stages import FITS, Stage, fits_of
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
        assert spec.last_size is not None
        text = (
            f"the env has no {named(spec.role, spec.part)}: the picture is filled with {spec.fill}"
        )
        notes.append(Advisory("caution", where, text))
        steps: List[Step] = []
        height, width, channels = (*spec.last_size, spec.channels or 3)
        is_bgr = False
    else:
        steps, is_bgr = _upright(spec, leaf, where, notes)
        resized, (height, width) = _resized(spec, leaf, where, notes)
        coloured, channels = _coloured(spec, leaf.channels, is_bgr, where, notes)
        is_float = spec.normalize is not False or spec.dtype == "float32"
        steps += _in_floats(resized) if is_float and not coloured else resized
        steps += coloured
    if channels == 3 and (spec.channel_order == "bgr") != is_bgr:
        line = "RGB" if is_bgr else "BGR"
        steps.append(Step(line, lambda ops, value: ops.xp.flip(value, (-1,))))
    steps += _values(spec, channels, where)
    if spec.layout == "chw":
        if len(steps) == 1 and leaf is not None and leaf.is_channels_first and not leaf.has_alpha:
            return PicturePlan(leaf, [], (channels, height, width))  # back to where it was
        steps.append(Step("layout chw", lambda ops, v: v.swapaxes(-1, -3).swapaxes(-1, -2)))
        return PicturePlan(leaf, steps, (channels, height, width))
    return PicturePlan(leaf, steps, (height, width, channels))


def _upright(
    spec: Image, leaf: ImageLeaf, where: str, notes: List[Advisory]
) -> Tuple[List[Step], bool]:
    """Return the steps to a whole picture as the model sees it, and whether it is still BGR.

    Channels change their places last, when there are fewer pixels, if nothing needs them before.
    """
    steps: List[Step] = []
    if not leaf.has_channel_axis:
        steps.append(Step("a channel axis", lambda ops, value: value[..., None]))
    elif leaf.is_channels_first:
        steps.append(Step("layout hwc", lambda ops, value: ops.xp.moveaxis(value, -3, -1)))
    if leaf.has_alpha:
        notes.append(Advisory("info", where, "the fourth channel is alpha, and is dropped"))
        steps.append(Step("without alpha", lambda ops, value: value[..., :3]))
    if leaf.tag.upside_down != spec.upside_down:
        steps.append(Step("turned by 180 degrees", lambda ops, v: ops.xp.flip(v, (-3, -2))))
    is_bgr = leaf.tag.channel_order == "bgr"
    if spec.jpeg is None:
        return steps, is_bgr
    if is_bgr:
        steps.append(Step("RGB", lambda ops, value: ops.xp.flip(value, (-1,))))
    return [*steps, _through_jpeg(spec.jpeg, where)], False


def _through_jpeg(quality: int, where: str) -> Step:
    for module in ("PIL", "numpy"):
        if find_spec(module) is None:
            name = {"PIL": "pillow"}.get(module, module)
            raise AdapterResolutionError(
                f"{where}.jpeg: expected {name} to be installed, got none: pip install {name}"
            )
    return Step(
        f"through JPEG of quality {quality}",
        lambda ops, value: ops.round_trip_jpeg(value, quality),
    )


def _resized(
    spec: Image, leaf: ImageLeaf, where: str, notes: List[Advisory]
) -> Tuple[List[Step], Tuple[int, int]]:
    """Return the steps of crop, fit and resize, of all stages, and the size after them."""
    steps: List[Step] = []
    size = (leaf.height, leaf.width)
    for i, stage in enumerate((spec, *spec.then)):  # type: ignore[misc]
        name = where if i == 0 else f"{where}.then[{i - 1}]"
        more, size = _staged(stage, spec, size, name, notes)
        steps += more
    return steps, size


def _in_floats(steps: List[Step]) -> List[Step]:
    """Return steps whose resize gives floats at once, where it comes last: one pass less."""
    if not steps:
        return steps
    line, apply = steps[-1]
    if not isinstance(apply, partial):
        return steps
    return [*steps[:-1], Step(line, partial(apply, dtype="float32"))]


def _staged(
    stage: Union[Image, Stage],
    spec: Image,
    before: Tuple[int, int],
    where: str,
    notes: List[Advisory],
) -> Tuple[List[Step], Tuple[int, int]]:
    """Return the steps of one stage, and the size after it."""
    steps: List[Step] = []
    height, width = before
    side = stage.crop if stage.crop is not None else math.sqrt(stage.crop_area or 1.0)
    box: Optional[Box] = None
    if side < 1:
        notes.append(Advisory("info", where, f"the outer part is cropped off: {side:g} is kept"))
        if stage.crop_mode == "slice":
            cut_height, cut_width = max(round(height * side), 1), max(round(width * side), 1)
            top, left = (height - cut_height) // 2, (width - cut_width) // 2
            steps.append(_cut(top, left, cut_height, cut_width))
            height, width = cut_height, cut_width
        else:
            top_left = (height * (1 - side) / 2, width * (1 - side) / 2)
            box = (*top_left, height * side, width * side)
    if stage.size is None:
        if box is None:
            return steps, (height, width)
        # The whole pixels nearest to the box: no change of aspect or scale that one asks for.
        target = (max(round(box[2]), 1), max(round(box[3]), 1))
        steps.append(_resize(target, stage.resample, box))
        return steps, target
    assert isinstance(stage.size, tuple)
    target = stage.size
    if box is None and target == (height, width):
        return steps, target
    # A centred box of the same fraction on both sides has the picture's own aspect.
    extent = (height, width) if box is None else (box[2], box[3])
    if height * target[1] == width * target[0]:
        _check_sizes(stage, extent, target, where)
        steps.append(_resize(target, stage.resample, box))
        return steps, target
    fits = fits_of(stage)
    if not fits:
        choices = either(FITS)
        raise AdapterResolutionError(
            f"{where}.fit: expected {choices}, because the aspect changes from"
            f" {height}x{width} to {target[0]}x{target[1]}, got None"
        )
    errors: List[AdapterResolutionError] = []
    for fit in fits:
        try:
            steps += _fitted(stage, spec, fit, (height, width), extent, target, box, where)
        except AdapterResolutionError as exc:
            errors.append(exc)
            continue
        text = {
            "stretch": "its aspect changes",
            "pad": f"its shorter side is padded with {spec.fill}",
        }.get(fit, "its longer side is cut off at both ends")
        notes.append(Advisory("info", where, f"the picture is fitted by {fit!r}: {text}"))
        return steps, target
    raise errors[0]


def _fitted(
    stage: Union[Image, Stage],
    spec: Image,
    fit: str,
    size: Tuple[int, int],
    extent: Tuple[float, float],
    target: Tuple[int, int],
    box: Optional[Box],
    where: str,
) -> List[Step]:
    """Return the steps to a size of another aspect, in one of the ways.

    Raises:
        AdapterResolutionError: They enlarge, and may not.
    """
    if fit == "pad" and stage is spec and spec.pad_first:
        outer = _padded_size(size, target)
        _check_sizes(stage, outer, target, where)
        padded = _padded(size, outer, spec)
        return [padded] if outer == target else [padded, _resize(target, stage.resample, None)]
    inner = _inner(fit, size, target)
    _check_sizes(stage, extent, inner, where)
    unchanged = box is None and inner == size
    steps = [] if unchanged else [_resize(inner, stage.resample, box)]
    if fit == "pad":
        steps.append(_padded(inner, target, spec))
    elif fit != "stretch":
        over = (inner[0] - target[0], inner[1] - target[1])
        top, left = (n // 2 if fit == "crop" else round(n / 2) for n in over)
        steps.append(_cut(top, left, *target))
    return steps


def _inner(fit: str, size: Tuple[int, int], target: Tuple[int, int]) -> Tuple[int, int]:
    """Return to what size the picture is resized before it is cut or padded.

    Only the aspect of `size` matters, so that a fractional crop needs no rounding here.
    """
    if fit == "stretch":
        return target
    (height, width), (rows, columns) = size, target
    ratios = Fraction(rows, height), Fraction(columns, width)
    if fit == "pad":
        scale = min(ratios)
        return max(math.floor(height * scale), 1), max(math.floor(width * scale), 1)
    scale = max(ratios)
    whole = round if fit == "crop" else math.floor
    return max(whole(height * scale), rows), max(whole(width * scale), columns)


def _padded_size(size: Tuple[int, int], target: Tuple[int, int]) -> Tuple[int, int]:
    """Return the size of the target's aspect in which a picture has room, to the nearest pixel."""
    (height, width), (rows, columns) = size, target
    if height * columns < width * rows:
        return max(round(Fraction(width * rows, columns)), height), width
    return height, max(round(Fraction(height * columns, rows)), width)


def _check_sizes(
    spec: Union[Image, Stage], extent: Tuple[float, float], target: Tuple[int, int], where: str
) -> None:
    """Check that enlarging is allowed where it would happen, and that sums do not overflow."""
    ratios = [have / wanted for wanted, have in zip(target, extent)]
    if spec.resample == "area" and max(ratios) >= MOST_PARTS:
        raise AdapterResolutionError(
            f"{where}.size: expected fewer than {MOST_PARTS} pixels of the camera along an axis for"
            f" each of an 'area', got {extent[0]:g}x{extent[1]:g} to {target[0]}x{target[1]}"
        )
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
    line = f"resized{part} to {size[0]}x{size[1]} ({method})"
    return Step(line, partial(_in_size, size=size, method=method, box=box))


def _in_size(
    ops: Ops,
    value: Any,
    size: Tuple[int, int],
    method: str,
    box: Optional[Box],
    dtype: str = "uint8",
) -> Any:
    return ops.resize_image(value, size, method, box, dtype)


def _cut(top: int, left: int, height: int, width: int) -> Step:
    def apply(ops: Ops, value: Any) -> Any:
        return value[..., top : top + height, left : left + width, :]

    return Step(f"cut to {height}x{width} at ({top}, {left})", apply)


def _padded(inner: Tuple[int, int], target: Tuple[int, int], spec: Image) -> Step:
    """Return the step that puts a picture in a larger one.

    If it is in the centre, the odd pixel is below or right.
    """
    (height, width), (rows, columns) = inner, target
    above, before = {
        "center": ((rows - height) // 2, (columns - width) // 2),
        "top_left": (0, 0),
        "bottom_right": (rows - height, columns - width),
    }[spec.pad_align]
    below, after = rows - height - above, columns - width - before

    def joined(ops: Ops, value: Any, axis: int, before: int, after: int) -> Any:
        one = ops.astype(ops.xp.zeros_like(value[..., :1, :1, :]) + spec.fill, "uint8")

        def strip(count: int) -> List[Any]:
            shape = list(value.shape)
            shape[axis] = count
            return [ops.xp.broadcast_to(one, tuple(shape))] if count else []

        parts = [*strip(before), value, *strip(after)]
        return ops.xp.concatenate(parts, axis) if len(parts) > 1 else value

    def apply(ops: Ops, value: Any) -> Any:
        return joined(ops, joined(ops, value, -3, above, below), -2, before, after)

    return Step(f"padded to {rows}x{columns} with {spec.fill}", apply)


def _coloured(
    spec: Image, channels: int, is_bgr: bool, where: str, notes: List[Advisory]
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
        red, blue = (2, 0) if is_bgr else (0, 2)
        total = wide[..., red, None] * 299 + wide[..., 1:2] * 587 + wide[..., blue, None] * 114
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
