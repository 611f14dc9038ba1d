"""pi0 on ALOHA, whose joints are changes.

Physical-Intelligence/openpi: src/openpi/policies/aloha_policy.py (AlohaInputs, AlohaOutputs), and
the config pi0_aloha of src/openpi/training/config.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict

from . import making
from .openpi import by_deviation, from_deviation, padded, picture

LEVEL = 2 / 255
SHAPE = (480, 640, 3)
CAMERAS = {
    "cam_high": "base_0_rgb",
    "cam_left_wrist": "left_wrist_0_rgb",
    "cam_right_wrist": "right_wrist_0_rgb",
}
SPACE = Dict({**{name: making.camera(*SHAPE) for name in CAMERAS}, "qpos": making.vector(14)})
ACTIONS = Box(-np.inf, np.inf, (14,))
WIDTH = 32
PROMPT = "fold the towel"
TURNED = np.array([1.0, -1, -1, 1, 1, 1, 1] * 2)
GRIPPERS = [6, 13]
JOINTS = [i for i in range(14) if i not in GRIPPERS]


def statistics(rng: Any) -> Any:
    return {
        "state": making.statistics(rng, 14),
        "actions": making.statistics(rng, 14, still=(3,)),
    }


def qpos(rng: Any) -> Any:
    found = rng.uniform(-3, 3, 14)
    found[GRIPPERS] = rng.choice([0.0, 1.0, -0.3, 1.2, rng.uniform(0, 1)], 2)
    return found


def observation(rng: Any) -> Any:
    return {**{name: making.picture(rng, SHAPE) for name in CAMERAS}, "qpos": qpos(rng)}


def declaration(page: Any, stats: Any) -> Any:
    return page["ALOHA"], page["pi0_aloha"](stats, PROMPT)


def state(joints: Any) -> Any:
    """Return joints in the directions, and grippers in the angles, that pi0 knows."""
    found = TURNED * joints
    metres = 0.01844 + found[GRIPPERS] * (0.05800 - 0.01844)
    sine = (0.022**2 + metres**2 - 0.036**2) / (2 * 0.022 * metres)
    found[GRIPPERS] = (np.arcsin(np.clip(sine, -1, 1)) - 0.5476) / (1.6296 - 0.5476)
    return found


def inputs(observations: Any, executed: Any, stats: Any) -> Any:
    now = observations[-1]
    return {
        "image": {wanted: picture(now[name]) for name, wanted in CAMERAS.items()},
        "image_mask": dict.fromkeys(CAMERAS.values(), True),
        "state": padded(by_deviation(state(now["qpos"]), stats["state"])),
        "prompt": PROMPT,
    }


def commands(found: Any) -> Any:
    """Return what pi0 means in the directions and units of ALOHA's joints."""
    found = TURNED * found
    found[..., GRIPPERS] = (found[..., GRIPPERS] + 0.5476 + 0.6213) / (1.4910 + 0.6213)
    return found


def action(output: Any, now: Any, stats: Any) -> Any:
    found = from_deviation(output[..., :14], stats["actions"])
    found[..., JOINTS] += state(now["qpos"])[JOINTS]
    return commands(found)
