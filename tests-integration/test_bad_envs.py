"""Envs that break their word: each fault is named, and the server serves on."""

from __future__ import annotations

import math
import struct
from types import SimpleNamespace
from typing import Any, Iterator

import gymnasium
import numpy as np
import pytest
from faulty import INFOS, Faulty
from rollouts import assert_same
from servers import ServerProcess, Servers

import rlmesh
import rlmesh.numpy
from rlmesh.errors import EnvError, InvalidValue, RLMeshError, UnsupportedSpace

ACTION = np.zeros(2, np.float32)
GOOD = Faulty().reset()[0]


@pytest.fixture(scope="module")
def server(serve_module: Servers) -> ServerProcess:
    return serve_module("faulty:Faulty")


@pytest.fixture
def env(server: ServerProcess) -> Iterator[rlmesh.numpy.RemoteEnv]:
    """An env that must be good again after the test, in the same session and in another."""
    with rlmesh.numpy.RemoteEnv(server.address) as env:
        yield env
        check_good(env)
    with rlmesh.numpy.RemoteEnv(server.address) as env:
        check_good(env)
    assert server.process.poll() is None


def check_good(env: rlmesh.numpy.RemoteEnv) -> None:
    assert_same(env.reset()[0], GOOD, "reset")
    assert_same(env.step(ACTION)[0], GOOD, "step")


def misbehave(env: rlmesh.numpy.RemoteEnv, when: str, **options: Any) -> Any:
    """Return what the env returned with these options, from `reset`, `step` or `render`."""
    result = env.reset(options={"when": when, **options})
    if when == "reset":
        return result
    return env.step(ACTION) if when == "step" else env.render()


@pytest.mark.parametrize("when", ["reset", "step", "render"])
def test_an_env_that_raises_is_quoted_with_its_traceback(
    when: str, env: rlmesh.numpy.RemoteEnv
) -> None:
    with pytest.raises(EnvError) as caught:
        misbehave(env, when, fault="raises")
    error = caught.value
    assert error.remote_type == "ValueError"
    assert error.remote_message == "the arm hit the table: äöü 漢字"
    assert f"{when} of the env at {env.address} raised ValueError: the arm hit" in str(error)
    for part in ("in fails_deep_inside", "faulty.py", "KeyError: 'table'", "direct cause"):
        assert part in error.remote_traceback
        assert part in str(error)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("raises unprintable", "raised UnprintableError: <the message raised RuntimeError>"),
        ("raises huge", "raised ValueError: xxxx"),
        ("raises surrogate", r"raised ValueError: \ud800"),  # as every text that is no UTF-8
    ],
)
@pytest.mark.parametrize("when", ["reset", "step"])
def test_an_env_that_raises_something_odd_is_quoted_too(
    fault: str, words: str, when: str, env: rlmesh.numpy.RemoteEnv
) -> None:
    with pytest.raises(EnvError) as caught:
        misbehave(env, when, fault=fault)
    assert f"{when} of the env at {env.address} {words}" in str(caught.value)
    assert len(str(caught.value)) < 100_000


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("shape", "observation['image'].shape: expected (3, 4), got (4, 5)"),
        ("ndim", "observation['image'].shape: expected (3, 4), got (3, 4, 1)"),
        ("dtype", "observation['state'].dtype: expected float32, got float64"),
        ("integers", "observation['state'].dtype: expected float32, got int64"),
        ("objects", "observation['state'].dtype: expected one of"),
        ("text", "observation['state']: expected an array of float32 and shape (2,), got 'left'"),
        (
            "missing",
            "observation: expected keys ['count', 'image', 'state', 'word'], got ['image']",
        ),
        ("extra", "observation: expected keys ['count', 'image', 'state', 'word'], got ["),
        ("array", "observation: expected a mapping, got array"),
        ("nothing", "observation: expected a mapping, got None"),
        ("word", "observation['word']: expected a str, got 5 (int)"),
        ("surrogate", "observation['word']: expected Unicode text, got a lone surrogate"),
        ("fraction", "observation['count']: expected an integer, got 1.5 (float)"),
        ("beyond dtype", "observation['count']: expected an integer that fits int64"),
    ],
)
@pytest.mark.parametrize("when", ["reset", "step"])
def test_an_observation_that_breaks_its_space_is_named_with_its_path(
    fault: str, words: str, when: str, env: rlmesh.numpy.RemoteEnv
) -> None:
    with pytest.raises(InvalidValue) as caught:
        misbehave(env, when, fault=fault)
    assert words in str(caught.value)


@pytest.mark.parametrize("when", ["reset", "step"])
@pytest.mark.parametrize("fault", ["read-only", "strided", "big-endian", "list"])
def test_an_observation_that_is_laid_out_oddly_arrives_in_order(
    fault: str, when: str, env: rlmesh.numpy.RemoteEnv
) -> None:
    assert_same(misbehave(env, when, fault=fault)[0], GOOD, fault)


@pytest.mark.parametrize("when", ["reset", "step"])
def test_values_out_of_bounds_arrive_as_they_are(when: str, env: rlmesh.numpy.RemoteEnv) -> None:
    observation = misbehave(env, when, fault="out of bounds")[0]
    assert observation["state"].tolist() == [9, -9]
    assert observation["count"] == 77
    observation = misbehave(env, when, fault="nan")[0]
    assert observation["state"].tobytes() == np.array([np.nan, np.inf], np.float32).tobytes()


def test_values_out_of_bounds_are_warned_of_once(serve: Servers) -> None:
    server = serve("faulty:Faulty")
    with rlmesh.numpy.RemoteEnv(server.address) as env:
        for _ in range(3):
            misbehave(env, "step", fault="out of bounds")
    words = "RuntimeWarning: observation['state'][0]: expected within [-1.0, 1.0], got 9.0"
    assert server.stderr.count(words) == 1
    assert server.stderr.count("observation['count']: expected within [0, 4], got 77") == 1


@pytest.mark.parametrize(
    ("reward", "expected"),
    [
        ("float32", float(np.float32(0.1))),
        ("int", 3.0),
        ("bool", 1.0),
        ("nan", math.nan),
        ("0-d", 1.5),
        ("size 1", 1.5),
        ("long double", 1.5),
        ("infinity", math.inf),
    ],
)
def test_any_single_number_is_a_reward(
    reward: str, expected: float, env: rlmesh.numpy.RemoteEnv
) -> None:
    received = misbehave(env, "step", reward=reward)[1]
    assert type(received) is float
    assert struct.pack("=d", received) == struct.pack("=d", expected)


@pytest.mark.parametrize("reward", ["size 2", "none", "text", "digits", "complex", "huge"])
def test_what_is_no_single_number_is_no_reward(reward: str, env: rlmesh.numpy.RemoteEnv) -> None:
    with pytest.raises(InvalidValue, match=r"^reward: expected a number.*, got "):
        misbehave(env, "step", reward=reward)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ("two", "step: expected 5 values from the env, got 2"),
        ("six", "step: expected 5 values from the env, got 6"),
        ("nothing", "step: expected 5 values from the env, got None"),
        ("number", "step: expected 5 values from the env, got 5"),
        ("bad flags", r"^terminated: expected a bool, 0 or 1, got array\(\[ True, False\]\)"),
        ("nan flag", r"^truncated: expected a bool, 0 or 1, got .*nan"),
        ("text flag", r"^terminated: expected a bool, 0 or 1, got .*'False'"),
    ],
)
def test_a_step_that_returns_something_else_is_named(
    result: str, words: str, env: rlmesh.numpy.RemoteEnv
) -> None:
    with pytest.raises(InvalidValue, match=words):
        misbehave(env, "step", result=result)


def test_flags_and_infos_of_other_types_are_taken(env: rlmesh.numpy.RemoteEnv) -> None:
    assert misbehave(env, "step", result="flags")[2:] == (True, False, {})
    assert misbehave(env, "step", result="float flags")[2:] == (True, False, {})
    assert misbehave(env, "step", result="no info")[4] == {}
    assert misbehave(env, "step", result="info list")[4] == {"info": [1, 2]}
    assert misbehave(env, "step", result="info mapping")[4] == {"a": 1}
    assert misbehave(env, "step", result="info array")[4]["info"].tolist() == [1, 2]


@pytest.mark.parametrize("when", ["reset", "step"])
@pytest.mark.parametrize("name", INFOS)
def test_info_never_aborts_a_step(name: str, when: str, env: rlmesh.numpy.RemoteEnv) -> None:
    info = misbehave(env, when, info=name)[-1]
    assert list(info) == ["value"]
    expected = INFOS[name][1]
    assert info["value"] == expected
    assert repr(info["value"]) == repr(expected) or type(expected).__name__ == "Equals"


@pytest.mark.parametrize("shape", [(0,), (3, 0, 2), (1,), (17,), (90, 90, 3), (5, 1, 1), (2,) * 10])
@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int16", "int64", "float16", "float32", "float64", ">f8", ">i2"]
)
def test_arrays_in_info_arrive_bit_for_bit(shape: Any, dtype: str) -> None:
    array = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)

    class Env(Faulty):
        def step(self, action: Any) -> Any:
            views = {"array": array, "turned": array.T, "deep": [{"array": (array, array)}]}
            return *super().step(action)[:4], views

    with rlmesh.EnvServer(Env()) as server, rlmesh.numpy.RemoteEnv(server.address) as env:
        env.reset()
        info = env.step(ACTION)[4]
    native = array.astype(array.dtype.newbyteorder("="))
    (deep,) = info["deep"]
    for arrived in (info["array"], info["turned"].T, *deep["array"]):
        assert arrived.dtype == native.dtype
        assert arrived.shape == array.shape
        assert arrived.tobytes() == native.tobytes()
        assert arrived.flags.writeable


@pytest.mark.parametrize("size", [3, 100])
def test_a_contract_holds_plain_data_whatever_the_env_says_of_itself(size: int) -> None:
    odd: Any = Faulty()
    odd.metadata = {
        "matrix": np.eye(size),
        "fps": np.int64(30),
        "odd": object(),
        1: (2,),
    }
    odd.spec = SimpleNamespace(id="Odd-v0", max_episode_steps=np.int64(7))
    odd.render_mode = np.str_("ansi")
    with rlmesh.EnvServer(odd) as server, rlmesh.RemoteEnv(server.address) as env:
        env.reset()
        assert env.contract.env_id == "Odd-v0"
        assert env.contract.max_episode_steps == 7
        assert env.render_mode == "ansi"
        assert env.metadata == {
            "matrix": np.eye(size).tolist(),
            "fps": 30,
            "odd": env.metadata["odd"],
            1: [2],
        }


class Spaceless:
    def reset(self) -> Any:
        return 0

    def step(self, action: Any) -> Any:
        return 0


class Unknown(gymnasium.Space[Any]):
    pass


@pytest.mark.parametrize("name", ["observation_space", "action_space"])
@pytest.mark.parametrize(
    ("space", "words"),
    [
        (..., "expected a Gymnasium space, got NoneType"),
        (None, "expected a Gymnasium space, got NoneType"),
        (5, "expected a Gymnasium space, got int"),
        (gymnasium.spaces.Box, "expected a Gymnasium space, got the class Box, not an instance"),
        (Unknown(), r"test_bad_envs\.Unknown is a space of its own kind"),
        (gymnasium.spaces.Box(0, 1, dtype=np.longdouble), "expected one of bool, int8"),
        (
            gymnasium.spaces.Dict(a=gymnasium.spaces.Tuple([Unknown()])),
            r"\['a'\]\[0\]: .*its own kind",
        ),
    ],
)
def test_an_env_without_usable_spaces_is_refused_by_the_server(
    name: str, space: Any, words: str
) -> None:
    env = Spaceless()
    env.observation_space = env.action_space = gymnasium.spaces.Discrete(2)  # type: ignore[attr-defined]
    if space is ...:
        delattr(env, name)
    else:
        setattr(env, name, space)
    for use in (rlmesh.EnvServer, rlmesh.Model(lambda _: 0).run):
        with pytest.raises(UnsupportedSpace, match=rf"Spaceless\.{name}.*{words}") as caught:
            use(env)
        assert isinstance(caught.value, RLMeshError)


@pytest.mark.parametrize("env", [None, 5, object()])
def test_what_is_no_env_is_refused_by_the_server(env: Any) -> None:
    with pytest.raises((TypeError, UnsupportedSpace), match=r"env: expected an environment"):
        rlmesh.EnvServer(env)
