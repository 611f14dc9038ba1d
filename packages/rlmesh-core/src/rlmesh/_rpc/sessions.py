"""Who uses a service: its sessions, and what becomes of those whose client went away."""

from __future__ import annotations

import time
from collections import deque
from typing import Deque, Dict, Iterator, List, Optional

from rlmesh import _logs
from rlmesh._transport.carrier import Listener
from rlmesh._wire.messages import OK, PROBE, Reply, pack
from rlmesh.errors import Busy

from .session import Session

CLIENT_GONE = "client gone"

_REMEMBERED = 1024


class Sessions:
    """The open sessions of one service.

    Args:
        role: What is served, `"env"` or `"model"`, for sentences.
        capacity: Number of sessions at a time.
        grace: Seconds for which a client that cannot be reached keeps its session.
        boot: The server's boot id.
        listener: Where the clients are reached.
        rule: Why there is one session at a time; empty if nobody knows.

    Attributes:
        ended: Sessions that the service is still to forget.
    """

    def __init__(
        self,
        role: str,
        capacity: int,
        grace: float,
        boot: bytes,
        listener: Listener,
        rule: str = "",
    ) -> None:
        self._role = role
        self._capacity = capacity
        self._grace = grace
        self._rule = rule
        self._probe = pack(Reply(PROBE, 0, boot, OK, None))
        self._listener = listener
        self._open: Dict[bytes, Session] = {}
        self._past: Deque[bytes] = deque(maxlen=_REMEMBERED)
        self._empty_since = time.monotonic()
        self.ended: List[Session] = []
        self.get = self._open.get

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._open.values()))

    @property
    def capacity(self) -> int:
        """Number of sessions at a time."""
        return self._capacity

    @property
    def idle_seconds(self) -> float:
        """For how long there has been no session; 0 while there is one."""
        return 0.0 if self._open else time.monotonic() - self._empty_since

    def add(self, session: Session) -> Session:
        """Add a session for which there is room; return it."""
        self._open[session.id] = session
        _logs.info(
            _logs.SERVER,
            "session_opened",
            "a session began",
            session=_logs.short(session.id),
            role=self._role,
            address=self._listener.address,
        )
        return session

    def end(self, session: Session, reason: str) -> None:
        """End a session.

        Args:
            session: The session.
            reason: Why, in a word or two, for the log.
        """
        if session.id in self._open:
            self.forget(session)
            self.ended.append(session)
            self._log_end(session, reason)

    def forget(self, session: Session) -> None:
        """Make room for another in place of a session."""
        del self._open[session.id]
        self.bury(session.id)
        self._empty_since = time.monotonic()

    def bury(self, session_id: bytes) -> None:
        """Never open this session: its client has left, and what it asked before may come late."""
        self._past.append(session_id)

    def is_past(self, session_id: bytes) -> bool:
        """Return whether there was such a session, not too long ago."""
        return session_id in self._past

    def end_all(self, reason: str) -> None:
        """End every session."""
        for session in self:
            self.end(session, reason)

    def refusal(self, takeover: bool) -> Optional[Busy]:
        """Return why one more session does not fit; None where it does.

        Args:
            takeover: Whether to make room by ending a session whose client cannot be reached.
        """
        if len(self._open) < self._capacity:
            return None
        lost = [session for session in self if not self.reaches(session)]
        idle = [session for session in lost if not (session.running or session.abandoned)]
        if takeover and idle:
            self.end(idle[0], "takeover")
            if len(self._open) < self._capacity:
                return None
        gone = bool(lost) or any(session.abandoned for session in self)
        return Busy(self._busy_sentence(), holder_gone=gone)

    def check(self) -> None:
        """Probe every client; end the sessions of those that stay unreachable."""
        now = time.monotonic()
        for session in self:
            is_used = self.reaches(session) or session.running or session.abandoned
            if is_used or session.unreachable_since is None:
                continue
            if now - session.unreachable_since >= self._grace:
                self.end(session, CLIENT_GONE)

    def reaches(self, session: Session) -> bool:
        """Return whether a client can be reached, and remember since when it cannot."""
        reachable = self._listener.send(session.peer, self._probe)
        if reachable:
            session.unreachable_since = None
        elif session.unreachable_since is None:
            session.unreachable_since = time.monotonic()
        return reachable

    def _log_end(self, session: Session, reason: str) -> None:
        fields = {
            "session": _logs.short(session.id),
            "role": self._role,
            "address": self._listener.address,
            "reason": reason,
            "requests": session.next - 1,
        }
        if reason == CLIENT_GONE:
            text = f"freed the {self._role} of a client that went away"
            _logs.warning(_logs.SERVER, "session_ended", text, **fields)
        else:
            _logs.info(_logs.SERVER, "session_ended", f"a session ended: {reason}", **fields)

    def _busy_sentence(self) -> str:
        if self._capacity > 1:
            count = len(self._open)
            return f"the {self._role} has {count} clients, as many as its max_sessions allows"
        (holder,) = self._open.values()
        if holder.abandoned:
            return f"the {self._role} still executes a call that its last client gave up"
        left = self._seconds_left(holder)
        if left is None:
            rule = self._rule and f"; {self._rule}"
            return f"the {self._role} is held by another client{rule}"
        return (
            f"the {self._role} is held by a client that cannot be reached; it becomes free"
            f" in {left:.0f} s, or at once with takeover=True"
        )

    def _seconds_left(self, holder: Session) -> Optional[float]:
        """Return how much longer a client that cannot be reached keeps its session."""
        if holder.unreachable_since is None:
            return None
        return max(self._grace - (time.monotonic() - holder.unreachable_since), 0)
