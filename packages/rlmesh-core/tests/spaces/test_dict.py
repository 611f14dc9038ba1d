from __future__ import annotations

import enum
from collections import OrderedDict
from types import MappingProxyType

import pytest

from rlmesh.errors import InvalidValue, UnsupportedSpace
from rlmesh.spaces import Box, Dict, Discrete, space_from_spec

A, B = Discrete(2), Discrete(3)


def test_a_plain_mapping_is_sorted_and_everything_else_keeps_its_order():
    assert list(Dict({"b": B, "a": A})) == ["a", "b"]
    assert list(Dict({"b": B, "a": A}, sort_keys=False)) == ["b", "a"]
    assert list(Dict(OrderedDict([("b", B), ("a", A)]))) == ["b", "a"]
    assert list(Dict([("b", B), ("a", A)])) == ["b", "a"]
    assert list(Dict({"z": B, 1: A})) == ["z", 1]
    assert list(Dict({"z": B}, a=A)) == ["z", "a"]


def test_it_reads_like_a_mapping_of_spaces():
    space = Dict(a=A, b=B)
    assert (space["b"], len(space), list(space.keys())) == (B, 2, ["a", "b"])
    assert (list(space.values()), dict(space.items())) == ([A, B], space.spaces)


def test_values_get_the_order_of_the_space():
    value = Dict([("b", B), ("a", A)]).conform({"a": 1, "b": 2})
    assert list(value.items()) == [("b", 2), ("a", 1)]


def test_any_mapping_is_a_value():
    assert Dict(a=A).conform(MappingProxyType({"a": 1})) == {"a": 1}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": 1, "c": 1}, "observation: expected keys ['a', 'b'], got ['a', 'c']"),
        ({"a": 1}, "observation: expected keys ['a', 'b'], got ['a']"),
        ({"a": 1, "b": {}, "c": 1}, "observation: expected keys ['a', 'b'], got ['a', 'b', 'c']"),
        ([1, 2], "observation: expected a mapping, got [1, 2] (list)"),
        ({"a": 1, "b": {"c": 0}}, "observation['b']['c'].shape: expected (2,), got ()"),
        ({"a": "x", "b": {"c": 0}}, "observation['a']: expected an integer, got 'x' (str)"),
    ],
)
def test_a_misfit_is_named_with_its_path(value, message):
    with pytest.raises(InvalidValue) as caught:
        Dict(a=A, b=Dict(c=Box(0, 1, (2,)))).conform(value, "observation")
    assert str(caught.value) == message


def test_the_first_part_out_of_bounds_is_named_with_its_path():
    space = Dict(a=A, b=Dict({3: Box(0, 1, (2,))}))
    value = space.conform({"a": 0, "b": {3: [0, 2]}})
    found = space.violation(value, "obs")
    assert found == "obs['b'][3][1]: expected within [0.0, 1.0], got 2.0"


def test_each_space_can_have_its_own_seed():
    space = Dict(a=Discrete(10**6), b=Discrete(10**6))
    assert space.seed({"b": 2, "a": 1}) == {"a": 1, "b": 2}
    assert space.sample() == {
        "a": Discrete(10**6, seed=1).sample(),
        "b": Discrete(10**6, seed=2).sample(),
    }
    with pytest.raises(InvalidValue, match=r"seed: expected keys \['a', 'b'\], got \['a'\]"):
        space.seed({"a": 1})


@pytest.mark.parametrize(
    ("spaces", "message"),
    [
        ({("a", 1): A}, "Dict: expected keys that are str, int, bool or bytes, got ('a', 1)"),
        ([("a", A), ("a", A)], "Dict: expected every key once, got 'a' twice"),
        ([A], "Dict: expected a mapping or pairs, got [Discrete(2)] (list)"),
        (3, "Dict: expected a mapping or pairs, got 3 (int)"),
    ],
)
def test_wrong_arguments_are_named(spaces, message):
    with pytest.raises(UnsupportedSpace) as caught:
        Dict(spaces)
    assert str(caught.value).startswith(message)


def test_keys_of_an_enum_become_plain_in_the_spec():
    class Key(str, enum.Enum):
        CAMERA = "camera"

    again = space_from_spec(Dict({Key.CAMERA: A}).to_spec())
    assert [type(key) for key in again] == [str]
    assert list(again) == ["camera"]


def test_equality_does_not_depend_on_the_order():
    assert Dict([("b", B), ("a", A)]) == Dict(a=A, b=B)
    assert Dict(a=A) not in (Dict(a=B), Dict(b=A), Dict())


def test_repr_is_gymnasiums():
    assert repr(Dict(a=A, b=Dict())) == "Dict('a': Discrete(2), 'b': Dict())"
