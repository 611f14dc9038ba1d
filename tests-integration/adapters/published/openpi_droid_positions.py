"""pi0.5 on DROID, by joint positions: changes against the state become targets.

Physical-Intelligence/openpi: RLDSDroidDataConfig in src/openpi/training/config.py, AbsoluteActions
in src/openpi/transforms.py; the gripper as in examples/droid/main.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box

from .openpi import from_quantiles
from .openpi_droid import (
    GRIPPER,
    HALF,
    IS_LOW_AT_HALF,
    LEVEL,
    SPACE,
    WIDTH,
    inputs,
    observation,
    statistics,
)

__all__ = [
    "GRIPPER",
    "HALF",
    "IS_LOW_AT_HALF",
    "LEVEL",
    "SPACE",
    "WIDTH",
    "inputs",
    "observation",
    "statistics",
]

ACTIONS = Box(-np.inf, np.inf, (8,))


def declaration(page: Any, stats: Any) -> Any:
    return page["DROID_POSITION"], page["pi05_droid_positions"](stats)


def action(output: Any, now: Any, stats: Any) -> Any:
    found = from_quantiles(output[..., :8], stats["actions"])
    found[..., :7] += now["joint_positions"]
    found[..., 7] = np.where(found[..., 7] > 0.5, 1.0, 0.0)
    return found
