"""From the format of an env to that of a model, and back, by two declarations and no code.

An env's author tags its spaces, a model's author specifies its payload and its action. `resolve`
matches the two by role:

    import rlmesh.adapters as adapt

    adapter = adapt.resolve(tags, env.observation_space, env.action_space, spec)
    payload = adapter.transform_obs(observation)
    action = adapter.transform_action(output)
    print(adapter.explain())
"""

from __future__ import annotations

from rlmesh.errors import AdapterResolutionError

from ._rotations import CustomEncoding
from ._steps import Advisory
from .actions import Action, Actuator
from .adapter import Adapter, AdapterBase
from .inputs import Concat, Constant, Custom, Image, ModelSpec, State, Text
from .resolve import resolve, resolve_from_contract, tag
from .roles import (
    ACTION_DELTA_POS,
    ACTION_DELTA_ROT,
    ACTION_EEF_POS,
    ACTION_EEF_ROT,
    ACTION_GRIPPER,
    ACTION_JOINT_POS,
    ACTION_JOINT_VEL,
    BASE_ANG_VEL,
    BASE_ROT,
    EEF_POS,
    EEF_ROT,
    GRIPPER_POS,
    IMAGE_PRIMARY,
    IMAGE_SECONDARY,
    IMAGE_WRIST,
    INSTRUCTION,
    JOINT_POS,
    JOINT_VEL,
)
from .stages import Stage
from .stats import Stats
from .tags import EnvTags, Field, ImageTag, Split, StateTag, TextTag

__all__ = [
    # Matching
    "resolve",
    "resolve_from_contract",
    "tag",
    "Adapter",
    "AdapterBase",
    "Advisory",
    "AdapterResolutionError",
    # What an env says
    "EnvTags",
    "ImageTag",
    "StateTag",
    "TextTag",
    "Split",
    "Field",
    # What a model wants
    "ModelSpec",
    "Image",
    "Stage",
    "State",
    "Concat",
    "Constant",
    "Text",
    "Custom",
    # What both say
    "Action",
    "Actuator",
    "Stats",
    "CustomEncoding",
    # Roles
    "IMAGE_PRIMARY",
    "IMAGE_SECONDARY",
    "IMAGE_WRIST",
    "INSTRUCTION",
    "JOINT_POS",
    "JOINT_VEL",
    "EEF_POS",
    "EEF_ROT",
    "GRIPPER_POS",
    "BASE_ROT",
    "BASE_ANG_VEL",
    "ACTION_DELTA_POS",
    "ACTION_DELTA_ROT",
    "ACTION_EEF_POS",
    "ACTION_EEF_ROT",
    "ACTION_GRIPPER",
    "ACTION_JOINT_POS",
    "ACTION_JOINT_VEL",
]
