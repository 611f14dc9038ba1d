from __future__ import annotations

import array
import ctypes
import math
import statistics

import pytest
from hypothesis import given
from strategies import SPECIAL_FLOATS, boxes, same_bits

from rlmesh import Tensor
from rlmesh._values.dtypes import DTYPES
from rlmesh.errors import InvalidValue, UnsupportedSpace
from rlmesh.spaces import Box

INF = math.inf


def test_two_numbers_make_a_box_of_one_element():
    assert Box(0, 1).shape == (1,)
    assert Box(0, 1).dtype == "float32"


def test_the_shape_comes_from_the_bounds():
    assert Box([[0, 1]], [[2, 3]]).shape == (1, 2)
    assert Box(0, Tensor.from_values([1, 2, 3], "int8"), dtype="int8").shape == (3,)
    assert Box(Tensor.from_values(0, "int8"), 1).shape == ()


def test_bounds_are_in_the_dtype_and_shape_of_the_values():
    box = Box(0, [1, 2], dtype="float16")
    assert box.low == Tensor.from_values([0, 0], "float16")
    assert box.high == Tensor.from_values([1, 2], "float16")


@pytest.mark.parametrize(
    ("dtype", "name"), [(int, "int64"), (float, "float64"), (bool, "bool"), ("bool_", "bool")]
)
def test_a_dtype_may_be_a_type_of_python(dtype, name):
    assert Box(0, 1, dtype=dtype).dtype == name


def test_bounds_do_not_change_with_the_array_they_came_from():
    low = array.array("f", [0, 0])
    box = Box(low, 5.0)
    low[1] = 3
    assert box.low.tolist() == [0, 0]


def test_bounds_are_cast_as_numpy_casts_them():
    box = Box(0.0, 255.9, (2,), "uint8")
    assert (box.low.tolist(), box.high.tolist()) == ([0, 0], [255, 255])
    assert Box(0.1, 0.3).low == Tensor.from_values([0.1], "float32")
    assert Box(array.array("d", [0.1]), 1.0).low == Tensor.from_values([0.1], "float32")


def test_infinities_are_the_limits_of_signed_integers():
    box = Box(-INF, INF, (1,), "int16")
    assert (box.low.item(), box.high.item()) == (-(2**15), 2**15 - 1)


def test_bounds_that_tile_the_shape_are_repeated():
    assert Box([1, 2], [3, 4], (2, 2)).low.tolist() == [[1, 2], [1, 2]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 0), "Box: expected low <= high, got 1.0 and 0.0"),
        (([0, 5], [1, 4]), "Box: expected low[1] <= high[1], got 5.0 and 4.0"),
        ((math.nan, 0), "Box: expected low <= high, got nan and 0.0"),
        ((0, [1, math.nan]), "Box: expected low[1] <= high[1], got 0.0 and nan"),
        (([0, 1], [1, 2, 3]), "Box.high.shape: expected (2,), got (3,)"),
        ((0, 1, (-1,)), "Box.shape: expected non-negative sizes, got (-1,) (tuple)"),
        ((0, 1, 3), "Box.shape: expected a sequence of integers, got 3 (int)"),
        ((0, 1, (2**21, 2**21)), "Box.shape: expected at most 64 axes and 2**40 elements"),
        ((0, 1, (2**41, 0)), "Box.shape: expected at most 64 axes and 2**40 elements"),
        ((0, 1, (1,) * 65), "Box.shape: expected at most 64 axes and 2**40 elements"),
        ((0, 256, (1,), "uint8"), "Box.high: expected uint8 numbers: dtype: a value does not fit"),
        ((-INF, 1, (1,), "uint8"), "Box.low: expected uint8 numbers: cannot convert float"),
        ((0, 1e39), "Box.high: expected float32 numbers: dtype: a value does not fit float32"),
        ((None, 1), "Box.low: expected float32 numbers: dtype: expected numbers for float32"),
        ((0, 1, (1,), "complex64"), "Box.dtype: expected one of bool, int8"),
        ((0, 1, (1,), None), "Box.dtype: expected one of bool, int8"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(UnsupportedSpace) as caught:
        Box(*arguments)
    assert str(caught.value).startswith(message)


def test_a_large_image_box_holds_no_arrays():
    one_frame = 1080 * 1920 * 3
    box = Box(0, 255, (2**12, 1080, 1920, 3), "uint8")
    assert box == Box(0, 255, (2**12, 1080, 1920, 3), "uint8")
    assert len(str(box.to_spec())) + len(repr(box)) < 200
    assert Box(0, 255, (1080, 1920, 3), "uint8").sample().nbytes == one_frame


@given(boxes())
def test_bounds_keep_every_bit(box):
    again = Box(box.low, box.high, box.shape, box.dtype)
    assert again == box
    assert (again.low, again.high) == (box.low, box.high)


@pytest.mark.parametrize("value", [x for x in SPECIAL_FLOATS if x == x])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16"])
def test_special_bounds_keep_their_sign(value, dtype):
    box = Box(value, value, (2,), dtype)
    assert all(same_bits(x, value) for x in box.low.flat())
    assert box.sample() in box


@pytest.mark.parametrize("dtype", [d.name for d in DTYPES.values() if d.kind in "biu"])
def test_the_full_range_is_unbounded_and_sampled_as_a_whole(dtype):
    low, high = DTYPES[dtype].limits
    box = Box(low, high, (500,), dtype, seed=1)
    assert not box.bounded
    flat = box.sample().flat()
    assert set(flat) == {False, True} if dtype == "bool" else len(set(flat)) > 200
    assert max(flat) > (low + high) / 2 >= min(flat)


def test_bounded_says_whether_anything_can_be_out_of_bounds():
    assert not Box(-INF, INF).bounded
    assert Box(0, INF).bounded
    assert Box(0, 254, dtype="uint8").bounded
    assert Box([-INF, -INF], [INF, 1]).bounded


def test_integers_are_sampled_up_to_both_bounds():
    sample = Box(-1, 1, (200,), "int64", seed=1).sample()
    assert set(sample.flat()) == {-1, 0, 1}
    wide = Box(-(2**63), 2**63 - 2, (200,), "int64", seed=1).sample()
    assert min(wide.flat()) < -(2**62) < 2**62 < max(wide.flat())


def test_floats_are_uniform_exponential_or_normal_by_their_bounds():
    n = 4000
    uniform = Box(2, 4, (n,), seed=1).sample().flat()
    assert statistics.mean(uniform) == pytest.approx(3, abs=0.1)
    assert statistics.pstdev(uniform) == pytest.approx(2 / math.sqrt(12), abs=0.05)
    above = Box(2, INF, (n,), seed=1).sample().flat()
    assert (min(above) >= 2, statistics.mean(above)) == (True, pytest.approx(3, abs=0.1))
    below = Box(-INF, 2, (n,), seed=1).sample().flat()
    assert (max(below) <= 2, statistics.mean(below)) == (True, pytest.approx(1, abs=0.1))
    normal = Box(-INF, INF, (n,), seed=1).sample().flat()
    assert statistics.mean(normal) == pytest.approx(0, abs=0.1)
    assert statistics.pstdev(normal) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16"])
def test_samples_stay_finite_at_the_ends_of_a_dtype(dtype):
    largest = {"float16": 65504.0, "bfloat16": 3.3895313892515355e38}.get(dtype, 3.4e38)
    for low, high in [(-largest, largest), (largest, INF), (-INF, -largest)]:
        box = Box(low, high, (50,), dtype, seed=1)
        sample = box.sample()
        assert sample in box
        assert all(map(math.isfinite, sample.flat()))


POINT = Box(-1, 1, (2,))


@pytest.mark.parametrize(
    "value",
    [
        [0.5, -1],
        (0.5, -1.0),
        array.array("f", [0.5, -1]),
        (ctypes.c_float * 2)(0.5, -1),
        Tensor.from_values([0.5, -1], "float16"),
        Tensor.from_values([0.5, -1], "bfloat16"),
        memoryview(array.array("f", [0.5, 9, -1]))[::2],
    ],
)
def test_what_stands_for_an_array_becomes_a_tensor(value):
    assert POINT.conform(value) == Tensor.from_values([0.5, -1], "float32")


def test_integers_and_bools_become_floats_only_as_plain_numbers():
    assert Box(0, 1, ()).conform(True) == Tensor.from_values(1.0, "float32")
    with pytest.raises(InvalidValue, match="value.dtype: expected float32, got int32"):
        POINT.conform(array.array("i", [0, 1]))


def test_an_array_of_the_right_dtype_is_not_copied():
    memory = array.array("f", [0, 0])
    tensor = POINT.conform(memory)
    memory[0] = 1.0
    assert tensor.tolist() == [1, 0]


def test_an_array_interface_over_bytes_is_taken():
    class Picture:
        __array_interface__ = {"typestr": "|u1", "shape": (1, 2), "data": b"\1\2", "version": 3}

    value = Box(0, 255, (1, 2), "uint8").conform(Picture())
    assert value == Tensor.from_values([[1, 2]], "uint8")


def test_empty_lists_fit_boxes_without_elements():
    for shape in [(0,), (0, 3), (2, 0), (2, 0, 3)]:
        box = Box(0, 1, shape)
        assert box.conform(box.sample().tolist()) == box.sample()


@pytest.mark.parametrize(
    ("space", "value", "message"),
    [
        (POINT, [1, 2, 3], "action.shape: expected (2,), got (3,)"),
        (POINT, 0.5, "action.shape: expected (2,), got ()"),
        (POINT, [[0], [1, 2]], "action.shape: expected equal rows, got rows of shapes"),
        (POINT, [0, "a"], "action.dtype: expected numbers for float32, got 'a'"),
        (POINT, None, "action: expected an array of float32 and shape (2,), got None"),
        (POINT, "ab", "action: expected an array of float32 and shape (2,), got 'ab' (str)"),
        (POINT, {"a": 1}, "action: expected an array of float32 and shape (2,), got {'a': 1}"),
        (POINT, array.array("d", [0, 1]), "action.dtype: expected float32, got float64"),
        (POINT, b"ab", "action.dtype: expected float32, got uint8"),
        (POINT, array.array("f", [0]), "action.shape: expected (2,), got (1,)"),
        (POINT, [1e39, 0], "action.dtype: a value does not fit float32"),
        (Box(0, 9, (), "uint8"), 1.0, "action.dtype: expected integers for uint8, got 1.0"),
        (Box(0, 9, (), "uint8"), 256, "action.dtype: a value does not fit uint8"),
        (Box(0, 1, (), "bool"), 2, "action.dtype: expected only True and False"),
    ],
)
def test_a_misfit_is_named(space, value, message):
    with pytest.raises(InvalidValue) as caught:
        space.conform(value, "action")
    assert str(caught.value).startswith(message)
    assert value not in space


@pytest.mark.parametrize(
    ("space", "value", "sentence"),
    [
        (POINT, [0, 1.5], "obs[1]: expected within [-1.0, 1.0], got 1.5"),
        (POINT, [math.nan, 0], "obs[0]: expected within [-1.0, 1.0], got nan"),
        (Box(0, 0.1, (1, 2)), [[0.1, -0.2]], "obs[0, 1]: expected within [0.0, 0.1], got -0.2"),
        (Box([0, 1], [0, 2], (2, 2)), [[0, 1], [0, 3]], "obs[1, 1]: expected within [1.0, 2.0]"),
        (Box(-INF, INF, ()), math.nan, "obs: expected within [-inf, inf], got nan"),
        (Box(1, 2, (), "int8"), 3, "obs: expected within [1, 2], got 3"),
        (Box(0, 0, (100,), "uint8"), [0] * 99 + [7], "obs[99]: expected within [0, 0], got 7"),
        (POINT, [-1, 1], None),
        (Box(-INF, INF), [INF], None),
        (Box(0, 1, (0,)), [], None),
    ],
)
def test_the_first_element_out_of_bounds_is_named(space, value, sentence):
    found = space.violation(space.conform(value), "obs")
    assert found == sentence or (sentence and found.startswith(sentence))


def test_repr_is_as_short_as_gymnasiums():
    assert repr(Box(-1, 1, (3,))) == "Box(-1.0, 1.0, (3,), float32)"
    assert repr(Box([-4.8, -INF], [0.1, 3.4028234663852886e38])) == (
        "Box([-4.8 -inf], [0.1 3.4028235e+38], (2,), float32)"
    )
    assert repr(Box(0, list(range(20)), dtype="int8")) == (
        "Box(0, [0 1 2 ... 17 18 19], (20,), int8)"
    )
    assert repr(Box(0, 1, (0,))) == "Box([], [], (0,), float32)"


def test_boxes_are_equal_when_every_bound_is():
    assert Box(0, 1, (2,)) == Box([0, 0], [1, 1])
    assert Box([0, 1], 2, (2, 2)) == Box([[0, 1], [0, 1]], 2)
    assert Box(0, 1) != Box(0, 1, (2,))
    assert Box(0, 1) != Box(0, 1, dtype="float64")
    assert Box(0, 1) != Box(0, 1.0000001)
    assert Box(0, 1) != "Box"
