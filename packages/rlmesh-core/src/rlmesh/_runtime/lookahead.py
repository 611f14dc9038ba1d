from __future__ import annotations

import os

V = os.environ.get("V", "none")
H = float(os.environ.get("H", "16"))
C = float(os.environ.get("C", "3"))
N = os.environ.get("N", "1,2,3,4,h,t,m")


def lookahead(now, ready, flying, cost, max_batch, spread, debug=None):
    """Returns (number to take now, or 0 to wait)."""
    have = min(len(ready), max_batch)
    queue = [(now, E) for E in ready] + flying
    lanes = len(queue)
    horizon = now + cost[have]
    most = min(lanes, max_batch)
    subst = {"h": (most + 1) // 2, "t": most * 3 // 4, "m": most, "g3": (most + 2) // 3}
    sizes = sorted({s for s in [subst.get(x) or int(x) for x in N.split(",")] if 0 < s <= most})
    goal = C * lanes
    firsts = [have, *range(have + 1, most + 1), *[s for s in sizes if s < have]]
    scored = []
    for first in firsts:
        if first > have:
            if queue[first - 1][0] > horizon:
                continue
            if first < most and queue[first][0] <= max(now, queue[first - 1][0]) + 1e-6:
                continue
        for n in sizes:
            for cap in {n, most}:
                if cap < most and first > cap:
                    continue
                served, time, speed = rate(now, queue, first, n, cost, cap, goal, spread)
                scored.append((served, time, speed, first, n, cap))
    # so many seconds
    fastest = max(s[2] for s in scored)
    end = H * lanes / fastest
    best = max(scored, key=lambda s: s[0] + s[2] * (end - s[1]))
    if debug is not None:
        debug.extend(scored)
    first = best[3]
    return first if first <= have else 0


def rate(now, queue, first, n, cost, most, goal, spread):
    b = first
    t = queue[b - 1][0]
    if t < now:
        t = now
    served = 0
    lanes = len(queue)
    mark = None
    while True:
        t += cost[b]
        served += b
        if V == "none":
            queue = sorted(queue[b:] + [(t + E, E) for _, E in queue[:b]])
        else:
            queue = sorted(
                queue[b:] + [(t + q[1] * f, q[1]) for q, f in zip(queue[:b], spread.of(b))]
            )
        if mark is None and served >= lanes:
            mark = (served, t, sum(q[0] - t for q in queue if q[0] > t))
        if served >= goal:
            debt = sum(q[0] - t for q in queue if q[0] > t)
            a, t0, d0 = mark
            # speed * (t - t0) = served - a - (debt - d0) * speed / lanes
            speed = (served - a) / (t - t0 + (debt - d0) / lanes)
            return served - debt * speed / lanes, t - now, speed
        # ready
        if queue[0][0] > t:
            t = queue[0][0]
        b = 0
        m = min(most, len(queue))
        while b < m and queue[b][0] <= t:
            b += 1
        if b < n:
            limit = t + cost[b]
            while b < n and queue[b][0] <= limit:
                b += 1
            x = queue[b - 1][0]
            if x > t:
                t = x
