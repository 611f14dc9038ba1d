"""Envs without any library."""

from __future__ import annotations

from rlmesh import Tensor
from rlmesh.spaces import Box, Discrete


class Countdown:
    """Counts down from the seed (10 without one); an action of 1 is rewarded with the count."""

    def __init__(self, success_key="is_success"):
        self.observation_space = Box(0, 100, (1,), "int64")
        self.action_space = Discrete(2)
        self.success_key = success_key
        self.log = []

    def _observe(self):
        return Tensor.from_values([self.count], "int64")

    def reset(self, *, seed=None, options=None):
        self.log.append(("reset", seed))
        self.count = 10 if seed is None else seed
        return self._observe(), {}

    def step(self, action):
        self.log.append(("step", action))
        reward = float(self.count * action)
        self.count -= 1
        done = self.count == 0
        return self._observe(), reward, done, False, {self.success_key: reward > 0}

    def close(self):
        self.log.append(("close", None))
