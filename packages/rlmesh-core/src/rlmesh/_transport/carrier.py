"""What the layer above asks of a carrier; nothing here or above knows ZeroMQ.

A message is a control frame and any number of payload frames. A carrier delivers whole messages,
in order while a connection lives, and may lose them when it breaks.

A carrier need not copy what it sends: payload memory must stay unchanged until the other side shows
that it has the message, by an answer or by its next request.
"""

from __future__ import annotations

from typing import NamedTuple, Optional, Protocol, Sequence

MAX_PARTS = 1024
"""Payload frames that a message may have; of more, a receiver sees one too many."""


class ConnectionLost(Exception):
    """The connection broke; what was sent may not have arrived."""


class Message(NamedTuple):
    """One received message.

    Attributes:
        control: The control frame.
        payload: The payload frames, as memory that belongs to the receiver.
    """

    control: bytes
    payload: Sequence[memoryview]


class Incoming(NamedTuple):
    """One message as a server receives it.

    Attributes:
        peer: The route back; valid until the connection breaks.
        control: The control frame.
        payload: The payload frames.
    """

    peer: bytes
    control: bytes
    payload: Sequence[memoryview]


class Connection(Protocol):
    """A client's end. It belongs to one thread at a time."""

    def send(self, control: bytes, payload: Sequence[memoryview] = ()) -> None:
        """Queue one message; it is sent as soon as the connection stands."""
        ...

    def receive(self, timeout: float) -> Optional[Message]:
        """Return the next message; None after `timeout` seconds without one, or at once for 0.

        Raises:
            ConnectionLost: The connection broke. `reconnect`, then send again.
            SecurityError: The server refuses this client, or is not what it should be.
        """
        ...

    @property
    def connected(self) -> bool:
        """Whether the connection stands, as far as the last `receive` could see."""
        ...

    def another(self) -> Connection:
        """Return a new connection to the same place."""
        ...

    def reconnect(self) -> None:
        """Drop this connection with all that is under way on it, and start a new one."""
        ...

    def close(self) -> None:
        """Free everything; calling it again does nothing."""
        ...


class Listener(Protocol):
    """A server's end. All but `wake` belong to one thread at a time."""

    @property
    def address(self) -> str:
        """The bound address, with the port that the system chose."""
        ...

    def receive(self, timeout: float) -> Optional[Incoming]:
        """Return the next message; None after `timeout` seconds, or when woken."""
        ...

    def send(
        self,
        peer: bytes,
        control: bytes,
        payload: Sequence[memoryview] = (),
        is_last: bool = False,
    ) -> bool:
        """Queue one message; return False when the peer cannot be reached.

        Args:
            peer: As it came with a message of the peer's.
            control: The control frame.
            payload: The payload frames.
            is_last: Whether `close` shall give the connection a moment to take all of it.
        """
        ...

    def wake(self) -> None:
        """Make a `receive` that is under way, or the next one, return None. Any thread may."""
        ...

    def close(self) -> None:
        """Free everything, the socket file too; calling it again does nothing."""
        ...
