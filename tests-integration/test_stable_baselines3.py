"""Stable-Baselines3 evaluates and learns on a served env as it does on the local one."""

from __future__ import annotations

from typing import Any, Callable, Iterator

import envs
import pytest
import torch
from servers import Servers
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

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
