"""What each peer takes of a server's time, so that nobody can take all of it."""

from __future__ import annotations

import time
from collections import deque
from typing import Deque, Dict, Iterator, Optional, Protocol, Tuple

from rlmesh._transport.carrier import Incoming
from rlmesh._wire.messages import session_id_in

SHARE = 0.1
"""Part of the server's time that one peer may take while there are others."""
_SHORT = 0.001
"""Seconds that a usual message takes at most."""
_BURST = 1.0
"""Seconds for which a peer may take all of it, times its share."""
_MAX_ACCOUNTS = 1024
_MAX_KEPT = 64
_MAX_KEPT_BYTES = 64 * 2**20

_STRANGERS = b""
"""The account of all that is for no session; no peer has this id."""


class OpenSessions(Protocol):
    """The sessions that there are."""

    def get(self, session_id: bytes, /) -> Optional[object]:
        """Return the session of an id, or None."""
        ...

    def __len__(self) -> int: ...


class Stopwatch:
    """Measures what a message takes of the server's time, from when this is built.

    Args:
        is_usual: Whether it most likely takes little, and is not worth a precise clock.
    """

    __slots__ = ("_cpu", "_wall")

    def __init__(self, is_usual: bool) -> None:
        self._wall = time.monotonic()
        self._cpu = -1.0 if is_usual else time.thread_time()

    def read(self) -> float:
        """Return the seconds up to now: those in which others had to wait.

        Of what is short, only its own; a busy machine makes a much longer wait of it.
        """
        wall = time.monotonic() - self._wall
        if self._cpu < 0:
            return wall
        cpu = time.thread_time() - self._cpu
        return cpu if cpu < _SHORT else wall


class Shares:
    """Counts the time that the messages of peers take, and keeps messages that have to wait.

    What a client sends for its session counts for that, over whatever connection it comes; the
    session's id, which nobody else knows, says so before the message is parsed. Whatever else comes
    counts for its connection, and all of that together has twice a share, however many there are.

    Args:
        sessions: The open sessions by id.

    Attributes:
        until: From then on, by `time.monotonic`, nobody has had more than a share.
    """

    def __init__(self, sessions: OpenSessions) -> None:
        self._sessions = sessions
        # By account, when what was taken will have been its share of the time.
        self._even: Dict[bytes, float] = {}
        self.until = 0.0
        self._kept: Deque[Incoming] = deque()
        self._kept_bytes = 0

    def __len__(self) -> int:
        """Return how many messages wait."""
        return len(self._kept)

    def charge(self, incoming: Incoming, seconds: float) -> None:
        """Count what a message took."""
        now = time.monotonic()
        account, is_stranger = self._account(incoming)
        even = self._even
        if len(even) >= _MAX_ACCOUNTS:
            self._even = even = {one: then for one, then in even.items() if then > now}
        accounts = [(account, SHARE)] if len(even) < _MAX_ACCOUNTS or account in even else []
        if is_stranger:
            accounts.append((_STRANGERS, 2 * SHARE))
        for one, share in accounts:
            even[one] = max(even.get(one, 0.0), now) + seconds / share
            self.until = max(self.until, even[one] - _BURST)

    def keeps(self, incoming: Incoming) -> bool:
        """Keep a message for later whose account has had more than its share.

        Of one peer, one message waits; the others are dropped, as those that are too many or too
        large. A client of ours sends one at a time, and sends it again.

        Returns:
            Whether it must not be handled now.
        """
        if not self._is_over(incoming):
            return False
        size = _size(incoming)
        waits = any(kept.peer == incoming.peer for kept in self._kept)
        if not waits and len(self._kept) < _MAX_KEPT and self._kept_bytes + size < _MAX_KEPT_BYTES:
            self._kept.append(incoming)
            self._kept_bytes += size
        return True

    def due(self) -> Iterator[Incoming]:
        """Yield the kept messages whose time has come, each once."""
        for _ in range(len(self._kept)):
            incoming = self._kept.popleft()
            if self._is_over(incoming):
                self._kept.append(incoming)
            else:
                self._kept_bytes -= _size(incoming)
                yield incoming

    def _is_over(self, incoming: Incoming) -> bool:
        """Return whether an account has had more than its share, and others want theirs."""
        account, is_stranger = self._account(incoming)
        if len(self._sessions) <= (not is_stranger):
            return False
        even = self._even.get(account, 0.0)
        if is_stranger:
            even = max(even, self._even.get(_STRANGERS, 0.0))
        return even > time.monotonic() + _BURST

    def _account(self, incoming: Incoming) -> Tuple[bytes, bool]:
        """Return for what a message counts, and whether that is no session."""
        session_id = session_id_in(incoming.control)
        if session_id and self._sessions.get(session_id) is not None:
            return session_id, False
        return incoming.peer, True


def _size(incoming: Incoming) -> int:
    return len(incoming.control) + sum(map(len, incoming.payload))
