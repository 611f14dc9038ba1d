"""The control frame: one msgpack array, a request or a reply.

The first four fields of either never change their place, so that a peer of another protocol
version can still read them and answer with a sentence.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import Any, Iterator, NamedTuple

import msgpack

from rlmesh.errors import LimitExceeded, ProtocolError

from .counting import MAX_VALUES, SIZES, UNCOUNTED_BYTES, count_values

HELLO, PING, OPEN, PROBE, SHUTDOWN, FATE, STATS, PROVE = 0, 1, 2, 3, 4, 5, 6, 7
RESET, STEP, RENDER, CLOSE = 16, 17, 18, 19
CONFIGURE_ROUTE, START_EPISODE, PREDICT, END_EPISODE, OBSERVE = 20, 21, 22, 23, 24
SELECT = 25
GET_ATTR, SET_ATTR, CALL = 26, 27, 28
FIRST_ACTING_OP = 16
"""Requests from here on act on a session, and are executed exactly once."""

OP_NAMES = {
    HELLO: "hello",
    PING: "ping",
    OPEN: "open",
    PROBE: "probe",
    SHUTDOWN: "shutdown",
    FATE: "fate",
    STATS: "stats",
    PROVE: "prove",
    RESET: "reset",
    STEP: "step",
    RENDER: "render",
    CLOSE: "close",
    CONFIGURE_ROUTE: "configure_route",
    START_EPISODE: "start_episode",
    PREDICT: "predict",
    END_EPISODE: "end_episode",
    OBSERVE: "observe",
    SELECT: "select",
    GET_ATTR: "get_attr",
    SET_ATTR: "set_attr",
    CALL: "call",
}

OK, ERROR = 0, 1

STARTING = {"starting": True}
"""The body of a reply to `OPEN` while what is served is not ready yet: ask again."""

UNPARSED = -1
"""The operation, and the id, of a reply to something that is no request."""


class Request(NamedTuple):
    """What a client sends.

    Attributes:
        op: One of the operations above.
        id: The request's number: within the session for acting ones, else within the client.
        session: 16 bytes chosen by the client; empty outside a session.
        ack: The last acting request whose reply the client has received; 0 for none.
        body: The operation's own data.
    """

    op: int
    id: int
    session: bytes
    ack: int
    body: Any


class Reply(NamedTuple):
    """What a server sends.

    Attributes:
        op: The request's operation.
        id: The request's number.
        boot: 8 bytes chosen by the server when it started.
        status: `OK` or `ERROR`.
        body: The operation's own data, or what `_wire.errors` describes.
    """

    op: int
    id: int
    boot: bytes
    status: int
    body: Any


class _Local(threading.local):
    """One packer per thread; making one costs more than most messages do."""

    def __init__(self) -> None:
        self.pack = msgpack.Packer(unicode_errors="surrogatepass").pack


_local = _Local()


def pack(data: Any) -> bytes:
    """Return plain data as msgpack.

    Raises:
        ValueError, TypeError, OverflowError: Something in it is no plain data.
    """
    packed: bytes = _local.pack(data)
    return packed


_unpackb = partial(msgpack.unpackb, unicode_errors="surrogatepass", strict_map_key=False)
_BEFORE_SESSION_ID = b"\xc4\x10"
"""What tells in msgpack that 16 bytes follow."""
_as_tuple: Any = tuple.__new__
"""Makes a NamedTuple of fields that are known to be as many, at a third of the cost."""


def unpack(data: Any, ext_hook: Any = msgpack.ExtType) -> Any:
    """Return the plain data in msgpack bytes.

    Raises:
        ProtocolError: The bytes are no msgpack, or nest too deeply.
        LimitExceeded: From `ext_hook`.
    """
    try:
        return _unpackb(data, ext_hook=ext_hook)
    except (ProtocolError, LimitExceeded):
        raise
    except Exception as exc:
        raise _unparsed(exc) from exc


class Unpacker:
    """Takes plain data apart that arrives in pieces, one message after the other."""

    def __init__(self) -> None:
        self._unpacker = msgpack.Unpacker(unicode_errors="surrogatepass", strict_map_key=False)

    def feed(self, data: bytes) -> Iterator[Any]:
        """Return the messages that are whole with this piece.

        Raises:
            ProtocolError: The bytes are no msgpack.
        """
        try:
            self._unpacker.feed(data)
            yield from self._unpacker
        except Exception as exc:
            raise _unparsed(exc) from exc


def unpack_request(data: Any, uncounted: int = UNCOUNTED_BYTES) -> Request:
    """Parse a control frame that a client sent.

    Args:
        data: The frame.
        uncounted: The size up to which its values are not counted.

    Raises:
        ProtocolError: It is no request.
        LimitExceeded: It has too many values.
    """
    if len(data) > uncounted:
        count_values(data, MAX_VALUES, "control frame")
    try:
        fields = _unpackb(data)
        op, number, session, ack, _ = fields
    except Exception as exc:
        raise _unparsed(exc) from exc
    if type(op) is int and type(number) is int and type(session) is bytes and type(ack) is int:
        request: Request = _as_tuple(Request, fields)
        return request
    raise ProtocolError("a message is not an RLMesh request")


def session_id_in(data: bytes) -> bytes:
    """Return the session's id in what begins as a request, at almost no cost; empty for none."""
    # One byte for the list, then the operation and the number.
    at = 1
    for _ in range(2):
        at += SIZES[data[at]] if at < len(data) else 0
    return data[at + 2 : at + 18] if data[at : at + 2] == _BEFORE_SESSION_ID else b""


def unpack_reply(data: Any) -> Reply:
    """Parse a control frame that a server sent.

    Raises:
        ProtocolError: It is no reply.
        LimitExceeded: It has too many values.
    """
    if len(data) > MAX_VALUES:  # with fewer bytes, there cannot be more
        count_values(data, MAX_VALUES, "control frame")
    try:
        fields = _unpackb(data)
        op, number, boot, status, _ = fields
    except Exception as exc:
        raise _unparsed(exc) from exc
    if type(op) is int and type(number) is int and type(boot) is bytes and type(status) is int:
        reply: Reply = _as_tuple(Reply, fields)
        return reply
    raise ProtocolError("a message is not an RLMesh reply")


def _unparsed(exc: Exception) -> ProtocolError:
    return ProtocolError(f"a message does not parse: {exc or type(exc).__name__}")
