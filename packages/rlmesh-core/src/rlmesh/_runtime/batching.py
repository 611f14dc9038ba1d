"""Observations of many lanes that wait to be predicted together."""

from __future__ import annotations

import math
from collections import deque
from functools import partial
from time import monotonic
from typing import (
    Callable,
    Deque,
    Dict,
    Generic,
    Hashable,
    List,
    Optional,
    Sequence,
    Tuple,
    TypeVar,
    cast,
)

from .scheduling import BatchScheduler

LaneT = TypeVar("LaneT", bound=Hashable)
JobT = TypeVar("JobT")

_RECENT = 64
"""Arrivals among which the least time on the way is sought."""


class BatchQueue(Generic[LaneT, JobT]):
    """What waits to be predicted, and when it is.

    Lanes are named by anything hashable. All times are in seconds.

    Args:
        max_batch_size: Jobs that are taken together at most.
        max_wait: For how long one may be held back for a fuller batch; None leaves that to what
            is seen of how long predicting and the lanes take.
    """

    def __init__(self, max_batch_size: int, max_wait: Optional[float]) -> None:
        self._scheduler = BatchScheduler(max_batch_size, max_wait)
        self._jobs: Dict[LaneT, JobT] = {}
        self._sent: Dict[LaneT, float] = {}
        self._on_the_way: Deque[float] = deque(maxlen=_RECENT)
        self._due: Sequence[LaneT] = ()
        self._began = 0.0
        # What the scheduler is to learn when there is time: not before the lanes have acted.
        self._news: List[Callable[[], None]] = []

    def expect(self, lane: LaneT, *, reset: bool = False) -> None:
        """Note that a lane acts now, or begins an episode, and will be back."""
        self._sent[lane] = now = monotonic()
        self._news.append(partial(self._scheduler.lane_sent, lane, now, reset))

    def leave(self, lane: LaneT) -> None:
        """Note that a lane will not be back; what it has waiting is dropped."""
        self._learn()
        self._jobs.pop(lane, None)
        self._sent.pop(lane, None)
        self._scheduler.lane_gone(lane)

    def put(self, lane: LaneT, job: JobT, env_seconds: float) -> None:
        """Add what a lane brings; it has nothing else waiting.

        Args:
            lane: The lane.
            job: What is to be predicted.
            env_seconds: What its env took for it.
        """
        self._learn()
        self._jobs[lane] = job
        now, away = monotonic(), None
        sent = self._sent.pop(lane, None)
        if sent is not None:
            fewest = self._began - sent
            if fewest < 0:
                # Whatever a lane says of its env: no way takes less than nothing.
                self._on_the_way.append(max(now - sent - env_seconds, 0.0))
            # Else it came while something was predicted, and nobody looked. Until one is seen to
            # come, believe that the way takes nothing: waiting for one then shows what it takes.
            usual = env_seconds + min(self._on_the_way, default=0.0)
            away = min(max(usual, fewest), now - sent)
        self._scheduler.lane_ready(lane, now, away)

    def delay(self) -> float:
        """Return for how long to wait for more; 0 if jobs are due, infinite if there are none."""
        self._learn()
        if not self._jobs:
            return math.inf
        now = monotonic()
        due, until = self._scheduler.decide(now)
        if due:
            self._due = cast("Sequence[LaneT]", due)
            return 0.0
        return math.inf if until is None else max(until - now, 0.0)

    def take(self) -> List[Tuple[LaneT, JobT]]:
        """Return the lanes and jobs that are due, to be predicted now."""
        self._began = monotonic()
        self._scheduler.forward_started(self._due, self._began)
        return [(lane, self._jobs.pop(lane)) for lane in self._due]

    def taken(self) -> None:
        """Note that those have been predicted."""
        self._news.append(partial(self._scheduler.forward_finished, monotonic()))

    def _learn(self) -> None:
        for learn in self._news:
            learn()
        self._news.clear()
