from __future__ import annotations

import pytest

from rlmesh.errors import InvalidValue, UnsupportedSpace
from rlmesh.spaces import Box, Dict, Discrete, Tuple

PAIR = Tuple([Discrete(2), Tuple([Discrete(3)])])


def test_it_reads_like_a_tuple_of_spaces():
    assert (PAIR[0], len(PAIR), list(PAIR)) == (Discrete(2), 2, [Discrete(2), PAIR[1]])


def test_lists_become_tuples():
    assert PAIR.conform([1, [2]]) == (1, (2,))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1], "action: expected 2 elements, got 1"),
        ("ab", "action: expected a tuple, got 'ab' (str)"),
        ((1, 2), "action[1]: expected a tuple, got 2 (int)"),
        ((1, ("x",)), "action[1][0]: expected an integer, got 'x' (str)"),
    ],
)
def test_a_misfit_is_named_with_its_path(value, message):
    with pytest.raises(InvalidValue) as caught:
        PAIR.conform(value, "action")
    assert str(caught.value) == message


def test_the_first_part_out_of_bounds_is_named_with_its_path():
    space = Tuple([Discrete(2), Dict(a=Box(0, 1, ()))])
    found = space.violation(space.conform((0, {"a": -1})), "action")
    assert found == "action[1]['a']: expected within [0.0, 1.0], got -1.0"


@pytest.mark.parametrize("spaces", [None, 3, {"a": Discrete(2)}])
def test_wrong_arguments_are_named(spaces):
    with pytest.raises(UnsupportedSpace, match="Tuple: expected a sequence of spaces, got"):
        Tuple(spaces)


def test_repr_and_equality_tell_the_spaces():
    assert repr(PAIR) == "Tuple(Discrete(2), Tuple(Discrete(3)))"
    assert Tuple([Discrete(2)]) == Tuple((Discrete(2),))
    assert Tuple([Discrete(2)]) not in (Tuple([Discrete(3)]), Tuple([]))
