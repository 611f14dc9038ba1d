"""What the pipelines are tried on: hard pictures, rotations and statistics."""

from __future__ import annotations

from typing import Any, Dict, Tuple

import numpy as np
from gymnasium.spaces import Box, Text
from scipy.spatial.transform import Rotation

from .rotating import axis_angle

WORDS = "put the black bowl on the plate"
TEXT = Text(200, charset="abcdefghijklmnopqrstuvwxyz ")


def camera(height: int, width: int, channels: int = 3) -> Box:
    return Box(0, 255, (height, width, channels), np.uint8)


def vector(width: int) -> Box:
    return Box(-np.inf, np.inf, (width,), np.float64)


def picture(rng: Any, shape: Tuple[int, ...]) -> Any:
    """Return noise with as much in each octave, of which a part is too dark or too light."""
    height, width, channels = shape
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :]
    radius = np.hypot(rows, columns)
    radius[0, 0] = np.inf
    found = np.empty(shape)
    for i in range(channels):
        wave = np.fft.ifft2(np.fft.fft2(rng.standard_normal((height, width))) / radius).real
        found[..., i] = 128 + 70 * wave / wave.std()
    return np.clip(np.rint(found), 0, 255).astype(np.uint8)


def quaternion(rng: Any) -> Any:
    """Return a rotation as (x, y, z, w): any, one about half a turn, or a tiny one; of any sign."""
    kind = rng.integers(3)
    axis = rng.standard_normal(3)
    axis /= np.linalg.norm(axis)
    angle = (rng.uniform(0, 2 * np.pi), np.pi + rng.uniform(-0.1, 0.1), rng.uniform(0, 1e-3))[kind]
    return np.concatenate([axis * np.sin(angle / 2), [np.cos(angle / 2)]])


def matrix(rng: Any) -> Any:
    return Rotation.from_quat(quaternion(rng)).as_matrix()


def statistics(rng: Any, width: int, still: Tuple[int, ...] = ()) -> Dict[str, Any]:
    """Return statistics of a data set, in which some elements never change."""
    middle, span = rng.uniform(-1, 1, width), 10 ** rng.uniform(-2, 1, width)
    span[list(still)] = 0.0
    found = {
        "mean": middle,
        "std": span,
        "q01": middle - span,
        "q99": middle + span * rng.uniform(0.5, 1, width),
        "min": middle - 2 * span,
        "max": middle + span * rng.uniform(1, 2, width),
    }
    return {name: one.astype(np.float32).astype(float).tolist() for name, one in found.items()}


def libero_space() -> Dict[str, Any]:
    return {
        "agentview_image": camera(256, 256),
        "robot0_eye_in_hand_image": camera(256, 256),
        "robot0_eef_pos": vector(3),
        "robot0_eef_quat": vector(4),
        "robot0_gripper_qpos": vector(2),
        "task": TEXT,
    }


def libero(rng: Any) -> Dict[str, Any]:
    """Return an observation of LIBERO."""
    return {
        "agentview_image": picture(rng, (256, 256, 3)),
        "robot0_eye_in_hand_image": picture(rng, (256, 256, 3)),
        "robot0_eef_pos": rng.uniform(-1, 1, 3),
        "robot0_eef_quat": quaternion(rng),
        "robot0_gripper_qpos": rng.uniform(-0.04, 0.04, 2),
        "task": WORDS,
    }


def libero_state(observation: Any) -> Any:
    """Return the eight numbers that public pipelines of LIBERO begin with."""
    return np.concatenate(
        [
            observation["robot0_eef_pos"],
            axis_angle(observation["robot0_eef_quat"]),
            observation["robot0_gripper_qpos"],
        ]
    )
