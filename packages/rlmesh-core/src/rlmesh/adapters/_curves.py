"""Curves on arrays of any framework, and on plain numbers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Sequence, Tuple

from rlmesh.errors import AdapterResolutionError

from ._steps import Row, Step
from .curves import KNOWN, Curve, Known, Pair

_HORN, _ARM = 0.022, 0.036
"""Of the ALOHA gripper, in metres, as in the code of Interbotix."""


class _Plain:
    """The functions that a curve needs, on plain numbers."""

    sqrt = staticmethod(math.sqrt)
    sin = staticmethod(math.sin)
    cos = staticmethod(math.cos)
    arctan2 = staticmethod(math.atan2)

    @staticmethod
    def clip(value: float, low: float, high: float) -> float:
        return min(max(value, low), high)


def curve_step(curve: Curve) -> Step:
    """Return the step along a curve, on floats of any shape; each element by itself."""
    line = f"along the curve {curve.title}"
    if curve.x is None:
        known, backwards = KNOWN[curve.name or ""], curve.inverse
        return Step(line, lambda ops, value: _along(ops.xp, known, backwards, value))
    xs, ys = _points(curve)
    starts = Row(xs[:-1])
    widths = Row([after - before for before, after in zip(xs, xs[1:])])
    rises = Row([after - before for before, after in zip(ys, ys[1:])])

    def apply(ops: Any, value: Any) -> Any:
        each = value[..., None]
        shares = (each - starts.on(ops, value)) / widths.on(ops, value)
        # Each piece of the curve adds all of its rise, or the share that is reached.
        return ops.xp.sum(ops.xp.clip(shares, 0.0, 1.0) * rises.on(ops, value), -1) + ys[0]

    return Step(line, apply)


def curve_at(curve: Curve, value: float) -> float:
    """Return what a number becomes, which may be infinite."""
    low, high = curve_domain(curve)
    value = min(max(value, low), high)
    if curve.x is None:
        return float(_along(_Plain, KNOWN[curve.name or ""], curve.inverse, value))
    xs, ys = _points(curve)
    found = ys[0]
    for i in range(len(xs) - 1):
        share = _Plain.clip((value - xs[i]) / (xs[i + 1] - xs[i]), 0.0, 1.0)
        found += share * (ys[i + 1] - ys[i])
    return found


def curve_domain(curve: Curve) -> Pair:
    """Return the lowest and the highest number that a curve tells apart from others beyond it."""
    if curve.x is not None:
        xs, _ = _points(curve)
        return xs[0], xs[-1]
    known = KNOWN[curve.name or ""]
    if not known.is_linkage:
        return -math.inf, math.inf
    if not curve.inverse:
        return _unit(known.before, _ARM - _HORN), _unit(known.before, _ARM + _HORN)
    return _unit(known.after, -math.pi / 2), _unit(known.after, math.pi / 2)


def _points(curve: Curve) -> Tuple[Sequence[float], Sequence[float]]:
    """Return the points of a table, in the direction in which it is used."""
    if not curve.inverse:
        return curve.xs, curve.ys
    if curve.ys[0] < curve.ys[-1]:
        return curve.ys, curve.xs
    return curve.ys[::-1], curve.xs[::-1]


def _unit(pair: Pair, value: float) -> float:
    return (value - pair[0]) / (pair[1] - pair[0])


def _along(xp: Any, known: Known, backwards: bool, value: Any) -> Any:
    (start, stop), (low, high) = known.before, known.after
    if backwards:
        value = value * (high - low) + low
        if known.is_linkage:
            value = _position(xp, value)
        return (value - start) / (stop - start)
    value = _angle(xp, known.before, value) if known.is_linkage else value * (stop - start) + start
    return (value - low) / (high - low)


def _angle(xp: Any, unit: Pair, value: Any) -> Any:
    """Return the horn's angle for a finger's position, given in a unit of one's own.

    `arcsin` loses half of the digits near its ends, and so does the distance from these in metres;
    the tangent's two sides, and the distance in the unit that was given, do not.
    """
    span = unit[1] - unit[0]
    least, most = _unit(unit, _ARM - _HORN), _unit(unit, _ARM + _HORN)
    value = xp.clip(value, least, most)
    metres = value * span + unit[0]
    from_ends = (value - least) * span * ((most - value) * span)
    area = from_ends * (metres + (_HORN + _ARM)) * (metres + (_ARM - _HORN))
    return xp.arctan2(metres * metres + (_HORN**2 - _ARM**2), xp.sqrt(xp.clip(area, 0.0, 1.0)))


def _position(xp: Any, angle: Any) -> Any:
    """Return the finger's position in metres for the horn's angle in radians."""
    angle = xp.clip(angle, -math.pi / 2, math.pi / 2)
    across = _HORN * xp.cos(angle)
    return _HORN * xp.sin(angle) + xp.sqrt(_ARM**2 - across * across)


def reversed_curve(curve: Curve) -> Curve:
    """Return the curve that maps back."""
    return replace(curve, inverse=not curve.inverse)


def check_curve(curve: Curve, declared: Pair, where: str) -> None:
    """Check that a curve goes as far as values are declared to go, which may be anywhere.

    Raises:
        AdapterResolutionError: It does not.
    """
    (least, most), (low, high) = declared, curve_domain(curve)
    slack = 1e-6 * (high - low) if math.isfinite(high - low) else 0.0
    below = math.isfinite(least) and least < low - slack
    if below or (math.isfinite(most) and most > high + slack):
        raise AdapterResolutionError(
            f"{where}: expected one for the values from {least:g} to {most:g}, as they are"
            f" declared, got {curve.title}, whose ends are {low:g} and {high:g}"
        )
