"""An env and a model that do not go together by themselves, in the words of `rlmesh.adapters`.

Ours and the peer's have the same names, so this is declared once, and imported under either Python.
The cameras of the env become half as large and float, a quaternion becomes six numbers, and six
numbers of the model become a rotation vector.
"""

from __future__ import annotations

from typing import Any, Dict, List

import numpy as np
from gymnasium import spaces

import rlmesh.adapters as adapt

CAMERAS = {"front": adapt.IMAGE_PRIMARY, "wrist": adapt.IMAGE_WRIST}
SIZE = 224
OUTPUT = np.array([0.1, -0.2, 0.3, 0.9, 0.1, -0.3, 0.2, 0.8, 0.4, -1.0], np.float32)
ACTION_SPACE = spaces.Box(-10, 10, (7,), np.float32)
OBSERVATION_SPACE = spaces.Dict(
    {
        **{name: spaces.Box(0, 255, (480, 640, 3), np.uint8) for name in CAMERAS},
        "eef_pos": spaces.Box(-10, 10, (3,), np.float32),
        "eef_quat": spaces.Box(-1, 1, (4,), np.float32),
        "gripper": spaces.Box(-1, 1, (1,), np.float32),
    }
)


def resolved(fit: str) -> Any:
    """Return the adapter of the pair.

    Args:
        fit: What is done about the aspect of the pictures, `"stretch"` or `"crop"`.
    """
    tags = adapt.EnvTags(
        observation={
            **{name: adapt.ImageTag(role) for name, role in CAMERAS.items()},
            "eef_pos": adapt.StateTag(adapt.EEF_POS),
            "eef_quat": adapt.StateTag(adapt.EEF_ROT, encoding="quat_xyzw"),
            "gripper": adapt.StateTag(adapt.GRIPPER_POS),
        },
        action=adapt.Action(
            adapt.Actuator(adapt.ACTION_DELTA_POS, dim=3),
            adapt.Actuator(adapt.ACTION_DELTA_ROT, dim=3, encoding="axis_angle"),
            adapt.Actuator(adapt.ACTION_GRIPPER, dim=1, binary=True),
        ),
    )
    return adapt.resolve(tags, OBSERVATION_SPACE, ACTION_SPACE, _spec(fit))


def _spec(fit: Any) -> adapt.ModelSpec:
    pictures = {
        name: adapt.Image(
            role, size=SIZE, layout="chw", dtype="float32", normalize=(-1.0, 1.0), fit=fit
        )
        for name, role in CAMERAS.items()
    }
    rotation = adapt.State(adapt.EEF_ROT, encoding="rot6d")
    return adapt.ModelSpec(
        input={**pictures, "state": adapt.Concat(adapt.EEF_POS, rotation, adapt.GRIPPER_POS)},
        output=adapt.Action(
            adapt.Actuator(adapt.ACTION_DELTA_POS, dim=3),
            adapt.Actuator(adapt.ACTION_DELTA_ROT, dim=6, encoding="rot6d"),
            adapt.Actuator(adapt.ACTION_GRIPPER, dim=1, binary=True),
        ),
    )


def observations(count: int) -> List[Dict[str, Any]]:
    """Return observations of the env, each with memory of its own."""
    OBSERVATION_SPACE.seed(0)
    return [dict(OBSERVATION_SPACE.sample()) for _ in range(count)]
