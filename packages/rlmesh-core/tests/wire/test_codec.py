from __future__ import annotations

import contextlib
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import space_and_sample, space_and_value

from rlmesh import EnvServer, RemoteEnv, Tensor
from rlmesh._wire import decode, encode
from rlmesh._wire.codec import Codec
from rlmesh._wire.messages import pack, unpack
from rlmesh._wire.payload import PartReader
from rlmesh.backends import NativeBackend
from rlmesh.errors import InvalidValue, ProtocolError
from rlmesh.spaces import Box, Dict, Discrete, Graph, OneOf, Sequence, Text, Tuple

pytestmark = pytest.mark.filterwarnings("ignore:.*it is passed on unchanged:RuntimeWarning")


def over_the_wire(codec, value):
    """Encode, pack, unpack and decode, with frames of their own."""
    parts = []
    control = pack(codec.encode(value, parts))
    frames = [memoryview(bytearray(part)) for part in parts]
    return codec.decode(unpack(control), PartReader(frames))


@pytest.fixture(params=["inline", "payload"])
def inline_bytes(request, monkeypatch):
    """Let every array ride in the control frame, or every one in the payload."""
    limit = 2**20 if request.param == "inline" else -1
    monkeypatch.setattr(encode, "INLINE_BYTES", limit)
    monkeypatch.setattr(decode, "INLINE_BYTES", limit)


@pytest.mark.usefixtures("inline_bytes")
class TestRoundTrip:
    @given(space_and_sample())
    def test_every_sample_survives_exactly(self, drawn):
        space, sample = drawn
        assert over_the_wire(Codec(space, NativeBackend(), "value"), sample) == sample

    @given(space_and_value())
    def test_every_value_survives_exactly_out_of_bounds_too(self, drawn):
        space, value = drawn
        decoded = over_the_wire(Codec(space, NativeBackend(), "value"), value)
        assert decoded == value
        assert repr(decoded) == repr(value)


class Echo:
    """An env whose observation is the last action."""

    def __init__(self, space):
        self.observation_space = self.action_space = space
        space.seed(0)

    def reset(self, *, seed=None, options=None):
        return self.observation_space.sample(), {}

    def step(self, action):
        return action, 0.0, False, False, {}

    def close(self):
        pass


@given(space_and_value())
@settings(max_examples=25)
def test_every_value_survives_a_real_socket_both_ways(tmp_path_factory, drawn):
    space, value = drawn
    address = f"unix://{tmp_path_factory.mktemp('s') / 's'}"
    with EnvServer(Echo(space), address), RemoteEnv(address) as env:
        assert env.observation_space == space
        env.reset()
        assert env.step(value)[0] == value


bodies = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(st.text(), parts, max_size=3),
    max_leaves=8,
)


@given(space_and_sample(), bodies, st.lists(st.binary(max_size=200), max_size=3))
def test_a_hostile_body_is_a_protocol_error_or_some_value(drawn, body, payload):
    codec = Codec(drawn[0], NativeBackend(), "observation")
    reader = PartReader([memoryview(part) for part in payload])
    with contextlib.suppress(ProtocolError):
        codec.decode(body, reader)


CAMERAS = Dict({"wrist": Box(0, 255, (4, 6, 3), "uint8"), "task": Text(9)})
ARMS = Tuple((Box(-1, 1, (2,)), Discrete(3)))


@pytest.mark.parametrize(
    ("space", "value", "message"),
    [
        (
            CAMERAS,
            {"wrist": Tensor(bytes(24), "uint8", (4, 6)), "task": "go"},
            "observation['wrist'].shape: expected (4, 6, 3), got (4, 6)",
        ),
        (
            CAMERAS,
            {"wrist": Tensor(bytes(72), "int8", (4, 6, 3)), "task": "go"},
            "observation['wrist'].dtype: expected uint8, got int8",
        ),
        (
            CAMERAS,
            {"task": "go"},
            "observation: expected keys ['task', 'wrist'], got ['task']",
        ),
        (ARMS, ([0.5, 0.5], 1.5), "observation[1]: expected an integer, got 1.5 (float)"),
        (ARMS, ([0.5, 0.5],), "observation: expected 2 elements, got 1"),
        (
            Sequence(ARMS),
            [([0.5, 0.5], 1), ([0.5], 1)],
            "observation[1][0].shape: expected (2,), got (1,)",
        ),
        (Text(3), 7, "observation: expected a str, got 7 (int)"),
        (OneOf((Text(3),)), (1, "a"), "observation[0]: expected an index from 0 to 0, got 1 (int)"),
        (Graph(Box(0, 1, (2,)), None), 3, "observation: expected a GraphInstance, got 3 (int)"),
    ],
)
def test_a_misfit_is_an_error_that_names_the_path(space, value, message):
    codec = Codec(space, NativeBackend(), "observation")
    with pytest.raises(InvalidValue) as caught:
        codec.encode(value, [])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("space", "inside", "outside"),
    [
        (Box(-1, 1, (2,)), [0, 1], [0, 1.5]),
        (Box(-1, 1, (2,)), [0, 1], [float("nan"), 0]),
        (Box(-1, 1, (100,)), [1] * 100, [1] * 99 + [2]),
        (Box(-1, 1, (5000,)), [1] * 5000, [1] * 4999 + [2]),
        (Discrete(3, start=-1), 1, 2),
        (Text(3), "abc", "abcd"),
        (Sequence(Discrete(2)), [1, 1], [1, 2]),
    ],
)
def test_a_value_out_of_bounds_passes_with_one_warning(space, inside, outside):
    codec = Codec(space, NativeBackend(), "action")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        over_the_wire(codec, inside)
    with pytest.warns(RuntimeWarning, match=r"action.*: expected .*it is passed on unchanged"):
        passed = over_the_wire(codec, outside)
    assert repr(passed) == repr(space.conform(outside))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        over_the_wire(codec, outside)
