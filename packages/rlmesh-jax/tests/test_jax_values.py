"""JAX values from one process to another, and models on real envs."""

from __future__ import annotations

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rlmesh
from rlmesh import EnvServer
from rlmesh.errors import InvalidValue
from rlmesh.jax import Model, RemoteEnv

pytestmark = pytest.mark.filterwarnings("ignore:.* arrives as:RuntimeWarning")

NARROW = not jax.config.jax_enable_x64

s = gymnasium.spaces


class Echo(gymnasium.Env):
    """Returns the last action, and keeps what it was made of when it arrived."""

    def __init__(self, space):
        self.observation_space = self.action_space = space

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.action_space.seed(seed)
        return self.action_space.sample(), {}

    def step(self, action):
        self.received = action
        return action, 0.0, False, False, {}


@pytest.fixture
def echo(tmp_path):
    """Send a value to an env of a space; return what the env and the sender got."""

    def send(space, value):
        address = f"unix://{tmp_path}/s"
        env = Echo(space)
        with EnvServer(env, address), RemoteEnv(address) as remote:
            remote.reset(seed=1)
            returned = remote.step(value)[0]
        return env.received, returned

    return send


def box(dtype, *shape):
    return s.Box(-9, 9, shape, np.dtype(dtype).type)


@pytest.mark.parametrize("size", [4, 100_000])
def test_what_arrives_is_an_array(echo, size):
    value = jnp.arange(size, dtype="float32") % 9
    received, returned = echo(box("float32", size), value)
    assert (received == value).all()
    assert isinstance(returned, jax.Array)
    assert (returned.dtype, returned.tolist()) == (value.dtype, value.tolist())


def test_arrays_may_be_anywhere_in_a_nested_action(echo):
    space = s.Dict(
        arm=s.Tuple([box("float32", 2, 3), s.Discrete(5)]),
        choices=s.MultiDiscrete([3, 4]),
        history=s.Sequence(s.Dict(a=box("int16", 2), b=s.Discrete(3))),
    )
    action = {
        "arm": (jnp.arange(6, dtype="float32").reshape(3, 2).T, jnp.array(4)),
        "choices": jnp.array([2, 3]),
        "history": ({"a": jnp.array([7, 8], "int16"), "b": jnp.array(2)},),
    }
    received, returned = echo(space, action)
    assert received in space
    assert received["arm"][0].tolist() == [[0, 2, 4], [1, 3, 5]]
    assert (received["arm"][1], received["history"][0]["b"]) == (4, 2)
    assert returned["arm"][0].tolist() == [[0, 2, 4], [1, 3, 5]]
    assert returned["history"][0]["a"].tolist() == [7, 8]


@pytest.mark.parametrize("dtype", ["int32", "uint8", "int8", "uint32"])
def test_an_integer_array_without_axes_is_a_discrete_action(echo, dtype):
    received, returned = echo(s.Discrete(5), jnp.array(3, dtype))
    assert (received, returned) == (3, 3)
    assert type(returned) is int


def test_a_narrower_array_widens_exactly(echo):
    received, returned = echo(box("float64", 2), jnp.array([1.5, -2], "bfloat16"))
    assert received.tolist() == [1.5, -2]
    assert returned.dtype == ("float32" if NARROW else "float64")
    assert returned.tolist() == [1.5, -2]


@pytest.mark.skipif(not NARROW, reason="64-bit numbers are switched on")
def test_an_observation_whose_integers_do_not_fit_32_bits_is_an_error(echo):
    space = s.Box(-(2**50), 2**50, (2,), np.int64)
    message = r"observation.dtype: expected integers from -2147483648 to 2147483647.*switched off"
    with pytest.raises(InvalidValue, match=message):
        echo(space, np.array([2**40, 0]))


def donated():
    array = jnp.array(1)
    array.delete()
    return array


@pytest.mark.parametrize(
    ("space", "make", "message"),
    [
        (
            box("float16", 2),
            lambda: jnp.zeros(2, "float32"),
            "action.dtype: expected float16, got float32",
        ),
        (
            box("float32", 2),
            lambda: jnp.zeros(3, "float32"),
            "action.shape: expected (2,), got (3,)",
        ),
        (box("float32", 2), lambda: jnp.zeros(2, "int4"), "action.dtype: expected one of bool"),
        (box("float32"), donated, "action.data: expected an array with values"),
        (s.Discrete(3), donated, "action: expected an integer"),
        (s.Discrete(3), lambda: jnp.array(1.0), "action: expected an integer, got Array(1."),
        (s.Discrete(3), lambda: jnp.array(True), "action: expected an integer, got Array(True"),
        (s.Discrete(3), lambda: jnp.array([1]), "action: expected an integer, got Array([1]"),
    ],
)
def test_an_action_that_does_not_fit_is_refused_where_it_is_made(echo, space, make, message):
    with pytest.raises(InvalidValue) as caught:
        echo(space, make())
    assert message in str(caught.value)


def falling(observation):
    """Push the cart towards the side to which the pole is falling."""
    return int(observation[2] + observation[3] > 0)


@jax.jit
def falling_compiled(observation):
    return jnp.array(observation[2] + observation[3] > 0, "int32")


@pytest.mark.parametrize("served", [False, True], ids=["here", "served"])
@pytest.mark.parametrize(
    "device",
    [
        None,
        "cpu:0",
        pytest.param(
            "gpu:0",
            marks=[
                pytest.mark.gpu,
                pytest.mark.skipif(jax.default_backend() != "gpu", reason="JAX finds no GPU"),
            ],
        ),
    ],
)
def test_a_compiled_function_is_a_model_and_its_observations_are_on_its_device(
    tmp_path, served, device
):
    seen = set()

    def act(observation):
        seen.add((str(observation.dtype), observation.shape, observation.device))
        return falling_compiled(observation)

    env, model = gymnasium.make("CartPole-v1"), Model(act, device=device)
    expected = rlmesh.Model(falling).run(env, seeds=range(3))
    if served:
        with EnvServer(env, f"unix://{tmp_path}/s") as server:
            assert model.run(server.address, seeds=range(3)) == expected
    else:
        assert model.run(env, seeds=range(3)) == expected
    assert seen == {("float32", (4,), model.device or jax.devices()[0])}
    assert expected.mean_reward > 100
