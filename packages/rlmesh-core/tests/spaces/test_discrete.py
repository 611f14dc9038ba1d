from __future__ import annotations

import array
import dataclasses
from typing import Any, Tuple

import pytest

from rlmesh import Tensor
from rlmesh.errors import InvalidValue, UnsupportedSpace
from rlmesh.spaces import Discrete


class Index:
    def __index__(self):
        return 2


@pytest.mark.parametrize("value", [2, Index(), Tensor.from_values(2, "uint8")])
def test_whatever_is_an_integer_becomes_an_int(value):
    conformed = Discrete(3).conform(value)
    assert conformed == 2
    assert type(conformed) is int
    assert type(Discrete(3).conform(True)) is int


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("left", "action: expected an integer, got 'left' (str)"),
        (1.0, "action: expected an integer, got 1.0 (float); convert it: int(action)"),
        (None, "action: expected an integer, got None; did predict forget to return it?"),
        ([1], "action: expected an integer, got [1] (list)"),
        (array.array("i", [1]), "action: expected an integer, got array('i', [1]) (array)"),
        (200, "action: expected an integer that fits int8, got 200 (int)"),
    ],
)
def test_a_misfit_is_named(value, message):
    with pytest.raises(InvalidValue) as caught:
        Discrete(3, dtype="int8").conform(value, "action")
    assert str(caught.value) == message


@dataclasses.dataclass
class Loose(Index):
    """An array of a framework that takes any one element for an integer."""

    dtype: Any
    shape: Tuple[int, ...]


class Bool:
    itemsize = 1

    def __str__(self):
        return "framework.bool"


def test_neither_a_bool_array_nor_one_with_axes_passes_for_an_integer():
    assert Discrete(3).conform(Loose(None, ())) == 2
    for loose in (Loose(Bool(), ()), Loose(None, (1,)), Loose(None, (1, 1))):
        with pytest.raises(InvalidValue, match="expected an integer, got Loose"):
            Discrete(3).conform(loose)


def test_an_array_without_memory_is_a_misfit():
    class Deleted:
        def __index__(self):
            raise RuntimeError("deleted")

    with pytest.raises(InvalidValue, match="expected an integer, got <.*Deleted"):
        Discrete(3).conform(Deleted())


def test_an_integer_too_long_to_print_is_named_by_its_length():
    with pytest.raises(InvalidValue, match="fits int64, got an integer of 16610 bits"):
        Discrete(3).conform(10**5000)


def test_the_values_are_n_integers_from_start_on():
    space = Discrete(3, start=-1)
    assert [x in space for x in (-2, -1, 0, 1, 2)] == [False, True, True, True, False]
    assert {space.sample() for _ in range(100)} == {-1, 0, 1}
    assert space.violation(2, "action") == "action: expected within [-1, 1], got 2"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "Discrete.n: expected an integer from 1 to 9223372036854775807, got 0 (int)"),
        ({"n": 2.5}, "Discrete.n: expected an integer from 1 to"),
        ({"n": 2, "start": "a"}, "Discrete.start: expected an integer from"),
        ({"n": 2, "dtype": "float32"}, "Discrete.dtype: expected one of int8, int16"),
        ({"n": 100, "start": 100, "dtype": "int8"}, "Discrete: expected start + n - 1 within int8"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(UnsupportedSpace) as caught:
        Discrete(**arguments)
    assert str(caught.value).startswith(message)


def test_repr_and_equality_tell_every_argument():
    assert repr(Discrete(3)) == "Discrete(3)"
    assert repr(Discrete(3, start=1, dtype="uint8")) == "Discrete(3, start=1, dtype=uint8)"
    assert Discrete(3) == Discrete(3)
    assert Discrete(3) not in (Discrete(4), Discrete(3, start=1), Discrete(3, dtype="int32"))


def test_a_billion_stacked_values_have_a_space_without_a_table():
    batched = Discrete(5, start=1).batched(10**9)
    assert batched.shape == (10**9,)
    assert batched.to_spec()["nvec"] == 5
