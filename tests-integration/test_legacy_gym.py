"""Envs in the old `gym` API are served as if they had Gymnasium's."""

from __future__ import annotations

from typing import Any

import gymnasium
import legacy_envs
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from legacy_envs import Drift, Handwritten
from rollouts import assert_same_episode, run_episode, sample_actions
from servers import Servers

import rlmesh
import rlmesh.numpy
from rlmesh.numpy.gym import RemoteEnv


class Adapted:
    """An old env with the new API, by the letter of what the old one promised."""

    def __init__(self, env: Any) -> None:
        self.env = env

    def reset(self, seed: int) -> Any:
        self.env.seed(seed)
        return self.env.reset(), {}

    def step(self, action: Any) -> Any:
        observation, reward, done, info = self.env.step(action)
        truncated = done and info.get("TimeLimit.truncated", False)
        return observation, reward, done and not truncated, truncated, info


def test_an_old_env_gives_what_it_gives_locally(serve: Servers) -> None:
    actions = list(np.random.default_rng(0).uniform(-1, 1, (40, 2)).astype(np.float32))
    local, server, ends = Adapted(Drift()), serve("legacy_envs:Drift"), set()
    with rlmesh.numpy.RemoteEnv(server.address) as env:
        for seed in range(5):
            expected = run_episode(local, seed, actions)
            assert_same_episode(run_episode(env, seed, actions), expected)
            ends.add(expected.steps[-1][2:4])
    assert ends == {(True, False), (False, True)}


def test_an_old_env_is_evaluated_with_its_seeds(serve: Servers) -> None:
    def policy(observation: Any) -> Any:
        return np.clip(observation["position"], -1, 1)

    server = serve("legacy_envs:Drift")
    results = [rlmesh.numpy.Model(policy).run(env, seeds=[4, 2, 4]) for env in (server, Drift())]
    assert results[0] == results[1]
    first, second, third = (episode.reward for episode in results[0].episodes)
    assert first == third != second


def test_an_old_env_is_a_gymnasium_env_on_the_other_side(serve: Servers) -> None:
    server = serve("legacy_envs:Drift")
    with RemoteEnv(server.address) as env:
        assert isinstance(env, gymnasium.Env)
        assert isinstance(env.observation_space, gymnasium.spaces.Dict)
        assert env.metadata == {"render.modes": ["rgb_array"]}
        check_env(env, skip_render_check=True)
        env.reset(seed=0)
        env.step(env.action_space.sample())
        assert env.render().shape == (4, 5, 3)


def test_a_handwritten_env_is_seeded_only_when_asked() -> None:
    served = Handwritten()
    with rlmesh.EnvServer(served) as server, rlmesh.numpy.RemoteEnv(server.address) as env:
        assert env.contract.env_id == "Handwritten"
        observation, info = env.reset()
        assert served.seeds == []
        assert observation[0] == 0
        assert observation[1].tolist() == [0, 0, 0]
        assert info == {}
        env.reset(seed=9)
        assert served.seeds == [9]
        observation, reward, terminated, truncated, info = env.step(np.array([1, 2]))
        assert observation[0] == 1
        assert observation[1].tolist() == [1, 1, 1]
        assert observation[1].dtype == np.int8
        assert (reward, terminated, truncated, info) == (1.0, False, False, {})
        for _ in range(3):
            ended = env.step([0, 0])[2:4]
        assert ended == (True, False)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "MountainCarContinuous-v0", "Taxi-v3"])
def test_an_env_of_the_last_gym_gives_what_it_gives_locally(env_id: str, serve: Servers) -> None:
    local = legacy_envs.make(env_id)
    server = serve("legacy_envs:make", kwargs={"env_id": env_id})
    with rlmesh.numpy.RemoteEnv(server.address) as env:
        assert env.contract.env_id == env_id
        assert env.contract.max_episode_steps == local.spec.max_episode_steps
        for seed in range(3):
            actions = sample_actions(local.action_space, seed, 60)
            assert_same_episode(run_episode(env, seed, actions), run_episode(local, seed, actions))
    local.close()
