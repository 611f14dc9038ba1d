"""Spaces as plain data: exact there and back, and safe to read from anyone."""

from __future__ import annotations

import copy

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import spaces

from rlmesh import Tensor
from rlmesh.errors import UnsupportedSpace
from rlmesh.spaces import Box, Dict, Discrete, MultiDiscrete, Space, Text, space_from_spec
from rlmesh.spaces._tables import little_endian

BOX = Box(0, 1, (2,)).to_spec()
DISCRETE = Discrete(2).to_spec()


@given(spaces())
def test_a_space_survives_its_spec_exactly(space):
    packed = msgpack.packb(space.to_spec())
    again = space_from_spec(msgpack.unpackb(packed, strict_map_key=False))
    assert again == space
    assert repr(again) == repr(space)
    assert msgpack.packb(again.to_spec()) == packed


def test_key_order_survives():
    space = Dict([("b", Discrete(2)), (1, Discrete(3)), (b"a", Text(1, charset="ba"))])
    again = space_from_spec(space.to_spec())
    assert list(again) == ["b", 1, b"a"]
    assert again[b"a"].characters == "ba"


def test_bounds_travel_little_endian():
    words = Tensor(b"\1\2\3\4", "uint16", (2,))
    assert little_endian(words, "big") == b"\2\1\4\3"
    assert little_endian(words, "little") == b"\1\2\3\4"
    assert Box([1, 2], 3, dtype="int16").to_spec()["low"] == b"\1\0\2\0"


def changed(spec, **fields):
    return {**spec, **fields}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (None, "space: expected a dict, got None"),
        ([], "space: expected a dict, got [] (list)"),
        ({}, "space: expected one of the types Box, "),
        ({"type": "Bax"}, "space: expected one of the types Box, "),
        ({"type": ["Box"]}, "space: expected one of the types Box, "),
        (
            {"type": "Box"},
            "Box: expected the fields ['type', 'low', 'high', 'shape', 'dtype'], got",
        ),
        (changed(BOX, extra=1), "Box: expected the fields"),
        (changed(BOX, low="0"), "Box.low: expected int or float or bytes, got '0' (str)"),
        (changed(BOX, low=2), "Box: expected low <= high, got 2.0 and 1.0"),
        (changed(BOX, low=float("nan")), "Box: expected low <= high, got nan and 1.0"),
        (changed(BOX, low=b"123"), "Box.low.data: expected 8 bytes for float32[2], got 3"),
        (changed(BOX, shape=[-1]), "Box.shape: expected non-negative sizes, got [-1] (list)"),
        (changed(BOX, shape=[1.5]), "Box.shape: expected a sequence of integers"),
        (
            changed(BOX, shape=[2**62] * 64),
            "Box.shape: expected at most 64 axes and 2**40 elements",
        ),
        (changed(BOX, shape=[1] * 10**5), "Box.shape: expected at most 64 axes and 2**40 elements"),
        (changed(BOX, shape=[2**62], low=b"x"), "Box.shape: expected at most 64 axes"),
        (changed(BOX, dtype="float128"), "Box.dtype: expected one of bool, int8"),
        (changed(BOX, high=1e300), "Box.high: expected float32 numbers"),
        (changed(DISCRETE, n=0), "Discrete.n: expected an integer from 1"),
        (changed(DISCRETE, n=2**64), "Discrete.n: expected an integer from 1"),
        (changed(DISCRETE, dtype="float32"), "Discrete.dtype: expected one of int8"),
        ({"type": "MultiBinary", "n": [2**41]}, "MultiBinary.n: expected at most"),
        (
            changed(MultiDiscrete([2, 3]).to_spec(), nvec=b"\0" * 16),
            "MultiDiscrete.nvec: expected at least 1, got 0",
        ),
        (changed(Text(3).to_spec(), charset="\ud800"), "Text.charset: expected single characters"),
        ({"type": "Dict", "spaces": [1], "sort_keys": True}, "Dict.spaces: expected pairs, got 1"),
        ({"type": "Dict", "spaces": [[[], BOX]], "sort_keys": True}, "Dict: expected keys that"),
        ({"type": "Tuple", "spaces": [BOX, 1]}, "space: expected a dict, got 1 (int)"),
        ({"type": "OneOf", "spaces": []}, "OneOf: expected at least one space"),
        (
            {"type": "Sequence", "space": Text(2).to_spec(), "stack": True},
            "Text(1, 2, charset=",
        ),
    ],
)
def test_a_wrong_spec_is_named(spec, message):
    with pytest.raises(UnsupportedSpace) as caught:
        space_from_spec(spec)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("depth", [65, 100_000])
def test_spaces_nest_64_levels_deep_and_no_deeper(depth):
    spec = DISCRETE
    for _ in range(63):
        spec = {"type": "Tuple", "spaces": [spec]}
    assert space_from_spec(spec).contains(_nested_value(63))
    for _ in range(depth - 64):
        spec = {"type": "Tuple", "spaces": [spec]}
    with pytest.raises(UnsupportedSpace, match="expected at most 64 levels of spaces, got more"):
        space_from_spec(spec)


def _nested_value(depth):
    value = 1
    for _ in range(depth):
        value = (value,)
    return value


def test_a_huge_uniform_space_costs_nothing_to_read():
    for kind, fields in [("Box", ("low", "high")), ("MultiDiscrete", ("nvec", "start"))]:
        spec = {"type": kind, "shape": [2**20, 2**20], "dtype": "int64", **dict.fromkeys(fields, 1)}
        space = space_from_spec(spec)
        assert space.to_spec() == spec
        assert len(repr(space)) < 100


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=3)
    | st.binary(max_size=16)
    | st.sampled_from([BOX, DISCRETE, "float32", "int64", "Box", 2**40, 2**63, [], {}]),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=3), parts),
    max_leaves=6,
)


@settings(max_examples=300)
@given(spaces(), st.data())
def test_a_spec_with_one_part_replaced_is_read_or_refused(space, data):
    spec = copy.deepcopy(space.to_spec())
    node, key = data.draw(st.sampled_from(list(_places(spec))))
    node[key] = data.draw(JUNK)
    try:
        read = space_from_spec(spec)
    except UnsupportedSpace as exc:
        message = str(exc)
    else:
        message = "expected"
        assert isinstance(read, Space)
        assert space_from_spec(read.to_spec()) == read
    assert "expected" in message
    assert len(message) < 1000


def _places(node):
    """Yield every container in plain data with each of its keys."""
    for key in node if isinstance(node, dict) else range(len(node)):
        yield node, key
        if isinstance(node[key], (dict, list)):
            yield from _places(node[key])
