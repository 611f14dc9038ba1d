"""One client's session, as its server remembers it."""

from __future__ import annotations

from typing import Any, Optional, Sequence, Tuple

from rlmesh._contract.peer import Limits


class Session:
    """Which request comes next, and the last reply for as long as it may be asked for again.

    Attributes:
        id: 16 bytes that the client chose.
        peer: The route to the client, renewed by each of its messages.
        limits: The largest messages that the client accepts.
        next: The number of the next acting request to execute.
        running: Whether request `next - 1` waits to be executed, or is.
        reply: Control and payload frames of request `next - 1`, once it is executed. The next
            request shows that the client has them, so that their memory may change then.
        unreachable_since: When a probe first failed, in `time.monotonic` seconds.
        abandoned: Whether the client closed the session while a request was running.
        state: What the service remembers of this session.
    """

    __slots__ = (
        "abandoned",
        "id",
        "limits",
        "next",
        "peer",
        "reply",
        "running",
        "state",
        "unreachable_since",
    )

    def __init__(self, session_id: bytes, peer: bytes, limits: Limits) -> None:
        self.id = session_id
        self.peer = peer
        self.limits = limits
        self.next = 1
        self.running = False
        self.reply: Optional[Tuple[bytes, Sequence[memoryview]]] = None
        self.unreachable_since: Optional[float] = None
        self.abandoned = False
        self.state: Any = None
