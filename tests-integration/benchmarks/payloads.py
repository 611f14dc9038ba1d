"""What is sent, and the env that sends it: one byte of every array changes with every step.

Every contender uses this module, under its own Python, so it imports nothing of ours.
"""

from __future__ import annotations

import string
from typing import Any, Dict, List, Optional, Tuple

import gymnasium
import numpy as np
from gymnasium import spaces

_INSTRUCTION = "pick up the red block"


def _image(height: int, width: int) -> spaces.Box:
    return spaces.Box(0, 255, (height, width, 3), np.uint8)


PAYLOADS: Dict[str, spaces.Space[Any]] = {
    "Box(4) float32": spaces.Box(-1, 1, (4,), np.float32),
    "uint8[224,224,3]": _image(224, 224),
    "3 x uint8[480,640,3], float32[8], Text": spaces.Dict(
        {
            "front": _image(480, 640),
            "instruction": spaces.Text(64, charset=string.ascii_lowercase + " "),
            "left": _image(480, 640),
            "right": _image(480, 640),
            "state": spaces.Box(-1, 1, (8,), np.float32),
        }
    ),
    "uint8[1080,1920,3]": _image(1080, 1920),
}
ACTION_SPACE = spaces.Box(-1, 1, (7,), np.float32)
ACTION = np.full(7, 0.25, np.float32)


class WrongByte(Exception):
    """A receiver got another observation than that of its step."""


class CountingEnv(gymnasium.Env[Any, Any]):
    """Returns the same arrays at every step; in each of them one byte counts the steps.

    It is the lowest byte of the last element, so that floats stay within their bounds.
    """

    action_space = ACTION_SPACE

    def __init__(self, payload: str) -> None:
        self.observation_space = PAYLOADS[payload]
        self._observation = initial_observation(payload)
        self._bytes = [a.reshape(-1).view(np.uint8) for a in arrays_of(self._observation)]
        self._places = [-a.itemsize for a in arrays_of(self._observation)]
        self._steps = 0

    def reset(
        self, *, seed: Optional[int] = None, options: Optional[Dict[str, Any]] = None
    ) -> Tuple[Any, Dict[str, Any]]:
        """Count from zero."""
        self._steps = -1
        return self.step(None)[0], {}

    def step(self, action: Any) -> Tuple[Any, float, bool, bool, Dict[str, Any]]:
        """Change one byte of each array."""
        self._steps += 1
        count = self._steps & 0xFF
        for data, place in zip(self._bytes, self._places):
            data[place] = count
        return self._observation, 1.0, False, False, {}


def initial_observation(payload: str) -> Any:
    """Return an observation: noise in images, 0.5 in floats."""
    space = PAYLOADS[payload]
    if isinstance(space, spaces.Dict):
        return {key: _initial_value(part) for key, part in space.spaces.items()}
    return _initial_value(space)


def arrays_of(observation: Any) -> List[Any]:
    """Return the arrays of an observation, in order."""
    parts = observation.values() if isinstance(observation, dict) else [observation]
    return [part for part in parts if isinstance(part, np.ndarray)]


def counting_bytes(observation: Any) -> List[int]:
    """Return the byte of each array that counts the steps."""
    return [array.reshape(-1)[-1:].tobytes()[0] for array in arrays_of(observation)]


def check(found: List[int], arrays: int, step: int) -> None:
    """Check the counting bytes of the observation of one step.

    Raises:
        WrongByte: One of them, or their number, is not that of this step.
    """
    expected = [step & 0xFF] * arrays
    if found != expected:
        raise WrongByte(f"step {step}: expected the bytes {expected}, got {found}")


def _initial_value(space: Any) -> Any:
    if isinstance(space, spaces.Text):
        return _INSTRUCTION
    if space.dtype == np.uint8:
        return np.random.default_rng(0).integers(0, 256, space.shape, np.uint8)
    return np.full(space.shape, 0.5, space.dtype)
