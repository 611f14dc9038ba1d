"""Maps from number to number that are no straight line, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, NamedTuple, Optional, Sequence, Tuple

from ._declaration import Declaration
from ._plain import as_python, is_divisor, is_number

Pair = Tuple[float, float]


class Known(NamedTuple):
    """A known curve: a straight line, perhaps a linkage, and another straight line.

    Attributes:
        before: What 0 and 1 become first.
        is_linkage: Whether a finger's position in metres then becomes the angle of its horn.
        after: What becomes 0 and 1 in the end.
    """

    before: Pair
    is_linkage: bool
    after: Pair


_METRES, _RADIANS = (0.01844, 0.05800), (-0.6213, 1.4910)
"""Of the ALOHA puppet's gripper, closed and open."""

KNOWN: Dict[str, Known] = {
    "aloha_gripper_linkage": Known((0, 1), True, (0, 1)),
    "aloha_gripper_to_angular": Known(_METRES, True, (0.5476, 1.6296)),
    "aloha_gripper_from_angular": Known((0.5476, 1.5476), False, _RADIANS),
    "aloha_gripper_to_angular_lerobot": Known(_METRES, True, (0.4, 1.5)),
    "aloha_gripper_from_angular_lerobot": Known((0.4, 1.5), False, _RADIANS),
    "aloha_puppet_position": Known((0, 1), False, _METRES),
    "aloha_puppet_joint": Known((0, 1), False, _RADIANS),
    "aloha_master_position": Known((0, 1), False, (0.01244, 0.02417)),
    "aloha_master_joint": Known((0, 1), False, (-0.6842, 0.3083)),
}


@dataclass(frozen=True)
class Curve(Declaration):
    """A map of each element by itself: a known one, by name, or a table of your own.

    Between the points of a table it is linear. What lies beyond its ends is taken as the nearest
    end; it is an error if a declared range does.

    Known are, from ALOHA's constants, openpi's `aloha_policy.py` and LeRobot's
    `modeling_smolvla.py`:

    - `"aloha_gripper_linkage"`: a finger's position, 0.014 to 0.058 m, to the horn's angle in
      radians: `arcsin((h**2 + x**2 - a**2) / (2 * h * x))` of the horn h = 0.022 m and the arm
      a = 0.036 m;
    - `"aloha_gripper_to_angular"`: ALOHA's position, 0 closed and 1 open, to what pi0 was trained
      on; with `_lerobot` at the end, what SmolVLA and LeRobot's pi0-FAST were;
    - `"aloha_gripper_from_angular"`: what pi0 emits to ALOHA's joint command, 0 closed and 1 open;
      with `_lerobot` at the end, what these emit. It does not undo the one before;
    - `"aloha_puppet_position"`, `"aloha_puppet_joint"`, `"aloha_master_position"` and
      `"aloha_master_joint"`: metres or radians to 0 closed and 1 open.

    Attributes:
        name: Of a known one; of a table, whatever you call it.
        x: Of a table, the numbers that come in, at least two, each above the one before.
        y: What each of them becomes; always rising, or always falling.
        inverse: Whether to map back, from `y` to `x`.

    Raises:
        AdapterResolutionError: It is neither known nor a table that rises or falls throughout.
    """

    kind: ClassVar[str] = "curve"

    name: Optional[str] = None
    x: Optional[Sequence[float]] = None
    y: Optional[Sequence[float]] = None
    inverse: bool = False

    def __post_init__(self) -> None:
        self._check_text("name")
        self._check_bools("inverse")
        if self.x is None and self.y is None:
            if self.name not in KNOWN:
                raise self._fail("name", f"one of {', '.join(KNOWN)}, or a table by x and y")
            return
        if self.name in KNOWN:
            raise self._fail("name", "another name for a table, because this curve is known")
        for field in ("x", "y"):
            value = as_python(getattr(self, field))
            self._set(**{field: value})
            if not isinstance(value, tuple) or len(value) < 2 or not all(map(is_number, value)):
                raise self._fail(field, "two finite numbers or more")
        if not _rises(self.xs):
            raise self._fail("x", "numbers that rise from each to the next")
        if len(self.ys) != len(self.xs):
            raise self._fail("y", f"{len(self.xs)} numbers, one for each of x")
        if not _rises(self.ys) and not _rises(self.ys[::-1]):
            raise self._fail("y", "numbers that rise from each to the next, or fall")

    @property
    def xs(self) -> Tuple[float, ...]:
        """The numbers of a table that come in, before `inverse`."""
        return tuple(self.x or ())

    @property
    def ys(self) -> Tuple[float, ...]:
        """What they become."""
        return tuple(self.y or ())

    @property
    def title(self) -> str:
        """The curve as sentences name it."""
        name = self.name or f"table of {len(self.xs)} points"
        return f"inverse {name}" if self.inverse else name


def _rises(values: Sequence[float]) -> bool:
    steps = [after - before for before, after in zip(values, values[1:])]
    return all(step > 0 and is_divisor(step) for step in steps)
