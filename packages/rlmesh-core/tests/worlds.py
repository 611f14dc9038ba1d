"""A served service and its clients, in one process and without sockets."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any, Callable, Generic, Iterator, List, Optional, TypeVar

from carriers import MemoryConnection, MemoryListener, Network

from rlmesh._rpc.client import RpcClient
from rlmesh._rpc.options import ServeOptions
from rlmesh._rpc.server import RpcServer

SOON = 10.0
"""Seconds within which whatever a test waits for happens, on a busy machine too."""

ServiceT = TypeVar("ServiceT", bound=Any)


class World(Generic[ServiceT]):
    """A server on a network, and clients of it.

    Args:
        new_service: Makes the service, which has an event `go_on` that lets its calls return.
        options: The server's.

    Attributes:
        error: What `run` raised, if it did.
    """

    def __init__(self, new_service: Callable[[], ServiceT], options: ServeOptions) -> None:
        self.network = Network()
        self.new_service = new_service
        self.options = options
        self.clients: List[RpcClient] = []
        self.start()

    def start(self) -> None:
        self.error: Optional[BaseException] = None
        self.service = self.new_service()
        self.server = RpcServer(self.service, MemoryListener(self.network), self.options)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.server.run()
        except BaseException as exc:
            self.error = exc

    def stop(self) -> None:
        self.service.go_on.set()
        self.server.stop()
        self.join()

    def join(self) -> None:
        self.thread.join(SOON)
        assert not self.thread.is_alive()

    def client(self, **options: Any) -> RpcClient:
        """Open a session; see `RpcClient.open`."""
        client = self.stranger(options.pop("connect_timeout", SOON))
        client.open(**options)
        return client

    def stranger(self, connect_timeout: float = SOON) -> RpcClient:
        """Return a client without a session."""
        client = RpcClient(MemoryConnection(self.network), "memory", connect_timeout)
        self.clients.append(client)
        return client


@contextlib.contextmanager
def serving(new_service: Callable[[], ServiceT], **options: Any) -> Iterator[World[ServiceT]]:
    """Serve during a `with` block, at whose end every client is closed."""
    world = World(new_service, ServeOptions(**options))
    try:
        yield world
        assert world.error is None, world.error
    finally:
        world.service.go_on.set()
        for client in world.clients:
            client._connect_timeout = 0.1
            client.close()
        world.stop()


def assert_soon(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.002)
