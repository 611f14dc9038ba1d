"""Which lane plays which episode: whoever is free takes the next, unless that would hold all up."""

from __future__ import annotations

import heapq
from collections import deque
from typing import Deque, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Sized

from rlmesh._tasks import Promise

from .lane import Lane
from .plan import Attempt, PlannedEpisode

_SOONER = 0.9
"""The part of what an episode takes in a lane by which others must be sooner to be preferred."""


class Standing(NamedTuple):
    """Where a lane stands.

    Attributes:
        left: Seconds until it is free.
        episode: Seconds that it takes for an episode.
    """

    left: float
    episode: float


def is_worthwhile(episode_seconds: float, others: Sequence[Standing], episodes: int) -> bool:
    """Return whether a free lane should take one of the episodes that are left.

    It should not if the others would be through with all of them before it was with one.

    Args:
        episode_seconds: What it takes for one.
        others: The other lanes.
        episodes: Number of episodes that are left.
    """
    ends = [(one.left + one.episode, one.episode) for one in others]
    heapq.heapify(ends)
    for _ in range(episodes):
        if not ends or ends[0][0] >= _SOONER * episode_seconds:
            return True
        end, seconds = ends[0]
        heapq.heapreplace(ends, (end + seconds, seconds))
    return False


class Dealer:
    """Deals the episodes of a run to its lanes, and those again that failed.

    A lane for which there is none pauses for as long as others play: what these fail to play may
    still come to it.

    Args:
        lanes: The lanes.
        episodes: The episodes, in the order in which they begin.
    """

    def __init__(self, lanes: Iterable[Lane], episodes: Iterable[PlannedEpisode]) -> None:
        # Those that play, or are about to.
        self._lanes: List[Lane] = list(lanes)
        self._planned: Iterator[Attempt] = map(Attempt, episodes)
        # How many of them are left; None where there is no end.
        self._left = len(episodes) if isinstance(episodes, Sized) else None
        self._again: Deque[Attempt] = deque()
        self._playing = 0
        self._paused: List[Promise[None]] = []
        self._finished = self._steps = 0

    async def next(self, lane: Lane) -> Optional[Attempt]:
        """Return what a lane that is free plays next; None if nothing is left for any lane."""
        while True:
            attempt = self._deal(lane)
            if attempt is not None:
                self._playing += 1
                return attempt
            if self.is_over:
                return None
            promise: Promise[None] = Promise()
            self._paused.append(promise)
            await lane.pause()
            await promise

    def finish(self, steps: int) -> None:
        """Take note of an episode that was finished, and its number of steps."""
        self._finished += 1
        self._steps += steps
        self.drop()

    def drop(self) -> None:
        """Take note of an episode that is not played any more."""
        self._playing -= 1
        if self.is_over:
            self._wake()

    def put_back(self, attempt: Attempt) -> None:
        """Have an episode that failed played again, by whatever lane is free first."""
        self._again.append(Attempt(attempt.episode, attempt.number + 1))
        self._playing -= 1
        self._wake()

    def remove(self, lane: Lane) -> bool:
        """Deal nothing to a lane any more; return whether others go on."""
        self._lanes.remove(lane)
        goes_on = bool(self._lanes or self._paused)
        self._wake()
        return goes_on

    def rest(self) -> Iterator[Attempt]:
        """Return what no lane has played."""
        yield from self._again
        yield from self._planned

    @property
    def is_over(self) -> bool:
        """Whether no episode is played any more, and none is left."""
        return self._left == 0 and not (self._playing or self._again)

    def _wake(self) -> None:
        paused, self._paused = self._paused, []
        for promise in paused:
            promise.set(None)

    def _deal(self, lane: Lane) -> Optional[Attempt]:
        if self._left is not None:
            left = self._left + len(self._again)
            if not (left and self._should_take(lane, left)):
                if lane in self._lanes:
                    self._lanes.remove(lane)
                return None
        if lane not in self._lanes:
            self._lanes.append(lane)
        if self._again:
            return self._again.popleft()
        if self._left:
            self._left -= 1
        return next(self._planned, None)

    def _should_take(self, lane: Lane, left: int) -> bool:
        if not self._finished or not lane.usage.steps:
            return True
        steps = self._steps / self._finished
        others: List[Standing] = []
        for other in self._lanes:
            if other is not lane and other.usage.steps:
                pace = other.usage.seconds / other.usage.steps
                # One that is longer than usual already will be for as long again.
                remaining = 0.0 if other.over else abs(steps - other.steps)
                others.append(Standing(remaining * pace, steps * pace))
        return is_worthwhile(steps * lane.usage.seconds / lane.usage.steps, others, left)
