"""Between which numbers the values of an actuator lie, as far as its declaration tells."""

from __future__ import annotations

import math
from typing import Iterable, List, Optional, Tuple

from . import _curves as curves
from .actions import Actuator, Numbers
from .curves import Curve
from .stats import Stats

Interval = Tuple[float, float]
"""Lowest and highest value, which are infinite where nothing is declared."""

UNKNOWN: Interval = (-math.inf, math.inf)


def emitted(model: Actuator, clip: Optional[Interval]) -> List[Interval]:
    """Return between which numbers each element of a model's lies, once its stats are undone.

    Args:
        model: The actuator.
        clip: To what the model's whole vector is clamped.
    """
    raw = clip or UNKNOWN
    stats = model.stats
    if stats is None:
        return [raw] * model.width
    width, eps = model.width, getattr(stats, "eps", 0.0)
    mask = stats.mask or (True,) * width
    if stats.mean is not None:
        pairs = zip(each(stats.mean, width, 0.0), each(stats.std, width, 1.0))
        found = [affine(raw, std + eps, mean) for mean, std in pairs]
    else:
        # From -1 to 1, which become the two ends.
        shares = meet((-1.0, 1.0), raw)
        found = [
            affine(shares, (high - low + eps) / 2, low + (high - low + eps) / 2)
            for low, high in _ends(stats, width)
        ]
    return [one if used else raw for one, used in zip(found, mask)]


def _ends(stats: Stats, width: int) -> Iterable[Interval]:
    """Return of each element what -1 and 1 stand for."""
    for first, second in (("q01", "q99"), ("low", "high")):
        if getattr(stats, first, None) is not None:
            low, high = getattr(stats, first), getattr(stats, second)
            return zip(each(low, width, 0.0), each(high, width, 0.0))
    return [UNKNOWN] * width


def meet(one: Interval, other: Interval) -> Interval:
    """Return what two intervals have in common; the first if that is nothing."""
    low, high = max(one[0], other[0]), min(one[1], other[1])
    return (low, high) if low <= high else one


def affine(interval: Interval, factor: float, summand: float) -> Interval:
    """Return where an interval lies that is multiplied and moved."""
    if factor == 0:
        return summand, summand
    low, high = sorted(bound * factor + summand for bound in interval)
    return low, high


def scaled(found: List[Interval], side: Actuator) -> List[Interval]:
    """Return where intervals lie after a side's scale, offset and invert."""
    width = len(found)
    factors, summands = each(side.scale, width, 1.0), each(side.offset, width, 0.0)
    sign = -1.0 if side.invert else 1.0
    return [
        affine(one, factor * sign, summand * sign)
        for one, factor, summand in zip(found, factors, summands)
    ]


def curved(found: List[Interval], curve: Optional[Curve]) -> List[Interval]:
    """Return where intervals lie along a curve."""
    if curve is None:
        return found
    ends = [sorted(curves.curve_at(curve, bound) for bound in one) for one in found]
    return [(low, high) for low, high in ends]


def mapped(one: Interval, source: Interval, target: Interval) -> Interval:
    """Return where an interval lies after one range is mapped to another."""
    factor = (target[1] - target[0]) / (source[1] - source[0])
    return affine(one, factor, target[0] - source[0] * factor)


def each(value: Optional[Numbers], width: int, default: float) -> List[float]:
    """Return a number for each element."""
    if isinstance(value, tuple):
        return [float(one) for one in value]
    return [default if value is None else float(value)] * width  # type: ignore[arg-type]
