"""When to start a forward pass: on the observations that are ready, or on more a little later.

Lanes share a model that predicts in batches. Whenever it is free, `BatchScheduler` weighs its next
batches by what it has learned of the run: what a forward pass costs, and how long each lane is away
between its action and its next observation.
"""

from __future__ import annotations

from typing import Dict, Hashable, List, NamedTuple, Optional, Sequence

from .estimates import Durations, ForwardCost, Scatter
from .lookahead import NOISY, Expected, lookahead

_UNITS = 16  # into which many lanes are bundled for the lookahead, to bound what it costs
_GOLDEN = 0.618034  # its multiples are spread evenly over the unit interval, however many they are
_TRIFLE = 2e-4  # seconds of a forward pass that are not worth the time that a decision takes
_FAVOUR = 4  # at the end of a run, how steeply a lane counts more that has more to do


class Decision(NamedTuple):
    """What to do now.

    Attributes:
        lanes: Those to predict now, oldest first; none is to wait.
        until: When to ask again at the latest; None: not before a lane becomes ready.
    """

    lanes: Sequence[Hashable] = ()
    until: Optional[float] = None


class _Lane:
    """What is known of a lane.

    Attributes:
        sent: When its action, or its reset, went out.
        reset: Whether it was a reset.
        due: When its observation is expected.
        luck: The quantile of what it takes that is expected of it this time.
        away: How long it was away, by whether for a reset.
        pace: How long it will be away for a step; 0 while that is unknown.
        steps: Of its episode so far.
        weight: How much an observation of it counts.
    """

    def __init__(self) -> None:
        self.sent = 0.0
        self.reset = False
        self.due = 0.0
        self.luck = 0.5
        self.away = {False: Durations(), True: Durations()}
        self.pace = 0.0
        self.steps = 0
        self.weight = 1.0


class BatchScheduler:
    """Decides when the lanes that are ready are predicted, and learns what it needs for that.

    It has no clock and no thread: whoever drives the lanes tells it what happens, and asks. A lane
    that stays away holds the others up for no longer than a forward pass takes.

    Args:
        max_batch_size: Largest batch.
        max_wait: For how many seconds a lane that is ready may be held back; None leaves that to
            the scheduler, 0 dispatches at once.
    """

    def __init__(self, max_batch_size: int, max_wait: Optional[float] = None) -> None:
        self._most = max_batch_size
        self._max_wait = max_wait
        self._lanes: Dict[Hashable, _Lane] = {}
        self._away: Dict[Hashable, _Lane] = {}
        self._ready: Dict[Hashable, float] = {}
        self._cost = ForwardCost(max_batch_size)
        self._usual = {False: Durations(), True: Durations()}
        self._scatter = {False: Scatter(), True: Scatter()}
        self._episode_steps = Durations()
        self._noise = 0.0
        self._sent = self._learned = self._size = 0
        self._started = self._free = 0.0
        self._unasked = False
        self._ending = False
        # How many lanes are waited for, and until when.
        self._wanted = 0
        self._until = 0.0

    def lane_sent(self, lane: Hashable, now: float, reset: bool = False) -> None:
        """Note that a lane's action has gone out, and its next observation is expected.

        Args:
            lane: Which one; it need not have been ready.
            now: The time, in seconds.
            reset: It was a reset: those take other times than steps.
        """
        known = self._known(lane)
        self._wanted = 0
        self._ready.pop(lane, None)
        self._away[lane] = known
        if reset:
            self._still_running()
            if known.steps:
                self._episode_steps.add(known.steps)
            known.steps = 0
        else:
            known.steps += 1
        self._sent += 1
        known.luck = self._sent * _GOLDEN % 1
        known.sent = now
        known.reset = reset
        known.due = self._expected(known, now)

    def lane_ready(self, lane: Hashable, now: float, away: Optional[float] = None) -> None:
        """Note that a lane's observation is here.

        Args:
            lane: Which one.
            now: The time, in seconds.
            away: The seconds since `lane_sent`, if measured. Without it they are taken from `now`,
                which is only an upper bound if the observation arrived during a forward pass.
        """
        known = self._away.pop(lane, None)
        if known is None:
            self._known(lane)
            self._ready.setdefault(lane, now)
            return
        self._ready[lane] = now if away is None else known.sent + away
        durations = known.away[known.reset]
        if away is None:
            away = now - known.sent
            if self._unasked and known.sent <= self._started:
                # It came at some time during the forward pass: believe what surprises least.
                fewest = self._started - known.sent
                away = min(max(durations.median or (fewest + away) / 2, fewest), away)
        durations.add(away)
        self._usual[known.reset].add(away)
        if durations.median:
            self._scatter[known.reset].add(away / durations.median)
        self._learned += 1

    def lane_gone(self, lane: Hashable) -> None:
        """Note that a lane waits for nothing any more: it has finished, or is lost."""
        self._ready.pop(lane, None)
        self._away.pop(lane, None)
        self._lanes.pop(lane, None)
        self._wanted = 0
        # There was no episode for it, so those that run are the last, until another begins.
        self._ending = True

    def forward_started(self, lanes: Sequence[Hashable], now: float) -> None:
        """Note that a forward pass of these lanes has started."""
        for lane in lanes:
            self._ready.pop(lane, None)
        self._size = len(lanes)
        self._started = now

    def forward_finished(self, now: float) -> None:
        """Note that the forward pass has finished."""
        self._free = now
        self._unasked = True
        self._cost.add(self._size, now - self._started)
        if self._learned >= len(self._lanes):
            self._learned = 0
            self._compare_lanes()

    def decide(self, now: float) -> Decision:
        """Return which lanes to predict now, while the model is free."""
        self._unasked = False
        ready = len(self._ready)
        lanes = len(self._lanes)
        cost = self._cost.table
        usual = self._usual[False].median
        if not ready:
            return Decision()
        if ready < self._wanted and now < self._until:
            return Decision((), self._until)
        if lanes == 1 or (ready >= self._most and lanes > self._most) or not (cost and usual):
            return self._oldest(self._most)
        if cost[min(ready, self._most)] < _TRIFLE:
            return self._oldest(self._most)
        oldest = min(self._ready.values())
        bound = float("inf") if self._max_wait is None else oldest + self._max_wait
        # To wait for longer than a forward pass takes gains nothing, even if no lane hangs.
        deadline = min(max(oldest, self._free) + cost[ready], bound)
        if now >= deadline:
            return self._oldest(self._most)
        away: List[Expected] = [
            (
                one.due if one.due > now else self._expected(one, now),
                one.pace or usual,
                one.weight,
            )
            for one in self._away.values()
        ]
        away.sort()
        due = away[0][0] if away else float("inf")
        if self._noise >= NOISY and due > deadline:
            return self._oldest(self._most)
        only = self._cost.only
        if only and ready != only:
            take = ready
        elif only and not away:
            take = (ready + 1) // 2
        elif only and due <= deadline:
            take = ready + 1
        else:
            here = [self._lanes[lane] for lane in self._ready]
            queue = [(now, one.pace or usual, one.weight) for one in here]
            take = self._look_ahead(now, queue + away, ready, cost)
        if take <= ready:
            # Those that are left out have to wait for this forward pass.
            return self._oldest(take if now + cost[take] <= bound else ready)
        # A little later than the last of them is expected, so that it is mostly there.
        last = away[take - ready - 1][0]
        self._wanted = take
        self._until = min(last + max(0.05 * (last - now), 1e-5), deadline)
        return Decision((), self._until)

    def _known(self, lane: Hashable) -> _Lane:
        """Return what is known of a lane, be it nothing yet."""
        if lane not in self._lanes:
            self._still_running()
            self._lanes[lane] = _Lane()
        return self._lanes[lane]

    def _still_running(self) -> None:
        """Note that there are episodes left, so that no lane counts more than another."""
        if self._ending:
            self._ending = False
            for lane in self._lanes.values():
                lane.weight = 1.0

    def _look_ahead(
        self, now: float, queue: List[Expected], ready: int, cost: Sequence[float]
    ) -> int:
        """Return how many to take, now or later; many lanes are looked at in bundles."""
        step = -(-len(queue) // _UNITS)
        if step == 1:
            return lookahead(now, queue, ready, cost, self._most, self._noise)
        most = max(1, self._most // step)
        bundles = min(-(-ready // step), most)
        costs = [cost[min(size * step, self._most)] for size in range(most + 1)]
        take = lookahead(now, queue[::step], bundles, costs, most, self._noise)
        return ready if take == bundles else min(take * step, len(queue))

    def _oldest(self, count: int) -> Decision:
        return Decision(sorted(self._ready, key=self._ready.__getitem__)[:count])

    def _expected(self, lane: _Lane, now: float) -> float:
        """Return when a lane that is still away is expected."""
        elapsed = now - lane.sent
        usual = lane.away[lane.reset].median or self._usual[lane.reset].median
        if not usual:
            return now + elapsed
        return lane.sent + usual * self._scatter[lane.reset].beyond(elapsed / usual, lane.luck)

    def _compare_lanes(self) -> None:
        """Tell lanes apart, but only those whose times differ by more than they scatter."""
        for scatter in self._scatter.values():
            scatter.update()
        scatter = self._scatter[False]
        lanes = [lane for lane in self._lanes.values() if lane.away[False].median]
        if not lanes or not self._cost.table:
            return
        lanes.sort(key=lambda lane: lane.away[False].median)
        tolerance = 1.05 + 0.7 * scatter.width
        start = 0
        for end in range(1, len(lanes) + 1):
            most = tolerance * lanes[start].away[False].median
            if end == len(lanes) or lanes[end].away[False].median > most:
                pace = lanes[(start + end) // 2].away[False].median
                for lane in lanes[start:end]:
                    lane.pace = pace
                start = end
        pace = lanes[len(lanes) // 2].pace
        forward = self._cost.table[min(len(self._lanes), self._most)]
        self._noise = scatter.width * pace / (pace + forward)
        self._weigh_lanes(forward)

    def _weigh_lanes(self, forward: float) -> None:
        """At the end of a run, prefer the lanes that will be the last to finish."""
        if not self._ending:
            return
        lanes = self._lanes.values()
        steps = self._episode_steps.median
        left = [max(steps - lane.steps, 0.1 * steps, 1.0) * (lane.pace + forward) for lane in lanes]
        weights = [(seconds / max(left)) ** _FAVOUR for seconds in left]
        for lane, weight in zip(lanes, weights):
            lane.weight = weight * len(weights) / sum(weights)
