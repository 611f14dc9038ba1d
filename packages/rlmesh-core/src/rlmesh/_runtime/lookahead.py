"""The best of a few plans for the next batches, each followed with expected times."""

from __future__ import annotations

from typing import Iterator, List, NamedTuple, Sequence, Tuple

Expected = Tuple[float, float, float]
"""A lane: when its observation is expected, how many seconds after its next action the one after
that, and how much an observation of this lane counts."""

NOISY = 0.05
"""From here on, groups of lanes do not stay together."""

_CYCLES = 2
_FEWEST, _MOST = 3.0, 16.0  # cycles ahead that what a plan settles to is believed to last
_BLUR = 0.02  # the noise that halves that
_MARGIN = 0.01  # how much of a cycle a plan must gain over taking what is ready,
_MARGIN_NOISE = 0.5  # and how much more of it with noise,
_MOST_MARGIN = 0.2  # up to this


class _Plan(NamedTuple):
    """Take so many first; from then on wait until there are enough, and take at most `most`."""

    first: int
    enough: int
    most: int


def lookahead(
    now: float, lanes: List[Expected], ready: int, cost: Sequence[float], most: int, noise: float
) -> int:
    """Return how many lanes to take together; if more than are ready now, they are waited for.

    Args:
        now: The time, in seconds.
        lanes: All of them, those that are ready first, then as expected.
        ready: Number of those that are ready, at least 1 and at most `most`.
        cost: Seconds of a forward pass by batch size.
        most: Largest batch.
        noise: How far the lanes' times scatter, as a part of a cycle.
    """
    most = min(most, len(lanes))
    plans = list(_plans(now, lanes, ready, cost, most, noise))
    if all(plan.first == ready for plan in plans):
        return ready
    even = len({weight for _, _, weight in lanes}) == 1
    same = even and len({seconds for _, seconds, _ in lanes}) == 1
    ends = [_follow(plan, now, lanes, cost, same, even) for plan in plans]
    cycles = _FEWEST + (_MOST - _FEWEST) / (1 + (noise / _BLUR) ** 2)
    horizon = cycles * len(lanes) / max(speed for _, _, speed in ends)
    scores = [gained + speed * (horizon - seconds) for gained, seconds, speed in ends]
    at_once = max(score for plan, score in zip(plans, scores) if plan.first == ready)
    margin = len(lanes) * min(_MOST_MARGIN, _MARGIN + _MARGIN_NOISE * noise)
    best = max(scores)
    if best <= at_once + margin:
        return ready
    return plans[scores.index(best)].first


def _plans(
    now: float, lanes: List[Expected], ready: int, cost: Sequence[float], most: int, noise: float
) -> Iterator[_Plan]:
    many = (3 * most + 3) // 4
    yield _Plan(ready, 1, most)
    yield _Plan(ready, many, most)
    yield _Plan(ready, most, most)
    # To wait for longer than a forward pass takes would gain nothing: it would be over by then.
    patience = now + cost[ready]
    last = ready
    while last < most and lanes[last][0] <= patience:
        last += 1
    for first in sorted({ready + 1, (ready + last + 1) // 2, last}):
        if ready < first <= last:
            yield _Plan(first, many, most)
    if noise < NOISY:
        # Groups take turns: while one is predicted, the envs of the others run.
        cycle = max(seconds for _, seconds, _ in lanes) + cost[most]
        for size in sorted({1, (most + 2) // 3, (most + 1) // 2}):
            if size < ready and cost[size] * len(lanes) < cycle * size:
                yield _Plan(size, size, size)


def _follow(
    plan: _Plan, now: float, lanes: List[Expected], cost: Sequence[float], same: bool, even: bool
) -> Tuple[float, float, float]:
    """Return what a plan gains, in so many seconds, and its speed from then on.

    Gained are observations, less the part of one that each lane is still away for.
    """
    size, enough, most = plan
    time = max(now, lanes[size - 1][0])
    number = len(lanes)
    weights = sum([weight for _, _, weight in lanes])
    served = 0
    gained = marked_gain = marked_debt = marked_time = 0.0
    while True:
        time += cost[size]
        served += size
        batch = lanes[:size]
        gained += size if even else sum([weight for _, _, weight in batch])
        lanes = lanes[size:]
        lanes += [(time + seconds, seconds, weight) for _, seconds, weight in batch]
        if not same:
            lanes.sort()
        if served >= number:
            if not marked_time:
                marked_time, marked_gain = time, gained
                marked_debt = _debt(lanes, time)
            elif served >= _CYCLES * number:
                debt = _debt(lanes, time)
                seconds = time - marked_time + (debt - marked_debt) / weights
                speed = (gained - marked_gain) / seconds
                return gained - debt * speed / weights, time - now, speed
        time = max(time, lanes[0][0])
        size = _ready(lanes, time, 1, most)
        if size < enough:
            patience = time + cost[size]
            while size < enough and lanes[size][0] <= patience:
                size += 1
            time = max(time, lanes[size - 1][0])
            size = _ready(lanes, time, size, most)


def _ready(lanes: List[Expected], time: float, size: int, most: int) -> int:
    while size < most and lanes[size][0] <= time:
        size += 1
    return size


def _debt(lanes: List[Expected], time: float) -> float:
    """Return the seconds for which lanes are still away."""
    return sum([(at - time) * weight for at, _, weight in lanes if at > time])
