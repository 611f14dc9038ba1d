"""Something that happens once."""

from __future__ import annotations

import contextlib
import threading


class Latch:
    """Becomes set, once, and can be waited for.

    Unlike those of `threading.Event`, its methods may be called by a signal handler that interrupts
    another call of them on the same thread.
    """

    def __init__(self) -> None:
        self._is_set = False
        # Held until the latch is set, and by each waiter for a moment after that.
        self._lock = threading.Lock()
        self._lock.acquire()

    def is_set(self) -> bool:
        """Return whether it is set."""
        return self._is_set

    def set(self) -> None:
        """Set it, and wake all who wait."""
        if not self._is_set:
            self._is_set = True
            self._release()

    def wait(self, timeout: float) -> bool:
        """Wait until it is set, or so many seconds; return whether it is."""
        timeout = min(max(timeout, 0.0), threading.TIMEOUT_MAX)
        if not self._is_set and self._lock.acquire(timeout=timeout):
            self._release()
        return self._is_set

    def _release(self) -> None:
        with contextlib.suppress(RuntimeError):  # somebody else was faster
            self._lock.release()
