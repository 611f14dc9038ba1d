"""Ending a run from another thread, or by cancelling the task that awaits it."""

from __future__ import annotations

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any, Callable, Optional, TypeVar

from rlmesh.errors import RunCancelled

T = TypeVar("T")

Receive = Callable[[float], bool]
"""Waits for so many seconds until something arrives, and says whether it did."""

_POLL_INTERVAL = 0.1
"""Seconds after which a run that waits looks at its event."""


class Cancellation:
    """What ends a run when an event is set. It raises once, so that lanes can leave in peace.

    Args:
        event: The event; None if nothing ends the run.

    Raises:
        TypeError: It is no event.
    """

    def __init__(self, event: Optional[Event]) -> None:
        if event is not None and not callable(getattr(event, "is_set", None)):
            raise TypeError(f"cancel: expected a threading.Event or None, got {event!r}")
        self._event = event
        self._told = False

    def __bool__(self) -> bool:
        return self._event is not None

    def check(self) -> None:
        """Raise RunCancelled if the event was set."""
        if self._event is not None and self._event.is_set() and not self._told:
            self._told = True
            raise RunCancelled("the run was cancelled")

    def watching(self, receive: Receive) -> Receive:
        """Return a function that waits as `receive` does, and looks at the event meanwhile."""
        if self._event is None:
            return receive

        def wait(timeout: float) -> bool:
            self.check()
            return receive(min(timeout, _POLL_INTERVAL))

        return wait


async def in_thread(function: Callable[[Event], T]) -> T:
    """Run a function on a thread of its own; when this is cancelled, end it, and wait for that.

    Args:
        function: Called with an event that asks it to end.
    """
    cancel = Event()
    executor = ThreadPoolExecutor(1, "rlmesh-run")
    context = contextvars.copy_context()
    future = asyncio.get_running_loop().run_in_executor(
        executor, lambda: context.run(function, cancel)
    )
    executor.shutdown(wait=False)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError as exc:
        cancel.set()
        # Cancelled once more while it waits, this ends at once, and the thread by itself.
        await asyncio.wait([future])
        ended: Any = None if future.cancelled() else future.exception()
        if ended is not None:
            error: Any = exc
            error.run_result = getattr(ended, "run_result", None)
        raise
