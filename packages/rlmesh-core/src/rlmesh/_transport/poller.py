"""Waiting for messages at several ends at once."""

from __future__ import annotations

import math
from typing import Any, List

import zmq


class Poller:
    """Waits at listeners and connections. It belongs to one thread at a time."""

    def __init__(self) -> None:
        self._poller = zmq.Poller()
        self._ends: Any = {}

    def add(self, end: Any) -> None:
        """Wait at one more listener or connection."""
        self._ends[end.socket] = end
        self._poller.register(end.socket, zmq.POLLIN)

    def remove(self, end: Any) -> None:
        """Wait no longer at one that is about to be closed."""
        del self._ends[end.socket]
        self._poller.unregister(end.socket)

    def wait(self, timeout: float) -> List[Any]:
        """Return the ends where a message is; none after `timeout` seconds."""
        ready = self._poller.poll(math.ceil(timeout * 1000))
        return [self._ends[socket] for socket, _ in ready]
