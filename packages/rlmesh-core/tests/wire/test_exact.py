from __future__ import annotations

import array
import collections
import contextlib
import enum

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import shapes, tensors

from rlmesh import Tensor
from rlmesh._wire import exact
from rlmesh._wire.exact import decode_exact, encode_exact
from rlmesh._wire.messages import pack
from rlmesh._wire.payload import PartReader
from rlmesh.backends import NativeBackend
from rlmesh.errors import InvalidValue, ProtocolError

NATIVE = NativeBackend()


def arrived(value):
    """Return what a value is on the other side."""
    parts = []
    data = encode_exact(value, "value", parts, NATIVE)
    return decode_exact(data, PartReader(parts), NATIVE)


hashable = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda parts: st.lists(parts, max_size=3).map(tuple) | st.frozensets(parts, max_size=3),
    max_leaves=6,
)
values = st.recursive(
    hashable | shapes.flatmap(lambda shape: tensors("float32", shape)),
    lambda parts: (
        st.lists(parts, max_size=3)
        | st.lists(parts, max_size=3).map(tuple)
        | st.sets(hashable, max_size=3)
        | st.dictionaries(hashable, parts, max_size=3)
    ),
    max_leaves=10,
)


def types_in(value):
    """Return the type of a value, and of all that is in it."""
    if isinstance(value, dict):
        # Keys that are equal are one key, whatever their types.
        return dict, [types_in(part) for part in value.values()]
    if isinstance(value, (list, tuple)):
        return type(value), [types_in(part) for part in value]
    return type(value)


@given(values)
def test_values_arrive_as_they_are(value):
    found = arrived(value)
    assert found == value
    assert types_in(found) == types_in(value)


@pytest.mark.parametrize("power", [62, 63, 64, 65, 20_000])
def test_integers_of_any_size_arrive(power):
    numbers = [sign * (2**power + more) for sign in (1, -1) for more in (-1, 0, 1)]
    assert arrived(numbers) == numbers
    assert arrived({numbers[0]: 1}) == {numbers[0]: 1}


def test_large_arrays_ride_in_the_payload():
    small, large = Tensor(bytes(10), "uint8", (10,)), Tensor(bytes(10**6), "uint8", (10**6,))
    parts = []
    assert len(encode_exact((small, large), "value", parts, NATIVE)) < 200
    assert [len(part) for part in parts] == [10**6]
    assert arrived((small, large)) == (small, large)


def test_what_has_the_buffer_of_an_array_arrives_as_one():
    class Foreign(array.array):
        dtype, shape = "float64", (2,)

    assert arrived([Foreign("d", [1, 2])]) == [Tensor.from_values([1, 2], "float64")]


class Level(enum.IntEnum):
    HARD = 3


Point = collections.namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (object(), r"value: expected None, numbers, .*, got an? object, which cannot be carried"),
        ({"a": [1, print]}, r"value\['a'\]\[1\]: .* got a builtin_function_or_method, which"),
        ({("k", Level.HARD): 1}, r"value, key \('k', .*\)\[1\]: .* got a .*Level, which"),
        # Each is equal to a plain value, but is more than that.
        (Level.HARD, r"got a .*Level, which"),
        (Point(1, 2), r"got a .*Point, which"),
        (collections.Counter(a=1), r"got a collections.Counter, which"),
        (bytearray(b"x"), r"got a bytearray, which"),
    ],
)
def test_what_cannot_be_carried_is_named(value, sentence):
    with pytest.raises(InvalidValue, match=sentence):
        arrived(value)


def test_an_ordered_dict_arrives_as_a_dict():
    assert arrived(collections.OrderedDict(b=1, a=2)) == {"b": 1, "a": 2}


def test_what_does_not_end_is_refused():
    endless = [1]
    endless.append({"a": endless})
    with pytest.raises(InvalidValue, match=r"value\[1\]\['a'\]: .* contains itself"):
        arrived(endless)
    deep = 1
    for _ in range(33):
        deep = (deep,)
    with pytest.raises(InvalidValue, match="at most 32 levels"):
        arrived(deep)
    assert arrived(deep[0]) == deep[0]


def test_values_that_are_too_many_are_refused(monkeypatch):
    monkeypatch.setattr(exact, "_MAX_VALUES", 10)
    assert arrived([0] * 9) == [0] * 9
    with pytest.raises(InvalidValue, match="at most 10 values"):
        arrived([0] * 10)


def test_what_a_value_shares_is_bounded_too(monkeypatch):
    monkeypatch.setattr(exact, "_MAX_VALUES", 1000)
    shared = [0]
    for _ in range(30):
        shared = [shared, shared]
    with pytest.raises(InvalidValue, match="at most 1000 values"):
        arrived(shared)


def extension(code, content):
    return pack(msgpack.ExtType(code, pack(content)))


def deep_tuple():
    data = extension(5, [])
    for _ in range(100):
        data = pack(msgpack.ExtType(5, data))
    return data


@pytest.mark.parametrize(
    "data",
    [
        None,
        "text",
        b"\xc1",
        b"\xff\xff",
        extension(99, []),
        extension(1, ["uint8", [-1], b""]),
        extension(1, ["uint8", [2**40], b""]),
        extension(1, ["nothing", [0], b""]),
        extension(1, ["uint8", [3]]),
        extension(2, ["uint8", [3], [0, 3]]),
        extension(3, ["float64", [], b""]),
        extension(4, ["O", 8, [2], [1]]),
        extension(4, [3, 1, [1], [1]]),
        extension(4, ["Ux", 1, [1], ["a"]]),
        extension(4, ["U", "x", [1], ["a"]]),
        extension(4, ["U", 2**30, [1], ["a"]]),
        extension(4, ["U", -1, [1], ["a"]]),
        extension(5, 3),
        extension(6, [[]]),
        extension(9, [1, 2, 3]),
        deep_tuple(),
        pack({"a": 1})[:-1],
    ],
)
def test_what_does_not_parse_is_a_protocol_error(data):
    with pytest.raises(ProtocolError):
        decode_exact(data, PartReader([]), NATIVE)


@given(st.binary(max_size=60))
def test_random_bytes_are_a_value_or_a_protocol_error(data):
    with contextlib.suppress(ProtocolError):
        decode_exact(data, PartReader([]), NATIVE)
