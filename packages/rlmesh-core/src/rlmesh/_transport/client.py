"""The ZeroMQ carrier's client end: a DEALER that watches its own connection."""

from __future__ import annotations

import contextlib
import math
import os
import socket as sockets
import struct
import time
import weakref
from typing import Any, Optional, Sequence, Tuple

import zmq

from rlmesh._forks import Inherited, leave_to_parent
from rlmesh.errors import AddressError, ConnectionFailed, SecurityError

from .address import Address, parse_address
from .carrier import ConnectionLost, Message
from .frames import receive_parts, send_frames
from .security import Token
from .unix_peer import check_listener, check_owner

HEARTBEAT_INTERVAL_MS = 1000
HEARTBEAT_TIMEOUT_MS = 3000

_SEND_QUEUE = 16
"""Messages that wait to be sent at most; one that finds no room is lost, and sent again."""
_FAST_WAIT_MS = 50
"""How long a receive looks at the socket alone, before it also watches the connection."""
_FAILED_HANDSHAKES = 5

_EVENTS = (
    zmq.EVENT_CONNECTED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)


class ZmqConnection:
    """A `Connection` over ZeroMQ.

    Args:
        address: Where the server is.
        token: The shared secret, if the server asks for one.
        max_message: Bytes that one received frame may have.

    Raises:
        AddressError: The address does not parse, or its port is 0.
        ConnectionFailed: The name of its host does not resolve.
        SecurityError: The token is too short, or the socket is another user's.
        ConnectionFailed: This process has no more file descriptors, say.
    """

    def __init__(self, address: str, token: Token, max_message: int) -> None:
        token.check()
        parsed = parse_address(address)
        if parsed.scheme == "tcp" and not parsed.port:
            raise AddressError(f"address: expected the port of a running server, got {address!r}")
        self._address = str(parsed)
        _check_host(parsed)
        self._endpoint = f"ipc://{parsed.path}" if parsed.scheme == "unix" else str(parsed)
        self._unix_path = parsed.path if parsed.scheme == "unix" else ""
        self._copy = parsed.scheme == "inproc"
        self._ipv6 = ":" in parsed.host
        self._token = token
        self._max_message = max_message
        self._context: Any = zmq.Context.instance()
        self._socket: Any = None
        self._monitor: Any = None
        self._poller: Any = None
        self._release: Any = None
        self._failed_handshakes = 0
        self._was_connected = False
        self._open()
        leave_to_parent(self)

    @property
    def connected(self) -> bool:
        """Whether the connection stands, as far as the last `receive` could see."""
        return self._connected

    def send(self, control: bytes, payload: Sequence[memoryview] = ()) -> None:
        """Queue one message; it is sent as soon as the connection stands."""
        try:
            send_frames(self._socket, control, payload, self._copy)
        except zmq.Again:
            # ZeroMQ gives up a peer that breaks its protocol, and has no queue then, or the other
            # side takes nothing: the message is lost, as with any broken connection. But it looks
            # only now and then whether there is room again, and at once where it is asked.
            with contextlib.suppress(zmq.Again):
                if self._socket.get(zmq.EVENTS) & zmq.POLLOUT:
                    send_frames(self._socket, control, payload, self._copy)

    def receive(self, timeout: float) -> Optional[Message]:
        """Return the next message; None after `timeout` seconds without one, or at once for 0.

        Raises:
            ConnectionLost: The connection broke.
            SecurityError: The server's security differs from ours.
        """
        message = self._read(0 if timeout > 0 else zmq.NOBLOCK)
        if message is not None:
            return message
        if timeout <= 0:
            self._watch()
            return None
        deadline = time.monotonic() + timeout - _FAST_WAIT_MS / 1000
        while True:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return None
            ready = dict(self._poller.poll(math.ceil(remaining * 1000)))
            # What came before a connection broke counts.
            if self._socket in ready:
                message = self._read()
                if message is not None:
                    return message
            if self._monitor in ready:
                self._watch()

    @property
    def sockets(self) -> Tuple[Any, Any]:
        """What becomes readable when a message arrives, and when the connection changes."""
        return self._socket, self._monitor

    def another(self) -> ZmqConnection:
        """Return a new connection to the same place."""
        return ZmqConnection(self._address, self._token, self._max_message)

    def reconnect(self) -> None:
        """Drop this connection with all that is under way on it, and start a new one."""
        self._drop()
        self._open()

    def close(self) -> None:
        """Free the sockets; calling it again does nothing."""
        if self._socket is not None:
            self._drop()

    def disown(self) -> None:
        """Give the sockets up in a forked process; see `Heirloom`."""
        self._release.detach()
        inherited = Inherited(f"this connection to {self._address}")
        self._context = self._socket = self._monitor = self._poller = inherited

    def _open(self) -> None:
        self._connected = self._is_checked = False
        if self._unix_path:
            check_owner(self._unix_path)
        try:
            socket = self._new_socket()
        except zmq.ZMQError as exc:
            self._socket = _Nowhere()
            raise ConnectionFailed(
                f"no connection to {self._address} can be made: {exc.strerror}"
            ) from exc
        self._poller = zmq.Poller()
        self._poller.register(socket, zmq.POLLIN)
        self._poller.register(self._monitor, zmq.POLLIN)
        self._socket = socket
        self._release = weakref.finalize(self, _close, socket, self._monitor, os.getpid())
        self._release.atexit = False
        try:
            socket.connect(self._endpoint)
        except zmq.ZMQError as exc:
            self._drop()
            raise AddressError(f"address: cannot connect to {self._address}: {exc}") from exc

    def _new_socket(self) -> Any:
        """Return a socket that is watched by a new monitor.

        Raises:
            zmq.ZMQError: This process has no more of something.
        """
        socket = self._context.socket(zmq.DEALER)
        socket.linger = 0
        socket.rcvtimeo = _FAST_WAIT_MS
        socket.sndtimeo = 0
        socket.sndhwm = _SEND_QUEUE
        # The probes of an idle client's server pile up until its next call.
        socket.rcvhwm = 0
        socket.maxmsgsize = self._max_message
        socket.heartbeat_ivl = HEARTBEAT_INTERVAL_MS
        socket.heartbeat_timeout = HEARTBEAT_TIMEOUT_MS
        socket.reconnect_ivl_max = 1000
        # The server's route survives what ZeroMQ restores by itself, also while nobody calls. One
        # that the server still takes for another is made anew by the next call.
        socket.routing_id = b"c" + os.urandom(15)
        socket.ipv6 = self._ipv6
        self._token.secure_client(socket)
        try:
            self._monitor = socket.get_monitor_socket(_EVENTS)
        except zmq.ZMQError:
            socket.close()
            raise
        return socket

    def _drop(self) -> None:
        # Without lingering: if the other side hangs up meanwhile, libzmq 4.3.5 may end the process
        # ("Assertion failed: !_io_error"). Whoever has to be sure that something arrived waits for
        # its answer.
        if self._release is not None:
            self._release()
        self._socket = None

    def _read(self, flags: int = 0) -> Optional[Message]:
        """Return a message that is there, or comes soon."""
        socket = self._socket
        try:
            control = socket.recv(flags, copy=False)
        except zmq.Again:
            return None
        parts = receive_parts(socket) if control.more else ()
        if not self._connected and self._unix_path:
            self._watch()
            if not self._is_checked:
                raise ConnectionLost
        self._connected = True
        return Message(control.bytes, parts)

    def _watch(self) -> None:
        """Read what the socket monitor has to say."""
        while self._monitor.poll(0):
            event, value = struct.unpack("=Hi", self._monitor.recv_multipart()[0])
            if event == zmq.EVENT_CONNECTED:
                if self._unix_path:
                    self._check_listener(value)
            elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._connected = self._was_connected = True
            elif event == zmq.EVENT_DISCONNECTED:
                # Before the handshake it is no loss: ZeroMQ goes on trying by itself.
                if self._connected:
                    raise ConnectionLost
            else:
                self._failed_handshakes += 1
                self._judge(event != zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL)

    def _check_listener(self, fd: int) -> None:
        """Raise SecurityError for another user's server, which came after we had looked."""
        self._is_checked = False
        with contextlib.suppress(OSError):  # it was cut off at once
            check_listener(fd, self._unix_path)
            self._is_checked = True

    def _judge(self, mismatch: bool) -> None:
        """Say what failed handshakes mean: at once where it is certain, else after a few.

        One that succeeds shows that the others were cut off.
        """
        few = self._failed_handshakes < _FAILED_HANDSHAKES
        if not mismatch and (self._was_connected or few):
            return
        if mismatch and self._token:
            reason = "it uses no token, and this client does"
        elif mismatch:
            reason = "it asks for a token (token=..., or RLMESH_TOKEN)"
        elif self._token:
            reason = "wrong token, none on its side, or not an RLMesh server"
        else:
            reason = "it asks for a token (token=..., or RLMESH_TOKEN), or is not an RLMesh server"
        raise SecurityError(f"the handshake with {self._address} failed: {reason}")


class _Nowhere:
    """Takes the place of a socket that could not be made: a connection that is broken."""

    def send(self, *args: Any, **options: Any) -> None:
        raise zmq.Again

    def get(self, option: int) -> int:
        return 0

    def recv(self, *args: Any, **options: Any) -> None:
        raise ConnectionLost


def _close(socket: Any, monitor: Any, pid: int) -> None:
    """Close a socket and its monitor, in the only order that is safe, also for one left to die.

    A socket that goes on reporting to a monitor that is gone would block ZeroMQ's I/O thread, and
    with it every other socket of the process.
    """
    if os.getpid() == pid:  # not in a forked child, whose sockets are its parent's
        socket.disable_monitor()
        monitor.close(linger=0)
        socket.close()


def _check_host(address: Address) -> None:
    """Check that the name of a host resolves, which libzmq tries in silence until the timeout."""
    if address.scheme != "tcp" or ":" in address.host:
        return
    try:
        sockets.getaddrinfo(address.host, address.port, sockets.AF_INET)
    except (OSError, UnicodeError) as exc:
        raise ConnectionFailed(
            f"the host name {address.host!r} of {address} does not resolve: {exc}"
        ) from exc
