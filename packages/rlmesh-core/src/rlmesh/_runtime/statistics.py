"""Intervals for what is estimated from a run's episodes."""

from __future__ import annotations

import math
from statistics import NormalDist, stdev
from typing import Sequence, Tuple

CONFIDENCE = 0.95
"""How often such an interval contains what it is for."""

_Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


def mean_interval(values: Sequence[float]) -> Tuple[float, float]:
    """Return Student's t interval for the mean that values are drawn around.

    Args:
        values: The sample. Fewer than two tell nothing: the interval is (nan, nan).
    """
    count = len(values)
    if count < 2:
        return math.nan, math.nan
    mean = math.fsum(values) / count
    half = t_quantile(count - 1) * stdev(values) / math.sqrt(count)
    return mean - half, mean + half


def rate_interval(successes: int, count: int) -> Tuple[float, float]:
    """Return Wilson's score interval for the rate of successes; (nan, nan) for none tried.

    Source: E. B. Wilson, Probable inference, JASA 22 (1927).
    """
    if not count:
        return math.nan, math.nan
    rate, square = successes / count, _Z * _Z / count
    middle = rate + square / 2
    half = _Z * math.sqrt(rate * (1 - rate) / count + square / (4 * count))
    return max((middle - half) / (1 + square), 0.0), min((middle + half) / (1 + square), 1.0)


def t_quantile(freedom: int) -> float:
    """Return below what Student's t stays, in absolute value, in `CONFIDENCE` of all cases.

    Args:
        freedom: Degrees of freedom, at least 1.
    """
    if freedom > 200:
        # The first terms of its expansion around the normal's; the next is below 1e-6 here.
        z = _Z
        return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    low, high = 0.0, 1000.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if _t_within(middle, freedom) > CONFIDENCE else (middle, high)
    return high


def _t_within(t: float, freedom: int) -> float:
    """Return how likely Student's t stays within (-t, t); Abramowitz and Stegun 26.7.3 and 4."""
    angle = math.atan(t / math.sqrt(freedom))
    cosine, sine = math.cos(angle), math.sin(angle)
    odd = freedom % 2
    term, total = cosine if odd else 1.0, 0.0
    for k in range(1 + odd, freedom, 2):
        total += term
        term *= cosine * cosine * k / (k + 1)
    return (angle + sine * total) * 2 / math.pi if odd else sine * total
