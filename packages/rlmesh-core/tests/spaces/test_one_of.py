from __future__ import annotations

import pytest

from rlmesh.errors import InvalidValue, UnsupportedSpace
from rlmesh.spaces import Box, Discrete, OneOf, Text

CHOICE = OneOf([Discrete(2), Box(0, 1, ())])


def test_values_are_an_index_and_a_value():
    assert CHOICE.conform([0, 1]) == (0, 1)
    assert type(CHOICE.conform((True, 0.5))[0]) is int
    assert (CHOICE[1], len(CHOICE), list(CHOICE)) == (Box(0, 1, ()), 2, list(CHOICE.spaces))


def test_samples_reach_every_space():
    space = OneOf([Discrete(2), Text(3)], seed=1)
    assert {space.sample()[0] for _ in range(50)} == {0, 1}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1, "action: expected an index and a value, got 1 (int)"),
        ((0, 1, 2), "action: expected an index and a value, got (0, 1, 2) (tuple)"),
        ((2, 1), "action[0]: expected an index from 0 to 1, got 2 (int)"),
        ((-1, 1), "action[0]: expected an index from 0 to 1, got -1 (int)"),
        (("a", 1), "action[0]: expected an index from 0 to 1, got 'a' (str)"),
        ((0, "x"), "action[1]: expected an integer, got 'x' (str)"),
    ],
)
def test_a_misfit_is_named_with_its_path(value, message):
    with pytest.raises(InvalidValue) as caught:
        CHOICE.conform(value, "action")
    assert str(caught.value) == message


def test_a_value_out_of_its_spaces_bounds_is_named():
    found = CHOICE.violation((0, 5), "action")
    assert found == "action[1]: expected within [0, 1], got 5"


def test_there_must_be_a_space():
    with pytest.raises(UnsupportedSpace, match="OneOf: expected at least one space, got none"):
        OneOf([])


def test_repr_and_equality_tell_the_spaces():
    assert repr(CHOICE) == "OneOf(Discrete(2), Box(0.0, 1.0, (), float32))"
    assert OneOf([Discrete(2)]) == OneOf([Discrete(2)])
    assert OneOf([Discrete(2)]) != OneOf([Discrete(3)])
