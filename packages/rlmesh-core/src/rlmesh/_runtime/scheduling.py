from __future__ import annotations

from typing import *

from .estimates import UNIFORM, AwayTime, ForwardCost, Spread
from .lookahead import lookahead


class Decision(NamedTuple):
    lanes: Sequence[Hashable]
    until: Optional[float] = None


class _Lane:
    def __init__(self):
        self.step = AwayTime()
        self.reset = AwayTime()
        self.sent = 0.0
        self.kind = self.reset
        self.away = False


GOAL = 3


class BatchScheduler:
    def __init__(self, max_batch_size, max_wait=None):
        self._most = max_batch_size
        self._max_wait = max_wait
        self._lanes: Dict[Hashable, _Lane] = {}
        self._ready: Dict[Hashable, float] = {}
        self._outstanding: Dict[Hashable, _Lane] = {}
        self._cost = ForwardCost(max_batch_size)
        self._started = self._free = 0.0
        self._blind = False
        self._size = 0
        self._spread = {False: Spread(), True: Spread()}
        self._all = {False: AwayTime(), True: AwayTime()}

    def lane_sent(self, lane, now, reset=False):
        known = self._lanes.get(lane)
        if known is None:
            known = self._lanes[lane] = _Lane()
        known.sent = now
        known.is_reset = reset
        known.kind = known.reset if reset else known.step
        self._ready.pop(lane, None)
        self._outstanding[lane] = known

    def lane_ready(self, lane, now, away=None):
        known = self._outstanding.pop(lane, None)
        arrived = now
        if known is not None:
            if away is None:
                away = now - known.sent
                if self._blind and known.sent < self._started:
                    away = known.kind.clamp(self._started - known.sent, away)
            else:
                arrived = known.sent + away
            known.kind.add(away)
            if known.kind.median > 0:
                self._spread[known.is_reset].add(away / known.kind.median)
            self._all[known.is_reset].add(away)
        self._ready[lane] = arrived

    def lane_gone(self, lane):
        self._ready.pop(lane, None)
        self._outstanding.pop(lane, None)
        self._lanes.pop(lane, None)

    def forward_started(self, lanes, now):
        for lane in lanes:
            del self._ready[lane]
        self._started = now
        self._size = len(lanes)

    def forward_finished(self, now):
        self._free = now
        self._blind = True
        self._cost.add(self._size, now - self._started)

    def _dispatch(self, n=None):
        ready = self._ready
        lanes = sorted(ready, key=ready.__getitem__)
        return Decision(lanes[: n or self._most])

    def decide(self, now):
        self._blind = False
        ready = self._ready
        if not ready:
            return Decision(())
        cost = self._cost.table
        if not cost or (len(ready) == 1 and not self._outstanding):
            return self._dispatch()
        oldest = min(ready.values())
        idle_from = max(self._free, oldest)
        deadline = idle_from + cost[min(len(ready), self._most)]
        if self._max_wait is not None:
            deadline = min(deadline, oldest + self._max_wait)
        if now >= deadline:
            return self._dispatch()
        flying = []
        for known, u in zip(self._outstanding.values(), UNIFORM * 7):
            elapsed = now - known.sent
            m = known.kind.median or self._all[known.is_reset].median
            if not m:
                e = elapsed * 2
            else:
                e = m * self._spread[known.is_reset].rest(elapsed / m, u)
            flying.append((known.sent + e, self._step(known)))
        flying.sort()
        es = [self._step(self._lanes[l]) for l in sorted(ready, key=ready.__getitem__)]
        n = lookahead(now, es, flying, cost, self._most, self._spread[False])
        if n:
            return self._dispatch(n)
        until = max(flying[0][0], now)
        until += max(0.05 * (until - now), 1e-5)
        return Decision((), min(until, deadline))

    def _step(self, known):
        return known.step.median or self._all[False].median
