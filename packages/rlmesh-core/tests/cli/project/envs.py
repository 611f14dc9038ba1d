"""Envs of somebody who is in the current directory."""

from __future__ import annotations

import os
import sys
import time

from rlmesh.spaces import Discrete


class Walk:
    """Ends after `length` steps; a step's reward is its action, and 1 is success."""

    def __init__(self, length=3):
        self.observation_space = Discrete(1000)
        self.action_space = Discrete(2)
        self._length = length

    def reset(self, *, seed=None, options=None):
        self._left = self._length
        return self._left, {}

    def step(self, action):
        self._left -= 1
        return self._left, float(action), self._left == 0, False, {"is_success": action == 1}

    def close(self):
        sys.stdout.write("closed\n")


class Paced(Walk):
    """Rewards its pace, which clients may set."""

    pace = 1.0

    def step(self, action):
        observation, _, *rest = super().step(action)
        return (observation, self.pace, *rest)

    def stop(self):
        self.pace = 0.0


class Passing(Walk):
    """Reaches its goal in the second step, and leaves it again."""

    def step(self, action):
        observation, reward, terminated, truncated, _ = super().step(action)
        reached = self._left == 1
        info = {"is_success": reached, "visited": reached, "left": self._left}
        return observation, reward, terminated, truncated, info


class Failing(Walk):
    """Cannot step."""

    def step(self, action):
        raise RuntimeError("the motor is stuck")


def no_env():
    return "a string"


def without_spaces():
    env = Walk()
    del env.action_space
    return env


def raising():
    raise KeyError("no such scene")


def never_built():
    sys.stdout.write("building\n")
    sys.stdout.flush()
    time.sleep(1000)


def crashing():
    sys.stderr.write("no display\n")
    sys.stderr.flush()
    os._exit(9)


not_callable = Walk()


class CrashesOnce(Walk):
    """Its first step ends the process, unless there is a file."""

    def __init__(self, flag):
        super().__init__()
        self._flag = flag

    def step(self, action):
        if not os.path.exists(self._flag):
            open(self._flag, "w").close()
            os._exit(1)
        return super().step(action)
