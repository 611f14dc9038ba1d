"""OpenVLA-OFT on LIBERO.

moojink/openvla-oft: experiments/robot/openvla_utils.py (resize_image_for_policy, center_crop_image,
normalize_proprio, get_vla_action), experiments/robot/robot_utils.py,
experiments/robot/libero/run_libero_eval.py, prismatic/extern/hf/modeling_prismatic.py.

The JPEG round trip here is Pillow's. TensorFlow encodes the same bytes, and decodes them by its
fast transform, whose levels differ by 1.5 on average.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict

from . import making, resizing

LEVEL = 1.0
SPACE = Dict(making.libero_space())
ACTIONS = Box(-1, 1, (7,))
WIDTH = 7
GRIPPER, HALF = 6, 0.5
IS_LOW_AT_HALF = False


def statistics(rng: Any) -> Any:
    return {
        "proprio": making.statistics(rng, 8),
        "action": making.statistics(rng, 7, still=(1,)),
    }


def observation(rng: Any) -> Any:
    return making.libero(rng)


def declaration(page: Any, stats: Any) -> Any:
    return page["LIBERO"], page["openvla_oft_libero"](stats)


def picture(levels: Any) -> Any:
    stored = resizing.jpeg(np.ascontiguousarray(levels[::-1, ::-1]))
    small = resizing.to_uint8(resizing.antialiased(stored, (224, 224), resizing.lanczos3))
    cropped = resizing.box_of_corners(small, 0.9, 224)
    return np.clip(np.floor(cropped / 255 * 255.5), 0, 255)


def inputs(observations: Any, executed: Any, stats: Any) -> Any:
    now, of = observations[-1], stats["proprio"]
    low, high = np.asarray(of["q01"]), np.asarray(of["q99"])
    state = 2 * (making.libero_state(now) - low) / (high - low + 1e-8) - 1
    return {
        "full_image": picture(now["agentview_image"]),
        "wrist_image": picture(now["robot0_eye_in_hand_image"]),
        "state": np.clip(state, -1, 1),
        "prompt": f"In: What action should the robot take to {now['task'].lower()}?\nOut:",
    }


def action(output: Any, now: Any, stats: Any) -> Any:
    of = stats["action"]
    low, high = np.asarray(of["q01"]), np.asarray(of["q99"])
    found = 0.5 * (output + 1) * (high - low + 1e-8) + low
    found[..., 6] = -np.sign(2 * output[..., 6] - 1)
    return found
