"""RDT on ManiSkill.

thu-ml/RoboticsDiffusionTransformer: scripts/maniskill_model.py, eval_sim/eval_rdt_maniskill.py,
configs/state_vec.py; the pictures of google/siglip-so400m-patch14-384, by the image processor of
huggingface/transformers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict

from . import making, resizing

LEVEL = 2 / 255
SHAPE = (512, 512, 3)
SPACE = Dict(render=making.camera(*SHAPE), qpos=making.vector(9), task=making.TEXT)
ACTIONS = Box(-np.inf, np.inf, (8,))
WIDTH = 128
PLACES = [0, 1, 2, 3, 4, 5, 6, 10]


def statistics(rng: Any) -> Any:
    state, action = making.statistics(rng, 8), making.statistics(rng, 8)
    return {
        "state_min": state["min"],
        "state_max": state["max"],
        "action_min": action["min"],
        "action_max": action["max"],
    }


def observation(rng: Any) -> Any:
    return {
        "render": making.picture(rng, SHAPE),
        "qpos": rng.uniform(-3, 3, 9),
        "task": making.WORDS,
    }


def declaration(page: Any, stats: Any) -> Any:
    return page["MANISKILL"], page["rdt_maniskill"](stats)


def picture(levels: Any) -> Any:
    """Return it in [-1, 1], channels first, after it was made a square with grey."""
    side = max(levels.shape[:2])
    square = np.full((side, side, 3), int(0.5 * 255), np.uint8)
    rows, columns = levels.shape[:2]
    top, left = (side - rows) // 2, (side - columns) // 2
    square[top : top + rows, left : left + columns] = levels
    small = resizing.pillow(square, (384, 384), resizing.BICUBIC)
    return ((small * (1 / 255) - 0.5) / 0.5).transpose(2, 0, 1)


def inputs(observations: Any, executed: Any, stats: Any) -> Any:
    grey = np.full((3, 384, 384), (127 / 255 - 0.5) / 0.5)
    seen = [picture(one["render"]) for one in observations[-2:]]
    state = np.zeros(128)
    low, high = np.asarray(stats["state_min"]), np.asarray(stats["state_max"])
    state[PLACES] = (observations[-1]["qpos"][:-1] - low) / (high - low) * 2 - 1
    mask = np.zeros(128)
    mask[PLACES] = 1
    return {
        "images": (np.stack([grey, *seen][-2:]), np.stack([grey] * 2), np.stack([grey] * 2)),
        "state": state,
        "mask": mask,
        "frequency": np.array([25.0]),
        "instruction": observations[-1]["task"],
    }


def action(output: Any, now: Any, stats: Any) -> Any:
    low, high = np.asarray(stats["action_min"]), np.asarray(stats["action_max"])
    return (output[..., PLACES] + 1) / 2 * (high - low) + low
