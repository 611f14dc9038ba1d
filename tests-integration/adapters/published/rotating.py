"""The conversions of rotations that public pipelines come with."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation


def axis_angle(quaternion: Any) -> Any:
    """Return the rotation vector of (x, y, z, w), whose angle runs to a whole turn.

    As in robosuite's `utils/transform_utils.py`, which openpi, OpenVLA-OFT, GR00T and LeRobot have
    copies of.
    """
    w = min(max(float(quaternion[3]), -1.0), 1.0)
    sine = math.sqrt(1.0 - w * w)
    if sine == 0.0:
        return np.zeros(3)
    return np.asarray(quaternion[:3]) * (2.0 * math.acos(w) / sine)


def of_columns(columns: Any) -> Any:
    """Return rotation vectors of at most half a turn, of six numbers each: two columns."""
    first, second = columns[..., :3], columns[..., 3:]
    first = first / np.linalg.norm(first, axis=-1, keepdims=True)
    second = second - (first * second).sum(-1, keepdims=True) * first
    second = second / np.linalg.norm(second, axis=-1, keepdims=True)
    matrices = np.stack([first, second, np.cross(first, second)], -1)
    shape = columns.shape[:-1]
    return Rotation.from_matrix(matrices.reshape(-1, 3, 3)).as_rotvec().reshape(*shape, 3)


def of_euler(angles: Any) -> Any:
    """Return rotation vectors of roll, pitch and yaw about fixed axes."""
    flat = Rotation.from_euler("xyz", angles.reshape(-1, 3)).as_rotvec()
    return flat.reshape(angles.shape)
