"""A model that serves several lanes in batches, simulated in virtual time.

The caller is one thread, as the real one is: while a forward pass runs, it receives nothing. A lane
that finishes its episode takes the next one from a queue, unless the others are through sooner.
Times are in seconds.
"""

from __future__ import annotations

import heapq
import random
from typing import Callable, Dict, Hashable, List, NamedTuple, Optional, Protocol, Sequence, Tuple

from rlmesh._runtime.dealing import Standing, is_worthwhile

EnvSeconds = Callable[[random.Random], float]
"""Draws what an env takes for one step, or for one reset."""

Forward = Callable[[int], float]
"""Returns what a forward pass of so many observations takes."""


class Decision(Protocol):
    """Like `rlmesh._runtime.scheduling.Decision`."""

    @property
    def lanes(self) -> Sequence[Hashable]: ...

    @property
    def until(self) -> Optional[float]: ...


class Schedule(Protocol):
    """Like `rlmesh._runtime.scheduling.BatchScheduler`."""

    def lane_sent(self, lane: Hashable, now: float, reset: bool = False) -> None: ...

    def lane_ready(self, lane: Hashable, now: float, away: Optional[float] = None) -> None: ...

    def lane_gone(self, lane: Hashable) -> None: ...

    def forward_started(self, lanes: Sequence[Hashable], now: float) -> None: ...

    def forward_finished(self, now: float) -> None: ...

    def decide(self, now: float) -> Decision: ...


class Work(NamedTuple):
    """What is to be done.

    Attributes:
        env_seconds: What a step takes, for each lane.
        forward: What a forward pass takes.
        episodes: Their number.
        steps: Of each episode.
        reset_seconds: What a reset takes, for each lane; by default as much as a step.
        overhead: What the caller takes for each message that it sends or receives.
        measured: Whether the caller knows when an observation arrived during a forward pass.
        hung: A lane whose env never answers its first action.
        seed: Of the times that are drawn; a lane draws the same ones under every schedule.
    """

    env_seconds: Sequence[EnvSeconds]
    forward: Forward
    episodes: int
    steps: int
    reset_seconds: Optional[Sequence[EnvSeconds]] = None
    overhead: float = 0.0
    measured: bool = True
    hung: Optional[int] = None
    seed: int = 0


class Trace(NamedTuple):
    """What happened.

    Attributes:
        seconds: When the last episode ended.
        served: Number of observations predicted, by lane.
        batches: Each forward pass: when it started, and its size.
        held: The longest that an observation was held back while the model was free.
    """

    seconds: float
    served: Dict[int, int]
    batches: List[Tuple[float, int]]
    held: float


def simulate(work: Work, schedule: Schedule, until: float = float("inf")) -> Trace:
    """Do the work, or what of it starts before `until`, in the order that a schedule decides.

    Raises:
        RuntimeError: The schedule waits for nothing, or dispatches a lane that is not ready.
    """
    lanes = range(len(work.env_seconds))
    draws = [random.Random(f"{work.seed} {lane}") for lane in lanes]
    resets = work.reset_seconds or work.env_seconds
    left = work.episodes
    playing = set(lanes)
    steps = dict.fromkeys(lanes, 0)
    taken = dict.fromkeys(lanes, 0)
    served = dict.fromkeys(lanes, 0)
    sent: Dict[int, float] = {}
    flying: List[Tuple[float, int]] = []
    ready: Dict[int, float] = {}
    batches: List[Tuple[float, int]] = []
    now = held = 0.0
    free: Optional[float] = None  # when the schedule was first asked since the last forward pass

    def send(lane: int, reset: bool) -> None:
        nonlocal now
        now += work.overhead
        seconds = (resets if reset else work.env_seconds)[lane](draws[lane])
        sent[lane] = now
        schedule.lane_sent(lane, now, reset=reset)
        if lane != work.hung or reset:
            heapq.heappush(flying, (now + seconds, lane))

    def takes_another(lane: int) -> bool:
        """Decide as a run does, which knows nothing before the first episodes are finished."""
        paces = {one: now / taken[one] for one in playing if taken[one]}
        if not left or lane not in paces:
            return left > 0
        others = [
            Standing((work.steps - steps[one]) * pace, work.steps * pace)
            for one, pace in paces.items()
            if one != lane
        ]
        return is_worthwhile(work.steps * paces[lane], others, left)

    def take_episode(lane: int) -> None:
        nonlocal left
        if takes_another(lane):
            left -= 1
            steps[lane] = 0
            send(lane, reset=True)
        else:
            playing.discard(lane)
            schedule.lane_gone(lane)

    for lane in lanes:
        take_episode(lane)
    while (flying or ready) and now < until:
        received: List[int] = []
        while flying and flying[0][0] <= now:
            arrived, lane = heapq.heappop(flying)
            now += work.overhead
            away = arrived - sent[lane] if work.measured else None
            schedule.lane_ready(lane, now, away)
            if steps[lane] == work.steps:
                take_episode(lane)
            else:
                received.append(lane)
        ready.update(dict.fromkeys(received, now))
        if not flying and not ready:
            break
        free = now if free is None else free
        decision = schedule.decide(now)
        if decision.lanes:
            batch = [lane for lane in lanes if lane in decision.lanes]
            if not all(lane in ready for lane in batch) or len(batch) != len(decision.lanes):
                raise RuntimeError(f"expected ready lanes, got {decision.lanes}")
            held = max(held, *(now - max(ready.pop(lane), free) for lane in batch))
            batches.append((now, len(batch)))
            schedule.forward_started(decision.lanes, now)
            now += work.forward(len(batch))
            free = None
            schedule.forward_finished(now)
            for lane in batch:
                steps[lane] += 1
                taken[lane] += 1
                served[lane] += 1
                send(lane, reset=False)
        else:
            events = [arrived for arrived, _ in flying[:1]]
            if decision.until is not None:
                events.append(decision.until)
            if not events or min(events) <= now:
                raise RuntimeError(f"at {now}: waits for nothing: {decision}")
            now = min(events)
    return Trace(now, served, batches, held)
