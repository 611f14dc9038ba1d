"""Values are counted in the bytes of a message, before anything is made of them."""

from __future__ import annotations

import struct
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlmesh._wire.counting import MAX_INFO_VALUES, MAX_VALUES, count_values
from rlmesh._wire.info import decode_info
from rlmesh._wire.messages import STEP, pack, session_id_in, unpack_reply, unpack_request
from rlmesh._wire.payload import PartReader
from rlmesh.errors import LimitExceeded, UnsupportedSpace
from rlmesh.spaces import Dict, Discrete, Tuple
from rlmesh.spaces._spec import MAX_SPACES, space_from_spec

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=300)
    | st.binary(max_size=300)
    | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=40))
)
PLAIN = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=40) | st.dictionaries(st.text(), inner, max_size=20),
    max_leaves=80,
)


def number_of_values(data: Any) -> int:
    if isinstance(data, dict):
        return 1 + sum(number_of_values(part) for pair in data.items() for part in pair)
    if isinstance(data, list):
        return 1 + sum(map(number_of_values, data))
    return 1


def nested_claims(levels: int, claimed: int) -> bytes:
    """Return the headers of lists within lists that claim to be long."""
    return (b"\xdc" + struct.pack(">H", claimed)) * levels + b"\xc0" * claimed


@given(PLAIN)
def test_values_are_counted_rightly(data: Any) -> None:
    packed = msgpack.packb(data)
    number = number_of_values(data)
    assert count_values(packed, number, "message") == number
    with pytest.raises(LimitExceeded, match=rf"message: expected at most {number - 1:,} values"):
        count_values(packed, number - 1, "message")


@given(st.binary(max_size=300))
def test_bytes_that_are_no_msgpack_are_counted_too(data: bytes) -> None:
    assert count_values(data, 2**40, "message") >= 0


LISTS = msgpack.packb([[]] * MAX_VALUES)
DICT = msgpack.packb(dict.fromkeys(range(MAX_VALUES)))


@pytest.mark.parametrize(
    ("unpack", "body"),
    [
        (unpack_request, LISTS),
        (unpack_request, DICT),
        (unpack_request, nested_claims(1000, 3000)),
        (unpack_request, b"\xdd\xff\xff\xff\xff" + bytes(600)),
        (unpack_reply, LISTS),
        (unpack_reply, DICT),
        (unpack_reply, nested_claims(1000, 65_000)),
    ],
)
def test_a_message_of_too_many_values_is_refused_before_it_is_parsed(
    unpack: Any, body: bytes
) -> None:
    header = b"".join(map(msgpack.packb, (STEP, 1, bytes(16), 0)))
    with pytest.raises(LimitExceeded, match=r"control frame: expected at most 65,536 values"):
        unpack(b"\x95" + header + body)


def test_a_message_of_many_bytes_and_few_values_is_not() -> None:
    body = [bytes(2**20), "a" * 2**20, [1.5] * 1000]
    assert unpack_request(pack([STEP, 1, bytes(16), 0, body])).body == body


def decode(data: bytes) -> Any:
    return decode_info(data, PartReader([]), lambda tensor: tensor)


def test_an_info_of_too_many_values_is_refused_wherever_they_are() -> None:
    with pytest.raises(LimitExceeded, match="info: expected at most"):
        decode(pack({"a": [None] * MAX_INFO_VALUES}))
    items = pack(["O", [1], [[None] * (MAX_INFO_VALUES // 4)]])
    hidden = msgpack.ExtType(3, items)
    assert decode(pack({"a": [hidden] * 2}))
    with pytest.raises(LimitExceeded, match="info: expected at most"):
        decode(pack({"a": [hidden] * 5}))
    with pytest.raises(LimitExceeded, match="info: expected at most"):
        decode(pack({"a": msgpack.ExtType(1, nested_claims(1000, 3000))}))


def test_a_space_of_too_many_spaces_is_refused() -> None:
    leaf = Discrete(2).to_spec()
    fits = Tuple([Discrete(2)] * (MAX_SPACES - 1))
    assert space_from_spec(fits.to_spec()) == fits
    spec = fits.to_spec()
    spec["spaces"] = [*spec["spaces"], leaf]
    with pytest.raises(UnsupportedSpace, match="expected at most 4096 spaces in it, got more"):
        space_from_spec(spec)
    half = Tuple([Discrete(2)] * (MAX_SPACES // 2))
    with pytest.raises(UnsupportedSpace, match="expected at most 4096 spaces in it, got more"):
        space_from_spec(Dict({"a": half, "b": half}).to_spec())


@given(st.integers(0, 127), st.integers(0, 2**64 - 1), st.binary(min_size=16, max_size=16))
def test_the_session_of_a_request_is_found_before_it_is_parsed(
    op: int, number: int, session: bytes
) -> None:
    assert session_id_in(pack([op, number, session, 0, None])) == session
    assert session_id_in(pack([op, number, b"", 0, None])) == b""


@given(st.binary(max_size=40))
def test_what_is_no_request_is_of_no_session(data: bytes) -> None:
    assert len(session_id_in(data)) <= 16
