"""Policies that the tests serve."""

from __future__ import annotations

import pathlib
import time
import zlib
from collections import Counter
from typing import Any, Callable, Dict, List

import numpy as np
from envs import chain

import rlmesh
import rlmesh.numpy


def to_numpy(value: Any) -> Any:
    """Return an array of any framework as one of NumPy."""
    return rlmesh.numpy.asarray(value) if isinstance(value, rlmesh.Tensor) else np.asarray(value)


def from_numpy(backend: str) -> Callable[[Any], Any]:
    """Return what makes a framework's array of one of NumPy."""
    if backend == "native":
        return rlmesh.numpy.from_array
    if backend == "torch":
        import torch

        return torch.from_numpy
    if backend == "jax":
        import jax.numpy

        return jax.numpy.asarray
    return np.asarray


def digest(value: Any, before: int = 0) -> int:
    """Return a number that depends on every bit of a value of any framework.

    64-bit numbers count as the 32-bit ones that JAX makes of them.
    """
    if isinstance(value, dict):
        for key in sorted(value):
            before = digest(value[key], zlib.crc32(key.encode(), before))
    elif isinstance(value, tuple):
        for part in value:
            before = digest(part, before)
    elif isinstance(value, (int, np.integer, str)):
        before = zlib.crc32(str(value).encode(), before)
    else:
        array = to_numpy(value)
        narrow = {"int64": "int32", "float64": "float32"}.get(array.dtype.name, array.dtype.name)
        before = zlib.crc32(np.ascontiguousarray(array.astype(narrow)).tobytes(), before)
    return before


class Homing:
    """Walks home, in a batch with whoever else is on the way."""

    def predict_batch(self, observations: Any) -> Any:
        return np.clip(-observations["at"] / 2, -1, 1)


class Scripted:
    """Acts in CartPole, HalfCheetah and `Everything`, the same with values of any framework.

    Args:
        backend: Whose arrays the actions hold.
    """

    def __init__(self, backend: str) -> None:
        self.array = from_numpy(backend)
        self.weights = np.random.default_rng(0).normal(size=(6, 17)).astype(np.float32)

    def predict(self, observation: Any) -> Any:
        if isinstance(observation, dict):
            return self.act_in_everything(observation)
        observed = to_numpy(observation).astype(np.float32)
        if len(observed) == 4:
            return int(observed[2] + observed[3] > 0)
        # Not a matrix product, whose last bits may differ from one machine to another.
        return self.array(np.tanh((self.weights * observed).sum(1)))

    def act_in_everything(self, observation: Any) -> Any:
        rng = np.random.default_rng(digest(observation))
        return {
            "move": self.array(rng.uniform(-1, 1, 7).astype(np.float32)),
            "grip": self.array(np.array(rng.integers(2), np.int32)),
            "say": "".join(rng.choice(list("abcXYZ019"), 5)),
            "both": (self.array(rng.integers(0, 2, 3).astype(np.int8)), int(rng.integers(10, 14))),
            "image": self.array(rng.integers(0, 256, (100, 100, 3)).astype(np.uint8)),
        }


class Remembers:
    """Acts as the `Suspicious` envs demand; remembers each episode by its id.

    At its end it prints how many observations it predicted together, each number with how often.

    Args:
        corner: The function that predicts; or several, joined by "+".
        reuses: Whether all actions are returned in the same memory.
    """

    def __init__(self, corner: str = "predict", reuses: bool = False) -> None:
        self.fingerprints: Dict[str, int] = {}
        self.sizes: Counter[int] = Counter()
        self.ended = 0
        self.memory = np.zeros((32, 1), np.uint32) if reuses else None
        for name in corner.split("+"):
            setattr(self, name, getattr(self, f"_{name}"))

    def reset(self, episode_id: str) -> None:
        self.fingerprints[episode_id] = 0

    def on_episode_end(self, episode_id: str) -> None:
        del self.fingerprints[episode_id]
        self.ended += 1

    def close(self) -> None:
        print(sorted(self.sizes.items()), flush=True)

    def _predict(self, observation: Any, context: Any) -> Any:
        return self._predict_batch(observation[None], [context])[0]

    def _predict_chunk(self, observation: Any, context: Any) -> Any:
        return self._predict(observation, context)[None]

    def _predict_batch(self, observations: Any, contexts: List[Any]) -> Any:
        self.sizes[len(contexts)] += 1
        actions = self._memory_for(observations)
        for action, observation, context in zip(actions, observations, contexts):
            assert observation[1] == context.step
            fingerprint = chain(self.fingerprints[context.episode_id], observation)
            self.fingerprints[context.episode_id] = fingerprint
            action.fill(fingerprint)
        return actions

    def _predict_chunk_batch(self, observations: Any, contexts: List[Any]) -> Any:
        return self._predict_batch(observations, contexts)[:, None]

    def _memory_for(self, observations: Any) -> Any:
        if self.memory is None:
            return np.zeros_like(observations)
        if self.memory.shape[1] != observations.shape[1]:
            self.memory = np.zeros((32, observations.shape[1]), np.uint32)
        return self.memory[: len(observations)]


class Counts:
    """Acts as the front camera of a `Cameras` env says; looks at nothing else."""

    def predict_batch(self, observations: Any) -> Any:
        shown = observations["front"][:, 0, 0, 0].astype(np.float32)
        return np.tile(shown[:, None] / 100, 7)


class Stuck:
    """Says on stdout what is called; predicts for an env of the name 0 until a file exists.

    For one of the name 13 it raises. Every action is the name of its env.

    Args:
        until: Path of the file.
        corner: The only function that predicts.
    """

    def __init__(self, until: str, corner: str = "predict") -> None:
        self.until = pathlib.Path(until)
        setattr(self, corner, getattr(self, f"_{corner}"))

    def reset(self, episode_id: str) -> None:
        print("reset", flush=True)

    def on_episode_end(self, episode_id: str) -> None:
        print("end", flush=True)

    def close(self) -> None:
        print("closed", flush=True)

    def _predict(self, observation: Any) -> Any:
        return self._predict_batch(observation[None])[0]

    def _predict_batch(self, observations: Any) -> Any:
        names = observations[:, 0].tolist()
        print("predict", *sorted(names), flush=True)
        while 0 in names and not self.until.exists():
            time.sleep(0.002)
        if 13 in names:
            raise ZeroDivisionError("13 is out of luck")
        return np.tile(observations[:, :1], observations.shape[1])


class Drifter:
    """Acts in `Drift`, by the observation alone."""

    def predict_batch(self, observations: Any) -> Any:
        return np.floor(observations[:, 0] * 1000).astype(np.int64) % 2
