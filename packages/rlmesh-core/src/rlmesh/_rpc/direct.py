"""The client's side of a session with a worker on this machine, which is one hop less away."""

from __future__ import annotations

import time
from typing import Any, Sequence, Tuple

from rlmesh._transport.carrier import Connection
from rlmesh._wire.messages import PROVE, pack
from rlmesh.errors import EnvError, ModelError, ProtocolError, SecurityError

from .client import RpcClient, Steps
from .proof import is_proof, new_secret

_GLANCE = 0.02
"""Seconds between two looks at a connection that broke: most likely the worker is dead."""


class DirectClient(RpcClient):
    """A session whose requests go to its worker, and everything else to the server.

    The server keeps probing `front`, and ends the worker when that says goodbye.

    Args:
        connection: The way to the worker; closed by `close`.
        front: The session as it was opened with the server; closed by `close`.
        name: The worker's address, as errors show it.
        key: The session's key, which the server gave us; see `proof`.
        description: What the server said of the session.
    """

    def __init__(
        self, connection: Connection, front: RpcClient, name: str, key: bytes, description: Any
    ) -> None:
        super().__init__(
            connection,
            front.address,
            front._connect_timeout,
            session=front._session,
            lane=front.lane,
        )
        self._front = front
        self._boot = front._boot
        self._name, self._key, self._description = name, key, description

    def opening(
        self, takeover: bool = False, busy_timeout: float = 0.0, start_timeout: float = 0.0
    ) -> Steps[Any]:
        """Do what `open` does, in steps, once the worker has proved to be the server's.

        Before that, nothing is asked of it that would have an effect: a hostile server could name
        any socket of this user's.
        """
        yield from self._proving()
        description = yield from super().opening(takeover, busy_timeout, start_timeout)
        if self._boot != self._front._boot or pack(description) != pack(self._description):
            raise self._impostor("it serves another env")
        return description

    def _proving(self) -> Steps[None]:
        challenge, boot = new_secret(), self._front._boot
        deadline = time.monotonic() + self._connect_timeout
        try:
            answer = yield from self._control(PROVE, challenge, deadline)
        except (ProtocolError, EnvError, ModelError) as exc:
            raise self._impostor("it cannot prove that") from exc
        if self._boot != boot or not is_proof(answer, self._key, challenge, boot):
            raise self._impostor("it cannot prove that")

    def _impostor(self, reason: str) -> SecurityError:
        return SecurityError(
            f"the server at {self.address} named {self._name} as its worker, but {reason}: one of"
            " them may be hostile, and nothing was done in the env there"
        )

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
