"""What Gymnasium and Stable-Baselines3 say of a client that they do not take."""

from __future__ import annotations

from typing import Any, Iterator, Tuple

import gymnasium
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

import rlmesh
import rlmesh.jax
import rlmesh.numpy
import rlmesh.torch
from rlmesh.errors import UnknownAttribute
from rlmesh.numpy import gym as face


@pytest.fixture(scope="module")
def addresses() -> Iterator[Tuple[str, str]]:
    vector = gymnasium.make_vec("CartPole-v1", 2, vectorization_mode="sync")
    server = rlmesh.EnvServer(gymnasium.make("CartPole-v1"))
    with server, rlmesh.EnvServer(vector) as vector_server:
        yield server.address, vector_server.address


SINGLE = [module.RemoteEnv for module in (rlmesh, rlmesh.numpy, rlmesh.torch, rlmesh.jax)]
VECTOR = [module.RemoteVectorEnv for module in (rlmesh, rlmesh.numpy, rlmesh.torch, rlmesh.jax)]


def assert_refused(env: Any, sentence: str) -> None:
    agent = PPO("MlpPolicy", gymnasium.make("CartPole-v1"), device="cpu")
    for use in (
        lambda: evaluate_policy(agent, env),
        lambda: PPO("MlpPolicy", env),
        lambda: DummyVecEnv([lambda: env]),
        lambda: Monitor(env),
        lambda: gymnasium.wrappers.TimeLimit(env, 5),
    ):
        with pytest.raises((ValueError, TypeError), match=sentence):
            use()


@pytest.mark.parametrize("kind", SINGLE)
def test_an_env_is_refused_with_the_class_to_take(kind: Any, addresses: Tuple[str, str]) -> None:
    with kind(addresses[0]) as env:
        assert_refused(env, r"RemoteEnv' \(for Gymnasium and .* rlmesh.numpy.gym.RemoteEnv\)")
        for name in ("unwrapped", "num_envs", "get_wrapper_attr", "env_method", "seed"):
            sentence = r"training libraries take rlmesh.numpy.gym.RemoteEnv\(address\)"
            with pytest.raises(UnknownAttribute, match=sentence):
                getattr(env, name)


@pytest.mark.parametrize("kind", VECTOR)
def test_so_is_a_vector_env(kind: Any, addresses: Tuple[str, str]) -> None:
    with kind(addresses[1]) as env:
        assert_refused(env, r"take rlmesh.numpy.gym.RemoteVectorEnv; Stable-Baselines3 wants")
        with pytest.raises(UnknownAttribute, match=r"rlmesh.numpy.gym.RemoteVectorEnv\(address"):
            env.unwrapped  # noqa: B018
        with pytest.raises(TypeError, match=r"take rlmesh.numpy.gym.RemoteVectorEnv"):
            gymnasium.wrappers.TimeLimit(env, 5)


def test_gymnasiums_vector_env_is_none_of_stable_baselines3(addresses: Tuple[str, str]) -> None:
    env = face.RemoteVectorEnv(addresses[1])
    assert_refused(env, r"Stable-Baselines3 wants several rlmesh.numpy.gym.RemoteEnv")
    env.close()


def test_public_names_are_shown() -> None:
    assert repr(rlmesh.RemoteEnv).startswith("<class 'rlmesh.RemoteEnv' (")
    assert repr(rlmesh.numpy.RemoteVectorEnv).startswith("<class 'rlmesh.numpy.RemoteVectorEnv' (")
    assert repr(rlmesh.RemoteVectorEnv).startswith("<class 'rlmesh.RemoteVectorEnv' (")
