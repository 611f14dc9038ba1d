"""Roles: what an observation's part is, or what an action's part moves.

Any string is a role, and two roles match when they are equal. These are the ones that env and
model authors agree on without asking each other.
"""

from __future__ import annotations

from typing import Dict, Optional

IMAGE_PRIMARY = "image/primary"
IMAGE_SECONDARY = "image/secondary"
IMAGE_WRIST = "image/wrist"

INSTRUCTION = "text/instruction"

JOINT_POS = "proprio/joint_pos"
JOINT_VEL = "proprio/joint_vel"
EEF_POS = "proprio/eef_pos"
EEF_ROT = "proprio/eef_rot"
GRIPPER_POS = "proprio/gripper"
BASE_ROT = "proprio/base_rot"
BASE_ANG_VEL = "proprio/base_ang_vel"

ACTION_DELTA_POS = "action/delta_eef_pos"
ACTION_DELTA_ROT = "action/delta_eef_rot"
ACTION_EEF_POS = "action/eef_pos"
ACTION_EEF_ROT = "action/eef_rot"
ACTION_GRIPPER = "action/gripper"
ACTION_JOINT_POS = "action/joint_pos"
ACTION_JOINT_VEL = "action/joint_vel"

CANONICAL_WIDTHS: Dict[str, int] = {
    EEF_POS: 3,
    BASE_ANG_VEL: 3,
    ACTION_DELTA_POS: 3,
    ACTION_EEF_POS: 3,
}
"""Widths that the well-known roles of Cartesian vectors must have."""

ROTATION_ROLES = frozenset({EEF_ROT, BASE_ROT, ACTION_DELTA_ROT, ACTION_EEF_ROT})
"""Well-known roles that are rotations, whose width depends on their encoding."""

PREFIXES = ("image/", "text/", "proprio/", "action/")
"""What the roles above begin with; each kind of declaration takes those of its own kind."""


def named(role: str, part: Optional[str]) -> str:
    """Return a role, and which of several it is, as sentences name it."""
    return repr(role) if part is None else f"{role!r} (part {part!r})"
