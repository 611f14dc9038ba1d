from __future__ import annotations

import contextlib
import datetime
import enum

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import shapes, tensors

from rlmesh import Tensor
from rlmesh._wire.info import decode_info, encode_info
from rlmesh._wire.messages import pack
from rlmesh._wire.payload import PartReader
from rlmesh.errors import ProtocolError


def arrived(info):
    """Return what an info dict is on the other side."""
    parts = []
    data = encode_info(info, parts)
    return decode_info(data, PartReader(parts), lambda tensor: tensor)


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | shapes.flatmap(lambda shape: tensors("float32", shape)),
    lambda parts: (
        st.lists(parts, max_size=3)
        | st.dictionaries(st.text() | st.integers(-5, 5), parts, max_size=3)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), plain, max_size=4))
def test_plain_info_arrives_as_it_is(info):
    assert arrived(info) == info


def test_an_empty_info_costs_nothing():
    assert encode_info({}, []) is None
    assert arrived({}) == {}


def test_large_arrays_ride_in_the_payload():
    small, large = Tensor(bytes(10), "uint8", (10,)), Tensor(bytes(10**6), "uint8", (10**6,))
    parts = []
    assert len(encode_info({"small": small, "large": large}, parts)) < 200
    assert [len(part) for part in parts] == [10**6]
    assert arrived({"small": small, "large": large}) == {"small": small, "large": large}


class Color(enum.Enum):
    RED = 1


class Broken:
    def __repr__(self):
        raise ValueError("no")


def nested(depth):
    return {"deeper": nested(depth - 1)} if depth else {}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, "a"), [1, "a"]),
        ({3}, [3]),
        (2**70, str(2**70)),
        ("half a \ud800 pair", "half a \ud800 pair"),
        ({(1, 2): "a", None: "b", True: "c"}, {"(1, 2)": "a", "None": "b", "True": "c"}),
        (Color.RED, "<Color.RED: 1>"),
        (datetime.date(2020, 1, 2), "datetime.date(2020, 1, 2)"),
        (Broken(), "<Broken whose repr raised ValueError>"),
    ],
)
def test_what_has_no_plain_form_becomes_something_that_has(value, expected):
    assert arrived({"value": value}) == {"value": expected}


def test_cycles_and_deep_nests_end_somewhere():
    cycle = {}
    cycle["self"] = cycle
    assert "self" in arrived(cycle)
    assert "deeper" in arrived(nested(200))


def test_a_long_repr_is_cut():
    class Long:
        def __repr__(self):
            return "x" * 10_000

    assert len(arrived({"value": Long()})["value"]) < 1100


@pytest.mark.parametrize("info", [[1, 2], "text", 7])
def test_an_info_that_is_no_dict_is_kept_under_a_key(info):
    assert arrived(info) == {"info": info}


@given(st.binary(max_size=60))
def test_hostile_bytes_are_a_protocol_error_or_some_dict(data):
    with contextlib.suppress(ProtocolError):
        assert isinstance(decode_info(data, PartReader(()), lambda tensor: tensor), dict)


def test_an_array_outside_the_payload_is_a_protocol_error():
    data = encode_info({"a": Tensor(bytes(20_000), "uint8", (20_000,))}, [])
    with pytest.raises(
        ProtocolError, match="payload: expected 20000 bytes in frame 0, got frames of"
    ):
        decode_info(data, PartReader([memoryview(bytes(100))]), lambda tensor: tensor)


def test_arrays_of_arrays_of_arrays_end_somewhere():
    packed = pack(["O", [1], [1]])
    for _ in range(40):
        packed = pack(["O", [1], [msgpack.ExtType(3, packed)]])
    with pytest.raises(ProtocolError, match="arrays of arrays, more than 32 deep"):
        decode_info(pack({"a": msgpack.ExtType(3, packed)}), PartReader(()), lambda tensor: tensor)


@pytest.mark.parametrize("shape", [[2], [-1], [2, 0], ["a"], 7])
def test_an_array_of_objects_in_another_number_is_a_protocol_error(shape):
    packed = pack({"a": msgpack.ExtType(3, pack(["O", shape, [1, 2, 3]]))})
    with pytest.raises(ProtocolError, match="info: an array does not parse"):
        decode_info(packed, PartReader(()), lambda tensor: tensor)


@pytest.mark.parametrize("kind", ["", "U9999", "f", 7, None])
def test_an_array_of_another_kind_is_a_protocol_error(kind):
    packed = pack({"a": msgpack.ExtType(3, pack([kind, [1], [1]]))})
    with pytest.raises(ProtocolError, match=r"info: an array does not parse: kind: expected"):
        decode_info(packed, PartReader(()), lambda tensor: tensor)


def test_an_array_of_an_unknown_framework_becomes_a_list():
    class Exotic:
        dtype, shape = "float8", (2,)

        def tolist(self):
            return [1.5, 2.5]

    assert arrived({"a": Exotic()}) == {"a": [1.5, 2.5]}


def test_info_that_is_no_dict_on_arrival_is_a_protocol_error():
    with pytest.raises(ProtocolError, match="info: expected a dict, got int"):
        decode_info(pack(7), PartReader(()), lambda tensor: tensor)


@pytest.mark.parametrize(
    "extension",
    [
        msgpack.ExtType(1, pack(["uint8", [1.0], b"x"])),
        msgpack.ExtType(1, pack(["uint8", [True], b"x"])),
        msgpack.ExtType(1, pack(["uint8", [1] * 65, b"x"])),
        msgpack.ExtType(1, pack(["uint8", [-1, -1], b"x"])),
        msgpack.ExtType(1, pack(["uint8", "x" * 8, b"x"])),
        msgpack.ExtType(3, pack(["O", [1] * 100_000, ["x"]])),
        msgpack.ExtType(3, pack(["U", [2], ["x", 5]])),
        msgpack.ExtType(3, pack(["S", [1], ["x"]])),
        msgpack.ExtType(3, pack(["O", [1], "x"])),
    ],
)
def test_an_array_of_an_impossible_form_is_refused(extension):
    with pytest.raises(ProtocolError, match="info"):
        decode_info(pack({"x": extension}), PartReader([]), lambda tensor: tensor)


def test_text_that_would_take_up_much_more_room_than_it_has_stays_objects():
    kinds = []

    def object_array(kind, shape, items):
        kinds.append(kind)
        return items

    for longest in (10, 100_000):
        texts = ["x"] * 999 + ["x" * longest]
        data = pack({"x": msgpack.ExtType(3, pack(["U", [1000], texts]))})
        found = decode_info(data, PartReader([]), lambda tensor: tensor, object_array)
        assert found == {"x": texts}
    assert kinds == ["U", "O"]
