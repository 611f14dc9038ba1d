from __future__ import annotations

from rlmesh._runtime import batching
from rlmesh._runtime.batching import BatchQueue

FORWARD, ENV, WAY = 0.02, 0.0001, 0.001


def test_a_way_that_is_only_seen_after_a_forward_pass_is_not_taken_to_be_as_long(monkeypatch):
    """Two lanes and the third take turns, until they are waited for, which shows what it takes."""
    now = 0.0
    monkeypatch.setattr(batching, "monotonic", lambda: now)
    queue: BatchQueue[int, str] = BatchQueue(8, None)
    arrivals = {0: 0.0, 1: WAY, 2: WAY}
    sizes = []
    while len(sizes) < 40:
        for lane in [lane for lane, at in arrivals.items() if at <= now]:
            del arrivals[lane]
            queue.put(lane, "observation", ENV)
        delay = queue.delay()
        if delay:
            now = min([now + delay, *arrivals.values()])
            continue
        batch = queue.take()
        now += FORWARD  # and nobody looks at what arrives
        queue.taken()
        sizes.append(len(batch))
        for lane, _ in batch:
            queue.expect(lane)
            arrivals[lane] = now + ENV + WAY
    assert sizes[-20:] == [3] * 20
