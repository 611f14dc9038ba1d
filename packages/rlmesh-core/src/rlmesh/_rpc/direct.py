"""The client's side of a session with a worker on this machine, which is one hop less away."""

from __future__ import annotations

from typing import Any, Sequence, Tuple

from rlmesh._transport.carrier import Connection

from .client import RpcClient, Steps

_GLANCE = 0.02
"""Seconds between two looks at a connection that broke: most likely the worker is dead."""


class DirectClient(RpcClient):
    """A session whose requests go to its worker, and everything else to the server.

    The server keeps probing `front`, and ends the worker when that says goodbye.

    Args:
        connection: The way to the worker; closed by `close`.
        front: The session as it was opened with the server; closed by `close`.
    """

    def __init__(self, connection: Connection, front: RpcClient) -> None:
        super().__init__(connection, front.address, front._connect_timeout, session=front._session)
        self._front = front
        self._boot = front._boot

    def calling(
        self, op: int, body: Any, payload: Sequence[memoryview], timeout: float
    ) -> Steps[Tuple[Any, Sequence[memoryview]]]:
        """Do what `call` does, in steps; see `RpcClient.calling`."""
        self._front.attend()
        return super().calling(op, body, payload, timeout)

    def shutdown(self) -> None:
        """Shut the server down; see `RpcClient.shutdown`."""
        self._front.shutdown()

    def close(self) -> None:
        """Say goodbye and free the connections; calling it again does nothing."""
        super().close()
        self._front.close()

    def _look(self, lost: bool) -> float:
        if lost:
            self._front.look_up_fate()
            return _GLANCE
        self._front.attend()
        return super()._look(lost)

    def _ending(self, reason: str) -> Steps[None]:
        if self._over is None:
            self._over = reason
            # The worker itself might not hear it: it may hang.
            self._front._acting_id = self._acting_id
            with self._front._turn("close"):
                self._front._end(reason)
        yield from ()

    def _leave(self) -> None:
        self._left = True
        if self._over is None:
            self._over = "it was closed"
            # It is the front's to say goodbye, as `close` has it do next.
            self._front._acting_id = self._acting_id
