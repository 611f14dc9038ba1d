"""What is learned online: the cost of a forward pass, and how long a lane is away."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from statistics import median
from typing import Deque, Dict, List

_RECENT = 9  # durations that a median is taken of
_MEMORY = 64.0  # forward passes after which a size that was not used again counts half


class ForwardCost:
    """The cost of a forward pass by batch size: a line through the medians of each size.

    The first use of a size may compile or warm up, and is left out.
    """

    def __init__(self, max_batch_size: int) -> None:
        self._most = max_batch_size
        self._durations: Dict[int, Deque[float]] = {}
        self._used: Dict[int, int] = {}
        self._count = 0
        self.table: List[float] = []
        """Seconds by batch size, from 0 to the largest; empty as long as nothing is known."""

    def add(self, size: int, seconds: float) -> None:
        """Learn from a forward pass."""
        self._count += 1
        self._used[size] = self._count
        known = self._durations.get(size)
        if known is None:
            self._durations[size] = deque(maxlen=_RECENT)
            return
        known.append(seconds)
        self._fit()

    def _fit(self) -> None:
        points = [
            (size, median(known), len(known) * 0.5 ** ((self._count - self._used[size]) / _MEMORY))
            for size, known in self._durations.items()
            if known
        ]
        total = sum(weight for _, _, weight in points)
        mean_size = sum(size * weight for size, _, weight in points) / total
        mean = sum(seconds * weight for _, seconds, weight in points) / total
        # The ridge: as if a batch of none had been seen once, that cost half of the mean.
        spread = 0.1 * mean_size**2
        slope = 0.1 * mean_size * 0.3 * mean
        for size, seconds, weight in points:
            spread += weight * (size - mean_size) ** 2
            slope += weight * (size - mean_size) * (seconds - mean)
        slope = max(0.0, min(slope / spread, mean / mean_size))
        fixed = mean - slope * mean_size
        self.table = [fixed + slope * size for size in range(self._most + 1)]


class AwayTime:
    """How long a lane is away: recent durations of one kind."""

    def __init__(self) -> None:
        self._recent: Deque[float] = deque(maxlen=_RECENT)
        self._sorted: List[float] = []
        self.median = 0.0

    def add(self, seconds: float) -> None:
        self._recent.append(seconds)
        self._sorted = ordered = sorted(self._recent)
        self.median = ordered[len(ordered) // 2]

    def clamp(self, low: float, high: float) -> float:
        """Return the duration in this range that surprises least."""
        if not self._sorted:
            return high
        return min(max(self.median, low), high)


class Spread:
    """How durations scatter around their lanes' medians, pooled over all lanes."""

    def __init__(self) -> None:
        self._recent: Deque[float] = deque([1.0], maxlen=_POOL)
        self._changed = 0
        self.ordered: List[float] = [1.0]
        self.draws: List[float] = [1.0]

    def add(self, factor: float) -> None:
        self._recent.append(factor)
        self._changed += 1
        if self._changed >= 16 or len(self._recent) < 16:
            self._changed = 0
            self.ordered = ordered = sorted(self._recent)
            n = len(ordered)
            self.draws = [ordered[int(u * n)] for u in UNIFORM]

    def of(self, b):
        n = len(self.ordered)
        return [self.ordered[int((i + 0.5) * n / b)] for i in range(b)]

    def rest(self, factor: float, u: float) -> float:
        """Return the factor at quantile u of those beyond factor."""
        ordered = self.ordered
        after = bisect_right(ordered, factor)
        n = len(ordered)
        if after < n:
            return ordered[after + int(u * (n - after))]
        return factor + max(factor - 1.0, 0.02) * (0.5 + u)


UNIFORM = [(k * 21 % 34 + 0.5) / 34 for k in range(34)]
_POOL = 64
