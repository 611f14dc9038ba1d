"""NumPy values from one process to another: nothing about them changes."""

from __future__ import annotations

import gymnasium
import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rlmesh import EnvServer, Tensor
from rlmesh._wire.info import decode_info, encode_info
from rlmesh._wire.payload import PartReader
from rlmesh.errors import InvalidValue
from rlmesh.numpy import RemoteEnv, asarray, from_array
from rlmesh.numpy._backend import BACKEND
from rlmesh.spaces import from_gymnasium

pytestmark = pytest.mark.filterwarnings("ignore:.*it is passed on unchanged:RuntimeWarning")

settings.register_profile(
    "values", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60
)
settings.load_profile("values")


class Echo(gymnasium.Env):
    """Returns the last action; as info, what it was made of when it arrived."""

    def __init__(self, space):
        self.observation_space = self.action_space = space

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.action_space.seed(seed)
        return self.action_space.sample(), {}

    def step(self, action):
        self.received = action
        return action, 0.0, False, False, {}


def exactly(one, other):
    """Whether two values are the same in structure, types, dtypes, shapes and bits."""
    if isinstance(one, np.ndarray):
        return (
            isinstance(other, np.ndarray)
            and (one.dtype, one.shape) == (other.dtype, other.shape)
            and one.tobytes() == other.tobytes()
        )
    if isinstance(one, dict):
        return list(one) == list(other) and all(exactly(one[k], other[k]) for k in one)
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(exactly, one, other))
    return one == other


@pytest.mark.parametrize(
    ("array", "nested"),
    [
        (objects := np.array([1, None, "a", 2.5], object), [1, None, "a", 2.5]),
        (objects.reshape(2, 2), [[1, None], ["a", 2.5]]),
        (np.array(["ab", "c"]), ["ab", "c"]),
        (np.array([b"ab"]), [b"ab"]),
        (np.empty((0, 2), object), []),
    ],
    ids=["objects", "a matrix", "text", "bytes", "nothing"],
)
def test_arrays_of_objects_and_text_in_info(array, nested):
    parts = []
    data = encode_info({"a": array}, parts)
    arrived = decode_info(data, PartReader(parts), BACKEND.from_tensor, BACKEND.object_array)["a"]
    assert (arrived.dtype, arrived.shape) == (array.dtype, array.shape)
    assert arrived.tolist() == array.tolist()
    assert decode_info(data, PartReader(parts), BACKEND.from_tensor) == {"a": nested}


def test_arrays_within_an_array_of_objects_stay_arrays():
    array = np.empty(2, object)
    array[:] = [np.arange(3), {"big": np.zeros(9_000)}]
    parts = []
    data = encode_info({"a": array}, parts)
    assert len(parts) == 1
    arrived = decode_info(data, PartReader(parts), BACKEND.from_tensor, BACKEND.object_array)["a"]
    assert exactly(list(arrived), list(array))


@pytest.fixture
def echo(tmp_path_factory):
    """Send a value to an env of a space, and return what the env and the sender got."""

    def send(space, value):
        address = f"unix://{tmp_path_factory.mktemp('s') / 's'}"
        env = Echo(space)
        with EnvServer(env, address), RemoteEnv(address) as remote:
            remote.reset(seed=1)
            returned = remote.step(value)[0]
        return env.received, returned

    return send


DTYPES = [
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64"),
]


def boxed(dtype, shape):
    low, high = (0, 1) if dtype == "bool" else (-np.inf, np.inf)
    if np.dtype(dtype).kind in "iu":
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    return gymnasium.spaces.Box(low, high, shape, np.dtype(dtype).type)


arrays = st.tuples(
    st.sampled_from(DTYPES), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
).flatmap(lambda kind: hnp.arrays(np.dtype(kind[0]), kind[1]))


@given(arrays)
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
def test_any_array_survives_both_ways(echo, array):
    received, returned = echo(boxed(array.dtype, array.shape), array)
    assert exactly(array, received)
    assert exactly(array, returned)


GRID = np.arange(24, dtype="float32").reshape(2, 3, 4)


@pytest.mark.parametrize(
    "sent",
    [
        GRID.astype(">f4"),
        np.asfortranarray(GRID),
        np.repeat(GRID, 2, axis=1)[:, ::2],
        np.flip(np.flip(GRID).copy()),
        GRID.transpose(2, 1, 0).copy().transpose(2, 1, 0),
        GRID.tolist(),
        Tensor.from_buffer(GRID),
    ],
    ids=["big-endian", "fortran", "strided", "negative-strides", "transposed", "lists", "tensor"],
)
def test_any_memory_layout_arrives_in_order(echo, sent):
    received, returned = echo(boxed("float32", GRID.shape), sent)
    assert exactly(GRID, received)
    assert exactly(GRID, returned)


@pytest.mark.parametrize("size", [4, 100_000])
def test_what_arrives_is_writable_and_aligned(echo, size):
    received, returned = echo(boxed("float64", (size,)), np.zeros(size))
    for array in (received, returned):
        assert array.flags.writeable
        assert array.flags.aligned
        array[:] = 1


s = gymnasium.spaces
NESTED = s.Dict(
    image=boxed("uint8", (48, 64, 3)),
    pose=s.Tuple((boxed("float64", ()), boxed("float32", (0, 3)), s.Discrete(5, start=-2))),
    text=s.Text(20, charset="abc é日🤖"),
    switches=s.MultiBinary([2, 3]),
    choices=s.MultiDiscrete([[3, 4], [5, 6]]),
    history=s.Sequence(s.Dict(a=boxed("int16", (2,)), b=s.Discrete(3))),
    stacked=s.Sequence(boxed("float32", (3,)), stack=True),
    graph=s.Graph(boxed("float32", (2,)), s.Discrete(4)),
)
if hasattr(s, "OneOf"):
    NESTED = s.Dict({**NESTED.spaces, "either": s.OneOf([s.Discrete(2), boxed("float32", (2,))])})


@pytest.mark.parametrize("seed", range(10))
def test_samples_of_every_space_survive_both_ways(echo, seed):
    NESTED.seed(seed)
    sample = NESTED.sample()
    received, returned = echo(NESTED, sample)
    assert exactly(sample, received)
    assert exactly(sample, returned)
    assert NESTED.contains(received)


def test_float_extremes_survive(echo):
    info = np.finfo("float32")
    extremes = [info.max, info.min, info.tiny, -0.0, np.nan, np.inf, -np.inf, 1e-45]
    extremes = np.array(extremes, "float32")
    received, returned = echo(boxed("float32", extremes.shape), extremes)
    assert exactly(extremes, received)
    assert exactly(extremes, returned)


@pytest.mark.parametrize(
    ("space", "value", "message"),
    [
        (boxed("float32", (2,)), np.zeros(2), "action.dtype: expected float32, got float64"),
        (boxed("float32", (2,)), np.zeros(3, "f4"), "action.shape: expected (2,), got (3,)"),
        (boxed("float32", (2,)), "left", "action: expected"),
        (s.Discrete(3), np.float32(1), "action: expected an integer"),
        (s.Discrete(3), np.zeros(1, int), "action: expected an integer"),
        (s.MultiBinary(2), np.zeros(2), "action.dtype: expected int8, got float64"),
        (s.Text(3), np.zeros(1), "action: expected a str"),
    ],
)
def test_an_action_that_does_not_fit_is_refused_where_it_is_made(echo, space, value, message):
    with pytest.raises(InvalidValue) as caught:
        echo(space, value)
    assert message in str(caught.value)


def test_a_narrower_array_widens_exactly(echo):
    received, returned = echo(boxed("float64", (2,)), np.array([1.5, -2], "float16"))
    assert exactly(np.array([1.5, -2.0]), received)
    assert exactly(received, returned)


@given(arrays)
def test_conversion_by_hand_shares_memory(array):
    tensor = from_array(array)
    assert exactly(array, asarray(tensor))
    if array.size and array.ndim:
        assert np.shares_memory(array, asarray(tensor))


def test_bfloat16_survives_conversion_by_hand():
    array = np.array([[1.5, -2], [np.inf, 0]], ml_dtypes.bfloat16)
    tensor = from_array(array)
    assert (tensor.dtype, tensor.shape) == ("bfloat16", (2, 2))
    assert tensor.tolist() == [[1.5, -2], [float("inf"), 0]]
    assert exactly(array, asarray(tensor))


def test_an_array_of_objects_is_refused():
    with pytest.raises(InvalidValue, match="dtype: expected one of bool.*got object"):
        from_array(np.array([object()]))


def test_a_space_of_ours_equals_the_one_that_arrives(tmp_path):
    address = f"unix://{tmp_path}/s"
    with EnvServer(Echo(NESTED), address), RemoteEnv(address) as remote:
        assert remote.observation_space == from_gymnasium(NESTED)


def test_a_masked_array_in_info_arrives_with_its_mask():
    masked = np.ma.masked_array([[1.5, 2.5]], mask=[[False, True]])
    parts = []
    data = encode_info({"values": masked, "one": np.ma.masked, "all": np.ma.ones(2)}, parts)
    found = decode_info(data, PartReader(parts), BACKEND.from_tensor)
    np.testing.assert_array_equal(found["values"]["data"], masked.data)
    np.testing.assert_array_equal(found["values"]["mask"], masked.mask)
    assert found["one"] == {"data": 0.0, "mask": True}
    assert found["all"]["mask"] is False


class Crowd(gymnasium.Env):
    """Its infos are larger than a message: nine agents that refer to each other, many arrays."""

    observation_space = action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        agents = [{"id": i} for i in range(9)]
        for agent in agents:
            agent["near"] = [other for other in agents if other is not agent]
        return 0, {"agents": agents, "is_success": np.True_}

    def step(self, action):
        frames = [np.full((60, 100, 3), i % 256, np.uint8) for i in range(1500)]
        objects = np.full(1_000_000, None)
        info = {"frames": frames, "objects": objects, "table": np.zeros(100_000, complex)}
        return 0, 1.0, True, False, {**info, "is_success": np.True_, "final": {"distance": 0.5}}


@pytest.mark.filterwarnings("ignore:info")
def test_an_info_that_no_message_could_hold_is_shortened_and_the_env_goes_on():
    with EnvServer(Crowd()) as server, RemoteEnv(server.address) as env:
        for _ in range(2):
            info = env.reset()[1]
            assert [agent["id"] for agent in info["agents"][0]["near"]] == list(range(1, 9))
            assert info["is_success"] is True
            info = env.step(1)[4]
            assert list(info) == ["frames", "objects", "table", "is_success", "final"]
            assert (info["is_success"], info["final"]) == (True, {"distance": 0.5})
            np.testing.assert_array_equal(info["frames"][5], np.full((60, 100, 3), 5, np.uint8))
            assert info["frames"][-1] == info["objects"][-1] == info["table"][-1] == "..."
