"""Whether the numbers that a model was trained on can come from the encoding that it declares."""

from __future__ import annotations

import math
from typing import Dict, Optional, Sequence, Tuple

from ._encodings import Encoding, width_of
from .stats import Stats

_SLACK = 1e-3
"""By how much numbers may be off, because they are written with a few digits."""

_LIMITS: Dict[str, Tuple[float, ...]] = {
    "axis_angle": (math.pi,) * 3,
    "axis_angle_2pi": (2 * math.pi,) * 3,
    "euler_xyz": (math.pi, math.pi / 2, math.pi),
}
"""The largest magnitude of each element; 1 for the encodings that are not listed."""

_SCALARS = {"quat_xyzw": 3, "quat_wxyz": 0}
"""Which element of a quaternion is w."""


def implausible(stats: Stats, encoding: Encoding, *, is_converted: bool = False) -> Optional[str]:
    """Return why statistics cannot be those of an encoding; None where they can be.

    Args:
        stats: The statistics, of as many elements as the encoding has.
        encoding: The encoding; of one of the users' own nothing is known.
        is_converted: Whether rotations are converted to it, so that quaternions have w >= 0.
    """
    return unlikely(stats.values(width_of(encoding)), encoding, is_converted)


def unlikely(
    values: Sequence[Sequence[float]], encoding: Encoding, is_converted: bool
) -> Optional[str]:
    """Return why an encoding does not have some values of its elements; None where it may.

    Args:
        values: The values of each element, in order; none for one of which nothing is known.
        encoding: As for `implausible`.
        is_converted: As for `implausible`.
    """
    if not isinstance(encoding, str):
        return None
    limits = _LIMITS.get(encoding, (1.0,) * len(values))
    for place, (found, limit) in enumerate(zip(values, limits)):
        value = max(found, key=abs, default=0.0)
        if abs(value) > limit + _SLACK:
            better = ""
            if encoding == "axis_angle" and abs(value) <= 2 * math.pi + _SLACK:
                better = "; axis_angle_2pi does"
            return (
                f"{encoding} gives no element {place} beyond {limit:g}, but the model has"
                f" {value:g} for it{better}"
            )
    scalar = _SCALARS.get(encoding)
    if is_converted and scalar is not None:
        least = min(values[scalar], default=0.0)
        if least < -_SLACK:
            return (
                f"a quaternion that is converted to {encoding} has w >= 0, but the model has"
                f" {least:g} for it"
            )
    return None
