"""The ZeroMQ carrier's server end: a ROUTER."""

from __future__ import annotations

import contextlib
import os
import socket as sockets
import time
from typing import Any, List, Optional, Sequence

import zmq

from rlmesh._forks import Inherited, leave_to_parent
from rlmesh.errors import AddressError, AddressInUse, SecurityError

from .address import Address, parse_address
from .carrier import Incoming
from .client import HEARTBEAT_INTERVAL_MS, HEARTBEAT_TIMEOUT_MS
from .frames import receive_parts, send_frames
from .security import Token
from .unix_lock import UnixLock
from .unix_peer import trusted_users

_WAKE_LINGER_MS = 1000
_LAST_SECONDS = 1.0
"""How long peers have to take what was said to them last."""

_BACKLOG = 100
"""Clients that may wait to be let in by the system."""
ALLOW_INSECURE = "ServeOptions(allow_insecure=True)"
"""How other machines are allowed without a token; the command has an option instead."""

_SEND_QUEUE = 1000
"""Messages that wait for one peer to take them; then it counts as one that cannot be reached."""


class ZmqListener:
    """A `Listener` over ZeroMQ, bound when it is built.

    Args:
        address: Where to listen; port 0 takes a free one.
        token: The secret that clients must share; without one, anybody who reaches it may connect.
        max_message: Bytes that one received frame may have.
        allow_insecure: Allow an address that other machines reach, without a token.

    Raises:
        AddressError: The address does not parse, or is none of this machine.
        AddressInUse: Another server holds it.
        SecurityError: Other machines could reach it, and there is no token.
    """

    def __init__(
        self, address: str, token: Token, max_message: int, *, allow_insecure: bool = False
    ) -> None:
        token.check()
        parsed = parse_address(address)
        if not (parsed.is_local or token or allow_insecure):
            raise SecurityError(
                f"refusing to serve {parsed} without a token, because other machines can reach it:"
                " pass token=... (or set RLMESH_TOKEN; `rlmesh token` prints one), bind 127.0.0.1,"
                f" or accept the risk with {ALLOW_INSECURE}"
            )
        self._lock = UnixLock(parsed.path) if parsed.scheme == "unix" else None
        self._context = zmq.Context()
        self._wake_endpoint = f"inproc://wake-{os.urandom(16).hex()}"
        # An inproc address is only visible within one context.
        context = zmq.Context.instance() if parsed.scheme == "inproc" else self._context
        self._socket: Any = context.socket(zmq.ROUTER)
        # Without lingering: as with the full queue below, the process would be ended if a peer, of
        # which something waits to be taken, says one thing more and hangs up.
        self._socket.linger = 0
        self._socket.router_mandatory = True
        # Never with router_handover: whoever knows a peer's id could end the process, as below.
        self._socket.sndtimeo = 0
        # With a full receive queue, libzmq 4.3.5 ends the process ("Assertion failed: !_io_error")
        # when the peer hangs up at the wrong moment. So there is none that fills.
        self._socket.rcvhwm, self._socket.sndhwm = 0, _SEND_QUEUE
        self._socket.maxmsgsize = max_message
        self._socket.heartbeat_ivl = HEARTBEAT_INTERVAL_MS
        self._socket.heartbeat_timeout = HEARTBEAT_TIMEOUT_MS
        self._socket.ipv6 = ":" in parsed.host
        self._is_inherited = False
        self._timeout = -1
        self._copy = parsed.scheme == "inproc"
        self._last_words: List[zmq.MessageTracker] = []
        self._wake_context: Any = context
        token.secure_server(self._socket)
        try:
            self._address = self._bind(parsed)
        except BaseException:
            self.close()
            raise
        self._socket.bind(self._wake_endpoint)
        leave_to_parent(self)

    @property
    def socket(self) -> Any:
        """What becomes readable when a message arrives."""
        return self._socket

    @property
    def address(self) -> str:
        """The bound address, with the port that the system chose."""
        return str(self._address)

    def receive(self, timeout: float) -> Optional[Incoming]:
        """Return the next message; None after `timeout` seconds, or when woken."""
        socket = self._socket
        milliseconds = int(timeout * 1000)
        if milliseconds != self._timeout:
            socket.rcvtimeo = self._timeout = milliseconds
        try:
            peer = socket.recv()
        except zmq.Again:
            return None
        control = socket.recv(copy=False)
        data = control.bytes
        if control.more:
            return Incoming(peer, data, receive_parts(socket))
        return Incoming(peer, data, ()) if data else None

    def send(
        self,
        peer: bytes,
        control: bytes,
        payload: Sequence[memoryview] = (),
        is_last: bool = False,
    ) -> bool:
        """Queue one message; return False when the peer cannot be reached."""
        socket = self._socket
        try:
            socket.send(peer, zmq.SNDMORE)
            tracker = send_frames(socket, control, payload, self._copy, is_last)
        except zmq.ZMQError:
            return False
        if tracker is not None:
            self._last_words.append(tracker)
        return True

    def wake(self) -> None:
        """Make a `receive` that is under way, or the next one, return None. Any thread may."""
        # A listener that was closed in the meantime has nothing to wake.
        with contextlib.suppress(zmq.ZMQError), self._wake_context.socket(zmq.DEALER) as socket:
            socket.linger = _WAKE_LINGER_MS
            socket.connect(self._wake_endpoint)
            socket.send(b"")

    def disown(self) -> None:
        """Give the socket up in a forked process; see `Heirloom`."""
        self._is_inherited = True
        self._socket = self._wake_context = Inherited(f"the server at {self.address}")

    def close(self) -> None:
        """Free the socket, its threads and its file; calling it again does nothing."""
        if self._is_inherited:
            return
        if not self._socket.closed:
            deadline = time.monotonic() + _LAST_SECONDS
            try:
                with contextlib.suppress(zmq.NotDone):
                    for tracker in self._last_words:
                        tracker.wait(max(deadline - time.monotonic(), 0))
            finally:
                self._socket.close()
        self._context.term()
        if self._lock is not None:
            self._lock.release()

    def _bind_unix(self, path: str) -> None:
        """Bind a socket that ZeroMQ does not remove at the end, when it may be another server's."""
        assert self._lock is not None
        socket = _bound(path)
        self._lock.note_socket()
        self._socket.setsockopt(zmq.USE_FD, socket.detach())
        self._socket.bind(f"ipc://{path}")

    def _bind(self, parsed: Address) -> Address:
        try:
            if parsed.scheme == "unix":
                # The socket is for this user alone from its first moment on, by the file's mode and
                # by what the system says of who connects.
                for user in trusted_users():
                    with contextlib.suppress(zmq.ZMQError):  # where the system says nothing
                        self._socket.setsockopt(zmq.IPC_FILTER_UID, user)
                self._bind_unix(parsed.path)
                return parsed
            if parsed.scheme == "inproc":
                self._socket.bind(str(parsed))
                return parsed
            host = parsed._replace(host=_numeric(parsed.host))
            self._socket.bind(str(host) if host.port else str(host)[:-1] + "*")
            bound = self._socket.last_endpoint.decode().rstrip("\0")
            return parsed._replace(port=int(bound.rsplit(":", 1)[1]))
        except (OSError, zmq.ZMQError) as exc:
            if exc.errno == zmq.EADDRINUSE:
                raise AddressInUse(f"address: {parsed} is in use by another server") from exc
            raise AddressError(f"address: cannot serve {parsed}: {exc.strerror}") from exc


def _bound(path: str) -> sockets.socket:
    """Return a socket that listens at a path, for this user alone."""
    socket = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
    try:
        socket.setblocking(False)
        mask = os.umask(0o177)
        try:
            socket.bind(path)
        finally:
            os.umask(mask)
        socket.listen(_BACKLOG)
    except BaseException:
        socket.close()
        raise
    return socket


def _numeric(host: str) -> str:
    """Return the numeric form of a host, because a ROUTER binds nothing else."""
    try:
        return str(sockets.getaddrinfo(host, None, type=sockets.SOCK_STREAM)[0][4][0])
    except (OSError, UnicodeError) as exc:
        raise AddressError(f"address: the host {host!r} is unknown: {exc}") from exc
