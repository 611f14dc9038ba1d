"""Which episodes a run consists of."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import List, NamedTuple, Optional, Sequence


@dataclass(frozen=True)
class PlannedEpisode:
    """One episode to run.

    Attributes:
        index: Its place in the run, from 0.
        seed: The seed of its reset; None for an unseeded one.
    """

    index: int
    seed: Optional[int]


class Attempt(NamedTuple):
    """One time that an episode is played.

    Attributes:
        episode: The episode.
        number: The how manieth time it is, from 1.
    """

    episode: PlannedEpisode
    number: int = 1


def plan_episodes(
    seeds: Optional[Sequence[int]], max_episodes: Optional[int]
) -> List[PlannedEpisode]:
    """Return the episodes that `seeds` and `max_episodes` ask for.

    Args:
        seeds: One seed per episode.
        max_episodes: Number of episodes: fewer than seeds drops the last seeds, more adds
            unseeded episodes. By default one per seed, or a single unseeded one.

    Raises:
        ValueError: No episode at all, or a negative seed.
        TypeError: A seed, or the number, is no integer.
    """
    planned: List[Optional[int]] = []
    if seeds is not None:
        try:
            planned.extend(operator.index(seed) for seed in seeds)
        except TypeError as exc:
            raise TypeError(f"seeds: expected a sequence of integers, got {seeds!r}") from exc
    for seed in planned:
        if seed is not None and seed < 0:
            raise ValueError(f"seeds: expected non-negative integers, got {seed}")
    if max_episodes is None:
        count = 1 if seeds is None else len(planned)
    else:
        try:
            count = operator.index(max_episodes)
        except TypeError as exc:
            raise TypeError(f"max_episodes: expected an integer, got {max_episodes!r}") from exc
    if count < 1:
        raise ValueError(
            f"expected at least one episode, got seeds={seeds!r}, max_episodes={max_episodes!r}"
        )
    planned = planned[:count] + [None] * (count - len(planned))
    return [PlannedEpisode(index, seed) for index, seed in enumerate(planned)]
