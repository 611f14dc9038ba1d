"""Pictures are those that Pillow, OpenCV and plain arithmetic make, in every framework."""

from __future__ import annotations

import io
import math
from fractions import Fraction
from functools import lru_cache
from itertools import combinations, product
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import ml_dtypes
import numpy as np
import pytest
from adapters.frameworks import FRAMEWORKS, back, dtype, into, kind
from gymnasium.spaces import Box
from gymnasium.spaces import Dict as DictSpace
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

import rlmesh.adapters as adapt
from rlmesh.adapters import _pictures
from rlmesh.errors import AdapterResolutionError, InvalidValue

NO_ACTION = adapt.Action(adapt.Actuator(dim=1))
PILLOW = {
    "bilinear_aa": Pillow.Resampling.BILINEAR,
    "bicubic_aa": Pillow.Resampling.BICUBIC,
    "lanczos3_aa": Pillow.Resampling.LANCZOS,
}
RESAMPLES = ("bilinear", "area", *PILLOW)

CropBox = Tuple[float, float, float, float]


def noise(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def fine(height: int, width: int) -> Any:
    """Return a picture as fine as photographs are: of a spectrum of one over the frequency."""
    rng = np.random.default_rng(0)
    distances = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])
    weights = 1 / np.maximum(distances, 1 / max(height, width))[..., None]
    spectrum = np.fft.fft2(rng.normal(size=(height, width, 3)), axes=(0, 1)) * weights
    image = np.fft.ifft2(spectrum, axes=(0, 1)).real
    return np.clip((image - image.mean()) / image.std() * 50 + 128, 0, 255).astype(np.uint8)


def adapter_for(
    shape: Tuple[int, ...], images: Dict[str, Dict[str, Any]], **tag: Any
) -> adapt.Adapter:
    """Return an adapter from one camera to a picture of each name."""
    space = DictSpace({"camera": Box(0, 255, shape, np.uint8)})
    tags = adapt.EnvTags({"camera": adapt.ImageTag(adapt.IMAGE_PRIMARY, **tag)}, NO_ACTION)
    inputs = {
        name: adapt.Image(**{"role": adapt.IMAGE_PRIMARY, **fields})
        for name, fields in images.items()
    }
    spec = adapt.ModelSpec(inputs, NO_ACTION)
    return adapt.resolve(tags, space, Box(-1, 1, (1,)), spec)


def pictures(framework: str, image: Any, images: Dict[str, Dict[str, Any]], **tag: Any) -> Any:
    """Return what pictures of each name a model of a framework is given."""
    payload = adapter_for(image.shape, images, **tag).transform_obs(
        {"camera": into(framework, image)}
    )
    assert {kind(array) for array in payload.values()} == {framework}
    return payload


def picture(framework: str, image: Any, fields: Dict[str, Any], **tag: Any) -> Any:
    return back(pictures(framework, image, {"one": fields}, **tag)["one"])


def distance(one: Any, other: Any) -> int:
    assert one.shape == other.shape
    return int(np.abs(one.astype(int) - other.astype(int)).max())


# The oracle


def resized(image: Any, size: Tuple[int, int], resample: str, box: Optional[CropBox]) -> Any:
    if resample in PILLOW:
        return each_channel(image, lambda plane: by_pillow(plane, size, resample, box))
    top, left, height, width = box or (0, 0, *image.shape[:2])
    line = sampled if resample == "bilinear" else averaged
    rows = np.apply_along_axis(line, 0, image.astype(float), top, height, size[0])
    return np.rint(np.apply_along_axis(line, 1, rows, left, width, size[1])).astype(np.uint8)


def each_channel(image: Any, function: Callable[[Any], Any]) -> Any:
    planes = [np.ascontiguousarray(image[..., i]) for i in range(image.shape[-1])]
    return np.stack([function(plane) for plane in planes], -1)


def by_pillow(plane: Any, size: Tuple[int, int], resample: str, box: Optional[CropBox]) -> Any:
    """The width first, because Pillow 13 and later do not always choose that by themselves."""
    top, left, height, width = box or (0, 0, *plane.shape)
    bottom, right = min(top + height, plane.shape[0]), min(left + width, plane.shape[1])
    wide = Pillow.fromarray(plane)
    narrow = wide.resize((size[1], plane.shape[0]), PILLOW[resample], (left, 0, right, wide.height))
    return np.asarray(narrow.resize(size[::-1], PILLOW[resample], (0, top, size[1], bottom)))


def sampled(line: Any, start: float, extent: float, count: int) -> Any:
    places = start + (np.arange(count) + 0.5) * extent / count
    return np.interp(places, np.arange(len(line)) + 0.5, line)


def averaged(line: Any, start: float, extent: float, count: int) -> Any:
    edges = start + np.arange(count + 1) * extent / count
    integral = np.concatenate([[0], np.cumsum(line)])
    return np.diff(np.interp(edges, np.arange(len(line) + 1), integral)) / (extent / count)


def fitted(
    image: Any,
    size: Tuple[int, int],
    fit: str = "stretch",
    resample: str = "bilinear",
    crop: Optional[float] = None,
    crop_area: Optional[float] = None,
    crop_mode: str = "zoom",
    fill: int = 0,
    allow_upscale: bool = False,
) -> Any:
    """Return the picture in its new size, by the text of the documentation."""
    side = crop or math.sqrt(crop_area or 1)
    height, width = image.shape[:2]
    box: Optional[CropBox] = None
    if side < 1 and crop_mode == "slice":
        rows, columns = round(height * side), round(width * side)
        top, left = (height - rows) // 2, (width - columns) // 2
        image = image[top : top + rows, left : left + columns]
        height, width = rows, columns
    elif side < 1:
        rest = (1 - side) / 2
        box = (height * rest, width * rest, height * side, width * side)
    ratios = Fraction(size[0], height), Fraction(size[1], width)
    if fit == "stretch":
        return resized(image, size, resample, box)
    if fit in ("crop", "crop_floor"):
        whole = round if fit == "crop" else math.floor
        inner = whole(height * max(ratios)), whole(width * max(ratios))
        large = resized(image, inner, resample, box)
        top, left = (inner[0] - size[0]) // 2, (inner[1] - size[1]) // 2
        if fit == "crop_floor":
            top, left = round((inner[0] - size[0]) / 2), round((inner[1] - size[1]) / 2)
        return large[top : top + size[0], left : left + size[1]]
    inner = math.floor(height * min(ratios)), math.floor(width * min(ratios))
    canvas = np.full((*size, image.shape[-1]), fill, np.uint8)
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    canvas[top : top + inner[0], left : left + inner[1]] = resized(image, inner, resample, box)
    return canvas


CROPS: List[Dict[str, Any]] = [
    {},
    {"crop": 0.83},
    {"crop_area": 0.7},
    {"crop": 0.83, "crop_mode": "slice"},
    {"crop_area": 0.7, "crop_mode": "slice"},
]


def every_way(size: Tuple[int, int], **fields: Any) -> Dict[str, Dict[str, Any]]:
    """Return every combination of resample, fit and crop."""
    return {
        f"{resample}, {fit}, {crop}": {
            "size": size,
            "resample": resample,
            "fit": fit,
            "fill": 77,
            **crop,
            **fields,
        }
        for resample, fit, crop in product(
            RESAMPLES, ("stretch", "crop", "crop_floor", "pad"), CROPS
        )
    }


def without_crops(ways: Dict[str, Dict[str, Any]]) -> Dict[str, Dict[str, Any]]:
    return {name: fields for name, fields in ways.items() if name.endswith("{}")}


# Sizes


class Camera(NamedTuple):
    """A camera's size and the ways to which its pictures become others."""

    height: int
    width: int
    ways: Dict[str, Dict[str, Any]]

    @property
    def image(self) -> Any:
        return fine(self.height, self.width)


CAMERAS = {
    "small": Camera(37, 53, every_way((16, 20))),
    "odd": Camera(481, 643, without_crops(every_way((224, 224)))),
    "enlarged": Camera(
        97,
        31,
        {
            name: fields
            for name, fields in without_crops(every_way((224, 224), allow_upscale=True)).items()
            if fields["resample"] != "area"
        },
    ),
}


@lru_cache(maxsize=None)
def all_pictures(framework: str, name: str) -> Dict[str, Any]:
    """Return a camera's pictures, kept because JAX compiles them for seconds."""
    camera = CAMERAS[name]
    found: Dict[str, Any] = back(pictures(framework, camera.image, camera.ways))
    return found


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("name", CAMERAS)
def test_every_resample_fit_and_crop_is_that_of_the_oracles(framework: str, name: str) -> None:
    found = all_pictures(framework, name)
    for way, fields in CAMERAS[name].ways.items():
        assert distance(found[way], fitted(CAMERAS[name].image, **fields)) <= 1, way


@pytest.mark.parametrize("name", CAMERAS)
def test_frameworks_agree_exactly(name: str) -> None:
    for one, other in combinations(FRAMEWORKS, 2):
        for way in CAMERAS[name].ways:
            first, second = all_pictures(one, name)[way], all_pictures(other, name)[way]
            assert distance(first, second) == 0, (one, other, way)


@pytest.mark.parametrize("framework", ["numpy", "torch"])
@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    shape=st.tuples(st.integers(20, 60), st.integers(20, 60)),
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    resample=st.sampled_from(RESAMPLES),
    fit=st.sampled_from(["stretch", "crop", "crop_floor", "pad"]),
    crop=st.sampled_from(CROPS),
    channels=st.sampled_from([1, 3]),
    seed=st.integers(0, 99),
)
def test_any_size_is_that_of_the_oracles(
    framework: str,
    shape: Tuple[int, int],
    size: Tuple[int, int],
    resample: str,
    fit: str,
    crop: Dict[str, Any],
    channels: int,
    seed: int,
) -> None:
    image = noise(*shape, channels, seed=seed)
    fields = {"size": size, "resample": resample, "fit": fit, "fill": 9, **crop}
    ratio = min(size[0] / shape[0], size[1] / shape[1])
    fields["allow_upscale"] = max(size[0] / shape[0], size[1] / shape[1]) > 0.5
    if fit == "pad" and min(shape) * ratio < 1.5:
        fields["fit"] = "stretch"
    if fields["allow_upscale"] and resample == "area":
        fields["resample"] = "bilinear"
    if size[0] * shape[1] == size[1] * shape[0]:
        fields["fit"] = "stretch"
    assert distance(picture(framework, image, fields), fitted(image, **fields)) <= 1


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_odd_pixels_of_crop_and_pad_are_at_the_bottom_and_right(framework: str) -> None:
    image = np.full((481, 643, 3), 200, np.uint8)
    wide = np.tile(np.arange(9, dtype=np.uint8)[None, :, None], (4, 1, 3))
    found = picture(framework, image, {"size": 224, "fit": "pad", "fill": 7})
    # 224 / 643 * 481 is 167.56, and 57 rows are left.
    filled = [i for i, row in enumerate(found) if (row == 7).all()]
    assert filled == [*range(28), *range(195, 224)]
    cut = picture(framework, wide, {"size": 4, "fit": "crop"})
    assert cut[0, :, 0].tolist() == [2, 3, 4, 5]


def test_a_fractional_crop_of_another_aspect_is_padded_by_whole_pixels() -> None:
    for crop in (0.9, 0.95, 0.7, 0.33):
        image = np.full((480, 640, 3), 200, np.uint8)
        found = picture("numpy", image, {"size": 160, "fit": "pad", "crop": crop})
        assert [(row == 0).all() for row in found] == [True] * 20 + [False] * 120 + [True] * 20


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_without_a_size_a_crop_keeps_its_scale(framework: str) -> None:
    image = noise(31, 43, 3)
    images = {
        "as it is": {},
        "slice": {"crop": 0.8, "crop_mode": "slice"},
        "zoom": {"crop": 0.8},
        "speck": {"crop": 0.01},
    }
    found = back(pictures(framework, image, images))
    assert distance(found["as it is"], image) == 0
    assert distance(found["slice"], image[3:28, 4:38]) == 0
    # The box is 24.8 x 34.4.
    assert distance(found["zoom"], fitted(image, (25, 34), crop=0.8)) <= 1
    assert found["speck"].shape == (1, 1, 3)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_crop_of_the_target_size_is_cut_without_resampling(framework: str) -> None:
    image = noise(20, 40, 3)
    fields = {"size": (10, 20), "crop": 0.5, "resample": "lanczos3_aa"}
    assert distance(picture(framework, image, fields), image[5:15, 10:30]) == 0


# The geometry of published models


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(("height", "width"), [(480, 640), (301, 224), (224, 301), (97, 61)])
def test_crop_floor_is_resize_and_center_crop_of_torchvision(
    framework: str, height: int, width: int
) -> None:
    # pytorch/vision, torchvision/transforms/functional.py: _compute_resized_image_output_size
    # truncates the longer side, center_crop rounds half of what is over.
    image, size = fine(height, width), 60
    shorter = min(height, width)
    inner = int(size * height / shorter), int(size * width / shorter)
    large = resized(image, inner, "bicubic_aa", None)
    top, left = (round((side - size) / 2.0) for side in inner)
    fields = {"size": size, "fit": "crop_floor", "resample": "bicubic_aa"}
    found = picture(framework, image, fields)
    assert distance(found, large[top : top + size, left : left + size]) == 0


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("shape", [(480, 640), (65, 48), (50, 51)])
def test_pad_first_is_the_square_of_rdt(framework: str, shape: Tuple[int, int]) -> None:
    # thu-ml/RoboticsDiffusionTransformer, scripts/agilex_model.py: expand2square
    image = fine(*shape)
    side = max(shape)
    square = np.full((side, side, 3), 127, np.uint8)
    top, left = (side - shape[0]) // 2, (side - shape[1]) // 2
    square[top : top + shape[0], left : left + shape[1]] = image
    fields = {"size": 40, "fit": "pad", "pad_first": True, "fill": 127, "resample": "bicubic_aa"}
    found = picture(framework, image, fields)
    assert distance(found, resized(square, (40, 40), "bicubic_aa", None)) == 0


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_padding_takes_the_side_that_it_is_told(framework: str) -> None:
    image = fine(30, 40)
    common = {"size": (40, 40), "fit": "pad", "fill": 9, "pad_align": "top_left"}
    images = {"after": common, "before": {**common, "pad_first": True}}
    images["wide"] = {**common, "size": (30, 60), "pad_first": True}
    found = back(pictures(framework, image, images))
    expected = np.pad(image, [(0, 10), (0, 0), (0, 0)], constant_values=9)
    assert distance(found["after"], expected) == 0
    assert distance(found["before"], expected) == 0
    wide = np.pad(image, [(0, 0), (0, 20), (0, 0)], constant_values=9)
    assert distance(found["wide"], wide) == 0


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_bottom_right_is_where_lerobot_puts_pictures(framework: str) -> None:
    # huggingface/lerobot, policies/smolvla/modeling_smolvla.py: resize_with_pad
    image = fine(48, 65)
    found = picture(
        framework, image, {"size": 40, "fit": "pad", "pad_align": "bottom_right", "fill": 3}
    )
    inner = int(48 / (65 / 40)), 40
    expected = np.full((40, 40, 3), 3, np.uint8)
    expected[40 - inner[0] :] = resized(image, inner, "bilinear", None)
    assert distance(found, expected) <= 1
    assert (found[: 40 - inner[0]] == 3).all()


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_two_stages_are_the_crop_of_openvla(framework: str) -> None:
    # openvla/openvla, experiments/robot/openvla_utils.py: crop_and_resize, whose box reaches from
    # the first to the last sample; at one size before and after these are the samples of a zoom.
    image = fine(256, 256)
    stage = adapt.Stage(crop_area=0.9, size=224, allow_upscale=True)
    found = picture(framework, image, {"size": 224, "resample": "lanczos3_aa", "then": stage})
    large = resized(image, (224, 224), "lanczos3_aa", None).astype(float)
    low, high = 0.5 - math.sqrt(0.9) / 2, 0.5 + math.sqrt(0.9) / 2
    places = np.linspace(low * 223, high * 223, 224)

    def line(values: Any) -> Any:
        return np.interp(places, np.arange(224), values)

    cropped = np.apply_along_axis(line, 1, np.apply_along_axis(line, 0, large))
    assert np.abs(found - cropped).max() < 0.501
    # convert_image_dtype truncates after it has scaled by 255.5.
    assert distance(found, (cropped / 255 * 255.5).astype(np.uint8)) <= 1


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_stages_follow_each_other_in_levels(framework: str) -> None:
    image = fine(50, 70)
    stages = [
        adapt.Stage(crop=0.5, crop_mode="slice"),
        adapt.Stage(size=(16, 40), fit="pad", resample="bicubic_aa"),
    ]
    fields = {"size": (40, 56), "resample": "bilinear_aa", "fill": 5, "then": stages}
    found = picture(framework, image, fields)
    first = resized(image, (40, 56), "bilinear_aa", None)
    expected = fitted(first[10:30, 14:42], (16, 40), "pad", "bicubic_aa", fill=5)
    assert distance(found, expected) == 0
    lines = adapter_for(image.shape, {"one": fields}).explain()
    assert "resized to 40x56 (bilinear_aa)" in lines
    assert "cut to 20x28 at (10, 14)" in lines


def test_what_is_made_up_has_the_size_of_the_last_stage() -> None:
    common = {"role": "image/other", "optional": True, "channels": 3, "fill": 7}
    fields = {**common, "size": 224, "then": adapt.Stage(crop=0.9, size=16)}
    assert (picture("numpy", noise(9, 9, 3), fields) == np.full((16, 16, 3), 7)).all()
    with pytest.raises(AdapterResolutionError, match=r"Image.size: expected the size of what"):
        adapt.Image(**{**fields, "then": adapt.Stage(crop=0.9)})


# JPEG, BGR and alpha


def through_jpeg(image: Any, quality: int) -> Any:
    file = io.BytesIO()
    Pillow.fromarray(image).save(file, format="JPEG", quality=quality)
    return np.asarray(Pillow.open(file))


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("quality", [30, 95])
def test_the_way_through_jpeg_is_that_of_pillow_in_upright_rgb(
    framework: str, quality: int
) -> None:
    image = fine(45, 62)
    images = {
        "plain": {"jpeg": quality},
        "small": {"jpeg": quality, "size": 16, "crop": 0.9, "fit": "crop", "stack": 1},
    }
    tag = {"upside_down": True, "channel_order": "bgr"}
    given = np.ascontiguousarray(image[::-1, ::-1, ::-1])
    found = back(pictures(framework, given, images, **tag))
    stored = through_jpeg(image, quality)
    assert distance(found["plain"], stored) == 0
    small = back(pictures(framework, stored, {"s": {**images["small"], "jpeg": None}}))["s"]
    assert distance(found["small"], small) == 0
    gray = image[..., 0]
    found = picture(framework, gray, {"jpeg": quality})
    assert distance(found[..., 0], through_jpeg(gray, quality)) == 0


def test_jpeg_without_pillow_fails_when_it_is_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pictures, "find_spec", lambda name: None if name == "PIL" else object())
    message = r"input\['one'\]\.jpeg: expected pillow to be installed, .*: pip install pillow"
    with pytest.raises(AdapterResolutionError, match=message):
        adapter_for((9, 9, 3), {"one": {"jpeg": 95}})


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("layout", ["hwc", "chw"])
def test_bgr_and_alpha_of_the_env_are_undone(framework: str, layout: str) -> None:
    image = noise(12, 16, 3)
    gray = {"channels": 1, "convert_channels": True}
    images: Dict[str, Dict[str, Any]] = {
        "rgb": {},
        "bgr": {"channel_order": "bgr"},
        "chw": {"layout": "chw"},
        "gray": gray,
        "small": {"size": (6, 8)},
    }
    alpha = np.concatenate([image[..., ::-1], noise(12, 16, 1, seed=1)], -1)
    for raw in (np.ascontiguousarray(image[..., ::-1]), alpha):
        tag = {"channel_order": "bgr", "layout": layout, "channels": raw.shape[-1]}
        given = raw if layout == "hwc" else np.ascontiguousarray(np.moveaxis(raw, -1, 0))
        found = back(pictures(framework, given, images, **tag))
        assert distance(found["rgb"], image) == 0
        assert distance(found["bgr"], image[..., ::-1]) == 0
        assert distance(found["chw"], np.moveaxis(image, -1, 0)) == 0
        assert distance(found["gray"], gray_of(image)) == 0
        assert distance(found["small"], resized(image, (6, 8), "bilinear", None)) == 0
        notes = adapter_for(given.shape, images, **tag).advisories()
        assert any("alpha" in note.message for note in notes) == (raw is alpha)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("fields", [{}, {"size": (4, 5)}, {"stack": 2}, {"normalize": True}])
def test_a_picture_of_another_dtype_is_refused(framework: str, fields: Dict[str, Any]) -> None:
    if "normalize" in fields:
        fields = {**fields, "dtype": "float32"}
    adapter = adapter_for((8, 10, 3), {"one": fields})
    for name in ("float32", "int32"):
        observation = {"camera": into(framework, noise(8, 10, 3).astype(name))}
        message = rf"observation\['camera'\]: expected a picture of uint8, .* got {name}"
        with pytest.raises(InvalidValue, match=message):
            adapter.transform_obs(observation)
    adapter.transform_obs({"camera": into(framework, noise(8, 10, 3))})


# Which fit, and what is an error


def test_of_several_fits_the_first_that_does_not_enlarge_is_taken() -> None:
    image = noise(100, 300, 3)
    for fits, size, taken in [
        (("pad", "crop"), (60, 60), "pad"),
        (("crop", "pad"), (60, 60), "crop"),
        (("crop", "pad"), (150, 150), "pad"),
        (("stretch", "crop", "pad"), (150, 150), "pad"),
    ]:
        adapter = adapter_for(image.shape, {"one": {"size": size, "fit": fits}})
        assert any(f"fitted by {taken!r}" in note.message for note in adapter.advisories())
        found = adapter.transform_obs({"camera": image})["one"]
        assert distance(found, fitted(image, size, taken)) <= 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": 24}, r"input\['one'\]\.fit: expected 'stretch', .* or 'pad', .* got None"),
        ({"size": (40, 60)}, r"input\['one'\]\.allow_upscale: expected True, .* 30x40 to 40x60"),
        ({"size": (60, 80)}, r"input\['one'\]\.allow_upscale: expected True, .* 30x40 to 60x80"),
        ({"size": (24, 32), "crop": 0.5}, r"allow_upscale: expected True, .* 15x20 to 24x32"),
        (
            {"size": (60, 80), "allow_upscale": True, "resample": "area"},
            r"input\['one'\]\.resample: expected a method that enlarges, .* got 'area'",
        ),
        ({"channels": 1}, r"input\['one'\]\.channels: expected the camera's 3, .* got 1"),
        ({"dtype": "int8"}, r"input\['one'\]\.dtype: expected a dtype that holds 0 to 255"),
        ({"role": "image/other"}, r"input\['one'\]: expected the env to offer 'image/other'"),
    ],
)
def test_what_cannot_be_done_fails_when_it_is_resolved(fields: Any, message: str) -> None:
    if fields.get("size") == (40, 60):
        fields = {**fields, "fit": "stretch"}
    with pytest.raises(AdapterResolutionError, match=message):
        adapter_for((30, 40, 3), {"one": fields})


# Turning, layouts and colours


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_pictures_are_turned_where_the_two_sides_disagree(framework: str) -> None:
    image = noise(6, 5, 3)
    images = {"upright": {}, "turned": {"upside_down": True}}
    found = back(pictures(framework, image, images))
    assert distance(found["upright"], image) == 0
    assert distance(found["turned"], image[::-1, ::-1]) == 0
    found = back(pictures(framework, image, images, upside_down=True))
    assert distance(found["upright"], image[::-1, ::-1]) == 0
    assert distance(found["turned"], image) == 0


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_layout_becomes_every_other(framework: str) -> None:
    image = noise(6, 5, 3)
    images = {"hwc": {}, "chw": {"layout": "chw"}}
    for raw, tag in ((image, {}), (image.transpose(2, 0, 1), {"layout": "chw"})):
        found = back(pictures(framework, np.ascontiguousarray(raw), images, **tag))
        assert distance(found["hwc"], image) == 0
        assert distance(found["chw"], image.transpose(2, 0, 1)) == 0
    gray = image[..., 0]
    for raw, tag in (
        (gray, {}),
        (gray[..., None], {}),
        (gray, {"layout": "chw"}),
        (gray[None], {"layout": "chw"}),
    ):
        found = back(pictures(framework, np.ascontiguousarray(raw), images, **tag))
        assert distance(found["hwc"], gray[..., None]) == 0
        assert distance(found["chw"], gray[None]) == 0


GRAY = np.array([round(Fraction(i, 1000)) for i in range(255_001)], np.uint8)


def gray_of(image: Any) -> Any:
    wide = image.astype(int)
    return GRAY[299 * wide[..., :1] + 587 * wide[..., 1:2] + 114 * wide[..., 2:]]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_gray_is_rounded_half_to_even_exactly(framework: str) -> None:
    image = noise(250, 240, 3)
    # 299 * 2 + 587 * 0 + 114 * 43 is 5500, and 299 * 4 + 587 * 2 + 114 * 10 is 3510.
    image[0, :2] = [[2, 0, 43], [4, 2, 10]]
    ties = [[r, g, b] for r, g, b in product(range(0, 256, 4), repeat=3)]
    ties = [c for c in ties if (299 * c[0] + 587 * c[1] + 114 * c[2]) % 1000 == 500]
    assert len(ties) > 100
    image[1, :100] = ties[:100]
    found = picture(framework, image, {"channels": 1, "convert_channels": True})
    assert distance(found, gray_of(image)) == 0
    rounded = np.rint(image @ [0.299, 0.587, 0.114])[..., None]
    assert np.mean(found != rounded) < 1e-2
    assert distance(found, rounded) <= 1


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_gray_becomes_three_equal_channels(framework: str) -> None:
    image = noise(6, 5)
    found = picture(framework, image, {"channels": 3, "convert_channels": True})
    assert distance(found, np.stack([image] * 3, -1)) == 0


# Values


def in_dtype(array: Any, name: str) -> Any:
    """Return the values that an array has in a dtype."""
    kinds = {"bfloat16": ml_dtypes.bfloat16}
    return array.astype(kinds.get(name, name)).astype(np.float64)


NORMALIZATIONS: Dict[str, Tuple[Any, Callable[[Any], Any]]] = {
    "no": (False, lambda x: x),
    "unit": (True, lambda x: x / np.float32(255)),
    "symmetric": ((-1.0, 1.0), lambda x: np.float32(-1) + x / np.float32(255) * np.float32(2)),
    "odd": ((0.1, 7.5), lambda x: np.float32(0.1) + x / np.float32(255) * np.float32(7.4)),
    "stats": (
        adapt.Stats(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
        lambda x: (
            (x / np.float32(255) - np.array([0.485, 0.456, 0.406], np.float32))
            / np.array([0.229, 0.224, 0.225], np.float32)
        ),
    ),
    "masked": (
        adapt.Stats(mean=(0.5, 0.4, 0.3), std=(0.2, 0.0, 0.1), mask=(True, False, True)),
        lambda x: (
            (x / np.float32(255) - np.array([0.5, 0, 0.3], np.float32))
            / np.array([0.2, 1, 0.1], np.float32)
        ),
    ),
    "one for all": (
        adapt.Stats(mean=0.5, std=0.25),
        lambda x: (x / np.float32(255) - np.float32(0.5)) / np.float32(0.25),
    ),
}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_values_are_normalised_in_single_precision_and_cast_last(framework: str) -> None:
    image = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, -1)
    tolerances = {"float32": 1e-6, "float64": 1e-6, "float16": 2e-3, "bfloat16": 1e-2}
    images = {
        f"{name} {kind}": {"normalize": normalize, "dtype": kind}
        for (name, (normalize, _)), kind in product(NORMALIZATIONS.items(), tolerances)
    }
    payload = pictures(framework, image, images)
    found = back(payload)
    for (name, (_, formula)), (one, tolerance) in product(
        NORMALIZATIONS.items(), tolerances.items()
    ):
        array = found[f"{name} {one}"]
        lacks = framework == "jax" and one == "float64"
        assert dtype(payload[f"{name} {one}"]) == ("float32" if lacks else one)
        exact = formula(image.astype(np.float32))
        assert exact.dtype == np.float32
        if name == "no":
            assert (array == in_dtype(exact, one)).all()
        else:
            bound = tolerance * np.maximum(1, np.abs(exact))
            assert (np.abs(array.astype(float) - in_dtype(exact, one)) <= bound).all(), name


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_integer_dtypes_keep_the_levels(framework: str) -> None:
    image = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    kinds = ("uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
    payload = pictures(framework, image, {one: {"dtype": one} for one in kinds})
    for one, array in payload.items():
        narrow = one.replace("64", "32") if framework == "jax" else one
        assert dtype(array) == narrow
        assert (back(array) == image).all()


# The order of operations, where another one would give something else


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_crop_and_pad_are_in_upright_pixels(framework: str) -> None:
    image = noise(5, 7, 3)
    upright = image[::-1, ::-1]
    images = {
        "slice": {"crop": 0.8, "crop_mode": "slice"},
        "pad": {"size": (8, 7), "fit": "pad", "fill": 3},
        "crop": {"size": (5, 4), "fit": "crop"},
    }
    found = back(pictures(framework, image, images, upside_down=True))
    # 4 of 5 rows and, of 7 columns, 5.6 rounded to 6.
    assert distance(found["slice"], upright[:4, :6]) == 0
    assert distance(found["pad"], np.pad(upright, [(1, 2), (0, 0), (0, 0)], constant_values=3)) == 0
    assert distance(found["crop"], upright[:, 1:5]) == 0


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_aspect_is_that_after_a_sliced_crop(framework: str) -> None:
    # A third of 8 x 9 is 3 x 3, so that no fit is needed.
    image = noise(8, 9, 3)
    fields = {"size": 3, "crop": 0.34, "crop_mode": "slice"}
    assert distance(picture(framework, image, fields), image[2:5, 3:6]) == 0


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_colours_come_after_the_size(framework: str) -> None:
    image = noise(30, 40, 3)
    gray = {"channels": 1, "convert_channels": True}
    images = {
        "colour": {"size": (9, 12)},
        "gray": {"size": (9, 12), **gray},
        "bgr": {"size": (9, 12), "channel_order": "bgr"},
        "gray of bgr": {"size": (9, 12), "channel_order": "bgr", **gray},
        "padded gray": {"size": (12, 12), "fit": "pad", "fill": 90, **gray},
    }
    found = back(pictures(framework, image, images))
    assert distance(found["gray"], gray_of(found["colour"])) == 0
    first = resized(gray_of(image), (9, 12), "bilinear", None)
    assert (found["gray"] != first).any()
    assert distance(found["bgr"], found["colour"][..., ::-1]) == 0
    assert distance(found["gray of bgr"], found["gray"]) == 0
    assert (found["padded gray"][[0, 11]] == 90).all()


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_is_padded_is_normalised_in_the_channel_order(framework: str) -> None:
    image = noise(4, 2, 3)
    stats = adapt.Stats(mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    images = {
        "pair": {"normalize": (-1.0, 1.0)},
        "stats": {"normalize": stats, "channel_order": "bgr", "layout": "chw"},
    }
    common = {"size": 4, "fit": "pad", "fill": 51, "dtype": "float32"}
    found = back(
        pictures(framework, image, {name: {**common, **one} for name, one in images.items()})
    )
    assert found["pair"][:, 0] == pytest.approx(-0.6)
    assert found["pair"][:, 1:3] == pytest.approx(image / 127.5 - 1, abs=1e-6)
    assert found["stats"].shape == (3, 4, 4)
    fills = [(0.2 - 0.1) / 0.5, 0.0, (0.2 - 0.3) / 0.7]
    assert found["stats"][:, 2, 3] == pytest.approx(fills, abs=1e-6)
    # The statistics are those of blue, green and red.
    blue = (image[1, 0, 2] / 255 - 0.1) / 0.5
    assert found["stats"][0, 1, 1] == pytest.approx(blue, abs=1e-6)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_resize_is_rounded_to_levels_before_it_is_normalised(framework: str) -> None:
    image = noise(30, 40, 3)
    fields = {"size": (9, 12), "dtype": "float32", "normalize": True, "resample": "area"}
    levels = picture(framework, image, fields) * 255
    assert levels == pytest.approx(np.rint(levels), abs=1e-4)
    assert distance(np.rint(levels), fitted(image, (9, 12), resample="area")) <= 1


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_model_sized_picture_takes_all_steps_in_order(framework: str) -> None:
    image = noise(48, 64, 3)
    fields = {
        "size": 22,
        "crop": 0.9,
        "fit": "pad",
        "fill": 255,
        "resample": "bicubic_aa",
        "channel_order": "bgr",
        "normalize": (-1.0, 1.0),
        "dtype": "float32",
        "layout": "chw",
        "lead_dims": 2,
        "stack": 2,
    }
    found = picture(framework, image, fields, upside_down=True)
    assert found.shape == (1, 1, 2, 3, 22, 22)
    upright = np.ascontiguousarray(image[::-1, ::-1])
    levels = fitted(upright, (22, 22), "pad", "bicubic_aa", crop=0.9, fill=255)
    levels = levels[..., ::-1].transpose(2, 0, 1)
    for one in found[0, 0]:
        assert np.abs((one + 1) * 127.5 - levels).max() <= 1 + 1e-4


# Stacks, made-up pictures and parts


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_stack_counts_env_steps_oldest_first(framework: str) -> None:
    stacks: Dict[str, Tuple[Dict[str, Any], List[int]]] = {
        "3": ({"stack": 3}, [2, 1, 0]),
        "2 by 3": ({"stack": 2, "stride": 3}, [3, 0]),
        "offsets": ({"offsets": (4, 1)}, [4, 1]),
        "filled": ({"offsets": (2, 0), "stack_pad": "fill", "fill": 99}, [2, 0]),
        "of one": ({"stack": 1}, [0]),
    }
    common = {"size": 2, "channels": 1, "lead_dims": 1}
    images = {name: {**common, **fields} for name, (fields, _) in stacks.items()}
    adapter = adapter_for((2, 2), images)
    for episode in range(2):
        adapter.reset()
        for step in range(7):
            level = 10 * step + episode
            obs = {"camera": into(framework, np.full((2, 2), level, np.uint8))}
            if step in (2, 3):
                adapter.observe(obs)
                continue
            payload = adapter.transform_obs(obs)
            for name, (fields, ago) in stacks.items():
                first = 99 if "stack_pad" in fields else episode
                wanted = [10 * (step - n) + episode if step >= n else first for n in ago]
                found = back(payload[name])
                assert found.shape == (1, len(ago), 2, 2, 1)
                assert kind(payload[name]) == framework
                assert found[0, :, 0, 0, 0].tolist() == wanted, (name, step)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_precedes_an_episode_is_normalised_as_all_else(framework: str) -> None:
    fields = {"size": 2, "channels": 3, "stack": 2, "stack_pad": "fill", "fill": 51}
    more = {"dtype": "float32", "normalize": (-1.0, 1.0), "layout": "chw"}
    found = picture(framework, np.full((2, 2, 3), 255, np.uint8), {**fields, **more})
    assert found.shape == (2, 3, 2, 2)
    assert found[0] == pytest.approx(-0.6)
    assert found[1] == pytest.approx(1)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_camera_that_the_env_lacks_is_filled_and_normalised(framework: str) -> None:
    common = {"role": adapt.IMAGE_WRIST, "optional": True, "size": (3, 5), "fill": 102}
    images = {
        "there": {},
        "bytes": {**common, "channels": 3},
        "floats": {
            **common,
            "channels": 1,
            "layout": "chw",
            "dtype": "float32",
            "normalize": (0.0, 5.0),
            "lead_dims": 1,
        },
        "stacked": {**common, "channels": 3, "stack": 2},
    }
    adapter = adapter_for((4, 4, 3), images)
    payload = adapter.transform_obs({"camera": into(framework, noise(4, 4, 3))})
    assert {kind(array) for array in payload.values()} == {framework}
    found = back(payload)
    assert dtype(payload["bytes"]) == "uint8"
    assert found["bytes"].shape == (3, 5, 3)
    assert (found["bytes"] == 102).all()
    assert found["floats"].shape == (1, 1, 3, 5)
    assert found["floats"] == pytest.approx(2)
    assert found["stacked"].shape == (2, 3, 5, 3)
    notes = [note for note in adapter.advisories() if note.severity == "caution"]
    assert [note.leaf for note in notes] == [f"input[{name!r}]" for name in list(images)[1:]]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_of_several_cameras_the_part_is_taken(framework: str) -> None:
    space = DictSpace({side: Box(0, 255, (2, 2, 3), np.uint8) for side in ("left", "right")})
    tags = adapt.EnvTags(
        {side: adapt.ImageTag(adapt.IMAGE_WRIST, part=side) for side in space.spaces}, NO_ACTION
    )

    def resolved(**fields: Any) -> adapt.Adapter:
        spec = adapt.ModelSpec(adapt.Image(adapt.IMAGE_WRIST, **fields), NO_ACTION)
        return adapt.resolve(tags, space, Box(-1, 1, (1,)), spec)

    obs = {"left": noise(2, 2, 3), "right": noise(2, 2, 3, seed=1)}
    found = resolved(part="right").transform_obs(into(framework, obs))
    assert distance(back(found), obs["right"]) == 0
    with pytest.raises(AdapterResolutionError, match="'left', 'right'"):
        resolved()
