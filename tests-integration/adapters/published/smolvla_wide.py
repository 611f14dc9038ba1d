"""SmolVLA with a camera that is wider than high: the picture is at the bottom.

huggingface/lerobot: as for LIBERO, with the cameras of an SO-100.
"""

from __future__ import annotations

from typing import Any

from gymnasium.spaces import Dict

from . import making, smolvla_libero
from .smolvla_libero import ACTIONS, LEVEL, WIDTH, action, declaration, inputs, statistics

__all__ = ["ACTIONS", "LEVEL", "WIDTH", "action", "declaration", "inputs", "statistics"]

CAMERAS = ("agentview_image", "robot0_eye_in_hand_image")
SPACE = Dict({**making.libero_space(), **{name: making.camera(480, 640) for name in CAMERAS}})


def observation(rng: Any) -> Any:
    wide = {name: making.picture(rng, (480, 640, 3)) for name in CAMERAS}
    return {**smolvla_libero.observation(rng), **wide}
