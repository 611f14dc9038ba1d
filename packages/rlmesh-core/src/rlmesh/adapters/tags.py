"""What an env says of its own observations and actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Dict, Optional, Sequence, Tuple, Union

from ._declaration import Declaration, check_tree
from ._encodings import Encoding, check_encoding, checked_dim
from .actions import Action
from .roles import CANONICAL_WIDTHS, ROTATION_ROLES


@dataclass(frozen=True)
class ImageTag(Declaration):
    """Tags a leaf as a camera's picture: uint8, RGB or gray, or RGB and alpha, which is dropped.

    Attributes:
        role: Which camera, e.g. `IMAGE_PRIMARY`.
        layout: `"hwc"` or `"chw"`; a picture of two axes has either.
        upside_down: Whether it is turned by 180 degrees.
        channel_order: `"rgb"` or `"bgr"`, in which alpha comes last, too.
        part: Which of several of this role, e.g. `"left_arm"`.
        channels: 1, 3 or 4, to have it checked against the space; None takes the space's.

    Raises:
        AdapterResolutionError: A field has no such value; the message names it.
    """

    kind: ClassVar[str] = "image_tag"

    role: str
    layout: str = "hwc"
    upside_down: bool = False
    channel_order: str = "rgb"
    part: Optional[str] = None
    channels: Optional[int] = None

    def __post_init__(self) -> None:
        self._check_role("image/")
        self._check_choice("layout", "hwc", "chw")
        self._check_choice("channel_order", "rgb", "bgr")
        self._check_choice("channels", None, 1, 3, 4)
        self._check_bools("upside_down")
        self._check_text("part")


@dataclass(frozen=True)
class StateTag(Declaration):
    """Tags a leaf of numbers, which counts as one flat vector.

    Attributes:
        role: What it is, e.g. `EEF_POS`.
        encoding: How it gives a rotation, e.g. `"quat_xyzw"`; None for what is no rotation.
        range: Its lowest and highest value, where the space has no finite bounds.
        part: Which of several of this role.
        labels: A name for each element, e.g. of joints.
        frame: `"world"`, `"robot_base"` or `"tool"`.

    Raises:
        AdapterResolutionError: A field has no such value; the message names it.
    """

    kind: ClassVar[str] = "state_tag"

    role: str
    encoding: Optional[Encoding] = None
    range: Optional[Tuple[float, float]] = None
    part: Optional[str] = None
    labels: Optional[Sequence[str]] = None
    frame: Optional[str] = None

    def __post_init__(self) -> None:
        self._check_role("proprio/")
        check_state(self)


@dataclass(frozen=True)
class Field(Declaration):
    """Some elements of a flat vector, in a `Split`; without a role they are skipped.

    Attributes:
        role: As in `StateTag`.
        dim: Number of elements; an encoding or a role of fixed width says it as well.
        encoding: As in `StateTag`.
        range: As in `StateTag`.
        part: As in `StateTag`.
        labels: As in `StateTag`.
        frame: As in `StateTag`.

    Raises:
        AdapterResolutionError: A field has no such value; the message names it.
    """

    kind: ClassVar[str] = "field"

    role: Optional[str] = None
    dim: Optional[int] = None
    encoding: Optional[Encoding] = None
    range: Optional[Tuple[float, float]] = None
    part: Optional[str] = None
    labels: Optional[Sequence[str]] = None
    frame: Optional[str] = None

    def __post_init__(self) -> None:
        self._check_role("proprio/")
        self._check_count("dim")
        check_state(self)
        canonical = CANONICAL_WIDTHS.get(self.role or "")
        dim = checked_dim(self.dim, self.encoding, canonical, "Field.dim")
        if dim is None and self.labels is not None:
            dim = len(self.labels)
        if dim is None:
            raise self._fail("dim", "the number of elements")
        if self.labels is not None and len(self.labels) != dim:
            raise self._fail("labels", f"{dim}, one for each element")
        self._set(dim=dim)


@dataclass(frozen=True, init=False)
class Split(Declaration):
    """Tags one flat vector as several things, in order; their widths sum to the vector's.

    Args:
        *fields: What it consists of.

    Raises:
        AdapterResolutionError: There is none, or something else among them.
    """

    kind: ClassVar[str] = "split"

    fields: Tuple[Field, ...]

    def __init__(self, *fields: Field) -> None:
        self._set(fields=fields)
        if not fields or not all(isinstance(field, Field) for field in fields):
            raise self._fail("fields", "one or more Field(...)")

    @classmethod
    def _from_fields(cls, fields: Dict[str, Any]) -> Split:
        return cls._from_sequence("fields", fields)


@dataclass(frozen=True)
class TextTag(Declaration):
    """Tags a leaf of text.

    Attributes:
        role: What it says, e.g. `INSTRUCTION`.

    Raises:
        AdapterResolutionError: The role is none.
    """

    kind: ClassVar[str] = "text_tag"

    role: str

    def __post_init__(self) -> None:
        self._check_role("text/")


Tag = Union[ImageTag, StateTag, Split, TextTag]


@dataclass(frozen=True)
class EnvTags(Declaration):
    """What an env's observations and actions are.

    Attributes:
        observation: A dict for a Dict space, a tuple for a Tuple space, or one tag. Leaves that
            are left out, or None, are not offered to models.
        action: The parts of the action vector; None where models are not to act by roles.

    Raises:
        AdapterResolutionError: The tree holds something else.
    """

    kind: ClassVar[str] = "env_tags"

    observation: Any
    action: Optional[Action] = None

    def __post_init__(self) -> None:
        leaves = (ImageTag, StateTag, Split, TextTag, type(None))
        self._set(observation=check_tree(self.observation, leaves, "EnvTags.observation"))
        if self.action is not None and not isinstance(self.action, Action):
            raise self._fail("action", "an Action(...)")


def check_state(tag: Any) -> None:
    """Check the fields that `StateTag` and `Field` share."""
    tag._check_text("part")
    tag._check_choice("frame", None, "world", "robot_base", "tool")
    tag._check_texts("labels")
    tag._check_pair("range")
    if tag.encoding is None:
        if tag.role in ROTATION_ROLES:
            raise tag._fail("encoding", f"that of {tag.role!r}, e.g. 'quat_xyzw'")
        return
    check_encoding(tag.encoding, f"{type(tag).__name__}.encoding")
    if tag.role in CANONICAL_WIDTHS:
        raise tag._fail("encoding", f"None, because {tag.role!r} is no rotation")
    for other in ("range", "labels"):
        if getattr(tag, other) is not None:
            raise tag._fail(other, "None beside a rotation's encoding")
