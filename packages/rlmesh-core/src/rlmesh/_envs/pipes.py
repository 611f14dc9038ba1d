"""One thread that reads the pipes of many processes."""

from __future__ import annotations

import os
import selectors
import threading
from collections import deque
from typing import Callable, Deque, Optional, Tuple

Sink = Callable[[bytes], None]
"""Takes what was read; empty at the pipe's end."""


class PipeReader:
    """Reads pipes until their ends, and closes them; its thread runs while there are any.

    Args:
        name: Of the thread.
    """

    def __init__(self, name: str) -> None:
        self._new: Deque[Tuple[int, Sink]] = deque()
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def add(self, fd: int, sink: Sink) -> None:
        """Read one more pipe.

        Args:
            fd: Its end, which this object closes.
            sink: Called on this object's thread.
        """
        self._new.append((fd, sink))
        os.write(self._wake_write, b"+")

    def close(self) -> None:
        """End the thread, with whatever pipes are still open; calling it again does nothing."""
        if self._closed:
            return
        self._closed = True
        os.write(self._wake_write, b"-")
        self._thread.join()
        os.close(self._wake_write)

    def _run(self) -> None:
        try:
            while not self._closed:
                for key, _ in self._selector.select():
                    self._read(key.fd, key.data)
        finally:
            fds = [key.fd for key in self._selector.get_map().values()]
            self._selector.close()
            for fd in fds + [fd for fd, _ in self._new]:
                os.close(fd)

    def _read(self, fd: int, sink: Optional[Sink]) -> None:
        data = os.read(fd, 65536)
        if sink is None:
            while self._new:
                self._selector.register(self._new[0][0], selectors.EVENT_READ, self._new[0][1])
                self._new.popleft()
            return
        if not data:
            self._selector.unregister(fd)
            os.close(fd)
        sink(data)
