"""Envs and a policy that do nothing but sleep. A peer's Python, too, imports this: NumPy will do.

The policy's actions are the observations that it gets, which name the episode and count its steps;
the env checks that an action is its own last observation.
"""

from __future__ import annotations

import math
import os
import time
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, Tuple

import numpy as np

LANES = 8
MAX_BATCH = 8


class Scenario(NamedTuple):
    """What takes how long, in seconds.

    Attributes:
        title: What a reader may call it.
        env: A step of an env.
        fixed: A forward pass, whatever its size.
        each: A forward pass, for each of its observations.
        sigma: Standard deviation of the logarithm of what a step takes; its median is `env`.
        slow: A step of the last `slow_lanes` envs.
        slow_lanes: Their number.
    """

    title: str
    env: float
    fixed: float
    each: float
    sigma: float = 0.0
    slow: float = 0.0
    slow_lanes: int = 0

    def forward(self, size: int) -> float:
        """Return what a forward pass of so many observations takes."""
        return self.fixed + self.each * size

    def step(self, lane: int, draws: Random) -> float:
        """Return what an env's next step takes, of an episode's draws."""
        median = self.slow if lane >= LANES - self.slow_lanes else self.env
        return median * math.exp(draws.gauss(0.0, self.sigma)) if self.sigma else median


SCENARIOS = {
    "a": Scenario("env 5 ms, model 10 + 0.5 ms", 0.005, 0.010, 0.0005),
    "b": Scenario("env 20 ms, model 2 + 0.2 ms", 0.020, 0.002, 0.0002),
    "c": Scenario("as a, lognormal envs", 0.005, 0.010, 0.0005, sigma=0.5),
    "d": Scenario("as a, two envs 20 ms", 0.005, 0.010, 0.0005, slow=0.020, slow_lanes=2),
}


class Play(NamedTuple):
    """What every contender plays in a round: so many episodes, with seeds from 0."""

    episodes: int
    steps: int


class WrongAction(Exception):
    """An action was not the one for the last observation."""


class SleepingEnv:
    """Has episodes of so many steps; what these take follows from the seed. A reset takes nothing.

    It tells `Spans` when its first episode of a round began and when its last step ended.

    Args:
        scenario: What a step takes.
        steps: Of an episode.
        lane: The lane's number.
        folder: Where `Spans` looks.
    """

    def __init__(self, scenario: Scenario, steps: int, lane: int, folder: str) -> None:
        self._scenario = scenario
        self._steps = steps
        self._lane = lane
        path = Path(folder, f"{lane}-{os.getpid()}")
        np.zeros(3).tofile(path)
        path = path.rename(path.with_suffix(".span"))
        self._span = np.memmap(path, np.float64, mode="r+", shape=3)
        self._draws = Random(0)
        self._observation = np.zeros(2, np.float32)

    def reset(self, seed: int) -> np.ndarray:
        """Begin an episode; return its first observation."""
        if not self._span[0]:
            self._span[0] = time.monotonic()
        self._draws = Random(seed)
        self._observation = np.array([seed, 0], np.float32)
        return self._observation

    def step(self, action: Any) -> Tuple[np.ndarray, bool]:
        """Return the next observation, and whether the episode is over.

        Raises:
            WrongAction: The action is not the last observation.
        """
        if not np.array_equal(action, self._observation):
            raise WrongAction(f"lane {self._lane}: {action}, expected {self._observation}")
        time.sleep(self._scenario.step(self._lane, self._draws))
        self._observation = self._observation + np.array([0, 1], np.float32)
        self._span[1:] = time.monotonic(), self._span[2] + 1
        return self._observation, self._observation[1] >= self._steps


class Spans:
    """What the envs of a contender tell about a round.

    Args:
        folder: Where their files are.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def wait(self, envs: int) -> None:
        """Wait until so many envs have been made."""
        while len(list(self._folder.glob("*.span"))) < envs:
            time.sleep(0.01)

    def clear(self) -> None:
        """Begin a round."""
        for path in self._folder.glob("*.span"):
            np.memmap(path, np.float64, mode="r+", shape=3)[:] = 0

    def seconds(self, play: Play) -> float:
        """Return the seconds from the first reset to the end of the last step.

        Raises:
            AssertionError: There were fewer steps than to be played.
        """
        spans = np.array([np.fromfile(path) for path in self._folder.glob("*.span")])
        used = spans[spans[:, 2] > 0]
        steps, expected = int(used[:, 2].sum()), play.episodes * play.steps
        assert steps >= expected, f"expected {expected} steps, got {steps}"
        return float(used[:, 1].max() - used[:, 0].min())


class SleepingPolicy:
    """Acts as observed, after a forward pass."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario

    def predict_batch(self, observations: np.ndarray) -> np.ndarray:
        """Return an action for each of the observations, an array of shape (batch, 2)."""
        time.sleep(self._scenario.forward(len(observations)))
        return observations
