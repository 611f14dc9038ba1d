"""NumPy's values in our spaces, and NumPy's help with checking them."""

from __future__ import annotations

import sys

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlmesh import Tensor
from rlmesh.errors import InvalidValue
from rlmesh.spaces import Box, Dict, Discrete, Graph, MultiBinary, MultiDiscrete, OneOf, Text, Tuple

GRID = Box(-9, 9, (2, 3), "float32")
NUMBERS = np.arange(6, dtype="float32").reshape(2, 3)


@pytest.mark.parametrize(
    "value",
    [
        NUMBERS,
        NUMBERS.astype(">f4"),
        NUMBERS.astype("float16"),
        np.asfortranarray(NUMBERS),
        np.repeat(NUMBERS, 2, axis=1)[:, ::2],
        np.flip(np.flip(NUMBERS).copy()),
        list(NUMBERS),
        [list(row) for row in NUMBERS],
        NUMBERS.tolist(),
    ],
)
def test_arrays_of_any_layout_conform(value):
    assert np.array_equal(np.asarray(GRID.conform(value)), NUMBERS)


def test_an_array_is_not_copied():
    array = NUMBERS.copy()
    tensor = GRID.conform(array)
    array[1, 2] = 8
    assert tensor[1, 2] == 8


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 2, 3)])
def test_empty_arrays_conform(shape):
    assert Box(0, 1, shape).conform(np.empty(shape, "float32")).shape == shape


def test_scalars_and_arrays_without_axes_conform():
    assert Box(0, 1, ()).conform(np.float32(0.5)).item() == 0.5
    assert Box(0, 1, ()).conform(np.array(0.5, "float32")).item() == 0.5
    assert MultiDiscrete(3).conform(np.int64(2)).item() == 2
    assert MultiBinary([2]).conform(np.array([0, 1], "int8")).tolist() == [0, 1]
    assert Box(0, 1, (2,), "bool").conform(np.array([True, False])).tolist() == [True, False]
    assert Box(0, 1, (2,), "bool").conform([np.bool_(1), np.bool_(0)]).tolist() == [True, False]


def test_integers_of_numpy_are_integers():
    for value in (np.int64(1), np.uint8(1), np.array(1)):
        assert type(Discrete(2).conform(value)) is int
    assert OneOf([Discrete(2)]).conform((np.int64(0), np.int64(1))) == (0, 1)
    assert Text(3).conform(np.str_("ab")) == "ab"


def test_bfloat16_arrays_conform():
    array = np.array([[1, -2.5]], ml_dtypes.bfloat16)
    expected = Tensor.from_values([[1, -2.5]], "bfloat16")
    assert Box(-9, 9, (1, 2), "bfloat16").conform(array) == expected
    assert Box(-9, 9, (1, 2), "bfloat16").conform(array.repeat(2, 1)[:, ::2]) == expected


def test_links_of_int64_become_int32():
    value = (np.zeros((2, 3), "float32"), np.array([0]), np.array([[0, 1]]))
    graph = Graph(Box(0, 1, (3,)), Discrete(2))
    assert graph.conform(value).edge_links == Tensor.from_values([[0, 1]], "int32")


class Ungiving:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("it lives on a GPU")


@pytest.mark.parametrize(
    ("space", "value", "message"),
    [
        (GRID, NUMBERS.astype("float64"), "x.dtype: expected float32, got float64"),
        (GRID, NUMBERS.astype("int8"), "x.dtype: expected float32, got int8"),
        (GRID, NUMBERS.T, "x.shape: expected (2, 3), got (3, 2)"),
        (GRID, NUMBERS.astype(object), "x.dtype: expected plain numbers, got buffer format 'O'"),
        (
            GRID,
            NUMBERS.astype("complex64"),
            "x.dtype: expected plain numbers, got buffer format 'Z",
        ),
        (GRID, NUMBERS.astype("datetime64[s]"), "x.dtype: expected numbers in main memory: "),
        (GRID, NUMBERS.astype(str), "x.dtype: expected plain numbers, got buffer format"),
        (GRID, [NUMBERS[0], NUMBERS[1, :2]], "x.shape: expected equal rows, got rows of shapes"),
        (GRID, Ungiving(), "x.dtype: expected numbers in main memory: it lives on a GPU"),
        (Discrete(2), np.array([1]), "x: expected an integer, got array([1])"),
        (Discrete(2), np.float32(1), "x: expected an integer, got "),
        (
            Dict(a=Tuple([Box(0, 255, (480, 640, 3), "uint8")])),
            {"a": (np.zeros((480, 640), "uint8"),)},
            "x['a'][0].shape: expected (480, 640, 3), got (480, 640)",
        ),
    ],
)
def test_a_misfit_is_named(space, value, message):
    with pytest.raises(InvalidValue) as caught:
        space.conform(value, "x")
    assert str(caught.value).startswith(message)


@settings(deadline=None)
@given(
    st.sampled_from(["int8", "uint64", "float16", "float32", "bool"]),
    st.lists(st.integers(0, 1) | st.just(None), min_size=70, max_size=90),
    st.booleans(),
    st.booleans(),
)
def test_numpy_finds_the_same_violation_as_the_loop(dtype, choices, low_varies, high_varies):
    one = 0 if dtype == "bool" else 1
    other = 1 if dtype == "bool" else np.nan if dtype.startswith("f") else 9
    flat = [other if choice is None else choice * one for choice in choices]
    value = Tensor.from_values(flat, dtype)
    low = [0] * len(flat) if low_varies else 0
    high = [one] * len(flat) if high_varies else one
    space = Box(low, high, (len(flat),), dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(sys.modules, "numpy")
        expected = space.violation(value)
    assert space.violation(value) == expected
    first = next((i for i, choice in enumerate(choices) if choice is None), None)
    assert (expected is None) == (first is None)
    assert expected is None or expected.startswith(f"value[{first}]: ")
