"""Envs in the API of `gym` before 0.26: `seed()`, `reset()` without info, `step` of four values."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

import gym
import numpy as np


class Drift(gym.Env[Any, Any]):
    """A random walk that a time limit cuts off, as the old TimeLimit wrapper said it.

    Args:
        limit: Steps after which it is cut off.
        goal: How far it must get to be done before.
    """

    metadata = {"render.modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(self, limit: int = 30, goal: float = 8.0) -> None:
        self.limit, self.goal = limit, goal
        self.observation_space = gym.spaces.Dict(
            {
                "position": gym.spaces.Box(-np.inf, np.inf, (2,), np.float32),
                "image": gym.spaces.Box(0, 255, (84, 84, 3), np.uint8),
                "steps": gym.spaces.Discrete(1000),
            }
        )
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.seed()

    def seed(self, seed: Optional[int] = None) -> List[Optional[int]]:
        self.rng = np.random.default_rng(seed)
        return [seed]

    def reset(self) -> Any:  # type: ignore[override]
        self.position = self.rng.normal(size=2).astype(np.float32)
        self.steps = 0
        return self._observe()

    def step(self, action: Any) -> Tuple[Any, float, bool, Dict[str, Any]]:  # type: ignore[override]
        self.steps += 1
        self.position += action + self.rng.normal(size=2).astype(np.float32)
        done = bool(np.abs(self.position).max() > self.goal)
        info: Dict[str, Any] = {"steps": self.steps}
        if self.steps >= self.limit:
            info["TimeLimit.truncated"] = not done
            done = True
        return self._observe(), -float(np.abs(self.position).sum()), done, info

    def render(self, mode: str = "rgb_array") -> Any:  # type: ignore[override]
        return np.full((4, 5, 3), self.steps, np.uint8)

    def _observe(self) -> Dict[str, Any]:
        image = self.rng.integers(0, 256, (84, 84, 3), np.uint8)
        return {"position": self.position.copy(), "image": image, "steps": self.steps}


class Handwritten:
    """Knows of gym only its spaces."""

    observation_space = gym.spaces.Tuple((gym.spaces.Discrete(5), gym.spaces.MultiBinary(3)))
    action_space = gym.spaces.MultiDiscrete([2, 3])

    def __init__(self) -> None:
        self.seeds: List[int] = []

    def seed(self, seed: int) -> None:
        self.seeds.append(seed)

    def reset(self) -> Any:
        self.count = 0
        return 0, np.zeros(3, np.int8)

    def step(self, action: Any) -> Any:
        self.count += 1
        bits = np.array([action[0], action[1] > 1, 1], np.int8)
        return (self.count, bits), 1, self.count == 4, {}


def make(env_id: str) -> Any:
    """Make a registered env of gym 0.26, whose own checker does not run on NumPy 2."""
    return gym.make(env_id, disable_env_checker=True)
