"""Signals, for as long as something runs that they should end in good order."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from types import FrameType
from typing import Callable, Iterator, Optional


@contextmanager
def on_signal(callback: Callable[[], None], *numbers: int) -> Iterator[None]:
    """Have signals call a function during a `with` block on the main thread; elsewhere, nothing.

    Args:
        callback: The function.
        *numbers: The signals. One that the process ignores stays ignored. A forked process has its
            former handlers.
    """
    pid = os.getpid()

    def handle(number: int, frame: Optional[FrameType]) -> None:
        if os.getpid() == pid:
            callback()
        else:
            signal.signal(number, previous[number] or signal.SIG_DFL)
            os.kill(os.getpid(), number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = tuple(n for n in numbers if signal.getsignal(n) is not signal.SIG_IGN)
    previous = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler or signal.SIG_DFL)
