"""A TCP proxy, whose cables can be cut."""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
from types import TracebackType
from typing import List, Optional, Type

from servers import PATIENCE


class Proxy:
    """Passes bytes between its own address and another, until it is told to cut them off.

    Args:
        target: The other address.
        rate: Bytes per second at which they come back from there.

    Attributes:
        connections: How many there were.
        returned: How many bytes came back.
    """

    def __init__(self, target: str, rate: float = math.inf) -> None:
        self._rate = rate
        host, _, port = target.replace("tcp://", "").partition(":")
        self._target = host, int(port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._listening.getsockname()[1]}"
        self._lock = threading.Lock()
        self._sockets: List[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        self.connections = 0
        self.returned = 0

    def cut(self) -> None:
        """Break every connection, with whatever is under way on it."""
        with self._lock:
            for connection in self._sockets:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._sockets.clear()

    def _accept(self) -> None:
        while True:
            try:
                inner, _ = self._listening.accept()
                outer = socket.create_connection(self._target)
            except OSError:
                return
            self.connections += 1
            with self._lock:
                self._sockets += [inner, outer]
            for way in ((inner, outer, math.inf), (outer, inner, self._rate)):
                thread = threading.Thread(target=self._pass, args=way, daemon=True)
                self._threads.append(thread)
                thread.start()

    def _pass(self, source: socket.socket, target: socket.socket, rate: float) -> None:
        with contextlib.suppress(OSError):
            while True:
                data = source.recv(65536)
                if not data:
                    break
                if rate is self._rate:
                    self.returned += len(data)
                time.sleep(len(data) / rate)
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Proxy:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        value: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()
        for thread in self._threads:
            thread.join(PATIENCE)
