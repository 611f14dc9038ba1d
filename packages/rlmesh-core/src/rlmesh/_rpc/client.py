"""The client's side of a session: one request at a time, sent again until it is answered.

What exchanges messages is written as generators, so that a thread may wait for one session (the
methods here do) or for many at once (`calls` does).
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import Any, Generator, Iterator, Optional, Sequence, Tuple, TypeVar

from rlmesh import _logs
from rlmesh._contract.peer import Limits, PeerInfo
from rlmesh._forks import inherited_error, leave_to_parent
from rlmesh._transport.carrier import Connection, ConnectionLost, Message
from rlmesh._wire.errors import error_from_wire
from rlmesh._wire.messages import (
    CLOSE,
    FATE,
    FIRST_ACTING_OP,
    HELLO,
    OK,
    OP_NAMES,
    OPEN,
    PING,
    SHUTDOWN,
    STARTING,
    STATS,
    UNPARSED,
    Reply,
    Request,
    pack,
    unpack_reply,
)
from rlmesh.errors import (
    Busy,
    CallUnderWay,
    ConnectionFailed,
    EnvCrashed,
    ProtocolError,
    RequestTimeout,
    RLMeshError,
    SessionLost,
)

from .limits import check_size
from .waits import SLOW_AFTER, TELL_AFTER, TELL_EVERY, Waiter

RESEND_INTERVAL = 5.0
"""Seconds without an answer after which a request is sent again over a new connection.

Each time twice as many: a large reply, which a new connection cuts off, may take long to arrive.
"""

_GLANCE = 0.25
"""Seconds between two looks at a connection, or at a busy server, that is expected to change."""
_ATTENTION = 0.5
"""Seconds between two looks at whether the client was closed while a call waits."""
_HOLD = 2.0
"""Seconds for which a server may hold a question whose answer is expected to change."""
_ATTENDANCE = 1.0
"""Seconds between two looks at a connection that nothing is asked over."""
_HEARING = 0.1
"""Seconds for which a client takes what a server says of its own accord, at a time."""
_GOODBYE_TIMEOUT = 2.0
_GOODBYE_PATIENCE = 0.5
"""Seconds without an answer after which a goodbye is said again; each time twice as many."""
_ARTICLES = {"env": "an"}

_Reply = Tuple[Reply, Sequence[memoryview]]
_T = TypeVar("_T")

Steps = Generator[float, Optional[Message], _T]
"""Yields for how many seconds to wait for the next message, and is sent that message, or None.

`ConnectionLost` is thrown into it. What it returns is what was asked for.
"""


class RpcClient:
    """One session with one server. Calls from several threads take turns.

    A call that interrupts another one on the same thread, as those of signal handlers and
    finalizers do, raises `CallUnderWay`; only `close` may come at any time. It makes calls that are
    under way end with an error.

    Args:
        connection: The way to the server; closed by `close`.
        address: The server's address, as errors show it.
        connect_timeout: Seconds to find the server, to wait for an env whose holder went away,
            and to restore a broken connection.
        role: What must be served there, `"env"` or `"model"`; None asks for nothing.
        session: The id of a session that another connection has opened; None for a new one.
        lane: The number of the run's lane that waits for it, where there are several.
    """

    def __init__(
        self,
        connection: Connection,
        address: str,
        connect_timeout: float,
        role: Optional[str] = None,
        session: Optional[bytes] = None,
        lane: Optional[int] = None,
    ) -> None:
        self.address = address
        self.lane = lane
        self._role = role
        self._connection = connection
        self._connect_timeout = connect_timeout
        # Reentrant, so that a call that interrupts another one finds `_under_way` set.
        self._lock = threading.RLock()
        self._under_way = False
        self._given_up = self._left = self._is_inherited = False
        self._session = session or os.urandom(16)
        self._boot = b""
        self._acting_id = self._control_id = self._received = 0
        self._limits = Limits()
        self._fate_asked: Optional[float] = None
        self._attend_at = 0.0
        self._over: Optional[str] = "it was never opened"
        leave_to_parent(self)

    @property
    def connection(self) -> Connection:
        """The way to the server, for whoever drives `Steps`."""
        return self._connection

    @property
    def is_over(self) -> bool:
        """Whether the session has ended, or was never opened."""
        return self._over is not None

    def hello(self) -> PeerInfo:
        """Introduce this client, and return who the server is.

        Raises:
            ConnectionFailed: Nobody answered within the connect timeout.
            ProtocolError: The server speaks another version, is none of ours, or serves
                something else.
            SecurityError: The server's token differs from ours.
        """
        return self.complete(self.greeting())

    def open(
        self, *, takeover: bool = False, busy_timeout: float = 0.0, start_timeout: float = 0.0
    ) -> Any:
        """Open the session, and return what the service says of itself.

        Args:
            takeover: Do not wait for a holder that cannot be reached; end its session.
            busy_timeout: Seconds to wait in line while others hold all that there is.
            start_timeout: Seconds that the start of what the session needs may take.

        Raises:
            Busy: Other clients hold the service.
            RequestTimeout: It did not start in time.
            RLMeshError: As `hello`, or why it could not start.
        """
        return self.complete(self.opening(takeover, busy_timeout, start_timeout))

    def ping(self) -> Any:
        """Return the server's status as plain data.

        Raises:
            RLMeshError: As `hello`.
        """
        return self.complete(self._control(PING, None, time.monotonic() + self._connect_timeout))

    def stats(self) -> Any:
        """Return what the server has done, as plain data.

        Raises:
            RLMeshError: As `hello`.
        """
        return self.complete(self._control(STATS, None, time.monotonic() + self._connect_timeout))

    def shutdown(self) -> None:
        """Shut the server down.

        Raises:
            SecurityError: Its options do not allow that.
            RLMeshError: As `hello`.
        """
        self.complete(self._control(SHUTDOWN, None, time.monotonic() + self._connect_timeout))

    def call(
        self, op: int, body: Any, payload: Sequence[memoryview], timeout: float
    ) -> Tuple[Any, Sequence[memoryview]]:
        """Have the server execute one request exactly once; return its reply's body and payload.

        Args:
            op: One of the acting operations.
            body: Plain data.
            payload: The payload frames; their memory must not change until the reply is there.
            timeout: Seconds until the reply must be there.

        Raises:
            RequestTimeout: It was not; the session is over.
            ConnectionFailed: The connection broke and could not be restored; the session is over.
            SessionLost: The session was over before, or the server forgot it.
            LimitExceeded: The request is larger than the server accepts.
            RLMeshError: What the server answered.
        """
        return self.complete(self.calling(op, body, payload, timeout))

    def complete(self, steps: Steps[_T]) -> _T:
        """Return what steps return, waiting for this session's messages alone."""
        return _drive(steps, self._connection)

    def greeting(self) -> Steps[PeerInfo]:
        """Do what `hello` does, in steps."""
        deadline = time.monotonic() + self._connect_timeout
        body = yield from self._control(HELLO, _introduction(), deadline)
        peer = PeerInfo.from_dict(body)
        if self._role not in (None, peer.role):
            found, expected = (f"{_ARTICLES.get(r, 'a')} {r}" for r in (peer.role, self._role))
            raise ProtocolError(f"{self.address} serves {found}, expected {expected}")
        self._limits = peer.limits
        return peer

    def opening(
        self, takeover: bool = False, busy_timeout: float = 0.0, start_timeout: float = 0.0
    ) -> Steps[Any]:
        """Do what `open` does, in steps."""
        yield from self.greeting()
        # From now on the server may have the session, whatever comes of this.
        self._over = None
        waiter = self._waiter(OPEN)
        try:
            description = yield from self._opening(takeover, busy_timeout, start_timeout, waiter)
            if self._given_up:
                raise self._ended()
        except BaseException as exc:
            with self._turn("open"):
                self._end(_reason(exc, OPEN))
            raise
        finally:
            waiter.over()
        return description

    def _opening(
        self, takeover: bool, busy_timeout: float, start_timeout: float, waiter: Waiter
    ) -> Steps[Any]:
        began = now = time.monotonic()
        deadline, busy_until = now + self._connect_timeout, now + busy_timeout
        start_until: Optional[float] = None
        hold = min(_HOLD, self._connect_timeout / 2)
        body = {"client": _introduction(), "takeover": takeover, "hold": hold}
        busy: Optional[Busy] = None
        while True:
            try:
                waits = time.monotonic() < busy_until
                description = yield from self._control(OPEN, {**body, "wait": waits}, deadline)
            except Busy as exc:
                now = time.monotonic()
                stays_in_line = exc.in_line and now < busy_until
                if not stays_in_line and (not exc.holder_gone or now > deadline - _GLANCE):
                    raise
                # With its traceback, it and this frame would keep each other in memory.
                busy = exc.with_traceback(None)
                if now - began >= TELL_AFTER:
                    until = busy_until if stays_in_line else deadline
                    waiter.tell(f"a place at {self.address}, which others hold", began, until)
                if stays_in_line:
                    deadline = now + self._connect_timeout
                    continue
            except RequestTimeout as exc:
                raise (busy or exc) from None
            else:
                if description != STARTING:
                    return description
                now = time.monotonic()
                start_until = start_until or now + start_timeout
                if now >= start_until:
                    raise RequestTimeout(
                        f"the env at {self.address} did not start within {start_timeout:g} s"
                    )
                if now - began >= SLOW_AFTER:
                    since = start_until - start_timeout
                    waiter.tell(f"a new env at {self.address} to start", since, start_until)
                deadline = now + self._connect_timeout
                continue
            yield from self._pause(_GLANCE)

    def calling(
        self, op: int, body: Any, payload: Sequence[memoryview], timeout: float
    ) -> Steps[Tuple[Any, Sequence[memoryview]]]:
        """Do what `call` does, in steps."""
        with self._lock:
            # As in `_turn`, which would cost something here.
            if self._under_way:
                raise self._reentered(OP_NAMES[op])
            self._under_way = True
            try:
                # Not before: `close` may have come between any two lines.
                if self._over is not None:
                    raise self._ended()
                number = self._acting_id + 1
                control = pack((op, number, self._session, self._received, body))
                if payload or len(control) > self._limits.control:
                    check_size(control, payload, self._limits, OP_NAMES[op])
                self._acting_id = number
                try:
                    steps = self._exchange(op, number, control, payload, timeout)
                    reply, received = yield from steps
                except BaseException as exc:
                    # Also after Ctrl-C: nobody knows then whether the server has this number.
                    if isinstance(exc, RLMeshError) and not self._given_up:
                        self._log_loss(str(exc.args[0] if exc.args else exc))
                    self._end(_reason(exc, op))
                    raise
                self._received = number
                if reply.boot == self._boot and reply.status == OK:
                    return reply.body, received
                raise self._failed(reply)
            finally:
                self._under_way = False
                if self._left:
                    self._connection.close()

    def close(self) -> None:
        """Say goodbye and free the connection; calling it again does nothing.

        A call under way on another thread ends with an error first. One that this interrupts, in a
        signal handler, say, does so as soon as it goes on.
        """
        self._given_up = True
        if self._is_inherited:
            return
        with self._lock:
            if self._under_way:
                self._leave()
                return
            with self._turn("close"):
                self._left = True
                self._end("it was closed")

    def disown(self) -> None:
        """Give the session up in a forked process; see `Heirloom`."""
        self._lock = threading.RLock()
        self._under_way = False
        self._is_inherited = True
        self._over = "it is another process's"

    def look_up_fate(self) -> None:
        """Ask what became of the session, without waiting for the answer: a later call has it.

        Raises:
            EnvCrashed: The process of its env ended.
            SessionLost: The server knows nothing of it.
        """
        with self._turn("fate"):
            asked = self._fate_asked
            if asked is None or time.monotonic() - asked >= RESEND_INTERVAL:
                self._ask_for_fate()
            self._hear_fate()

    def attend(self) -> None:
        """Keep a session whose requests go another way: to its server, this client is there.

        Raises:
            EnvCrashed, SessionLost: As `look_up_fate`; the server said so of its own accord.
        """
        now = time.monotonic()
        if now >= self._attend_at:
            self._attend_at = now + _ATTENDANCE
            if not self._given_up:
                with self._turn("fate"):
                    self._hear_fate()

    def release(self, other: RpcClient) -> None:
        """Ask the server to end the session of another client, which may have failed to do so."""
        self._connection.send(other._goodbye())

    def _ask_for_fate(self) -> None:
        self._fate_asked = time.monotonic()
        self._control_id += 1
        self._connection.send(pack(Request(FATE, self._control_id, self._session, 0, None)))

    def _hear_fate(self) -> None:
        """Take what has arrived; over a new connection, the server is told where we are."""
        until = time.monotonic() + _HEARING
        try:
            while time.monotonic() < until:
                message = self._connection.receive(0)
                if message is None:
                    return
                reply = self._reply_to(FATE, self._control_id, message)
                if reply is not None:
                    self._fate_asked = None
                    if reply.status != OK:
                        raise self._error(reply)
        except ConnectionLost:
            self._connection.reconnect()
            self._ask_for_fate()

    def closing(self) -> Steps[None]:
        """Say goodbye, in steps; `close` still has to follow."""
        with self._turn("close"), contextlib.suppress(ConnectionLost, RLMeshError):
            yield from self._ending("it was closed")

    @contextlib.contextmanager
    def _turn(self, name: str) -> Iterator[None]:
        """Have the connection for one call, during a `with` block.

        Raises:
            CallUnderWay: This interrupts another call on the same thread.
        """
        with self._lock:
            if self._under_way:
                raise self._reentered(name)
            self._under_way = True
            try:
                yield
            finally:
                self._under_way = False
                if self._left:
                    self._connection.close()

    def _control(self, op: int, body: Any, deadline: float) -> Steps[Any]:
        """Exchange one request outside the session, and return the reply's body."""
        with self._turn(OP_NAMES[op]):
            if self._given_up or self._is_inherited:
                raise self._ended()
            self._control_id += 1
            control = pack(Request(op, self._control_id, self._session, 0, body))
            remaining = max(deadline - time.monotonic(), 0.0)
            reply, _ = yield from self._exchange(op, self._control_id, control, (), remaining)
        self._boot = reply.boot
        if reply.status != OK:
            raise self._error(reply)
        return reply.body

    def _exchange(
        self, op: int, number: int, control: bytes, payload: Sequence[memoryview], timeout: float
    ) -> Steps[_Reply]:
        """Send a request, again where that is needed, until its reply is there."""
        connection = self._connection
        connection.send(control, payload)
        started = sent = time.monotonic()
        lost: Optional[float] = None if connection.connected else started
        patience = RESEND_INTERVAL
        wait = min(timeout, patience, _ATTENTION if lost is None else _GLANCE)
        waiter: Optional[Waiter] = None
        try:
            while True:
                try:
                    message = yield wait
                except ConnectionLost:
                    if lost is None:
                        text = f"the connection to {self.address} broke during {OP_NAMES[op]}"
                        _logs.warning(
                            _logs.CLIENT, "reconnect", text, **self._fields(op=OP_NAMES[op])
                        )
                    lost = sent = time.monotonic()
                    connection.reconnect()
                    connection.send(control, payload)
                else:
                    if message is not None:
                        reply = self._reply_to(op, number, message)
                        if reply is not None:
                            return reply, message.payload
                    if connection.connected:
                        lost = None
                if self._given_up:
                    raise self._ended()
                now = time.monotonic()
                if now - started >= timeout or (
                    lost is not None and now - lost >= self._connect_timeout
                ):
                    raise self._no_answer(op, number, timeout, now - (lost or now), lost)
                if now - sent >= patience:
                    text = f"no answer from {self.address} to {OP_NAMES[op]} yet: it is sent again"
                    _logs.info(_logs.CLIENT, "resend", text, **self._fields(op=OP_NAMES[op]))
                    sent, patience = now, 2 * patience
                    connection.reconnect()
                    connection.send(control, payload)
                    # Until it is seen to stand, which it may never do.
                    lost = now if lost is None else lost
                wait = min(started + timeout, sent + patience) - now
                wait = min(wait, self._look(lost is not None))
                if now - started >= SLOW_AFTER or (lost is not None and now - lost >= TELL_AFTER):
                    waiter = waiter or self._waiter(op)
                    self._tell(waiter, op, started, timeout, lost)
                    wait = min(wait, TELL_EVERY)
        finally:
            if waiter is not None:
                waiter.over()

    def _waiter(self, op: int) -> Waiter:
        return Waiter(self.lane, self._fields(op=OP_NAMES[op]))

    def _tell(
        self, waiter: Waiter, op: int, started: float, timeout: float, lost: Optional[float]
    ) -> None:
        """Tell what a request that began at a time is waiting for; see `_no_answer`."""
        until = started + timeout
        if lost is None or time.monotonic() - lost < TELL_AFTER:
            waiter.tell(f"{self.address} to answer {OP_NAMES[op]}", started, until)
            return
        what = (
            "a server" if self._role is None else f"{_ARTICLES.get(self._role, 'a')} {self._role}"
        )
        waiter.tell(f"{what} at {self.address}", lost, min(until, lost + self._connect_timeout))

    def _look(self, lost: bool) -> float:
        """Return for how many seconds to wait at most for a connection, which may be lost."""
        return _GLANCE if lost else _ATTENTION

    def _reply_to(self, op: int, number: int, message: Message) -> Optional[Reply]:
        """Return the reply in a message if it is the one to a request; others are dropped."""
        reply = unpack_reply(message.control)
        if reply.id == number and reply.op == op:
            return reply
        if reply.op == UNPARSED:
            raise self._error(reply)
        return None

    def _pause(self, seconds: float) -> Steps[None]:
        """Wait, dropping what arrives meanwhile."""
        deadline = time.monotonic() + seconds
        while seconds > 0:
            try:
                yield seconds
            except ConnectionLost:
                self._connection.reconnect()
            seconds = deadline - time.monotonic()

    def _end(self, reason: str) -> None:
        """End the session on both sides, as far as the other side can still be told."""
        # A server that does not hear this frees the env when it finds the client gone.
        with contextlib.suppress(ConnectionLost, RLMeshError):
            self.complete(self._ending(reason))

    def _leave(self) -> None:
        """Say goodbye within a call that this interrupts; the connection is closed at its end.

        The goodbye goes another way: the call may have sent a part of a message.
        """
        self._left = True
        if self._over is None:
            self._over = "it was closed"
            with contextlib.suppress(RLMeshError):
                connection = self._connection.another()
                try:
                    with contextlib.suppress(ConnectionLost):
                        _drive(self._parting(connection), connection)
                finally:
                    connection.close()

    def _ending(self, reason: str) -> Steps[None]:
        if self._over is not None:
            return
        self._over = reason
        if self._connection.connected:
            yield from self._parting(self._connection)
        else:
            self._connection.send(self._goodbye())

    def _parting(self, connection: Connection) -> Steps[None]:
        """Say goodbye over a connection, and wait until the server has heard it."""
        goodbye = self._goodbye()
        connection.send(goodbye)
        # Until the server has ended the session, so that the next client finds it free.
        now, number = time.monotonic(), self._acting_id + 1
        deadline, patience = now + _GOODBYE_TIMEOUT, _GOODBYE_PATIENCE
        again = now + patience
        while now < deadline:
            try:
                message = yield min(deadline, again) - now
            except ConnectionLost:
                # A server that is gone keeps nobody waiting for long.
                again, deadline = now, min(deadline, time.monotonic() + _GOODBYE_TIMEOUT / 2)
            else:
                if message is not None and self._reply_to(CLOSE, number, message) is not None:
                    return
            now = time.monotonic()
            if now >= again:
                connection.reconnect()
                connection.send(goodbye)
                patience *= 2
                again = now + patience

    def _goodbye(self) -> bytes:
        """Return the request that ends the session."""
        return pack(Request(CLOSE, self._acting_id + 1, self._session, self._received, None))

    def _fields(self, **fields: Any) -> Any:
        return {"session": _logs.short(self._session), "address": self.address, **fields}

    def _log_loss(self, reason: str) -> None:
        text = f"the session with {self.address} is over: {reason}"
        _logs.warning(_logs.CLIENT, "session_lost", text, **self._fields(reason=reason))

    def _ended(self) -> RLMeshError:
        """Return the error about a call of a session that is over."""
        if self._is_inherited:
            return inherited_error(f"this client of {self.address}")
        over = "it was closed" if self._given_up else self._over
        return SessionLost(f"the session with {self.address} is over: {over}")

    def _reentered(self, name: str) -> CallUnderWay:
        return CallUnderWay(
            f"{name}: another call of this client of {self.address} is under way on this thread,"
            " interrupted by a signal handler or a finalizer; only close() may be called there"
        )

    def _failed(self, reply: Reply) -> RLMeshError:
        """Return the error about a call that was not executed, or not well."""
        if reply.boot != self._boot:
            self._over = "the server restarted"
            error: RLMeshError = SessionLost(
                f"the server at {self.address} restarted: the session is gone"
            )
        else:
            error = self._error(reply)
            if isinstance(error, SessionLost) and self._given_up:
                return self._ended()
            if isinstance(error, SessionLost):
                self._over = "the server no longer knows it"
            elif isinstance(error, EnvCrashed):
                self._over = "the env crashed"
        if self._over is not None:
            self._log_loss(self._over)
        return error

    def _error(self, reply: Reply) -> RLMeshError:
        return error_from_wire(reply.body, OP_NAMES.get(reply.op, "request"), self.address)

    def _no_answer(
        self, op: int, number: int, timeout: float, tried: float, lost: Optional[float]
    ) -> RLMeshError:
        """Return the error about a request without an answer, of which no more is known.

        Args:
            op: Its operation.
            number: Its number.
            timeout: Seconds that it had.
            tried: Seconds since the connection was lost, if it is.
            lost: Since when it is.
        """
        name, budget, unknown = OP_NAMES[op], self._connect_timeout, ""
        if op >= FIRST_ACTING_OP:
            unknown = f"; whether request {number} of the session was executed is not known"
        if lost is None:
            # What is left of the connect timeout is no number that anybody chose.
            budget = timeout if op >= FIRST_ACTING_OP else budget
            return RequestTimeout(
                f"the server at {self.address} is connected, but did not answer {name}"
                f" within {budget:g} s{unknown}"
            )
        if not self._boot:
            return ConnectionFailed(
                f"no RLMesh server answered at {self.address} within {budget:g} s"
            )
        restored = f"could not be restored within {budget:g} s"
        if op >= FIRST_ACTING_OP and tried < budget:
            restored = (
                f"was not restored in the last {min(tried, timeout):.2g} s of its {timeout:g} s"
            )
        return ConnectionFailed(
            f"the connection to {self.address} broke during {name}, and {restored}{unknown}"
        )


def _drive(steps: Steps[_T], connection: Connection) -> _T:
    """Return what steps return, waiting for the messages of one connection alone."""
    receive = connection.receive
    try:
        wait = next(steps)
        while True:
            try:
                message = receive(wait)
            except BaseException as exc:
                wait = steps.throw(exc)
            else:
                wait = steps.send(message)
    except StopIteration as done:
        result: _T = done.value
        return result


def _introduction() -> Any:
    return PeerInfo("client", Limits()).to_dict()


def _reason(error: BaseException, op: int) -> str:
    """Return why a session is over, for later calls, of what ended a call from within."""
    if isinstance(error, RLMeshError):
        return str(error)
    # Ctrl-C, or what a signal handler raised: whether the request was executed is not known.
    return f"a {type(error).__name__} during {OP_NAMES[op]} gave it up"
