"""What a server has executed so far: how often, how fast, and how often it failed."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional

from rlmesh._wire.messages import FIRST_ACTING_OP, OP_NAMES, UNPARSED

from .histogram import Histogram

_UNKNOWN = "unknown"


class Tally:
    """Counts of requests and errors, and durations.

    Args:
        latencies: The durations by phase, where a service keeps them.

    Attributes:
        requests: Number of acting requests by operation; `UNPARSED` stands for unknown ones.
        errors: How many of them failed.
        latencies: The durations by phase.
    """

    def __init__(self, latencies: Optional[Mapping[str, Histogram]] = None) -> None:
        # All keys from the start, so that another thread may go through them.
        self.requests = {op: 0 for op in OP_NAMES if op >= FIRST_ACTING_OP}
        self.requests[UNPARSED] = 0
        self.errors = 0
        self.latencies: Dict[str, Histogram] = dict(latencies or {})

    def count(self, op: int) -> None:
        """Count a request."""
        self.requests[op if op in self.requests else UNPARSED] += 1

    @property
    def total(self) -> int:
        """Number of requests."""
        return sum(self.requests.values())

    def to_plain(self) -> Dict[str, Any]:
        """Return plain data, which `merge` takes."""
        counts = self.requests.items()
        return {
            "requests": {OP_NAMES.get(op, _UNKNOWN): count for op, count in counts if count},
            "errors": self.errors,
            "latencies": {phase: times.to_plain() for phase, times in self.latencies.items()},
        }

    def merge(self, plain: Any) -> None:
        """Add another tally's plain data.

        Raises:
            KeyError, TypeError, ValueError, IndexError: It is none.
        """
        for op, name in [*OP_NAMES.items(), (UNPARSED, _UNKNOWN)]:
            if name in plain["requests"]:
                self.requests[op] += plain["requests"][name]
        self.errors += plain["errors"]
        for phase, times in plain["latencies"].items():
            self.latencies.setdefault(phase, Histogram()).merge(times)
