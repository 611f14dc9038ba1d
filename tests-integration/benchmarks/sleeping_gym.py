"""The sleeping env of `sleeping.py` as a Gymnasium env."""

from __future__ import annotations

from typing import Any, Dict, Optional, Tuple

import gymnasium
import numpy as np
from sleeping import SCENARIOS, Scenario, SleepingEnv


class SleepingGymEnv(gymnasium.Env):  # type: ignore[type-arg]
    """See `SleepingEnv`; without a seed it has the episode of seed 0."""

    def __init__(self, scenario: Scenario, steps: int, lane: int, folder: str) -> None:
        self.observation_space = gymnasium.spaces.Box(0, np.inf, (2,), np.float32)
        self.action_space = gymnasium.spaces.Box(0, np.inf, (2,), np.float32)
        self._env = SleepingEnv(scenario, steps, lane, folder)

    def reset(
        self, *, seed: Optional[int] = None, options: Optional[Dict[str, Any]] = None
    ) -> Tuple[np.ndarray, Dict[str, Any]]:
        """Begin an episode."""
        return self._env.reset(seed or 0), {}

    def step(self, action: Any) -> Tuple[np.ndarray, float, bool, bool, Dict[str, Any]]:
        """Take a step."""
        observation, over = self._env.step(action)
        return observation, 0.0, over, False, {}


def make(title: str, steps: int, lane: int, folder: str) -> SleepingGymEnv:
    """Return an env of the scenario of that title; the arguments are plain data."""
    (scenario,) = (one for one in SCENARIOS.values() if one.title == title)
    return SleepingGymEnv(scenario, steps, lane, folder)
