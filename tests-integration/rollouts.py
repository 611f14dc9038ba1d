"""Seeded episodes, and whether two of them are the same, bit for bit."""

from __future__ import annotations

import enum
import struct
from typing import Any, List, NamedTuple, Sequence

import numpy as np


class Episode(NamedTuple):
    """Everything that an env returned in one episode."""

    reset: Any
    steps: List[Any]


def run_episode(env: Any, seed: int, actions: Sequence[Any]) -> Episode:
    """Reset, then execute the actions until the episode ends."""
    start = env.reset(seed=seed)
    steps = []
    for action in actions:
        steps.append(env.step(action))
        if steps[-1][2] or steps[-1][3]:
            break
    return Episode(start, steps)


def sample_actions(space: Any, seed: int, count: int) -> List[Any]:
    space.seed(seed)
    return [space.sample() for _ in range(count)]


def assert_same_episode(remote: Episode, local: Episode) -> None:
    """Fail unless a remote episode is the local one: observations, rewards, flags, infos."""
    assert len(remote.steps) == len(local.steps)
    assert_same(remote.reset[0], local.reset[0], "reset")
    assert_same_info(remote.reset[1], local.reset[1], "reset info")
    for i, (ours, theirs) in enumerate(zip(remote.steps, local.steps)):
        assert_same(ours[0], theirs[0], f"observation {i}")
        assert type(ours[1]) is float
        assert struct.pack("=d", ours[1]) == struct.pack("=d", theirs[1]), f"reward {i}"
        assert ours[2] is bool(theirs[2]), f"terminated {i}"
        assert ours[3] is bool(theirs[3]), f"truncated {i}"
        assert_same_info(ours[4], theirs[4], f"info {i}")


def assert_same(ours: Any, theirs: Any, path: str) -> None:
    """Fail unless two values of a space have the same structure, dtype, shape and bytes."""
    if isinstance(theirs, np.ndarray) and not theirs.ndim and type(ours) is int:
        assert ours == theirs.item(), path  # of a Discrete space
    elif isinstance(theirs, np.ndarray):
        assert type(ours) is np.ndarray, path
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape), path
        assert ours.tobytes() == theirs.tobytes(), path
        assert ours.flags.writeable, path
        assert ours.flags.aligned, path
    elif isinstance(theirs, dict):
        assert type(ours) is dict, path
        assert ours.keys() == theirs.keys(), path
        for key in theirs:
            assert_same(ours[key], theirs[key], f"{path}[{key!r}]")
    elif isinstance(theirs, tuple):
        assert type(ours) is tuple, path
        assert len(ours) == len(theirs), path
        for i, part in enumerate(theirs):
            assert_same(ours[i], part, f"{path}[{i}]")
    elif isinstance(theirs, np.integer):
        assert type(ours) is int, path
        assert ours == theirs, path
    else:
        assert type(ours) is type(theirs), path
        assert ours == theirs, path


def assert_same_info(ours: Any, theirs: Any, path: str) -> None:
    """As `assert_same`, where NumPy's scalars and enums have become numbers, and tuples lists."""
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs), path
        for key in theirs:
            assert_same_info(ours[key], theirs[key], f"{path}[{key!r}]")
    elif isinstance(theirs, (list, tuple)):
        assert type(ours) is list, path
        assert len(ours) == len(theirs), path
        for i, part in enumerate(theirs):
            assert_same_info(ours[i], part, f"{path}[{i}]")
    elif isinstance(theirs, (np.generic, np.ndarray)) and not theirs.ndim:
        assert_same(ours, theirs.item(), path)
    elif isinstance(theirs, enum.IntEnum):
        assert_same(ours, int(theirs), path)
    else:
        assert_same(ours, theirs, path)
