"""A service that writes down what it executes for whom."""

from __future__ import annotations

import threading
from typing import Any, Callable, Deque, Dict, List, Optional, Sequence, Tuple

from rlmesh._rpc.histogram import Histogram
from rlmesh._rpc.service import Call, Failure, Outcome
from rlmesh._rpc.session import Session
from rlmesh._wire.messages import PREDICT


class Ledger:
    """A service with several sessions, whose reply to a call is how many that session made.

    Args:
        capacity: Number of sessions.
        together: How many calls are executed together at most.

    Attributes:
        calls: Each executed call's session id and body.
        batches: How many calls were executed together each time.
        released: The ids of the sessions that were released.
        closed: How many times it was closed.
        threads: Those on which any method but `describe` was called.
        entered: Set by the first call.
        go_on: What a call waits for.
        during: Called in each execution, with the number of those before.
    """

    role = "model"
    sharing_rule = ""

    def __init__(self, capacity: int = 8, together: int = 1) -> None:
        self.capacity = capacity
        self.latencies: Dict[str, Histogram] = {}
        self.together = together
        self.calls: List[Tuple[bytes, Any]] = []
        self.batches: List[int] = []
        self.released: List[bytes] = []
        self.closed = 0
        self.threads = set()  # type: ignore[var-annotated]
        self.entered, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        self.during: Optional[Callable[[int], None]] = None

    def describe(self) -> Any:
        return {}

    def delay(self, waiting: Deque[Call]) -> Optional[float]:
        self.threads.add(threading.current_thread())
        return 0.0 if waiting else None

    def execute(self, waiting: Deque[Call]) -> Sequence[Tuple[Call, Outcome]]:
        self.threads.add(threading.current_thread())
        count = min(self.together, len(waiting))
        self.batches.append(count)
        calls = [waiting.popleft() for _ in range(count)]
        if self.during is not None:
            self.during(len(self.batches) - 1)
        self.entered.set()
        assert self.go_on.wait(60)
        return [(call, self._outcome(call)) for call in calls]

    def _outcome(self, call: Call) -> Outcome:
        assert call.op == PREDICT
        self.calls.append((call.session.id, call.body))
        call.session.state = (call.session.state or 0) + 1
        if call.body == "fail":
            return Failure(ArithmeticError("on purpose"), {"observation": ("int64", (1,))})
        return [call.session.id, call.body, call.session.state], list(call.payload)

    def release(self, session: Session) -> None:
        self.threads.add(threading.current_thread())
        self.released.append(session.id)

    def close(self) -> None:
        self.threads.add(threading.current_thread())
        self.closed += 1
