"""Every framework resizes exactly as is defined, and so within a level of OpenCV and torch."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

import cv2
import jax
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rlmesh._values import numpy_ops
from rlmesh._values.native import NativeBackend
from rlmesh._values.numpy_bridge import NumpyBridge
from rlmesh._values.resampling import METHODS, taps
from rlmesh.errors import InvalidValue
from rlmesh.jax._ops import JaxOps
from rlmesh.torch import _ops as torch_ops
from rlmesh.torch._ops import TorchOps

Box = Tuple[float, float, float, float]

PILLOW = {
    "bilinear_aa": Image.Resampling.BILINEAR,
    "bicubic_aa": Image.Resampling.BICUBIC,
    "lanczos3_aa": Image.Resampling.LANCZOS,
}
FRAMEWORKS = ("numpy", "torch", "jax")

# Height and width before and after: both axes shrink, grow, or do not agree on that.
SIZES = [
    ((48, 64), (22, 22)),
    ((37, 53), (16, 31)),
    ((13, 17), (29, 40)),
    ((30, 11), (12, 25)),
    ((20, 40), (10, 10)),
    ((24, 24), (24, 7)),
    ((1, 1), (5, 4)),
    ((9, 1), (1, 1)),
    ((33, 21), (1, 1)),
]


class Case(NamedTuple):
    image: Any
    size: Tuple[int, int]
    box: Optional[Box]


def noise(seed: int, *shape: int) -> Any:
    """Return an image whose values are random, or where the seed is odd, only 0 and 255."""
    rng = np.random.default_rng(seed)
    if seed % 2:
        return rng.integers(0, 2, shape, dtype=np.uint8) * np.uint8(255)
    return rng.integers(0, 256, shape, dtype=np.uint8)


@st.composite
def cases(
    draw: Callable[[Any], Any], boxes: bool = False, shrinking: bool = False, largest: int = 40
) -> Case:
    def length() -> Any:
        return st.integers(1, largest)

    height, width = draw(length()), draw(length())
    box = None
    limits = (height, width)
    if boxes:
        fractions = [draw(st.floats(0, 1)) for _ in range(4)]
        extents = [
            min(max(share * limit, 1.0), float(limit)) for share, limit in zip(fractions, limits)
        ]
        starts = [
            share * (limit - extent) for share, limit, extent in zip(fractions[2:], limits, extents)
        ]
        box = (starts[0], starts[1], extents[0], extents[1])
        limits = (int(extents[0]), int(extents[1]))
    size = tuple(draw(st.integers(1, limit) if shrinking else length()) for limit in limits)
    batch = draw(st.sampled_from([(), (2,), (1, 2)]))
    channels = draw(st.sampled_from([1, 2, 3, 4, 5]))
    image = noise(draw(st.integers(0, 1000)), *batch, height, width, channels)
    return Case(image, (size[0], size[1]), box)


def ops_of(framework: str) -> Any:
    return {"numpy": NumpyBridge().ops, "torch": TorchOps(), "jax": JaxOps()}[framework]


def to_framework(framework: str, image: Any) -> Any:
    if framework == "torch":
        return torch.from_numpy(image)
    return jax.numpy.asarray(image) if framework == "jax" else image


def resize(framework: str, method: str, case: Case) -> Any:
    image = to_framework(framework, case.image)
    resized = ops_of(framework).resize_image(image, case.size, method, case.box)
    assert "uint8" in str(resized.dtype)
    return np.asarray(resized)


def each_plane(image: Any, function: Callable[[Any], Any]) -> Any:
    """Return the results of a function of single planes, put together as the image is."""
    planes = np.moveaxis(image, -1, -3)
    flat = [function(np.ascontiguousarray(p)) for p in planes.reshape(-1, *planes.shape[-2:])]
    together = np.stack(flat)
    return np.moveaxis(together.reshape(*planes.shape[:-2], *together.shape[1:]), -3, -1)


def by_pillow(method: str, case: Case) -> Any:
    """The width first, because Pillow 13 and later do not always choose that by themselves."""
    rows, columns = case.image.shape[-3:-1]
    top, left, height, width = case.box or (0, 0, rows, columns)
    right, bottom = min(left + width, columns), min(top + height, rows)

    def one(plane: Any) -> Any:
        picture = Image.fromarray(plane)
        narrow = picture.resize((case.size[1], rows), PILLOW[method], (left, 0, right, rows))
        box = (0, top, case.size[1], bottom)
        return np.asarray(narrow.resize(case.size[::-1], PILLOW[method], box))

    return each_plane(case.image, one)


def by_opencv(kind: int, case: Case) -> Any:
    return each_plane(
        case.image, lambda plane: cv2.resize(plane, case.size[::-1], interpolation=kind)
    )


def by_torch(case: Case) -> Any:
    def one(plane: Any) -> Any:
        batch = torch.from_numpy(plane)[None, None].double()
        resized = torch.nn.functional.interpolate(batch, case.size, mode="bilinear")
        return resized[0, 0].round().numpy()

    return each_plane(case.image, one)


def by_sampling(case: Case) -> Any:
    """Bilinear: the values of a surface through the pixels' centres, level beyond the image."""
    assert case.box is not None

    def along(array: Any, axis: int, start: float, extent: float, count: int) -> Any:
        places = start + (np.arange(count) + 0.5) * extent / count
        centres = np.arange(array.shape[axis]) + 0.5
        return np.apply_along_axis(lambda line: np.interp(places, centres, line), axis, array)

    top, left, height, width = case.box
    rows = along(case.image.astype(float), case.image.ndim - 3, top, height, case.size[0])
    return np.rint(along(rows, case.image.ndim - 2, left, width, case.size[1]))


def by_integrals(case: Case) -> Any:
    """Area: differences of an integral over the pixels, divided by the length."""
    assert case.box is not None

    def along(array: Any, axis: int, start: float, extent: float, count: int) -> Any:
        edges = start + np.arange(count + 1) * extent / count
        borders = np.arange(array.shape[axis] + 1)

        def one(line: Any) -> Any:
            integral = np.concatenate([[0], np.cumsum(line)])
            return np.diff(np.interp(edges, borders, integral)) / (extent / count)

        return np.apply_along_axis(one, axis, array)

    top, left, height, width = case.box
    rows = along(case.image.astype(float), case.image.ndim - 3, top, height, case.size[0])
    return np.rint(along(rows, case.image.ndim - 2, left, width, case.size[1]))


def distance(one: Any, other: Any) -> int:
    assert one.shape == other.shape
    return int(np.abs(one.astype(int) - other.astype(int)).max())


def fixed_cases(shrinking: bool = False) -> Iterator[Case]:
    """Few cases, because JAX compiles each of them."""
    for i, (before, after) in enumerate(SIZES):
        if not shrinking or (after[0] <= before[0] and after[1] <= before[1]):
            batch = [(), (2,)][i % 2]
            yield Case(noise(i, *batch, *before, [3, 1, 4][i % 3]), after, None)


def boxed_cases() -> List[Case]:
    """Cases for any method, so no side is enlarged."""
    return [
        Case(noise(0, 48, 64, 3), (22, 22), (2.4, 3.2, 43.2, 57.6)),
        Case(noise(1, 2, 30, 41, 3), (17, 8), (0.0, 10.3, 30.0, 30.7)),
        Case(noise(2, 19, 19, 1), (17, 11), (1.9, 0.25, 17.1, 11.5)),
    ]


# One framework at a time against its oracle


@pytest.mark.parametrize("method", PILLOW)
@settings(max_examples=80, deadline=None)
@given(case=cases())
def test_numpy_antialiased_is_pillow_to_the_bit(method: str, case: Case) -> None:
    assert distance(resize("numpy", method, case), by_pillow(method, case)) == 0


@pytest.mark.parametrize("method", PILLOW)
@settings(max_examples=80, deadline=None)
@given(case=cases())
def test_torch_antialiased_is_pillow_to_the_bit(method: str, case: Case) -> None:
    assert distance(resize("torch", method, case), by_pillow(method, case)) == 0


@pytest.mark.parametrize("method", PILLOW)
def test_jax_antialiased_is_pillow_to_the_bit(method: str) -> None:
    for case in fixed_cases():
        assert distance(resize("jax", method, case), by_pillow(method, case)) == 0


@pytest.mark.parametrize("framework", ["numpy", "torch"])
@pytest.mark.parametrize("method", PILLOW)
@settings(max_examples=80, deadline=None)
@given(case=cases(boxes=True))
def test_antialiased_boxes_are_pillow_to_the_bit(framework: str, method: str, case: Case) -> None:
    assert distance(resize(framework, method, case), by_pillow(method, case)) == 0


@pytest.mark.parametrize("framework", ["numpy", "torch"])
@settings(max_examples=150, deadline=None)
@given(case=cases())
def test_bilinear_is_that_of_opencv_and_torch(framework: str, case: Case) -> None:
    resized = resize(framework, "bilinear", case)
    assert distance(resized, by_opencv(cv2.INTER_LINEAR, case)) <= 1
    assert distance(resized, by_torch(case)) <= 1


@pytest.mark.parametrize("framework", ["numpy", "torch"])
@settings(max_examples=100, deadline=None)
@given(case=cases(boxes=True))
def test_bilinear_boxes_sample_a_surface(framework: str, case: Case) -> None:
    assert distance(resize(framework, "bilinear", case), by_sampling(case)) <= 1


@pytest.mark.parametrize("framework", ["numpy", "torch"])
@settings(max_examples=100, deadline=None)
@given(case=cases(shrinking=True))
def test_area_is_that_of_opencv(framework: str, case: Case) -> None:
    assert distance(resize(framework, "area", case), by_opencv(cv2.INTER_AREA, case)) <= 1


@pytest.mark.parametrize("framework", ["numpy", "torch"])
@settings(max_examples=100, deadline=None)
@given(case=cases(boxes=True, shrinking=True))
def test_area_boxes_are_means(framework: str, case: Case) -> None:
    assert distance(resize(framework, "area", case), by_integrals(case)) <= 1


def test_jax_is_within_one_level_of_every_oracle() -> None:
    for case in fixed_cases():
        resized = resize("jax", "bilinear", case)
        assert distance(resized, by_opencv(cv2.INTER_LINEAR, case)) <= 1
        assert distance(resized, by_torch(case)) <= 1
    for case in fixed_cases(shrinking=True):
        assert distance(resize("jax", "area", case), by_opencv(cv2.INTER_AREA, case)) <= 1
    for case in boxed_cases():
        assert distance(resize("jax", "bilinear", case), by_sampling(case)) <= 1
        assert distance(resize("jax", "area", case), by_integrals(case)) <= 1
        for method in PILLOW:
            assert distance(resize("jax", method, case), by_pillow(method, case)) == 0


def test_a_camera_sized_image_is_within_one_level_of_every_oracle() -> None:
    case = Case(noise(4, 480, 640, 3), (224, 224), None)
    for framework in FRAMEWORKS:
        bilinear = resize(framework, "bilinear", case)
        assert distance(bilinear, by_opencv(cv2.INTER_LINEAR, case)) <= 1
        assert distance(bilinear, by_torch(case)) <= 1
        assert distance(resize(framework, "area", case), by_opencv(cv2.INTER_AREA, case)) <= 1
        for method, kind in PILLOW.items():
            at_once = np.asarray(Image.fromarray(case.image).resize((224, 224), kind))
            assert distance(resize(framework, method, case), at_once) == 0


# Frameworks against each other


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=80, deadline=None)
@given(case=cases(boxes=True, shrinking=True))
def test_all_frameworks_agree_exactly(method: str, case: Case) -> None:
    for one in (case, case._replace(box=None)):
        found = resize("numpy", method, one)
        assert distance(found, resize("torch", method, one)) == 0
        assert distance(found, by_tables_of_torch(method, one)) == 0


def by_tables_of_torch(method: str, case: Case) -> Any:
    """As torch resizes where there is no NumPy, and on other devices."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch_ops, "_of_numpy", lambda: None)
        return resize("torch", method, case)


@pytest.mark.parametrize("method", METHODS)
def test_jax_agrees_with_the_others_exactly(method: str) -> None:
    for case in [*fixed_cases(shrinking=method == "area"), *boxed_cases()]:
        assert distance(resize("jax", method, case), resize("numpy", method, case)) == 0


SHAPES = [
    ((480, 640), (224, 224)),
    ((480, 640), (224, 299)),
    ((480, 640), (240, 320)),
    ((481, 643), (160, 211)),
    ((256, 256), (224, 224)),
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("before", "after"), SHAPES)
def test_pictures_of_cameras_are_the_same_everywhere(
    method: str, before: Tuple[int, int], after: Tuple[int, int]
) -> None:
    for image in (fine(before), noise(2, *before, 3)):
        case = Case(image, after, None)
        found = resize("numpy", method, case)
        for other in (resize("torch", method, case), resize("jax", method, case)):
            assert distance(found, other) == 0
        assert distance(found, by_tables_of_torch(method, case)) == 0
        if method in PILLOW:
            assert distance(found, by_pillow(method, case)) == 0
        else:
            exact = np.clip(by_fractions(method, case), 0, 255)
            # The nearest level; single precision may take either of two that are equally near, as
            # may weights of twenty bits.
            assert np.abs(found - exact).max() < (0.503 if method == "lanczos3_tf" else 0.5001)
            assert abs(np.mean(found - exact)) < 0.005


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("method", ["bilinear", "area"])
def test_exact_halves_are_rounded_to_even(framework: str, method: str) -> None:
    image = noise(0, 480, 640, 3)
    exact = image.reshape(240, 2, 320, 2, 3).mean((1, 3))
    found = resize(framework, method, Case(image, (240, 320), None))
    assert ((exact % 1 == 0.5).mean()) > 0.2
    assert (found == np.rint(exact)).all()


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("size", [(80, 80), (60, 64), (48, 160), (1, 1)])
def test_area_is_a_quotient_of_integers_rounded_half_to_even(
    framework: str, size: Tuple[int, int]
) -> None:
    image = noise(0, 480, 640, 1)
    blocks = image.reshape(size[0], 480 // size[0], size[1], 640 // size[1])
    sums, count = blocks.sum((1, 3), dtype=np.int64), (480 // size[0]) * (640 // size[1])
    expected = [[round(Fraction(int(one), count)) for one in row] for row in sums]
    found = resize(framework, "area", Case(image, size, None))
    assert found[..., 0].tolist() == expected


def test_area_of_very_many_pixels_is_exact() -> None:
    image = np.full((1200, 1100, 1), 255, np.uint8)
    image[:1, :1] = 0
    assert resize("numpy", "area", Case(image, (1, 1), None)).item() == 255


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_area_of_too_many_pixels_is_refused(framework: str) -> None:
    with pytest.raises(InvalidValue, match="expected fewer than 2896 pixels along an axis"):
        resize(framework, "area", Case(np.zeros((2896, 1, 1), np.uint8), (1, 1), None))


def fine(size: Tuple[int, int]) -> Any:
    """Return a picture as fine as photographs are: of a spectrum of one over the frequency."""
    rng = np.random.default_rng(0)
    ys, xs = np.fft.fftfreq(size[0])[:, None], np.fft.fftfreq(size[1])[None]
    weights = 1 / np.maximum(np.hypot(ys, xs), 1 / max(size))
    planes = [np.fft.ifft2(np.fft.fft2(rng.normal(size=size)) * weights).real for _ in range(3)]
    planes = [(plane - plane.mean()) / plane.std() * 50 + 128 for plane in planes]
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)


def by_fractions(method: str, case: Case) -> Any:
    """Return the image as it would be without any rounding."""

    def matrix(in_size: int, out_size: int) -> Any:
        found = np.zeros((out_size, in_size))
        for i in range(out_size):
            if method == "area":
                low, high = i * in_size / out_size, (i + 1) * in_size / out_size
                edges = np.clip(np.arange(in_size + 1), low, high)
                found[i] = np.diff(edges) * out_size / in_size
            elif method == "lanczos3_tf":
                scale = in_size / out_size
                x = (np.arange(in_size) + 0.5 - (i + 0.5) * scale) / max(scale, 1.0)
                found[i] = np.where(abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)
                found[i] /= found[i].sum()
            else:
                place = min(max((i + 0.5) * in_size / out_size - 0.5, 0), in_size - 1)
                first = min(int(place), in_size - 2)
                found[i, first : first + 2] = 1 - (place - first), place - first
        return found

    rows, columns = (matrix(*pair) for pair in zip(case.image.shape[:2], case.size))
    return np.einsum("ij,jkc,lk->ilc", rows, case.image.astype(float), columns, optimize=True)


@pytest.mark.parametrize("method", METHODS)
def test_numpy_needs_neither_opencv_nor_pillow(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [resize("numpy", method, case) for case in fixed_cases(shrinking=method == "area")]
    monkeypatch.setattr(numpy_ops, "_module", lambda name: None)
    for case, with_them in zip(fixed_cases(shrinking=method == "area"), found):
        assert distance(resize("numpy", method, case), with_them) == 0


# What holds for all of them


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("level", [0, 1, 127, 255])
def test_a_constant_image_stays_constant(framework: str, method: str, level: int) -> None:
    for size, box in [((9, 7), None), ((5, 5), (1.3, 0.7, 11.1, 9.9)), ((16, 12), None)]:
        image = np.full((16, 12, 3), level, np.uint8)
        assert (resize(framework, method, Case(image, size, box)) == level).all()


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("method", METHODS)
def test_an_image_of_that_size_is_returned_itself(framework: str, method: str) -> None:
    image = to_framework(framework, noise(0, 2, 9, 8, 3))
    ops = ops_of(framework)
    assert ops.resize_image(image, (9, 8), method) is image
    assert ops.resize_image(image, (9, 8), method, (0.0, 0.0, 9.0, 8.0)) is image


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("method", METHODS)
def test_a_whole_box_of_the_target_size_is_a_cut(framework: str, method: str) -> None:
    image = noise(2, 14, 15, 3)
    case = Case(image, (9, 8), (3.0, 4.0, 9.0, 8.0))
    assert distance(resize(framework, method, case), image[3:12, 4:12]) == 0


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("method", METHODS)
def test_images_of_a_batch_do_not_mix(framework: str, method: str) -> None:
    image = noise(0, 2, 3, 20, 26, 3)
    batch = resize(framework, method, Case(image, (11, 9), None))
    assert batch.shape == (2, 3, 11, 9, 3)
    one = resize(framework, method, Case(image[1, 2], (11, 9), None))
    assert distance(batch[1, 2], one) == 0
    none = resize(framework, method, Case(image[:0], (11, 9), None))
    assert none.shape == (0, 3, 11, 9, 3)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("method", METHODS)
def test_the_image_is_neither_changed_nor_needs_memory_in_order(
    framework: str, method: str
) -> None:
    image = noise(2, 3, 21, 26)
    kept = image.copy()
    ops = ops_of(framework)
    channels_last = ops.xp.moveaxis(to_framework(framework, image), 0, -1)
    turned = ops.xp.flip(channels_last, (-3, -2))
    resized = np.asarray(ops.resize_image(turned, (8, 9), method))
    ordered = np.ascontiguousarray(np.moveaxis(kept, 0, -1)[::-1, ::-1])
    assert distance(resized, resize(framework, method, Case(ordered, (8, 9), None))) == 0
    assert (image == kept).all()


def test_numpy_results_may_be_written_to() -> None:
    for method in METHODS:
        resized = resize("numpy", method, Case(noise(0, 9, 9, 3), (4, 4), None))
        resized[:] = 0


@pytest.mark.parametrize("method", METHODS)
def test_weights_sum_to_one_and_stay_in_the_image(method: str) -> None:
    for in_size, out_size, start, extent in [(10, 3, 0, 10), (7, 7, 0.5, 6), (5, 1, 4.5, 0.5)]:
        for first, weights in taps(method, in_size, out_size, start, extent):
            assert first >= 0
            assert first + len(weights) <= in_size
            assert sum(weights) == pytest.approx(sum(weights) if method == "area" else 1)
            assert sum(weights) > 0


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_an_unknown_method_is_named(framework: str) -> None:
    with pytest.raises(InvalidValue, match=r"expected one of bilinear, .*, got 'cubic'"):
        resize(framework, "cubic", Case(noise(0, 4, 4, 3), (2, 2), None))


# Compiled, and on other devices


@pytest.mark.parametrize("method", METHODS)
def test_jax_resizes_inside_of_a_compiled_function(method: str) -> None:
    case = boxed_cases()[1]
    ops = JaxOps()
    traced = 0

    def function(image: Any) -> Any:
        nonlocal traced
        traced += 1
        assert ops.device_of(image) is None
        whole = ops.resize_image(image, (9, 9), method)
        return ops.resize_image(image, case.size, method, case.box), whole

    compiled = ops.jit(function)
    for image in (case.image, 255 - case.image):
        part, whole = compiled(jax.numpy.asarray(image))
        assert distance(np.asarray(part), resize("jax", method, case._replace(image=image))) == 0
        expected = resize("jax", method, Case(image, (9, 9), None))
        assert distance(np.asarray(whole), expected) == 0
    assert traced == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device here")
@pytest.mark.parametrize("method", METHODS)
def test_torch_resizes_on_the_gpu(method: str) -> None:
    ops = TorchOps()
    for case in [*fixed_cases(shrinking=method == "area"), *boxed_cases()]:
        image = torch.from_numpy(case.image).cuda()
        with torch.cuda.device(image.device):
            resized = ops.resize_image(image, case.size, method, case.box)
        assert resized.device == image.device == ops.device_of(resized)
        assert distance(resized.cpu().numpy(), resize("numpy", method, case)) == 0


# The other functions


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_constants_and_dtypes(framework: str) -> None:
    ops = ops_of(framework)
    one = ops.constant([[1, 2.5], (3, 4)], "float32", None)
    assert np.asarray(one).tolist() == [[1, 2.5], [3, 4]]
    assert ops.astype(one, "float32") is one
    cut = ops.astype(one, "int32")
    assert "int32" in str(cut.dtype)
    assert np.asarray(cut).tolist() == [[1, 2], [3, 4]]
    assert np.asarray(ops.constant(7, "uint8", ops.device_of(one))).tolist() == 7


def test_jax_narrows_quietly_where_64_bits_are_off() -> None:
    ops = JaxOps()
    one = ops.constant([1.0], "float64", None)
    assert ops.astype(one, "float64") is one
    assert ops.astype(one, "int64").dtype.name in ("int32", "int64")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_namespace_means_the_same_in_every_framework(framework: str) -> None:
    ops = ops_of(framework)
    xp = ops.xp
    a = ops.constant([[0.5, -1.5], [2.5, 0.25]], "float32", None)
    b = ops.constant([[1.0, 2.0], [3.0, 4.0]], "float32", None)
    c = ops.constant([1.0, float("inf"), float("nan")], "float32", None)
    found: Dict[str, Any] = {
        "stack": xp.stack([a, b], -1),
        "concatenate": xp.concatenate([a, b], -1),
        "where": xp.where(a > 0, a, b),
        "sqrt": xp.sqrt(b),
        "sin": xp.sin(a),
        "cos": xp.cos(a),
        "arctan2": xp.arctan2(a, b),
        "clip": xp.clip(a, -1, 1),
        "abs": xp.abs(a),
        "sum": xp.sum(a, -1),
        "round": xp.round(a),
        "isfinite": xp.isfinite(c),
        "all": xp.all(a > 0, -1),
        "flip": xp.flip(a, (0, 1)),
        "moveaxis": xp.moveaxis(a, 0, -1),
        "broadcast_to": xp.broadcast_to(a, (3, 2, 2)),
        "zeros_like": xp.zeros_like(a),
        "ones_like": xp.ones_like(a),
        "matmul": xp.matmul(a, b),
    }
    a, b = np.asarray(a), np.asarray(b)
    expected = {
        "sqrt": np.sqrt(b),
        "stack": np.stack([a, b], -1),
        "concatenate": np.concatenate([a, b], -1),
        "where": np.where(a > 0, a, b),
        "arctan2": np.arctan2(a, b),
        "clip": np.clip(a, -1, 1),
        "sum": a.sum(-1),
        "round": np.array([[0.0, -2.0], [2.0, 0.0]]),
        "isfinite": np.array([True, False, False]),
        "all": np.array([False, True]),
        "flip": a[::-1, ::-1],
        "moveaxis": a.T,
        "broadcast_to": np.stack([a, a, a]),
        "zeros_like": 0 * a,
        "ones_like": 0 * a + 1,
        "matmul": a @ b,
    }
    for name, value in found.items():
        wanted = expected[name] if name in expected else getattr(np, name)(a)
        np.testing.assert_allclose(np.asarray(value), wanted, rtol=1e-6, atol=1e-6, err_msg=name)


def test_a_backend_without_array_functions_says_so() -> None:
    with pytest.raises(InvalidValue, match="native values have no array functions"):
        NativeBackend().ops  # noqa: B018
