"""What this process waits for and does not get: told to the log, and to whoever shows a run."""

from __future__ import annotations

import contextlib
import time
from contextvars import ContextVar
from typing import Any, Callable, Dict, Iterator, Mapping, NamedTuple, Optional, Sequence

from rlmesh import _logs
from rlmesh._text import printable

TELL_AFTER = 2.0
"""Seconds without a connection, or without a place at a server, after which that is told."""
SLOW_AFTER = 5.0
"""Seconds without an answer over a connection that stands, or until a new env has started."""
TELL_EVERY = 1.0
"""Seconds between two times that it is told to whoever shows it."""


class Wait(NamedTuple):
    """Something that is waited for.

    Attributes:
        what: What it is, and where it is expected.
        since: When the wait began, in `time.monotonic`'s seconds.
        until: When it ends at the latest.
        lane: The number of the lane that waits, in a run with several.
    """

    what: str
    since: float
    until: float
    lane: Optional[int] = None

    def __str__(self) -> str:
        lane = "" if self.lane is None else f" (lane {self.lane})"
        waited, limit = time.monotonic() - self.since, self.until - self.since
        return f"waiting for {printable(self.what)}{lane}: {waited:.0f} s of {limit:.0f} s"


Tell = Callable[[Sequence[Wait]], object]
"""Called with all that is waited for; with nothing when that is over."""

_board: ContextVar[Optional[_Board]] = ContextVar("rlmesh_waits", default=None)


class _Board:
    def __init__(self, tell: Tell) -> None:
        self.tell = tell
        self.waits: Dict[int, Wait] = {}


@contextlib.contextmanager
def telling(tell: Optional[Tell]) -> Iterator[None]:
    """Have somebody told what this thread waits for during a `with` block.

    Args:
        tell: Who; None leaves it as it is.
    """
    if tell is None:
        yield
        return
    token = _board.set(_Board(tell))
    try:
        yield
    finally:
        _board.reset(token)


class Waiter:
    """Tells of one wait, if it lasts.

    Args:
        lane: See `Wait`.
        fields: What a record in the log says besides.
    """

    def __init__(self, lane: Optional[int], fields: Mapping[str, Any]) -> None:
        self._lane = lane
        self._fields = fields
        self._log_at = self._tell_at = 0.0
        self._told = False

    def tell(self, what: str, since: float, until: float) -> None:
        """Tell that something is still waited for; see `Wait`."""
        now = time.monotonic()
        if now < self._tell_at:
            return
        self._tell_at = now + TELL_EVERY
        wait = Wait(what, since, until, self._lane)
        if now >= self._log_at:
            # Ever more rarely: after 2, 4, 8, 16 ... seconds.
            self._log_at = now + (now - since)
            started = time.time() - (now - since)
            fields = {"since": started, "until": started + until - since, **self._fields}
            if self._lane is not None:
                fields["lane"] = self._lane
            _logs.warning(_logs.CLIENT, "waiting", str(wait), **fields)
        board = _board.get()
        if board is not None:
            self._told = True
            board.waits[id(self)] = wait
            board.tell(list(board.waits.values()))

    def over(self) -> None:
        """Take back what was told."""
        board = _board.get()
        if self._told and board is not None:
            board.waits.pop(id(self), None)
            board.tell(list(board.waits.values()))
        self._told = False
