from __future__ import annotations

import pytest

from rlmesh import Tensor
from rlmesh.errors import InvalidValue, UnsupportedSpace
from rlmesh.spaces import MultiBinary


def test_a_number_and_a_shape_make_arrays_of_int8():
    assert (MultiBinary(3).n, MultiBinary(3).shape, MultiBinary(3).dtype) == (3, (3,), "int8")
    assert (MultiBinary([2, 3]).n, MultiBinary([2, 3]).shape) == ((2, 3), (2, 3))
    assert MultiBinary(3) != MultiBinary([2, 3])


def test_samples_have_zeros_and_ones():
    sample = MultiBinary(200, seed=1).sample()
    assert set(sample.flat()) == {0, 1}
    assert 60 < sum(sample.flat()) < 140


def test_plain_lists_and_bools_conform():
    assert MultiBinary(3).conform([0, True, 1]) == Tensor.from_values([0, 1, 1], "int8")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([0, 1], "action.shape: expected (2, 2), got (2,)"),
        ([[0, 1], [0, 0.5]], "action.dtype: expected integers for int8, got 0.5"),
        ("x", "action: expected an array of int8 and shape (2, 2), got 'x' (str)"),
    ],
)
def test_a_misfit_is_named(value, message):
    with pytest.raises(InvalidValue) as caught:
        MultiBinary([2, 2]).conform(value, "action")
    assert str(caught.value) == message


def test_the_first_element_that_is_neither_is_named():
    space = MultiBinary([2, 2])
    value = space.conform([[0, 1], [-1, 2]])
    assert space.violation(value, "obs") == "obs[1, 0]: expected within [0, 1], got -1"
    assert value not in space


@pytest.mark.parametrize("n", [0, -1, 1.5, "3", [2, 0], [2.5], 2**41, None])
def test_wrong_arguments_are_named(n):
    with pytest.raises(UnsupportedSpace, match=r"^MultiBinary.n: expected"):
        MultiBinary(n)


def test_repr_tells_the_argument():
    assert repr(MultiBinary(3)) == "MultiBinary(3)"
    assert repr(MultiBinary([2, 3])) == "MultiBinary((2, 3))"
