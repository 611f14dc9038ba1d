"""Envs that take their time, and do nothing else."""

from __future__ import annotations

import time
from typing import Any

import gymnasium
import numpy as np

SLEEP = 0.004
"""Seconds of a step of `slow_env`."""


class Fixed(gymnasium.Env[Any, Any]):
    """Episodes of six steps with a picture, which take some time each."""

    observation_space = gymnasium.spaces.Dict(
        {"image": gymnasium.spaces.Box(0, 255, (48, 64, 3), np.uint8)}
    )
    action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    def _observe(self) -> Any:
        return {"image": np.full((48, 64, 3), self.steps, np.uint8)}

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.steps = 0
        return self._observe(), {}

    def step(self, action: Any) -> Any:
        time.sleep(self.seconds)
        self.steps += 1
        return self._observe(), 0.0, self.steps == 6, False, {}


def slow_env() -> Fixed:
    return Fixed(SLEEP)


def fast_env() -> Fixed:
    return Fixed()


def very_slow_env() -> Fixed:
    return Fixed(10 * SLEEP)
