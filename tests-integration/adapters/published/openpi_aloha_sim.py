"""pi0 on gym-aloha: one camera, and targets.

Physical-Intelligence/openpi: examples/aloha_sim/env.py, src/openpi/policies/aloha_policy.py, and
the config pi0_aloha_sim of src/openpi/training/config.py.
"""

from __future__ import annotations

from typing import Any

from gymnasium.spaces import Dict

from . import making
from .openpi import BLACK, by_deviation, from_deviation, padded, picture
from .openpi_aloha import ACTIONS, LEVEL, SHAPE, WIDTH, commands, qpos, state, statistics

__all__ = ["ACTIONS", "LEVEL", "WIDTH", "statistics"]

SPACE = Dict(top=making.camera(*SHAPE), qpos=making.vector(14))
PROMPT = "Transfer cube"


def observation(rng: Any) -> Any:
    return {"top": making.picture(rng, SHAPE), "qpos": qpos(rng)}


def declaration(page: Any, stats: Any) -> Any:
    return page["ALOHA_SIM"], page["pi0_aloha"](stats, PROMPT, delta=None)


def inputs(observations: Any, executed: Any, stats: Any) -> Any:
    now = observations[-1]
    wrists = ("left_wrist_0_rgb", "right_wrist_0_rgb")
    return {
        "image": {"base_0_rgb": picture(now["top"]), **dict.fromkeys(wrists, BLACK)},
        "image_mask": {"base_0_rgb": True, **dict.fromkeys(wrists, False)},
        "state": padded(by_deviation(state(now["qpos"]), stats["state"])),
        "prompt": PROMPT,
    }


def action(output: Any, now: Any, stats: Any) -> Any:
    return commands(from_deviation(output[..., :14], stats["actions"]))
