"""pi0.5 on LIBERO.

Physical-Intelligence/openpi: examples/libero/main.py, src/openpi/policies/libero_policy.py, and
the config pi05_libero of src/openpi/training/config.py.
"""

from __future__ import annotations

from typing import Any

from gymnasium.spaces import Box, Dict

from . import making
from .openpi import BLACK, by_quantiles, from_quantiles, padded, picture

LEVEL = 2 / 255
SPACE = Dict(making.libero_space())
ACTIONS = Box(-1, 1, (7,))
WIDTH = 32


def statistics(rng: Any) -> Any:
    return {
        "state": making.statistics(rng, 8, still=(7,)),
        "actions": making.statistics(rng, 7, still=(4,)),
    }


def observation(rng: Any) -> Any:
    return making.libero(rng)


def declaration(page: Any, stats: Any) -> Any:
    return page["LIBERO"], page["pi05_libero"](stats)


def inputs(observations: Any, executed: Any, stats: Any) -> Any:
    now = observations[-1]
    return {
        "image": {
            "base_0_rgb": picture(now["agentview_image"][::-1, ::-1]),
            "left_wrist_0_rgb": picture(now["robot0_eye_in_hand_image"][::-1, ::-1]),
            "right_wrist_0_rgb": BLACK,
        },
        "image_mask": {
            "base_0_rgb": True,
            "left_wrist_0_rgb": True,
            "right_wrist_0_rgb": False,
        },
        "state": padded(by_quantiles(making.libero_state(now), stats["state"])),
        "prompt": now["task"],
    }


def action(output: Any, now: Any, stats: Any) -> Any:
    return from_quantiles(output[..., :7], stats["actions"])
