"""Durations, counted in buckets that are as wide as they are far from zero."""

from __future__ import annotations

from typing import Any, Dict, Iterator, Tuple

RELATIVE_ERROR = 1 / 32
"""By how much a percentile may differ from the exact one, as a share of that."""

_BITS = 5  # of a duration that are kept: 16 buckets for each power of two
_SHIFT = _BITS - 1
_BUCKETS = (64 - _BITS << _SHIFT) + (1 << _BITS)  # for whatever fits in 64 bits


class Histogram:
    """Durations in nanoseconds. One thread adds to it; others may read it meanwhile."""

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self._total = 0
        self._largest = 0

    def add(self, nanoseconds: int) -> None:
        """Count a duration; it costs a fraction of a microsecond."""
        shift = nanoseconds.bit_length() - _BITS
        if shift > 0:
            self._counts[(shift << _SHIFT) + (nanoseconds >> shift)] += 1
        else:
            self._counts[nanoseconds] += 1
        self._total += nanoseconds
        if nanoseconds > self._largest:
            self._largest = nanoseconds

    @property
    def count(self) -> int:
        """Number of durations."""
        return sum(self._counts)

    @property
    def mean(self) -> float:
        """Their mean in seconds; 0 where there are none."""
        return self._total * 1e-9 / max(self.count, 1)

    @property
    def largest(self) -> float:
        """The longest in seconds; 0 where there are none."""
        return self._largest * 1e-9

    def percentile(self, share: float) -> float:
        """Return the seconds that this share of the durations did not exceed; 0 for none.

        Args:
            share: From 0 to 1.
        """
        rank, seen = share * self.count, 0
        for bucket, count in self._filled():
            seen += count
            if seen >= rank:
                return min(_middle(bucket), self._largest) * 1e-9
        return 0.0

    def to_plain(self) -> Dict[str, Any]:
        """Return plain data, which `merge` takes."""
        counts = [number for pair in self._filled() for number in pair]
        return {"total": self._total, "largest": self._largest, "counts": counts}

    def merge(self, plain: Any) -> None:
        """Add the durations of another histogram's plain data.

        Raises:
            KeyError, TypeError, ValueError, IndexError: It is none.
        """
        counts, total, largest = plain["counts"], plain["total"], plain["largest"]
        if type(counts) is not list or len(counts) % 2:
            raise TypeError("expected a list of pairs of buckets and counts")
        if any(type(number) is not int or number < 0 for number in (*counts, total, largest)):
            raise TypeError("expected non-negative integers")
        for bucket, count in zip(counts[::2], counts[1::2]):
            self._counts[bucket] += count
        self._total += total
        self._largest = max(self._largest, largest)

    def _filled(self) -> Iterator[Tuple[int, int]]:
        return ((bucket, count) for bucket, count in enumerate(self._counts) if count)


def _middle(bucket: int) -> float:
    """Return the middle of a bucket in nanoseconds."""
    shift = max((bucket >> _SHIFT) - 1, 0)
    return ((bucket - (shift << _SHIFT)) << shift) + ((1 << shift) - 1) / 2
