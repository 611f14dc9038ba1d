"""An action vector as its parts, for the env's side and for the model's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Dict, Optional, Sequence, Tuple, Union

from rlmesh.errors import AdapterResolutionError

from ._declaration import Declaration
from ._encodings import Encoding, check_encoding, checked_dim
from .curves import Curve
from .roles import CANONICAL_WIDTHS, ROTATION_ROLES, named
from .stats import Stats

Numbers = Union[float, Sequence[float]]


@dataclass(frozen=True)
class Actuator(Declaration):
    """Some elements of an action vector.

    What a model emits becomes what an env takes in this order:

    1. the model's `stats` are undone, and the rotation's encoding is converted;
    2. the model's `scale`, `offset` and `invert`; its labels are put into the env's order;
    3. `binary` of the model: each value is low or high, in the model's own units; low and high
       become the ends of the env's `range`, or -1 and +1 if it has none, and 4 is skipped;
    4. the model's `range` is mapped to the env's, where both declare one;
    5. `delta` of the model: the env's state is added;
    6. the env's `curve`, `scale`, `offset` and `invert`;
    7. `binary` of the env, if the model does not declare it: decided in the env's units, into the
       ends of the env's `range`, or -1 and +1;
    8. `sticky`: a value that has changed stays for some steps;
    9. the env's `clip`.

    What is at or above `threshold` is high. Without one, that is the middle of the `range` of the
    side that decides, or 0.

    Attributes:
        role: What it moves; without one it is opaque: an env's gets `fill`, a model's is dropped.
        dim: Number of elements; an encoding or a role of fixed width says it as well.
        encoding: How it gives a rotation; None for what is no rotation.
        range: Lowest and highest value; mapped where both sides declare one.
        scale: What values are multiplied by.
        offset: What is added to that.
        invert: Whether values change their sign.
        threshold: With `binary`, the lowest value that is high.
        binary: Whether there are only two values, low and high.
        sticky: With `binary` on either side, for how many steps a value stays that has changed,
            whatever the model emits meanwhile; the first value of an episode is no change.
        curve: On the env's side, what values become first.
        delta: On the model's side, that it emits changes and the env takes targets:
            `"from_state"` adds the env's state of this role (`"proprio/x"` for `"action/x"`) at
            the time of the predict, the same to each action of a chunk; `"cumulative"` sums along
            the chunk before. None: there is nothing to add.
        mask: With `delta`, for each element, whether it is a change; the others are targets
            already. None: all are.
        clip: On the env's side, whether values are clamped to `range`.
        fill: What an env's actuator gets that no model drives, in the env's units.
        optional: An env's may be left undriven; a model's may find no use.
        stats: On the model's side, by what values were normalised.
        labels: A name for each element.
        frame: `"world"`, `"robot_base"` or `"tool"`; must agree where both sides say.
        reference: What a delta is added to, `"current"` or `"target"`; likewise.
        part: Which of several of this role.

    Raises:
        AdapterResolutionError: A field has no such value; the message names it.
    """

    kind: ClassVar[str] = "actuator"

    role: Optional[str] = None
    dim: Optional[int] = None
    encoding: Optional[Encoding] = None
    range: Optional[Tuple[float, float]] = None
    scale: Optional[Numbers] = None
    offset: Optional[Numbers] = None
    invert: bool = False
    threshold: Optional[float] = None
    binary: bool = False
    sticky: Optional[int] = None
    curve: Optional[Curve] = None
    delta: Optional[str] = None
    mask: Optional[Sequence[bool]] = None
    clip: bool = False
    fill: float = 0.0
    optional: bool = False
    stats: Optional[Stats] = None
    labels: Optional[Sequence[str]] = None
    frame: Optional[str] = None
    reference: Optional[str] = None
    part: Optional[str] = None

    def __post_init__(self) -> None:
        self._check_role("action/")
        self._check_count("dim")
        self._check_pair("range")
        self._check_numbers("scale")
        self._check_numbers("offset")
        self._check_number("threshold", "fill")
        self._check_bools("invert", "binary", "clip", "optional")
        self._check_texts("labels")
        self._check_count("sticky")
        self._check_choice("delta", None, "from_state", "cumulative")
        self._check_mask()
        self._check_choice("frame", None, "world", "robot_base", "tool")
        self._check_choice("reference", None, "current", "target")
        self._check_text("part")
        if self.stats is not None and not isinstance(self.stats, Stats):
            raise self._fail("stats", "Stats(...)")
        if self.curve is not None and not isinstance(self.curve, Curve):
            raise self._fail("curve", "Curve(...)")
        self._check_rotation()
        self._check_widths()
        self._check_binary()
        if self.clip and self.range is None:
            raise self._fail("range", "the range to which clip=True clamps")

    def _check_rotation(self) -> None:
        if self.encoding is None:
            if self.role in ROTATION_ROLES:
                raise self._fail("encoding", f"that of {self.role!r}, e.g. 'axis_angle'")
            return
        check_encoding(self.encoding, "Actuator.encoding", of_action=True)
        if self.role in CANONICAL_WIDTHS:
            raise self._fail("encoding", f"None, because {self.role!r} is no rotation")
        for field in ("range", "labels", "curve"):
            if getattr(self, field) is not None:
                raise self._fail(field, "None beside a rotation's encoding")
        if self.delta is not None:
            raise self._fail("delta", "None beside a rotation's encoding: a sum is no rotation")
        if self.binary:
            raise self._fail("binary", "False beside a rotation's encoding")

    def _check_mask(self) -> None:
        given, mask = self._given("mask")
        if not given:
            return
        if not (isinstance(mask, tuple) and mask and all(isinstance(one, bool) for one in mask)):
            raise self._fail("mask", "a sequence of booleans")
        if self.delta is None:
            raise self._fail("mask", "None without delta, of which it exempts elements")
        if not any(mask):
            raise self._fail("mask", "True for an element, or no delta")

    def _check_binary(self) -> None:
        if self.threshold is not None and not self.binary:
            raise self._fail("threshold", "None without binary=True, for which it decides")
        if self.binary and self.delta is not None:
            raise self._fail("delta", "None beside binary=True: low and high are no changes")

    def _check_widths(self) -> None:
        canonical = CANONICAL_WIDTHS.get(self.role or "")
        dim = checked_dim(self.dim, self.encoding, canonical, "Actuator.dim")
        if dim is None and self.labels is not None:
            dim = len(self.labels)
        if dim is None:
            raise self._fail("dim", "the number of elements")
        self._set(dim=dim)
        for field in ("scale", "offset", "labels", "mask"):
            value = getattr(self, field)
            if isinstance(value, tuple) and len(value) != dim:
                raise self._fail(field, f"{dim}, one for each element")
        if self.stats is not None:
            self.stats.check_width(dim, "Actuator.stats")

    @property
    def width(self) -> int:
        """Number of elements."""
        assert self.dim is not None
        return self.dim


@dataclass(frozen=True, init=False)
class Action(Declaration):
    """An action vector: its actuators, in order.

    Args:
        *actuators: What the vector consists of.
        clip: Lowest and highest value of any element: of the env's vector at the very end, of the
            model's at the very beginning.

    Raises:
        AdapterResolutionError: There is no actuator, something else among them, or two of the
            same role and part.
    """

    kind: ClassVar[str] = "action"

    actuators: Tuple[Actuator, ...]
    clip: Optional[Tuple[float, float]] = None

    def __init__(self, *actuators: Actuator, clip: Optional[Tuple[float, float]] = None) -> None:
        self._set(actuators=actuators, clip=clip)
        if not actuators or not all(isinstance(one, Actuator) for one in actuators):
            raise self._fail("actuators", "one or more Actuator(...)")
        self._check_pair("clip")
        keys = [(one.role, one.part) for one in actuators if one.role is not None]
        for key in keys:
            if keys.count(key) > 1:
                raise AdapterResolutionError(
                    f"Action.actuators: expected one of role {named(*key)},"
                    f" got {keys.count(key)}; tell them apart by part=..."
                )

    @classmethod
    def _from_fields(cls, fields: Dict[str, Any]) -> Action:
        return cls._from_sequence("actuators", fields)

    @property
    def width(self) -> int:
        """Number of elements of the vector."""
        return sum(actuator.width for actuator in self.actuators)
