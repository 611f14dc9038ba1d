"""What is learned while a run goes: what a forward pass costs, and how long lanes are away."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from statistics import median
from typing import Deque, Dict, List, Tuple

_RECENT = 9  # durations that a median is taken of
_POOL = 64  # durations that the scatter is taken of
_MEMORY = 64  # forward passes after which a size that was not used again counts half
_SHIFT = 1.25  # a median that moves by more than this: all sizes have changed like that
_FIRST_USE = 0.25  # the part of what a first use takes longer that counts against a new size
_SLOPE = 0.6  # the part of the cost that goes with the size, while only one size is known
_RIDGE = 0.02  # how little that assumption weighs


class ForwardCost:
    """The cost of a forward pass by batch size: a line through the median of each size.

    The first use of a size may compile or warm up, so it says only that the size costs no more.

    Args:
        max_batch_size: Largest batch.

    Attributes:
        table: Seconds by batch size, from 0 to the largest; empty while nothing is known.
        only: The size besides which another should be tried: it is the only one that is known, and
            trying is cheap. 0 if there is none such.
    """

    def __init__(self, max_batch_size: int) -> None:
        self.table: List[float] = []
        self.only = 0
        self._most = max_batch_size
        self._firsts: Dict[int, float] = {}
        self._recent: Dict[int, Deque[float]] = {}
        self._used: Dict[int, int] = {}
        self._count = 0

    def add(self, size: int, seconds: float) -> None:
        """Learn from a forward pass."""
        self._count += 1
        self._used[size] = self._count
        if size not in self._firsts:
            self._firsts[size] = seconds
        else:
            recent = self._recent.setdefault(size, deque(maxlen=_RECENT))
            before = median(recent) if len(recent) > _RECENT // 2 else 0.0
            recent.append(seconds)
            if before:
                self._carry_over(size, median(recent) / before)
        if self._recent:
            self._fit()

    def _carry_over(self, size: int, ratio: float) -> None:
        """Change the other sizes as this one has changed, if that is more than noise."""
        if not 1 / _SHIFT <= ratio <= _SHIFT:
            for other, recent in self._recent.items():
                if other != size:
                    self._recent[other] = deque((ratio * one for one in recent), maxlen=_RECENT)

    def _fit(self) -> None:
        weights = {
            size: 0.5 ** ((self._count - used) / _MEMORY) for size, used in self._used.items()
        }
        points = {
            size: (median(recent), weights[size] * len(recent))
            for size, recent in self._recent.items()
        }
        longer = median([self._firsts[size] - seconds for size, (seconds, _) in points.items()])
        fixed, slope = _line(points)
        for size, first in self._firsts.items():
            if size not in points and first < fixed + slope * size:
                points[size] = (first, weights[size])
        fixed, slope = _line(points)
        surcharge = _FIRST_USE * max(longer, 0.0)
        self.table = [
            fixed + slope * size + (0.0 if size in self._firsts else surcharge)
            for size in range(self._most + 1)
        ]
        (size, *others) = self._firsts
        self.only = 0 if others or surcharge > _FIRST_USE * self.table[size] else size


def _line(points: Dict[int, Tuple[float, float]]) -> Tuple[float, float]:
    """Return the fixed cost, and that of each observation, through (seconds, weight) by size."""
    total = sum(weight for _, weight in points.values())
    mean_size = sum(size * weight for size, (_, weight) in points.items()) / total
    mean = sum(seconds * weight for seconds, weight in points.values()) / total
    variance = _RIDGE * mean_size**2
    covariance = _SLOPE * mean * _RIDGE * mean_size
    for size, (seconds, weight) in points.items():
        variance += weight * (size - mean_size) ** 2
        covariance += weight * (size - mean_size) * (seconds - mean)
    slope = min(max(covariance / variance, 0.0), mean / mean_size)
    return mean - slope * mean_size, slope


class Durations:
    """Recent durations of one kind.

    Attributes:
        median: Their median; 0 while there are none.
    """

    def __init__(self) -> None:
        self.median = 0.0
        self._recent: Deque[float] = deque(maxlen=_RECENT)

    def add(self, duration: float) -> None:
        """Learn a duration."""
        self._recent.append(duration)
        self.median = sorted(self._recent)[len(self._recent) // 2]


class Scatter:
    """How durations scatter around the medians of their lanes, as factors, of all lanes together.

    Attributes:
        width: How far the quartiles are apart.
    """

    def __init__(self) -> None:
        self.width = 0.0
        self._recent: Deque[float] = deque(maxlen=_POOL)
        self._ordered = [1.0]

    def add(self, factor: float) -> None:
        """Learn a factor; it counts from the next `update` on."""
        self._recent.append(factor)

    def update(self) -> None:
        """Take into account what was learned."""
        if self._recent:
            self._ordered = sorted(self._recent)
            count = len(self._ordered)
            self.width = self._ordered[3 * count // 4] - self._ordered[count // 4]

    def beyond(self, factor: float, luck: float) -> float:
        """Return what to expect of a duration that has this factor already.

        Args:
            factor: What has passed.
            luck: The quantile, from 0 to below 1, of those that lasted longer.
        """
        after = bisect_right(self._ordered, factor)
        count = len(self._ordered)
        if after < count:
            return self._ordered[after + int(luck * (count - after))]
        # Longer than all that were seen: the later it is already, the later it will be.
        return factor + max(factor - 1, 0.02) * (0.5 + luck)
