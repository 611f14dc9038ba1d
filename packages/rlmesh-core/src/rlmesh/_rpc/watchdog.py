"""Keeps a server answering while its one thread is inside a long call."""

from __future__ import annotations

import threading
import time
from typing import Callable, Optional

OVERDUE = 0.05
"""Seconds after which a call counts as long."""


class Watchdog:
    """A thread that drains the server's messages while a call is overdue.

    The server's own thread holds `lock` except during calls, so that the two never use the
    listener at the same time. A short call costs two lock operations and no thread switch.

    Args:
        lock: Guards the listener and the sessions.
        drain: Answers what has arrived; called under the lock.
    """

    def __init__(self, lock: threading.RLock, drain: Callable[[], None]) -> None:
        self._lock = lock
        self._drain = drain
        self._call_started: Optional[float] = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rlmesh-watchdog", daemon=True)

    def start(self) -> None:
        """Start watching."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for its end; the caller must not hold the lock."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def disown(self, lock: threading.RLock) -> None:
        """Go on in a forked process, where the thread is not, with a lock that nobody holds."""
        self._lock = lock

    def enter_call(self) -> None:
        """Release the lock for the length of a call."""
        self._call_started = time.monotonic()
        self._lock.release()

    def leave_call(self) -> None:
        """Take the lock back, also when Ctrl-C comes while waiting for it."""
        try:
            self._lock.acquire()
        except BaseException:
            self._lock.acquire()
            raise
        finally:
            self._call_started = None

    def _run(self) -> None:
        while not self._stop.wait(OVERDUE / 2):
            started = self._call_started
            if started is not None and time.monotonic() - started >= OVERDUE:
                with self._lock:
                    if self._call_started is not None:
                        self._drain()
