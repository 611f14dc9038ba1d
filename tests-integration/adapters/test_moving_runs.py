"""Changes and sticky grippers in runs: alike here and served, by steps, chunks and lanes."""

from __future__ import annotations

from typing import Any, Dict

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box
from gymnasium.spaces import Dict as DictSpace
from servers import Servers

import rlmesh
import rlmesh.adapters as adapt
import rlmesh.jax
import rlmesh.numpy
import rlmesh.torch

STEPS = 7
SEEDS = range(1, 6)
FLIPS = [1, 0, 1, 0, 0, 1, 0]
"""What the policy wants of the gripper, step by step."""


class Slider(gymnasium.Env[Any, Any]):
    """A slider that is where it is told to be, and a gripper; the rewards tell where they are."""

    observation_space = DictSpace(
        {"at": Box(-np.inf, np.inf, (1,), np.float64), "step": Box(0, 99, (1,), np.float32)}
    )
    action_space = Box(-9999, 9999, (2,), np.float32)

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.at = np.array([10.0 * (seed or 0)])
        self.steps = 0
        return self.observe(), {}

    def step(self, action: Any) -> Any:
        self.at[:] = action[0]
        self.steps += 1
        reward = float(action[0]) + 1000 * float(action[1])
        return self.observe(), reward, self.steps == STEPS, False, {}

    def observe(self) -> Dict[str, Any]:
        return {"at": self.at, "step": np.array([self.steps], np.float32)}


def slider() -> Any:
    tags = adapt.EnvTags(
        {"at": adapt.StateTag(adapt.JOINT_POS), "step": adapt.StateTag("proprio/step")},
        adapt.Action(
            adapt.Actuator(adapt.ACTION_JOINT_POS, dim=1),
            adapt.Actuator(adapt.ACTION_GRIPPER, dim=1, range=(0, 1)),
        ),
    )
    return adapt.tag(Slider(), tags)


SPEC = adapt.ModelSpec(
    adapt.State("proprio/step"),
    adapt.Action(
        adapt.Actuator(adapt.ACTION_JOINT_POS, dim=1, delta="from_state"),
        adapt.Actuator(adapt.ACTION_GRIPPER, dim=1, range=(0, 1), binary=True, sticky=2),
    ),
)


class Policy:
    """Moves by 1, 2, 3 ... within each chunk, whose later actions are for later steps."""

    def predict_chunk(self, step: Any) -> Any:
        first = int(step[0])
        return [[1.0 + i, FLIPS[(first + i) % len(FLIPS)]] for i in range(4)]


def model(framework: str = "numpy") -> Any:
    return getattr(rlmesh, framework).Model(Policy(), spec=SPEC)


def wanted(seed: int, horizon: int) -> float:
    base = at = 10.0 * seed
    total = 0.0
    value, left = float(FLIPS[0]), 0
    for step in range(STEPS):
        base = at if step % horizon == 0 else base
        at = base + 1 + step % horizon
        if left:
            left -= 1
        elif FLIPS[step] != value:
            value, left = float(FLIPS[step]), 1
        total += at + 1000 * value
    return total


@pytest.mark.parametrize("framework", ["numpy", "torch", "jax"])
@pytest.mark.parametrize("horizon", [1, 3, 4])
def test_bases_and_held_changes_follow_the_actions_that_were_executed(
    framework: str, horizon: int
) -> None:
    result = model(framework).run(slider(), seeds=SEEDS, execution_horizon=horizon)
    assert [one.reward for one in result.episodes] == [wanted(seed, horizon) for seed in SEEDS]


@pytest.mark.parametrize("horizon", [1, 3])
def test_they_do_so_in_lanes_and_at_a_served_model(horizon: int, serve: Servers) -> None:
    envs = [serve("adapters.test_moving_runs:slider").address for _ in range(2)]
    totals = [wanted(seed, horizon) for seed in SEEDS]
    here = model().run(envs, seeds=SEEDS, execution_horizon=horizon)
    assert [one.reward for one in here.episodes] == totals
    with rlmesh.RemoteModel(serve("adapters.test_moving_runs:model").address) as remote:
        there = remote.run(envs[0], seeds=SEEDS, execution_horizon=horizon)
    assert [one.reward for one in there.episodes] == totals
