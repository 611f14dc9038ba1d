"""X-VLA on LIBERO, by absolute poses.

2toinf/X-VLA: evaluation/libero/libero_client.py, models/processing_xvla.py, datasets/dataset.py;
also huggingface/lerobot, src/lerobot/policies/xvla/ (processor_xvla.py, utils.py, action_hub.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict

from . import making, resizing, rotating

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
LEVEL = 1 / 255 / 0.229
SPACE = Dict(
    agentview_image=making.camera(256, 256),
    robot0_eye_in_hand_image=making.camera(256, 256),
    ee_pos=making.vector(3),
    ee_ori_mat=Box(-np.inf, np.inf, (3, 3), np.float64),
    task=making.TEXT,
)
ACTIONS = Box(-np.inf, np.inf, (7,))
WIDTH = 20
GRIPPER, HALF = 9, 0.5
IS_LOW_AT_HALF = True
ROTATION = slice(3, 6)


def statistics(rng: Any) -> Any:
    return None


def observation(rng: Any) -> Any:
    return {
        "agentview_image": making.picture(rng, (256, 256, 3)),
        "robot0_eye_in_hand_image": making.picture(rng, (256, 256, 3)),
        "ee_pos": rng.uniform(-1, 1, 3),
        "ee_ori_mat": making.matrix(rng),
        "task": making.WORDS,
    }


def declaration(page: Any, stats: Any) -> Any:
    return page["XVLA_LIBERO"], page["xvla_libero"]()


def picture(levels: Any) -> Any:
    small = resizing.pillow(np.ascontiguousarray(levels), (224, 224), resizing.BICUBIC)
    return ((small / 255 - MEAN) / STD).transpose(2, 0, 1)


def inputs(observations: Any, executed: Any, stats: Any) -> Any:
    now = observations[-1]
    if executed is None:
        columns = now["ee_ori_mat"]
        pose = np.concatenate([now["ee_pos"], columns[:, 0], columns[:, 1]])
    else:
        pose = executed[:9]
    return {
        "images": (
            picture(now["agentview_image"][::-1, ::-1]),
            picture(now["robot0_eye_in_hand_image"]),
        ),
        "proprio": np.concatenate([pose, np.zeros(11)]),
        "domain_id": np.array([3]),
        "language_instruction": now["task"],
    }


def action(output: Any, now: Any, stats: Any) -> Any:
    gripper = np.where(output[..., 9:10] > 0.5, 1.0, -1.0)
    turns = rotating.of_columns(output[..., 3:9])
    return np.concatenate([output[..., :3], turns, gripper], -1)
