from __future__ import annotations

import array

import pytest
from hypothesis import given
from strategies import multi_discretes

from rlmesh import Tensor
from rlmesh.errors import InvalidValue, UnsupportedSpace
from rlmesh.spaces import MultiDiscrete


def test_nvec_and_start_are_in_the_shape_and_dtype_of_the_values():
    space = MultiDiscrete([[3, 2], [5, 5]], dtype="int16")
    assert space.shape == (2, 2)
    assert space.nvec == Tensor.from_values([[3, 2], [5, 5]], "int16")
    assert space.start == Tensor.from_values([[0, 0], [0, 0]], "int16")
    assert MultiDiscrete([2, 2], start=[1, -1]).start.tolist() == [1, -1]
    assert MultiDiscrete(array.array("B", [2, 3])).nvec.tolist() == [2, 3]
    assert MultiDiscrete(4).shape == ()


@given(multi_discretes())
def test_nvec_and_start_define_the_space(space):
    assert MultiDiscrete(space.nvec, space.dtype, start=space.start) == space


def test_samples_reach_every_integer_of_every_element():
    space = MultiDiscrete([3, 2], start=[-1, 5], seed=1)
    samples = {tuple(space.sample().flat()) for _ in range(200)}
    assert samples == {(a, b) for a in (-1, 0, 1) for b in (5, 6)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([3, 0],), "MultiDiscrete.nvec: expected at least 1, got 0"),
        (("abc",), "MultiDiscrete.nvec: expected int64 numbers: dtype: expected integers"),
        (([3], "float32"), "MultiDiscrete.dtype: expected one of int8"),
        (([100, 1], "int8", None, [1, 127]), None),
        (
            ([100, 2], "int8", None, [1, 127]),
            "MultiDiscrete: expected start + nvec - 1 within",
        ),
        (([1, 2], "int8", None, [1]), "MultiDiscrete.start.shape: expected (2,), got (1,)"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    if message is None:
        assert MultiDiscrete(*arguments).shape == (2,)
        return
    with pytest.raises(UnsupportedSpace) as caught:
        MultiDiscrete(*arguments)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([0], "action.shape: expected (2,), got (1,)"),
        ([1.5, 0], "action.dtype: expected integers for int64, got 1.5"),
        (array.array("f", [1, 0]), "action.dtype: expected int64, got float32"),
    ],
)
def test_a_misfit_is_named(value, message):
    with pytest.raises(InvalidValue) as caught:
        MultiDiscrete([3, 2]).conform(value, "action")
    assert str(caught.value) == message


def test_narrower_integers_widen():
    value = MultiDiscrete([3, 2]).conform(array.array("B", [1, 0]))
    assert value == Tensor.from_values([1, 0], "int64")


def test_the_first_element_out_of_its_range_is_named():
    space = MultiDiscrete([3, 2], start=[0, 5])
    assert space.violation(space.conform([2, 6])) is None
    found = space.violation(space.conform([2, 7]), "action")
    assert found == "action[1]: expected within [5, 6], got 7"


def test_repr_is_gymnasiums():
    assert repr(MultiDiscrete([2, 2])) == "MultiDiscrete([2 2])"
    assert repr(MultiDiscrete([3, 2], start=[0, 1])) == "MultiDiscrete([3 2], start=[0 1])"


def test_equality_tells_every_argument():
    space = MultiDiscrete([2, 2])
    assert space == MultiDiscrete([2, 2], start=[0, 0])
    assert space not in (
        MultiDiscrete([2, 3]),
        MultiDiscrete([2, 2], "int32"),
        MultiDiscrete([2, 2], start=[0, 1]),
        MultiDiscrete([2, 2, 2]),
    )
