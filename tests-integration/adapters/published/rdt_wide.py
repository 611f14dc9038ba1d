"""RDT with a camera that is wider than high, which is made a square before it is resized.

thu-ml/RoboticsDiffusionTransformer: as on ManiSkill.
"""

from __future__ import annotations

from typing import Any

from gymnasium.spaces import Dict

from . import making, rdt_maniskill
from .rdt_maniskill import ACTIONS, LEVEL, WIDTH, action, declaration, inputs, statistics

__all__ = ["ACTIONS", "LEVEL", "WIDTH", "action", "declaration", "inputs", "statistics"]

SPACE = Dict({**rdt_maniskill.SPACE.spaces, "render": making.camera(480, 640)})


def observation(rng: Any) -> Any:
    return {**rdt_maniskill.observation(rng), "render": making.picture(rng, (480, 640, 3))}
