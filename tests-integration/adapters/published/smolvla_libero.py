"""SmolVLA on LIBERO.

huggingface/lerobot: src/lerobot/policies/smolvla/modeling_smolvla.py and processor_smolvla.py,
src/lerobot/policies/common/vla_utils.py (resize_with_pad), src/lerobot/processor/env_processor.py
(LiberoProcessorStep), src/lerobot/processor/normalize_processor.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict

from . import making, resizing

LEVEL = 2 / 255
SHAPE = (256, 256, 3)
SPACE = Dict(making.libero_space())
ACTIONS = Box(-1, 1, (7,))
WIDTH = 7


def statistics(rng: Any) -> Any:
    return {
        "observation.state": making.statistics(rng, 8),
        "action": making.statistics(rng, 7, still=(2,)),
    }


def observation(rng: Any) -> Any:
    return making.libero(rng)


def declaration(page: Any, stats: Any) -> Any:
    return page["LIBERO"], page["smolvla_libero"](stats)


def picture(levels: Any) -> Any:
    """Return it in [-1, 1], channels first, at the bottom right of 512 x 512."""
    height, width = levels.shape[:2]
    ratio = max(height, width) / 512
    rows, columns = int(height / ratio), int(width / ratio)
    found = np.zeros((512, 512, 3), np.float32)
    found[512 - rows :, 512 - columns :] = resizing.bilinear(levels / 255, (rows, columns))
    return (found * 2 - 1).transpose(2, 0, 1)


def inputs(observations: Any, executed: Any, stats: Any) -> Any:
    now, of = observations[-1], stats["observation.state"]
    state = (making.libero_state(now) - np.asarray(of["mean"])) / (np.asarray(of["std"]) + 1e-8)
    return {
        "observation.images.image": picture(now["agentview_image"][::-1, ::-1]),
        "observation.images.image2": picture(now["robot0_eye_in_hand_image"][::-1, ::-1]),
        "observation.state": np.concatenate([state, np.zeros(24)]),
        "task": f"{now['task']}\n",
    }


def action(output: Any, now: Any, stats: Any) -> Any:
    return output * np.asarray(stats["action"]["std"]) + np.asarray(stats["action"]["mean"])
