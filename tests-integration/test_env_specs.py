"""A served env's `spec` says what the env's own says, and makes nothing but another client."""

from __future__ import annotations

from contextlib import closing
from typing import Any, Callable, Dict

import envs
import gymnasium
import numpy as np
import pytest
from gymnasium.envs.mujoco.half_cheetah_v5 import HalfCheetahEnv
from gymnasium.envs.registration import EnvSpec as GymnasiumSpec
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import (
    AddRenderObservation,
    Autoreset,
    DtypeObservation,
    FrameStackObservation,
    MaxAndSkipObservation,
    NormalizeObservation,
    NormalizeReward,
    RecordEpisodeStatistics,
    TimeAwareObservation,
    TimeLimit,
    TransformReward,
)
from rollouts import assert_same_episode, run_episode, sample_actions
from servers import Servers
from stable_baselines3.common.env_checker import check_env as check_env_of_sb3
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor
from unregistered import Unregistered

import rlmesh
import rlmesh.numpy
from rlmesh._envs.local_vector import LocalVectorEnv
from rlmesh.errors import Busy, SecurityError
from rlmesh.numpy.gym import ENV_ID, VECTOR_ENV_ID, RemoteEnv, RemoteVectorEnv
from rlmesh.specs import EnvSpec

FIELDS = ("id", "reward_threshold", "nondeterministic", "max_episode_steps", "order_enforce")


WRAPPERS: Dict[str, Callable[[Any], Any]] = {
    "TimeAware": TimeAwareObservation,
    "TimeAware, not flat": lambda env: TimeAwareObservation(env, flatten=False),
    "TimeLimit": lambda env: TimeLimit(env, 7),
    "TimeAware of a limit": lambda env: TimeAwareObservation(TimeLimit(env, 7)),
    "Statistics": RecordEpisodeStatistics,
    "NormalizeReward": NormalizeReward,
    "NormalizeObservation": NormalizeObservation,
    "FrameStack": lambda env: FrameStackObservation(env, 3),
    "MaxAndSkip": lambda env: MaxAndSkipObservation(env, 2),
    "Dtype": lambda env: DtypeObservation(env, np.float64),
    "TransformReward": lambda env: TransformReward(env, lambda reward: 2 * reward),
    "Autoreset": Autoreset,
    "Render": AddRenderObservation,
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_wrappers_see_the_spec_of_the_served_env(wrapper: str) -> None:
    wrap = WRAPPERS[wrapper]
    made = gymnasium.make("CartPole-v1", render_mode="rgb_array")
    local = wrap(gymnasium.make("CartPole-v1", render_mode="rgb_array"))
    with rlmesh.EnvServer(made) as server, wrap(RemoteEnv(server.address)) as env:
        for field in FIELDS:
            if field != "order_enforce" or wrapper != "TimeLimit":
                assert getattr(env.spec, field) == getattr(local.spec, field), field
        actions = sample_actions(local.action_space, 0, 8)
        ours, theirs = (run_episode(each, 0, actions) for each in (env, local))
        assert repr(env.observation_space) == repr(local.observation_space)
        for step, other in zip(ours.steps, theirs.steps):
            np.testing.assert_equal(step[:4], other[:4])
        assert len(ours.steps) == len(theirs.steps)
    local.close()


@pytest.mark.parametrize("backend", [rlmesh, rlmesh.numpy], ids=["native", "numpy"])
def test_the_spec_is_plain_data_in_core(backend: Any) -> None:
    env = gymnasium.make("HalfCheetah-v5", ctrl_cost_weight=0.5)
    server = rlmesh.EnvServer(FrameStackObservation(env, 2))
    with server, backend.RemoteEnv(server.address) as remote:
        spec = remote.spec
    assert isinstance(spec, EnvSpec)
    assert (spec.id, spec.max_episode_steps) == ("HalfCheetah-v5", 1000)
    assert (spec.reward_threshold, spec.nondeterministic) == (4800.0, False)
    assert spec.kwargs == {"ctrl_cost_weight": 0.5}
    assert spec.entry_point == "gymnasium.envs.mujoco.half_cheetah_v5:HalfCheetahEnv"
    (wrapper,) = spec.additional_wrappers
    assert (wrapper["name"], wrapper["kwargs"]) == (
        "FrameStackObservation",
        {"stack_size": 2, "padding_type": "reset"},
    )


def test_what_is_no_plain_data_is_told_as_a_text() -> None:
    gymnasium.register("Odd-v0", Unregistered, kwargs={})
    env = gymnasium.make("Odd-v0")
    env.unwrapped.spec.kwargs = {  # type: ignore[union-attr]
        "reward": lambda: 0,
        "table": np.arange(3),
        "number": np.float32(0.5),
        "net": object(),
        "at": float("nan"),
        "deep": {"path": [1, (2, {3})]},
    }
    with rlmesh.EnvServer(env) as server, rlmesh.RemoteEnv(server.address) as remote:
        spec = remote.spec
        assert spec is not None
        assert spec.entry_point == "<callable unregistered:Unregistered>"
        kwargs = dict(spec.kwargs)
        assert str(kwargs.pop("reward")).startswith(f"<callable {__name__}:test_what_is_no")
        assert str(kwargs.pop("table")).startswith("<array of int64, shape [3], sha256 ")
        assert kwargs == {
            "number": 0.5,
            "net": "<builtins:object>",
            "at": "nan",
            "deep": {"path": [1, [2, [3]]]},
        }
    gymnasium.registry.pop("Odd-v0")


def test_an_env_without_a_spec_has_none_but_its_time_limit() -> None:
    for env, limit in ((Unregistered(), None), (TimeLimit(Unregistered(), 9), 9)):
        with rlmesh.EnvServer(env) as server, RemoteEnv(server.address) as remote:
            if limit is None:
                assert remote.spec is None
                continue
            assert remote.spec is not None
            assert (remote.spec.id, remote.spec.max_episode_steps) == ("Unregistered", limit)
            observation, _ = TimeAwareObservation(remote).reset(seed=0)
            assert observation.shape == (3,)


class Id(Unregistered):
    """Has a spec of its own making."""

    def __init__(self, **fields: Any) -> None:
        self.spec = type("Spec", (), fields)()


@pytest.mark.parametrize(
    ("fields", "env_id"),
    [
        ({"id": "not an id of Gymnasium's!", "max_episode_steps": 5}, ENV_ID),
        ({"id": 3, "max_episode_steps": np.int64(5)}, "Id"),
        ({"max_episode_steps": 5, "kwargs": 4, "additional_wrappers": [None]}, "Id"),
    ],
)
def test_a_spec_of_another_kind_is_taken_for_what_it_says(
    fields: Dict[str, Any], env_id: str
) -> None:
    with rlmesh.EnvServer(Id(**fields)) as server, RemoteEnv(server.address) as env:
        assert env.spec is not None
        assert (env.spec.id, env.spec.max_episode_steps) == (env_id, 5)


def test_a_spec_that_raises_is_none() -> None:
    class Raising(Unregistered):
        @property
        def spec(self) -> Any:
            raise NotImplementedError

    with rlmesh.EnvServer(Raising()) as server, rlmesh.RemoteEnv(server.address) as env:
        assert env.spec is None
        assert env.contract.env_id == "Raising"


def test_making_an_env_of_the_spec_makes_another_client(serve: Servers) -> None:
    server = serve("CartPole-v1", factory=True)
    with RemoteEnv(server.address, step_timeout=30.0) as env:
        assert env.spec is not None
        assert env.spec.kwargs == {"address": server.address, "step_timeout": 30.0}
        made = gymnasium.make(env.spec)
        assert isinstance(made.unwrapped, RemoteEnv)
        assert made.spec is not None
        assert (made.spec.id, made.spec.max_episode_steps) == ("CartPole-v1", 500)
        again = gymnasium.make(GymnasiumSpec.from_json(made.spec.to_json()))
        assert isinstance(again.unwrapped, RemoteEnv)
        vector = gymnasium.make_vec(env.spec, num_envs=2, vectorization_mode="sync")
        assert isinstance(vector.envs[0].unwrapped, RemoteEnv)  # type: ignore[attr-defined]
        for each in (made, again):
            local = gymnasium.make("CartPole-v1")
            actions = [1, 0] * 10
            assert_same_episode(run_episode(each, 3, actions), run_episode(local, 3, actions))
            each.close()
        vector.close()


def test_an_env_that_is_held_is_not_made_twice() -> None:
    with rlmesh.EnvServer(envs.make("CartPole-v1")) as server, RemoteEnv(server.address) as env:
        assert env.spec is not None
        with pytest.raises(Busy):
            env.spec.make()
        check_env(env, skip_render_check=True, skip_close_check=True)


def test_a_spec_holds_no_token(serve: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "a token of some length"
    server = serve("CartPole-v1", factory=True, token=secret)
    made = gymnasium.make(f"rlmesh.numpy.gym:{ENV_ID}", address=server.address, token=secret)
    bare = serve("envs:Countdown", factory=True, token=secret)
    no_spec = gymnasium.make(f"rlmesh.numpy.gym:{ENV_ID}", address=bare.address, token=secret)
    with RemoteEnv(server.address, token=secret) as env:
        for each in (env, made, no_spec):
            assert each.spec is not None
            assert secret not in repr(each.spec)
            assert secret not in repr(vars(each.spec))
        with pytest.raises(SecurityError):
            env.spec.make()  # type: ignore[union-attr]
        monkeypatch.setenv("RLMESH_TOKEN", secret)
        env.spec.make().close()  # type: ignore[union-attr]
    made.close()
    no_spec.close()


def test_a_limit_of_this_side_is_in_the_spec_of_the_wrapper_that_sets_it() -> None:
    with rlmesh.EnvServer(envs.make("CartPole-v1")) as server:
        env = gymnasium.make(
            f"rlmesh.numpy.gym:{ENV_ID}", address=server.address, max_episode_steps=20
        )
        assert env.spec is not None
        assert env.unwrapped.spec is not None
        assert (env.spec.max_episode_steps, env.unwrapped.spec.max_episode_steps) == (20, 500)
        env.close()


def test_a_spec_may_be_replaced_as_that_of_any_env() -> None:
    with rlmesh.EnvServer(envs.make("CartPole-v1")) as server, RemoteEnv(server.address) as env:
        env.spec = gymnasium.spec("Pendulum-v1")
        assert env.spec.id == "Pendulum-v1"


def test_a_vector_env_has_the_spec_that_it_was_made_of() -> None:
    made = gymnasium.make_vec("CartPole-v1", num_envs=2, vectorization_mode="sync")
    with rlmesh.EnvServer(made) as server:
        with closing(RemoteVectorEnv(server.address)) as env:
            assert env.spec is not None
            assert (env.spec.id, env.spec.max_episode_steps) == ("CartPole-v1", 500)
            spec = env.spec
            with pytest.raises(gymnasium.error.Error, match="entry_point is not specified"):
                gymnasium.make(spec)
        again = gymnasium.make_vec(spec)
        assert isinstance(again, RemoteVectorEnv)
        assert again.num_envs == 2
        again.close()
        with pytest.raises(ValueError, match=r"max_episode_steps: the vector env at .* has 500"):
            RemoteVectorEnv(server.address, max_episode_steps=9)
        by_id = gymnasium.make_vec(
            f"rlmesh.numpy.gym:{VECTOR_ENV_ID}", address=server.address, num_envs=2
        )
        assert by_id.spec is not None
        assert by_id.spec.max_episode_steps == 500
        by_id.close()


def test_stable_baselines3_takes_the_env_with_its_spec() -> None:
    with rlmesh.EnvServer(envs.make("CartPole-v1")) as server, RemoteEnv(server.address) as env:
        check_env_of_sb3(env)
        check_env_of_sb3(TimeAwareObservation(env))
        assert Monitor(env).spec.id == "CartPole-v1"  # type: ignore[union-attr]
        vector = VecMonitor(DummyVecEnv([lambda: env]))
        assert vector.reset().shape == (1, 4)
        assert vector.get_attr("spec")[0].max_episode_steps == 500


@pytest.mark.parametrize(
    ("name", "kwargs", "known"),
    [
        # What the spec, or the class, says is not said again.
        ("CartPole-v1", {"sutton_barto_reward": True}, {}),
        ("CartPole", {}, {}),
        ("unregistered:Unregistered", {}, {}),
        ("unregistered:made", {}, {"factory": "unregistered:made", "factory_kwargs": {}}),
        (
            "unregistered:made",
            {"door": [1]},
            {"factory": "unregistered:made", "factory_kwargs": {"door": [1]}},
        ),
        (
            "envs:make",
            {"env_id": "CartPole-v1"},
            {"factory": "envs:make", "factory_kwargs": {"env_id": "CartPole-v1"}},
        ),
    ],
)
def test_the_contract_says_what_the_server_was_told_to_make(
    name: str, kwargs: Dict[str, Any], known: Dict[str, Any]
) -> None:
    server = rlmesh.EnvServer(name, env_kwargs=kwargs)
    with server, rlmesh.RemoteEnv(server.address) as env:
        origin = dict(env.contract.origin)
    assert origin.pop("class").endswith(("CartPoleEnv", ":Unregistered"))
    assert origin == known


def test_the_contract_says_what_an_env_without_a_spec_was_made_with_and_wrapped_in() -> None:
    env = TransformReward(FrameStackObservation(HalfCheetahEnv(reset_noise_scale=0.5), 3), abs)
    with rlmesh.EnvServer(env) as server, rlmesh.RemoteEnv(server.address) as remote:
        origin = remote.contract.origin
    assert origin["class"] == "gymnasium.envs.mujoco.half_cheetah_v5:HalfCheetahEnv"
    assert origin["wrappers"] == [
        {"TransformReward": {"func": "<callable builtins:abs>"}},
        {"FrameStackObservation": {"stack_size": 3, "padding_type": "reset"}},
    ]
    assert origin["arguments"]["5"] == 0.5


def test_the_contract_says_what_a_vector_env_consists_of() -> None:
    def door() -> Any:
        return gymnasium.make("CartPole-v1", sutton_barto_reward=True)

    for vector in (gymnasium.vector.SyncVectorEnv, gymnasium.vector.AsyncVectorEnv):
        with closing(vector([door, door])) as env:
            known = LocalVectorEnv(env).contract().origin["envs"]
        if vector is gymnasium.vector.SyncVectorEnv:
            assert known["env_id"] == "CartPole-v1"
            assert known["kwargs"] == {"sutton_barto_reward": True}
        else:
            assert known["made_by"].endswith("<locals>.door>")
