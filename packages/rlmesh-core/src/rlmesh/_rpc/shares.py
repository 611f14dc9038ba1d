"""What each peer takes of a server's time, so that nobody can take all of it."""

from __future__ import annotations

import time
from collections import deque
from typing import Deque, Dict, Iterator, Set

from rlmesh._transport.carrier import Incoming

SHARE = 0.1
"""Part of the server's time that one peer may take while there are others."""
_SHORT = 0.001
"""Seconds that a usual message takes at most."""
_BURST = 1.0
"""Seconds for which a peer may take all of it, times its share."""
_MAX_PEERS = 1024
_MAX_KEPT = 64
_MAX_KEPT_BYTES = 64 * 2**20

STRANGERS = b""
"""Stands for all peers without a session; no peer has this id."""


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

    All peers without a session have twice a share together, however many there are.

    Attributes:
        until: From then on, by `time.monotonic`, no peer has had more than its share.
    """

    def __init__(self) -> None:
        # When what a peer has taken will have been its share of the time.
        self._even: Dict[bytes, float] = {}
        self.until = 0.0
        self._kept: Deque[Incoming] = deque()
        self._kept_bytes = 0

    def __len__(self) -> int:
        """Return how many messages wait."""
        return len(self._kept)

    def charge(self, peer: bytes, seconds: float, is_stranger: bool) -> None:
        """Count what a message took.

        Args:
            peer: Whose it was.
            seconds: How long it took.
            is_stranger: Whether the peer had no session before it.
        """
        now = time.monotonic()
        even = self._even
        if len(even) >= _MAX_PEERS:
            self._even = even = {one: then for one, then in even.items() if then > now}
        accounts = [(peer, SHARE)] if len(even) < _MAX_PEERS or peer in even else []
        if is_stranger:
            accounts.append((STRANGERS, 2 * SHARE))
        for account, share in accounts:
            even[account] = max(even.get(account, 0.0), now) + seconds / share
            self.until = max(self.until, even[account] - _BURST)

    def keeps(self, incoming: Incoming, holders: Set[bytes]) -> bool:
        """Keep a message for later whose peer has had more than its share.

        Of one peer, one message waits; the others are dropped, as those that are too many or too
        large. A client of ours sends one at a time, and sends it again.

        Args:
            incoming: The message.
            holders: The peers that have a session.

        Returns:
            Whether it must not be handled now.
        """
        if not self._is_over(incoming.peer, holders):
            return False
        size = len(incoming.control) + sum(map(len, incoming.payload))
        waits = any(kept.peer == incoming.peer for kept in self._kept)
        if not waits and len(self._kept) < _MAX_KEPT and self._kept_bytes + size < _MAX_KEPT_BYTES:
            self._kept.append(incoming)
            self._kept_bytes += size
        return True

    def due(self, holders: Set[bytes]) -> Iterator[Incoming]:
        """Yield the kept messages whose time has come, each once."""
        for _ in range(len(self._kept)):
            incoming = self._kept.popleft()
            if self._is_over(incoming.peer, holders):
                self._kept.append(incoming)
            else:
                self._kept_bytes -= len(incoming.control) + sum(map(len, incoming.payload))
                yield incoming

    def _is_over(self, peer: bytes, holders: Set[bytes]) -> bool:
        latest = time.monotonic() + _BURST
        if peer in holders:
            return len(holders) > 1 and self._even.get(peer, 0.0) > latest
        if not holders:
            return False
        return max(self._even.get(peer, 0.0), self._even.get(STRANGERS, 0.0)) > latest
