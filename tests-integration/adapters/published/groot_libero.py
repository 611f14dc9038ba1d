"""GR00T N1.5 on LIBERO.

NVIDIA/Isaac-GR00T: examples/Libero/custom_data_config.py, examples/Libero/eval/ (run_libero_eval.py
and utils.py), gr00t/data/transform/video.py and state_action.py, gr00t/model/transforms.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict

from . import making, resizing

LEVEL = 1.0
SPACE = Dict(making.libero_space())
ACTIONS = Box(-1, 1, (7,))
WIDTH = 32
GRIPPER, HALF = 6, 0.0
IS_LOW_AT_HALF = False


def statistics(rng: Any) -> Any:
    found = {
        "state": making.statistics(rng, 8, still=(1, 6)),
        "action": making.statistics(rng, 7, still=(2,)),
    }
    found["action"]["min"][6], found["action"]["max"][6] = 0.0, 1.0
    return found


def observation(rng: Any) -> Any:
    return making.libero(rng)


def declaration(page: Any, stats: Any) -> Any:
    return page["LIBERO"], page["groot_libero"](stats)


def picture(levels: Any) -> Any:
    height, width = levels.shape[:2]
    rows, columns = int(height * 0.95), int(width * 0.95)
    top, left = round((height - rows) / 2), round((width - columns) / 2)
    cut = levels[::-1, ::-1][top : top + rows, left : left + columns]
    # A little more, because single precision is as often above a whole level as below it.
    return np.floor(resizing.antialiased(cut, (224, 224), resizing.triangle) + 1e-4)


def inputs(observations: Any, executed: Any, stats: Any) -> Any:
    now, of = observations[-1], stats["state"]
    low, high = np.asarray(of["min"]), np.asarray(of["max"])
    span = np.where(high == low, 1.0, high - low)
    state = np.where(high == low, 0.0, 2 * (making.libero_state(now) - low) / span - 1)
    cameras = ("agentview_image", "robot0_eye_in_hand_image")
    return {
        "video": tuple(picture(now[name]) for name in cameras),
        "state": np.concatenate([state, np.zeros(56)])[None],
        "state_mask": (np.arange(64) < 8)[None],
        "language": [now["task"]],
    }


def action(output: Any, now: Any, stats: Any) -> Any:
    low, high = np.asarray(stats["action"]["min"]), np.asarray(stats["action"]["max"])
    found = (output[..., :7] + 1) / 2 * (high - low) + low
    found[..., 6] = np.sign(1 - 2 * found[..., 6])
    return found
