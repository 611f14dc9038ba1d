"""pi0.5 on DROID, by joint velocities.

Physical-Intelligence/openpi: examples/droid/main.py, src/openpi/policies/droid_policy.py, and the
config pi05_droid of src/openpi/training/config.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict

from . import making
from .openpi import BLACK, by_quantiles, from_quantiles, padded, picture

LEVEL = 2 / 255
SHAPE = (720, 1280, 4)
SPACE = Dict(
    exterior=making.camera(*SHAPE),
    wrist=making.camera(*SHAPE),
    joint_positions=making.vector(7),
    gripper_position=making.vector(1),
    task=making.TEXT,
)
ACTIONS = Box(-1, 1, (8,))
WIDTH = 32
GRIPPER, HALF = 7, 0.5
IS_LOW_AT_HALF = False


def statistics(rng: Any) -> Any:
    found = {
        "state": making.statistics(rng, 8, still=(3,)),
        "actions": making.statistics(rng, 8, still=(2,)),
    }
    found["actions"]["q01"][7], found["actions"]["q99"][7] = 0.0, 1.0
    return found


def observation(rng: Any) -> Any:
    return {
        "exterior": making.picture(rng, SHAPE),
        "wrist": making.picture(rng, SHAPE),
        "joint_positions": rng.uniform(-3, 3, 7),
        "gripper_position": rng.uniform(0, 1, 1),
        "task": making.WORDS,
    }


def declaration(page: Any, stats: Any) -> Any:
    return page["DROID_VELOCITY"], page["pi05_droid"](stats)


def inputs(observations: Any, executed: Any, stats: Any) -> Any:
    now = observations[-1]
    state = np.concatenate([now["joint_positions"], now["gripper_position"]])
    return {
        "image": {
            "base_0_rgb": picture(now["exterior"][..., :3][..., ::-1]),
            "left_wrist_0_rgb": picture(now["wrist"][..., :3][..., ::-1]),
            "right_wrist_0_rgb": BLACK,
        },
        "image_mask": {
            "base_0_rgb": True,
            "left_wrist_0_rgb": True,
            "right_wrist_0_rgb": False,
        },
        "state": padded(by_quantiles(state, stats["state"])),
        "prompt": now["task"],
    }


def action(output: Any, now: Any, stats: Any) -> Any:
    found = from_quantiles(output[..., :8], stats["actions"])
    found[..., 7] = np.where(found[..., 7] > 0.5, 1.0, 0.0)
    return np.clip(found, -1, 1)
