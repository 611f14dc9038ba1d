"""Envs, and factories of them, that go wrong in ways that only a process of their own survives."""

from __future__ import annotations

import collections
import ctypes
import itertools
import os
import pathlib
import signal
import sys
import time

from countdown import Countdown

from rlmesh import _logs


class Troubled(Countdown):
    """A countdown that does, at an action of 1, what it was told to.

    Args:
        trouble: The name of a function below.
        pid_file: Where it writes the number of its process.
    """

    def __init__(self, trouble="exit", pid_file=None):
        super().__init__()
        self.trouble = trouble
        if pid_file is not None:
            with open(pid_file, "a") as file:
                file.write(f"{os.getpid()}\n")

    def reset(self, *, seed=None, options=None):
        observation, info = super().reset(seed=seed)
        return observation, {**info, "pid": os.getpid()}

    def step(self, action):
        if action:
            sys.stderr.write(f"about to {self.trouble}\n")
            sys.stderr.flush()
            TROUBLES[self.trouble]()
        return super().step(action)

    def close(self):
        sys.stdout.write("closed\n")
        sys.stdout.flush()


def exit_at_once():
    os._exit(7)


def leave():
    sys.exit(3)


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def read_nowhere():
    ctypes.string_at(0)


def sleep():
    time.sleep(10**6)


def keep_the_gil():
    collections.deque(itertools.repeat(0), maxlen=0)


TROUBLES = {
    "exit": exit_at_once,
    "leave": leave,
    "kill": kill,
    "segfault": read_nowhere,
    "sleep": sleep,
    "keep the GIL": keep_the_gil,
}


class Factories:
    """Where factories are that cannot be found by name, and some that can."""

    @classmethod
    def bound(cls):
        return Countdown()

    @staticmethod
    def nested():
        return Countdown()


def raising():
    raise KeyError("no such scene")


def crashing():
    sys.stderr.write("no display\n")
    sys.stderr.flush()
    os._exit(9)


def no_env():
    return "a string"


def without_spaces():
    env = Countdown()
    del env.action_space
    return env


def closure():
    def make():
        return Countdown()

    return make


not_what_it_says = closure()
not_what_it_says.__qualname__ = "raising"


def warning():
    """Warn as a part of RLMesh would that is used in a worker."""
    path = pathlib.Path("/")
    _logs.warning(_logs.CLIENT, "reconnect", "over there", address="somewhere", path=path)
    return Countdown()


class Waiting(Countdown):
    """Its step returns once a file is there."""

    def __init__(self, until):
        super().__init__()
        self._until = pathlib.Path(until)

    def step(self, action):
        while not self._until.exists():
            time.sleep(0.005)
        return super().step(action)
