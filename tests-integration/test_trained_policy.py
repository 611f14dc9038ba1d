"""A trained network acts the same in torch, NumPy and JAX, in the env's process or elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List, NamedTuple

import gymnasium
import numpy as np
import pytest
import trained
from servers import PythonProcess, Servers

import rlmesh

SEEDS = 20
ENVIRON = {"JAX_ENABLE_X64": "1", "OMP_NUM_THREADS": "1"}
MODELS = {"numpy": "NumpyPolicy", "torch": "torch_policy", "jax": "jax_policy"}
FRAMEWORKS = pytest.mark.parametrize("framework", MODELS)


class Recorded(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Remembers every action of every episode."""

    def __init__(self) -> None:
        super().__init__(gymnasium.make("CartPole-v1"))
        self.actions: List[List[int]] = []

    def reset(self, **arguments: Any) -> Any:
        self.actions.append([])
        return super().reset(**arguments)

    def step(self, action: Any) -> Any:
        self.actions[-1].append(int(action))
        return super().step(action)


class Run(NamedTuple):
    """What came of a run: seed, steps and reward of each episode, and its actions."""

    episodes: List[List[Any]]
    actions: List[List[int]]


def run_of(result: rlmesh.RunResult, env: Recorded) -> Run:
    return Run([[e.seed, e.steps, e.reward] for e in result.episodes], env.actions)


@pytest.fixture(scope="module")
def kwargs(tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Any]:
    """Train the policy in a process of its own; return the arguments of each model."""
    path = tmp_path_factory.mktemp("trained") / "weights.npz"
    training = PythonProcess("trained.py", str(path))
    assert training.wait() == 0, training.stderr
    training.close()
    return {"artifacts": [str(path)]}


@pytest.fixture(scope="module")
def expected(kwargs: Dict[str, Any]) -> Run:
    """What the network does in a loop without RLMesh."""
    layers, env, episodes = trained.load([Path(kwargs["artifacts"][0])]), Recorded(), []
    for seed in range(SEEDS):
        observation, _ = env.reset(seed=seed)
        steps, reward, over = 0, 0.0, False
        while not over:
            hidden = observation.astype(np.float64)
            for weight, bias in layers[:-1]:
                hidden = np.tanh(weight @ hidden + bias)
            weight, bias = layers[-1]
            action = int((weight @ hidden + bias).argmax())
            observation, step_reward, terminated, truncated, _ = env.step(action)
            steps, reward, over = steps + 1, reward + float(step_reward), terminated or truncated
        episodes.append([seed, steps, reward])
    return Run(episodes, env.actions)


def test_the_policy_is_a_good_one(expected: Run) -> None:
    assert np.mean([reward for _, _, reward in expected.episodes]) >= 400


@FRAMEWORKS
def test_a_model_with_a_process_of_its_own_acts_as_trained(
    framework: str, kwargs: Dict[str, Any], expected: Run, serve: Servers
) -> None:
    env = Recorded()
    name = f"trained:{MODELS[framework]}"
    with rlmesh.EnvServer(env) as server:
        arguments = (name, json.dumps(kwargs), server.address, str(SEEDS))
        worker = serve.start("run_model.py", *arguments, environ=ENVIRON)
        episodes = json.loads(worker.read_line())
        assert worker.wait() == 0, worker.stderr
    assert Run(episodes, env.actions) == expected


@FRAMEWORKS
@pytest.mark.parametrize("where", ["here", "served"])
def test_a_served_model_acts_as_trained(
    where: str, framework: str, kwargs: Dict[str, Any], expected: Run, serve: Servers
) -> None:
    model = serve(f"trained:{MODELS[framework]}", kwargs=kwargs, environ=ENVIRON)
    env = Recorded()
    if where == "here":
        result = rlmesh.run(model.address, env, seeds=range(SEEDS))
    else:
        with rlmesh.EnvServer(env) as server:
            result = rlmesh.run(model.address, server.address, seeds=range(SEEDS))
    assert run_of(result, env) == expected


@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_a_model_in_the_envs_process_acts_as_trained(
    framework: str, kwargs: Dict[str, Any], expected: Run
) -> None:
    env = Recorded()
    model = getattr(trained, MODELS[framework])(**kwargs)
    assert run_of(model.run(env, seeds=range(SEEDS)), env) == expected
