"""SIGTERM, for as long as something runs that it should end in good order."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from types import FrameType
from typing import Callable, Iterator, Optional


@contextmanager
def on_sigterm(callback: Callable[[], None]) -> Iterator[None]:
    """Have SIGTERM call a function during a `with` block on the main thread; elsewhere, nothing."""

    def handle(number: int, frame: Optional[FrameType]) -> None:
        callback()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous or signal.SIG_DFL)
