"""Envs with attributes and methods for clients."""

from __future__ import annotations

from countdown import Countdown

from rlmesh import Tensor


class Level(Countdown):
    """Observes its level."""

    def __init__(self, level=1):
        super().__init__()
        self.level = level
        self.calls = 0
        self.secret = "for nobody else"

    def _observe(self):
        return Tensor.from_values([self.level], "int64")

    def add(self, more, *, times=1):
        self.calls += 1
        self.level += more * times
        return {"level": self.level, "calls": self.calls}

    def itself(self):
        return self

    def broken(self):
        raise ZeroDivisionError("nothing to divide")

    @property
    def double(self):
        return 2 * self.level


class Around:
    """Wraps an env, and passes nothing on but what every env has."""

    def __init__(self, env):
        self.env = env
        self.observation_space, self.action_space = env.observation_space, env.action_space
        self.own = "the wrapper's"

    def reset(self, *, seed=None, options=None):
        return self.env.reset(seed=seed, options=options)

    def step(self, action):
        return self.env.step(action)
