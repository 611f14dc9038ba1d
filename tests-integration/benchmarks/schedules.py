"""The scheduler of batches against the best of many other schedules, in virtual time.

Each other schedule follows one rule from start to end; the best of them is picked afterwards, so it
knows which rule fits the work. A search with perfect knowledge of what each step takes shows what
no schedule could know.
"""

from __future__ import annotations

import argparse
import heapq
import math
import random
from functools import partial
from statistics import median
from time import perf_counter
from typing import (
    Callable,
    Dict,
    Hashable,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from lanes import EnvSeconds, Forward, Schedule, Work, simulate

from rlmesh._runtime.scheduling import BatchScheduler, Decision


class Rule:
    """A schedule that follows a rule: wait for so many, but no longer than so many seconds.

    Args:
        max_batch: Largest batch.
        count: Number of ready lanes to wait for; those that still run, if they are fewer.
        seconds: After which the oldest ready lane is held back no longer.
        groups: Number of groups that stay together, instead of a count.
    """

    def __init__(
        self, max_batch: int, count: int = 1, seconds: float = math.inf, groups: int = 0
    ) -> None:
        self._max_batch = max_batch
        self._count = count
        self._seconds = seconds
        self._groups = groups
        self._group_of: Dict[Hashable, int] = {}
        self._away: Set[Hashable] = set()
        self._ready: Dict[Hashable, float] = {}

    def lane_sent(self, lane: Hashable, now: float, reset: bool = False) -> None:
        self._ready.pop(lane, None)
        self._away.add(lane)
        if self._groups:
            self._group_of.setdefault(lane, len(self._group_of) % self._groups)

    def lane_ready(self, lane: Hashable, now: float, away: Optional[float] = None) -> None:
        self._away.discard(lane)
        self._ready[lane] = now

    def lane_gone(self, lane: Hashable) -> None:
        self._away.discard(lane)
        self._ready.pop(lane, None)

    def forward_started(self, lanes: Sequence[Hashable], now: float) -> None:
        for lane in lanes:
            del self._ready[lane]

    def forward_finished(self, now: float) -> None:
        pass

    def decide(self, now: float) -> Decision:
        if not self._ready:
            return Decision()
        if self._groups:
            for lane in self._ready:
                group = self._group_of[lane]
                if not any(self._group_of[other] == group for other in self._away):
                    together = [one for one in self._ready if self._group_of[one] == group]
                    return Decision(together[: self._max_batch])
            return Decision()
        enough = min(self._count, self._max_batch, len(self._ready) + len(self._away))
        deadline = next(iter(self._ready.values())) + self._seconds
        if len(self._ready) >= enough or now >= deadline:
            return Decision(list(self._ready)[: self._max_batch])
        return Decision(until=None if math.isinf(deadline) else deadline)


def rules(work: Work, max_batch: int) -> Iterator[Tuple[str, Callable[[], Schedule]]]:
    """Yield each rule's name, and what makes it."""
    lanes = len(work.env_seconds)
    most = min(lanes, max_batch)
    counts = sorted({*range(1, min(most, 12) + 1), *(most * i // 12 for i in range(1, 13))} - {0})
    for count in counts:
        name = {1: "at once", lanes: "lockstep"}.get(count, f"wait for {count}")
        yield name, partial(Rule, max_batch, count)
        if count > 1:
            for part in (0.125, 0.25, 0.5, 1.0):
                seconds = part * work.forward(count)
                name = f"wait for {count}, at most {1e3 * seconds:.1f} ms"
                yield name, partial(Rule, max_batch, count, seconds)
    for groups in range(max(2, math.ceil(lanes / max_batch)), min(lanes, 12) + 1):
        yield f"{groups} groups", partial(Rule, max_batch, groups=groups)


Flight = Tuple[float, int, int]
"""A lane's arrival, its number, and how many of its times have been drawn."""

State = Tuple[float, Tuple[Flight, ...], int, float]
"""When the model is free, the lanes in order of arrival, the number of episodes left, and when the
last of the lanes that are through arrived."""


def clairvoyant(work: Work, max_batch: int, width: int = 40) -> float:
    """Return the seconds that a beam search finds which knows what each step will take."""
    lanes = len(work.env_seconds)
    draws = [random.Random(f"{work.seed} {lane}") for lane in range(lanes)]
    resets = work.reset_seconds or work.env_seconds
    drawn: List[List[float]] = [[] for _ in range(lanes)]
    per_episode = work.steps + 1
    cost = [0.0] + [work.forward(size) for size in range(1, max_batch + 1)]

    def seconds(lane: int, index: int) -> float:
        """Return the lane's index-th draw: a reset, the steps, the next reset, ..."""
        while len(drawn[lane]) <= index:
            reset = len(drawn[lane]) % per_episode == 0
            drawn[lane].append((resets if reset else work.env_seconds)[lane](draws[lane]))
        return drawn[lane][index]

    def settle(free: float, flying: List[Flight], left: int, over: float) -> State:
        """Have the lanes that finish an episode take the next one."""
        settled: List[Flight] = []
        heapq.heapify(flying)
        while flying:
            arrival, lane, index = heapq.heappop(flying)
            if index % per_episode:
                settled.append((arrival, lane, index))
            elif left:
                left -= 1
                heapq.heappush(flying, (arrival + seconds(lane, index), lane, index + 1))
            else:
                over = max(over, arrival)
        settled.sort()
        return free, tuple(settled), left, over

    start = [(seconds(lane, 0), lane, 1) for lane in range(min(lanes, work.episodes))]
    total = work.episodes * work.steps
    levels: List[Dict[Tuple[Flight, ...], State]] = [{} for _ in range(total + 1)]
    state = settle(0.0, start, work.episodes - len(start), 0.0)
    levels[0][state[1]] = state
    for served in range(total):
        level, levels[served] = levels[served], {}
        for free, flying, left, over in heapq.nsmallest(width, level.values(), key=_promise):
            earliest = max(free, flying[0][0])
            ready = min(sum(arrival <= earliest for arrival, _, _ in flying), max_batch)
            for size in range(1, min(len(flying), max_batch) + 1):
                begin = max(free, flying[size - 1][0])
                if begin > earliest + cost[ready]:
                    break
                end = begin + cost[size]
                again = [(end + seconds(lane, i), lane, i + 1) for _, lane, i in flying[:size]]
                new = settle(end, [*flying[size:], *again], left, over)
                known = levels[served + size].get(new[1])
                if known is None or known[0] > new[0]:
                    levels[served + size][new[1]] = new
    return min(max(free, over) for free, _, _, over in levels[total].values())


def _promise(state: State) -> float:
    """Return what to compare states by that have served as many: less is better."""
    free, flying, _, over = state
    if not flying:
        return max(free, over)
    return free + sum(max(arrival - free, 0.0) for arrival, _, _ in flying) / len(flying)


class Row(NamedTuple):
    """A scenario.

    Attributes:
        make: Makes the work afresh; its costs may have a memory.
        max_batch: Largest batch.
        foreseen: Whether the search with perfect knowledge can do it in good time.
    """

    make: Callable[[], Work]
    max_batch: int = 8
    foreseen: bool = True


def constant(seconds: float) -> EnvSeconds:
    return lambda _: seconds


def lognormal(seconds: float, sigma: float) -> EnvSeconds:
    return lambda draws: seconds * math.exp(draws.gauss(0.0, sigma))


def line(fixed: float, each: float) -> Forward:
    return lambda size: fixed + each * size


def _equal(
    lanes: int, env: EnvSeconds, forward: Forward, reset: Optional[EnvSeconds] = None
) -> Callable[[], Work]:
    resets = None if reset is None else [reset] * lanes
    return lambda: Work([env] * lanes, forward, max(20, lanes * 5 // 2), 50, resets)


def _two_slow(times: float) -> Callable[[], Work]:
    slow = constant(0.005 * times)
    return lambda: Work([constant(0.005)] * 6 + [slow] * 2, line(0.010, 0.0005), 20, 50)


def _first_use() -> Work:
    known: Set[int] = set()

    def forward(size: int) -> float:
        extra = 0.0 if size in known else 0.5
        known.add(size)
        return 0.010 + 0.0005 * size + extra

    return Work([constant(0.005)] * 8, forward, 20, 50)


def _changing(forward_times: float, env_times: float) -> Callable[[], Work]:
    def make() -> Work:
        served = 0

        def forward(size: int) -> float:
            nonlocal served
            served += size
            return (0.010 + 0.0005 * size) * (forward_times if served > 500 else 1.0)

        def env(_: random.Random) -> float:
            return 0.005 * (env_times if served > 500 else 1.0)

        return Work([env] * 8, forward, 20, 50)

    return make


SCENARIOS: Dict[str, Row] = {
    "1 env 5, forward 10 + 0.5": Row(_equal(8, constant(0.005), line(0.010, 0.0005))),
    "2 env 20, forward 2 + 0.2": Row(_equal(8, constant(0.020), line(0.002, 0.0002))),
    "3 lognormal 0.5": Row(_equal(8, lognormal(0.005, 0.5), line(0.010, 0.0005))),
    "3 lognormal 1.0": Row(_equal(8, lognormal(0.005, 1.0), line(0.010, 0.0005))),
    "4 two lanes 2x": Row(_two_slow(2)),
    "4 two lanes 4x": Row(_two_slow(4)),
    "4 two lanes 12x": Row(_two_slow(12)),
    "1 lane": Row(_equal(1, constant(0.005), line(0.010, 0.0005))),
    "2 lanes": Row(_equal(2, constant(0.005), line(0.010, 0.0005))),
    "30 lanes": Row(_equal(30, constant(0.005), line(0.010, 0.0005)), 32, foreseen=False),
    "30 lanes, batch 8": Row(_equal(30, constant(0.005), line(0.010, 0.0005)), foreseen=False),
    "30 lanes, lognormal 0.5": Row(
        _equal(30, lognormal(0.02, 0.5), line(0.010, 0.0005)), 32, foreseen=False
    ),
    "flat: forward 20": Row(_equal(8, constant(0.005), line(0.020, 0.0))),
    "flat, lognormal 0.5, env 20": Row(_equal(8, lognormal(0.020, 0.5), line(0.020, 0.0))),
    "linear: forward 0.5 + 5": Row(_equal(8, constant(0.005), line(0.0005, 0.005))),
    "linear, env 20": Row(_equal(8, constant(0.020), line(0.0005, 0.005))),
    "env 20, forward 10 + 1": Row(_equal(8, constant(0.020), line(0.010, 0.001))),
    "env 20, lognormal, 10 + 1": Row(_equal(8, lognormal(0.020, 0.3), line(0.010, 0.001))),
    "env 50, forward 0.5 + 0.02": Row(_equal(8, constant(0.050), line(0.0005, 0.00002))),
    "env 0.1, forward 20 + 2": Row(_equal(8, constant(0.0001), line(0.020, 0.002))),
    "resets 1 s": Row(_equal(8, constant(0.005), line(0.010, 0.0005), constant(1.0))),
    "first use 500": Row(_first_use, foreseen=False),
    "forward x3 midway": Row(_changing(3.0, 1.0), foreseen=False),
    "env x3 midway": Row(_changing(1.0, 3.0), foreseen=False),
}


def best_rule(make: Callable[[], Work], max_batch: int) -> Tuple[str, float]:
    """Return the name of the best rule, and its seconds."""
    return min(
        ((name, simulate(make(), rule()).seconds) for name, rule in rules(make(), max_batch)),
        key=lambda found: found[1],
    )


def best_schedule(
    env_seconds: Sequence[EnvSeconds],
    forward: Forward,
    episodes: int,
    steps: int,
    max_batch: int,
) -> Tuple[str, float]:
    """Return the name of the best schedule that a search finds, and its seconds.

    Args:
        env_seconds: What a step takes, or a reset, for each lane.
        forward: What a forward pass takes; the same for the same size.
        episodes: Their number.
        steps: Of each episode.
        max_batch: Largest batch.
    """
    work = Work(env_seconds, forward, episodes, steps)
    return best_rule(lambda: work, max_batch)


class Timed(BatchScheduler):
    """Our scheduler, with the seconds that its decisions took."""

    def __init__(self, max_batch: int) -> None:
        super().__init__(max_batch)
        self.seconds: List[float] = []

    def decide(self, now: float) -> Decision:
        started = perf_counter()
        decision = super().decide(now)
        if decision.lanes or decision.until:
            self.seconds.append(perf_counter() - started)
        return decision


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="?", default="", help="scenarios whose name has this")
    parser.add_argument("--overhead", type=float, default=0.0, help="seconds per message")
    parser.add_argument("--unmeasured", action="store_true", help="no arrival times")
    parser.add_argument(
        "--beam", type=int, default=0, help="width of the search with perfect knowledge"
    )
    options = parser.parse_args()
    width = max(map(len, SCENARIOS))
    print(f"{'scenario':{width}}  ours s  best s  ratio  foreseen  us/decision  best rule")
    for name, row in SCENARIOS.items():
        if options.only not in name:
            continue

        def make(row: Row = row) -> Work:
            measured = not options.unmeasured
            return row.make()._replace(overhead=options.overhead, measured=measured)

        scheduler = Timed(row.max_batch)
        ours = simulate(make(), scheduler).seconds
        rule, best = best_rule(make, row.max_batch)
        foreseen = " " * 8
        if options.beam and row.foreseen:
            found = clairvoyant(make(), row.max_batch, options.beam)
            foreseen = f"{ours / min(found, best):8.3f}"
        cost = 1e6 * median(scheduler.seconds or [0])
        print(
            f"{name:{width}}  {ours:6.3f}  {best:6.3f}  {ours / best:5.3f}  {foreseen}  "
            f"{cost:11.1f}  {rule}",
            flush=True,
        )


if __name__ == "__main__":
    main()
