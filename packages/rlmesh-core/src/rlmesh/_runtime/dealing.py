"""Which lane plays which episode: whoever is free takes the next, unless that would hold all up."""

from __future__ import annotations

import heapq
from typing import Iterable, List, NamedTuple, Optional, Sequence

from .lane import Lane
from .plan import PlannedEpisode

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
    """Deals the episodes of a run to its lanes.

    Args:
        lanes: The lanes.
        episodes: The episodes, in the order in which they begin.
    """

    def __init__(self, lanes: Iterable[Lane], episodes: Iterable[PlannedEpisode]) -> None:
        self._lanes: List[Lane] = list(lanes)
        self._episodes = iter(episodes)
        # How many are left is only of use where there are several lanes, and an end.
        self._left: Optional[int] = None
        if len(self._lanes) > 1:
            planned = list(self._episodes)
            self._episodes, self._left = iter(planned), len(planned)
        self._finished = self._steps = 0

    def deal(self, lane: Lane) -> Optional[PlannedEpisode]:
        """Return the next episode of a lane that is free; None if there is none for it."""
        if self._left and not self._should_take(lane, self._left):
            self._lanes.remove(lane)
            return None
        episode = next(self._episodes, None)
        if self._left and episode is not None:
            self._left -= 1
        return episode

    def add(self, steps: int) -> None:
        """Take note of an episode that was finished, and its number of steps."""
        self._finished += 1
        self._steps += steps

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
