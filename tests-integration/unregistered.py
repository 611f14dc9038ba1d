"""An env that no registry knows."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np


class Unregistered(gymnasium.Env[Any, Any]):
    """Has no spec."""

    observation_space = gymnasium.spaces.Box(-1, 1, (2,))
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> Any:
        return np.zeros(2, np.float32), 0.0, False, False, {}


def made(**kwargs: Any) -> Any:
    """Return an env, whatever it is told."""
    return Unregistered()
