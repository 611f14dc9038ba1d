"""A carrier within this process, which loses, doubles, delays and cuts messages on command."""

from __future__ import annotations

import itertools
import queue
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from rlmesh._transport.carrier import ConnectionLost, Incoming, Message

Fate = Callable[[bytes], int]
"""Takes a control frame; returns how many times it is delivered: 0 loses it, 2 doubles it."""


def once(control: bytes) -> int:
    return 1


class Network:
    """Connects any number of clients with one listener at a time."""

    def __init__(self) -> None:
        self.to_server: Fate = once
        self.to_client: Fate = once
        self.routes: Dict[bytes, MemoryConnection] = {}
        self.listener: Optional[MemoryListener] = None
        self.names = itertools.count()
        # What clients have sent, by the names of their connections that stall.
        self.stalled: Dict[bytes, List[Incoming]] = {}

    def cut(self) -> None:
        """Break every connection that stands."""
        for connection in list(self.routes.values()):
            connection.inbox.put(None)
        self.routes.clear()

    def cut_one(self, number: int) -> None:
        """Break one connection, the number modulo how many there are."""
        names = sorted(self.routes)
        if names:
            connection = self.routes.pop(names[number % len(names)], None)
            if connection is not None:
                connection.inbox.put(None)

    def stall_one(self, number: int) -> None:
        """Keep back what is sent over one connection from now on, also after its end."""
        names = sorted(self.routes)
        if names:
            self.stalled.setdefault(names[number % len(names)], [])

    def deliver_late(self) -> None:
        """Deliver everything that was kept back."""
        for name in list(self.stalled):
            for incoming in self.stalled.pop(name):
                self.deliver(incoming)

    def deliver(self, incoming: Incoming) -> None:
        kept, listener = self.stalled.get(incoming.peer), self.listener
        if kept is not None:
            kept.append(incoming)
        elif listener is not None:
            listener.inbox.put(incoming)


class MemoryListener:
    def __init__(self, network: Network) -> None:
        self.address = "memory"
        self.inbox: queue.Queue[Optional[Incoming]] = queue.Queue()
        self.closed = False
        self.last: List[bytes] = []  # what `close` would wait for
        self.network = network
        network.listener = self

    def receive(self, timeout: float) -> Optional[Incoming]:
        try:
            return self.inbox.get(timeout=timeout) if timeout else self.inbox.get_nowait()
        except queue.Empty:
            return None

    def send(
        self,
        peer: bytes,
        control: bytes,
        payload: Sequence[memoryview] = (),
        is_last: bool = False,
    ) -> bool:
        if is_last:
            self.last.append(control)
        connection = self.network.routes.get(peer)
        if connection is None:
            return False
        parts = [memoryview(bytearray(part)) for part in payload]
        for _ in range(self.network.to_client(control)):
            connection.inbox.put(Message(control, parts))
        return True

    def wake(self) -> None:
        self.inbox.put(None)

    def close(self) -> None:
        self.closed = True
        if self.network.listener is self:
            self.network.listener = None
            self.network.cut()


class MemoryConnection:
    def __init__(self, network: Network) -> None:
        self.network = network
        self.reconnects = 0
        self.closed = False
        self._open()

    def _open(self) -> None:
        self.inbox: queue.Queue[Optional[Message]] = queue.Queue()
        self.name = b"client-%d" % next(self.network.names)
        self.waiting: List[Tuple[bytes, Sequence[memoryview]]] = []
        self.connected = False

    def send(self, control: bytes, payload: Sequence[memoryview] = ()) -> None:
        self.waiting.append((control, payload))
        self._flush()

    def _flush(self) -> None:
        listener = self.network.listener
        if listener is None:
            return
        if not self.connected:
            self.connected = True
            self.network.routes[self.name] = self
        for control, payload in self.waiting:
            for _ in range(self.network.to_server(control)):
                self.network.deliver(Incoming(self.name, control, payload))
        self.waiting.clear()

    def receive(self, timeout: float) -> Optional[Message]:
        self._flush()
        try:
            message = self.inbox.get(timeout=timeout) if timeout > 0 else self.inbox.get_nowait()
        except queue.Empty:
            return None
        if message is None:
            raise ConnectionLost
        return message

    def another(self) -> MemoryConnection:
        return MemoryConnection(self.network)

    def reconnect(self) -> None:
        self.reconnects += 1
        self.network.routes.pop(self.name, None)
        self._open()

    def close(self) -> None:
        self.closed = True
        self.network.routes.pop(self.name, None)
