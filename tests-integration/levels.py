"""An env whose attributes and methods training code calls; processes of a vector env import it."""

from __future__ import annotations

from typing import Any, Dict, Optional, Tuple

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import OrderEnforcing, RecordEpisodeStatistics, TimeLimit


class Level(gymnasium.Env[Any, Any]):
    """Observes its level, which a curriculum may set."""

    observation_space = spaces.Box(0, 1e6, (2,), np.float32)
    action_space = spaces.Discrete(3)
    render_mode = "rgb_array"
    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(self, level: int = 1) -> None:
        self.level = level
        self.goal = np.array([1, 2], np.float32)
        self.calls = 0

    def reset(
        self, *, seed: Optional[int] = None, options: Optional[Dict[str, Any]] = None
    ) -> Tuple[Any, Dict[str, Any]]:
        super().reset(seed=seed)
        return self._observe(), {}

    def step(self, action: Any) -> Tuple[Any, float, bool, bool, Dict[str, Any]]:
        return self._observe(), float(self.level), False, False, {}

    def render(self) -> Any:
        return np.full((2, 2, 3), self.level, np.uint8)

    def add(self, more: int = 1) -> int:
        self.calls += 1
        self.level += more
        return self.level

    def action_masks(self) -> Any:
        return np.array([True, False, self.level > 1])

    def compute_reward(self, achieved: Any, desired: Any, info: Any) -> Any:
        return -np.linalg.norm(achieved - desired, axis=-1) * self.level

    def _observe(self) -> Any:
        return np.array([self.level, self.calls], np.float32)


def wrapped(level: int = 1) -> Any:
    return RecordEpisodeStatistics(OrderEnforcing(TimeLimit(Level(level), 50)))
