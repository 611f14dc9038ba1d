"""Stable-Baselines3 evaluates and learns on a served env as it does on the local one."""

from __future__ import annotations

from typing import Any, Callable, Iterator

import envs
import gymnasium
import numpy as np
import pytest
import torch
from servers import Servers
from stable_baselines3 import A2C, DQN, PPO, HerReplayBuffer
from stable_baselines3.common.envs import BitFlippingEnv
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

import rlmesh
from rlmesh.errors import UnknownAttribute
from rlmesh.numpy.gym import RemoteEnv


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Sums of floats depend on the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def remote(serve: Servers) -> Iterator[RemoteEnv]:
    with RemoteEnv(serve("envs:make", kwargs={"env_id": "CartPole-v1"}).address) as env:
        yield env


def test_evaluate_policy_gives_what_it_gives_locally(remote: RemoteEnv) -> None:
    def evaluate(make: Callable[[], Any]) -> Any:
        env = DummyVecEnv([lambda: Monitor(make())])
        model = PPO("MlpPolicy", env, seed=0, device="cpu")
        env.seed(11)
        return evaluate_policy(model, env, n_eval_episodes=20, return_episode_rewards=True)

    ours, theirs = evaluate(lambda: remote), evaluate(lambda: envs.make("CartPole-v1"))
    assert ours == theirs
    assert len(ours[0]) == 20
    assert len(set(ours[1])) > 3


@pytest.mark.parametrize(
    ("algorithm", "options"),
    [(PPO, {"n_steps": 64, "batch_size": 32, "n_epochs": 2}), (A2C, {"n_steps": 16})],
)
def test_learning_gives_the_weights_that_it_gives_locally(
    algorithm: Any, options: Any, remote: RemoteEnv
) -> None:
    def weights(env: Any) -> Any:
        model = algorithm("MlpPolicy", env, seed=0, device="cpu", **options)
        return model.learn(256).policy.state_dict()

    ours, theirs = weights(remote), weights(envs.make("CartPole-v1"))
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert torch.equal(ours[name], theirs[name]), name


class Level(gymnasium.Env[Any, Any]):
    """Observes its level."""

    observation_space = gymnasium.spaces.Discrete(9)
    action_space = gymnasium.spaces.Discrete(2)
    level = 1

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return self.level, {}

    def action_masks(self) -> Any:
        return [True, self.level > 1]


@pytest.mark.parametrize("kind", [DummyVecEnv, SubprocVecEnv])
def test_a_vec_env_reaches_the_attributes_of_served_envs(kind: Any) -> None:
    with rlmesh.EnvServer(Level(), expose=["level", "action_masks"]) as server:
        address = server.address
        options = {"start_method": "spawn"} if kind is SubprocVecEnv else {}
        venv = kind([lambda: RemoteEnv(address)], **options)
        assert venv.get_attr("level") == [1]
        venv.set_attr("level", 5)
        assert venv.get_attr("level") == [5]
        assert venv.reset().tolist() == [5]
        assert venv.env_method("action_masks") == [[True, True]]
        assert venv.env_method("set_wrapper_attr", "level", 1) == [True]
        assert venv.env_method("action_masks") == [[True, False]]
        assert venv.get_attr("render_mode") == [None]
        assert not venv.env_is_wrapped(Monitor)[0]
        venv.close()


def test_a_vec_env_is_refused_what_the_server_does_not_expose() -> None:
    with rlmesh.EnvServer(Level()) as server, RemoteEnv(server.address) as env:
        venv = DummyVecEnv([lambda: env])
        for use in (
            lambda: venv.get_attr("level"),
            lambda: venv.set_attr("level", 5),
            lambda: venv.env_method("level"),
        ):
            with pytest.raises(UnknownAttribute, match=r"serve with expose=.'level'"):
                use()
        assert venv.reset().tolist() == [1]


def test_within_a_wrapper_attributes_are_set_by_gymnasiums_own_way() -> None:
    with rlmesh.EnvServer(Level(), expose=["level"]) as server:
        venv = DummyVecEnv([lambda: Monitor(RemoteEnv(server.address))])
        venv.env_method("set_wrapper_attr", "level", 5)
        assert venv.get_attr("level") == [5]
        assert venv.reset().tolist() == [5]
        venv.close()


@pytest.mark.parametrize("buffer_options", [{}, {"copy_info_dict": True}], ids=["", "infos"])
def test_hindsight_replay_gives_the_rewards_that_it_gives_locally(buffer_options: Any) -> None:
    def learn(env: Any) -> Any:
        model = DQN(
            "MultiInputPolicy",
            env,
            seed=0,
            learning_starts=20,
            device="cpu",
            replay_buffer_class=HerReplayBuffer,
            replay_buffer_kwargs={"n_sampled_goal": 4, **buffer_options},
        ).learn(100)
        np.random.seed(0)
        return model.replay_buffer.sample(64), model.policy.state_dict()

    def make() -> Any:
        return BitFlippingEnv(n_bits=4, continuous=False)

    with rlmesh.EnvServer(make(), expose=["compute_reward"]) as server:
        with RemoteEnv(server.address) as remote:
            ours, our_weights = learn(remote)
        assert rlmesh.stats(server.address).requests["call"] > 0
    theirs, their_weights = learn(make())
    assert torch.equal(ours.rewards, theirs.rewards)
    assert len(set(ours.rewards.flatten().tolist())) > 1
    for name in their_weights:
        assert torch.equal(our_weights[name], their_weights[name]), name
