"""What openpi's policies do to values and pictures, whatever the robot.

Physical-Intelligence/openpi: src/openpi/transforms.py (Normalize, Unnormalize, AbsoluteActions,
PadStatesAndActions), src/openpi/models/model.py (Observation.from_dict),
packages/openpi-client/src/openpi_client/image_tools.py.
"""

from __future__ import annotations

from typing import Any, Dict

import numpy as np

from .resizing import pillow_padded

EPS = 1e-6


def by_quantiles(values: Any, of: Dict[str, Any]) -> Any:
    low, high = np.asarray(of["q01"]), np.asarray(of["q99"])
    return 2.0 * (values - low) / (high - low + EPS) - 1.0


def from_quantiles(values: Any, of: Dict[str, Any]) -> Any:
    low, high = np.asarray(of["q01"]), np.asarray(of["q99"])
    return 0.5 * (values + 1.0) * (high - low + EPS) + low


def by_deviation(values: Any, of: Dict[str, Any]) -> Any:
    return (values - np.asarray(of["mean"])) / (np.asarray(of["std"]) + EPS)


def from_deviation(values: Any, of: Dict[str, Any]) -> Any:
    return values * (np.asarray(of["std"]) + EPS) + np.asarray(of["mean"])


def padded(values: Any, width: int = 32) -> Any:
    return np.concatenate([values, np.zeros(width - len(values))])


def picture(levels: Any) -> Any:
    """Return a camera's picture of 224 x 224 in [-1, 1]."""
    return pillow_padded(levels, 224).astype(np.float32) / 255.0 * 2.0 - 1.0


BLACK = np.full((224, 224, 3), -1.0, np.float32)
"""A camera that a robot has not got."""
