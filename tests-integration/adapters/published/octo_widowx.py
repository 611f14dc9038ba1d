"""Octo in SimplerEnv, with the setup of WidowX; single chunks, without the ensemble.

simpler-env/SimplerEnv: simpler_env/policies/octo/octo_model.py. The pictures before the first are
those of octo-models/octo, octo/utils/gym_wrappers.py (HistoryWrapper).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict

from . import making, resizing, rotating

LEVEL = 1.0
SHAPE = (480, 640, 3)
SPACE = Dict({"3rd_view_camera": making.camera(*SHAPE), "task": making.TEXT})
ACTIONS = Box(-np.inf, np.inf, (7,))
WIDTH = 7
GRIPPER, HALF = 6, 0.5
IS_LOW_AT_HALF = True
ROTATION = slice(3, 6)


def statistics(rng: Any) -> Any:
    found = making.statistics(rng, 7)
    found["mean"][6], found["std"][6] = 0.0, 1.0
    found["std"][3:6] = [0.5, 0.6, 0.7]
    return found


def observation(rng: Any) -> Any:
    return {"3rd_view_camera": making.picture(rng, SHAPE), "task": making.WORDS}


def declaration(page: Any, stats: Any) -> Any:
    return page["WIDOWX"], page["octo_bridge"](stats)


def picture(levels: Any) -> Any:
    return resizing.to_uint8(resizing.antialiased(levels, (256, 256), resizing.lanczos3))


def inputs(observations: Any, executed: Any, stats: Any) -> Any:
    seen = [picture(one["3rd_view_camera"]) for one in observations[-2:]]
    is_first = len(seen) == 1
    return {
        "image_primary": np.stack(seen * 2 if is_first else seen),
        "pad_mask": np.array([0.0 if is_first else 1.0, 1.0]),
        "task": observations[-1]["task"],
    }


def action(output: Any, now: Any, stats: Any) -> Any:
    found = output * np.asarray(stats["std"]) + np.asarray(stats["mean"])
    found[..., 3:6] = rotating.of_euler(found[..., 3:6])
    found[..., 6] = np.where(found[..., 6] > 0.5, 1.0, -1.0)
    return found
