from __future__ import annotations

import array
import collections
import contextlib
import dataclasses
import datetime
import enum
import itertools
import sys
import types
from collections.abc import Mapping

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import shapes, tensors

from rlmesh import Tensor
from rlmesh._transport.carrier import MAX_PARTS
from rlmesh._wire.info import decode_info, encode_info, encode_whole
from rlmesh._wire.messages import pack
from rlmesh._wire.payload import PartReader
from rlmesh.errors import InvalidValue, ProtocolError


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


def neighbours(count, make=dict, see=lambda one, others: one.update(near=others)):
    """Return objects that all refer to all others."""
    agents = [make() for _ in range(count)]
    for one in agents:
        see(one, [other for other in agents if other is not one])
    return agents


@dataclasses.dataclass
class Agent:
    near: list = dataclasses.field(default_factory=list)


def set_near(one, others):
    one.near = others


class Endless(list):
    def __iter__(self):
        return itertools.count()


class EndlessMapping(Mapping):
    def __len__(self):
        raise OverflowError

    def __iter__(self):
        return itertools.count()

    def __getitem__(self, key):
        return key


class Raising:
    def __getattr__(self, name):
        raise RuntimeError(name)

    __iter__ = __len__ = __repr__ = __array__ = lambda self: 1 / 0


LARGE = {
    "a graph of dicts": lambda: neighbours(9),
    "a graph of deques": lambda: neighbours(
        9, collections.deque, lambda one, rest: one.extend(rest)
    ),
    "a graph of namespaces": lambda: neighbours(9, types.SimpleNamespace, set_near),
    "a graph of dataclasses": lambda: neighbours(9, Agent, set_near),
    "1500 large arrays": lambda: [Tensor(bytes(20_000), "uint8", (20_000,)) for _ in range(1500)],
    "1500 small arrays": lambda: [Tensor(bytes(10_000), "uint8", (10_000,)) for _ in range(1500)],
    "a long list": lambda: [0] * 200_000,
    "many dicts": lambda: [{"a": 1, "b": [1.0, 2.0]} for _ in range(50_000)],
    "an endless list": Endless,
    "an endless mapping": EndlessMapping,
    "long text": lambda: "x" * 10_000_000,
    "long text of wide characters": lambda: "\U0001f600" * 3_000_000,
    "long bytes": lambda: b"x" * 10_000_000,
    "a long key": lambda: {"x" * 10_000_000: 1, "y": 2},
    "a long key of bytes": lambda: {b"x" * 10_000_000: 1, "y": 2},
    "a list of long text": lambda: ["x" * 1_000_000] * 30,
    "a huge integer": lambda: 1 << 10_000_000,
    "a generator": lambda: (i for i in itertools.count()),
    "what raises": Raising,
    "a typed array": lambda: array.array("d", [1.0] * 100_000),
    "a long range": lambda: range(10**12),
}


@pytest.mark.filterwarnings("ignore:info")
@pytest.mark.parametrize("position", ["first", "last"])
@pytest.mark.parametrize("name", LARGE)
def test_whatever_is_in_an_info_a_message_holds_it_and_flags_beside_it_survive(name, position):
    large = LARGE[name]()
    flags = {"is_success": True, "nested": {"a": [1, 2]}, "small": Tensor(b"ab", "uint8", (2,))}
    info = {"large": large, **flags} if position == "first" else {**flags, "large": large}
    parts = []
    data = encode_info(info, parts)
    assert len(data) <= 12 * 2**20
    assert len(parts) <= MAX_PARTS - 24
    found = decode_info(data, PartReader(parts), lambda tensor: tensor)
    assert list(found) == list(info)
    assert {key: found[key] for key in flags} == flags


@pytest.mark.parametrize("name", ["a graph of dicts", "1500 large arrays", "a long list"])
def test_what_is_left_out_is_warned_about_by_name(name):
    with pytest.warns(RuntimeWarning, match=r"info\['large'\]: too large .* '\.\.\.' stands for"):
        found = arrived({"large": LARGE[name](), "small": 1})
    assert found["small"] == 1


@pytest.mark.filterwarnings("error")
def test_a_filter_that_makes_errors_of_warnings_fails_no_step():
    assert arrived({"large": [0] * 200_000})["large"][-1] == "..."


@pytest.mark.filterwarnings("ignore:info")
def test_a_list_that_is_too_long_ends_with_dots():
    found = arrived({"arrays": LARGE["1500 large arrays"](), "numbers": list(range(200_000))})
    *arrays, dots = found["arrays"]
    assert dots == "..."
    assert len(arrays) > 400
    assert {type(one) for one in arrays} == {Tensor}
    *numbers, dots = found["numbers"]
    assert dots == "..."
    assert len(numbers) > 20_000
    assert numbers == list(range(len(numbers)))


@pytest.mark.filterwarnings("ignore:info")
def test_an_info_with_too_many_keys_keeps_its_order_and_its_success():
    found = arrived({**{f"key {i}": i for i in range(200_000)}, "success": 1.0})
    assert found.pop("success") == 1.0
    assert found.pop("...") == "..."
    assert len(found) > 60_000
    assert list(found.values()) == list(range(len(found)))


@pytest.mark.filterwarnings("ignore:info")
def test_a_few_numbers_among_many_large_values_are_kept():
    found = arrived({**{f"large {i}": [0] * 1000 for i in range(3000)}, "cost": 2.5, "done": False})
    assert (found["cost"], found["done"]) == (2.5, False)


def test_what_is_shared_is_sent_as_often_as_it_is_there():
    shared = {"map": {"size": [3, 3]}, "name": "a"}
    info = {"agents": [{"id": i, "world": shared} for i in range(1000)], "pair": [(0, 0)] * 5000}
    found = arrived(info)
    assert found["agents"] == info["agents"]
    assert found["pair"] == [[0, 0]] * 5000


def test_agents_that_refer_to_each_other_keep_what_they_are():
    agents = neighbours(4)
    for i, agent in enumerate(agents):
        agent["id"] = i
    first = arrived({"agents": agents})["agents"][0]
    assert first["id"] == 0
    assert [one["id"] for one in first["near"]] == [1, 2, 3]
    assert first["near"][0]["near"][0] == "..."


def test_options_that_are_too_large_are_refused_and_never_shortened():
    assert encode_whole({"state": [0.5] * 200_000}, [], "options")
    with pytest.raises(InvalidValue, match="options: too many values, or too much text"):
        encode_whole({"agents": neighbours(12)}, [], "options")


def test_a_repr_is_not_looked_into_while_a_profiler_runs():
    events = []
    sys.setprofile(lambda frame, event, argument: events.append(event))
    try:
        assert arrived({"value": Color.RED}) == {"value": "<Color.RED: 1>"}
        assert sys.getprofile() is not None
    finally:
        sys.setprofile(None)
    assert events
