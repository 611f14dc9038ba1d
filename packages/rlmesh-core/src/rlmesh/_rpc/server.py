"""The server's side of sessions: exactly-once execution, for as many sessions as a service has."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections import deque
from typing import Any, Deque, Dict, Sequence, Tuple

from rlmesh._contract.peer import PeerInfo
from rlmesh._transport.carrier import Incoming, Listener
from rlmesh._wire.errors import error_to_wire
from rlmesh._wire.messages import (
    CLOSE,
    ERROR,
    FIRST_ACTING_OP,
    HELLO,
    OK,
    OP_NAMES,
    OPEN,
    PING,
    SHUTDOWN,
    UNPARSED,
    Reply,
    Request,
    pack,
    unpack_request,
)
from rlmesh.errors import Busy, LimitExceeded, ProtocolError, SecurityError, SessionLost

from .limits import check_size
from .options import ServeOptions
from .service import Call, Failure, Outcome, Service
from .session import Session
from .sessions import Sessions
from .watchdog import Watchdog

logger = logging.getLogger("rlmesh.server")

_TICK = 1.0
_PROBE_INTERVAL = 2.0


class RpcServer:
    """Serves one service, on the thread that calls `run`.

    Args:
        service: What is served; closed at the end of `run`.
        listener: Where messages come from; closed at the end of `run`.
        options: See `ServeOptions`.

    Attributes:
        finished: Set when `run` has ended and everything is freed.
    """

    def __init__(self, service: Service, listener: Listener, options: ServeOptions) -> None:
        self._service = service
        self._listener = listener
        self._options = options
        self._boot = os.urandom(8)
        self._started = time.monotonic()
        self._requests = 0
        self._sessions = Sessions(
            service.role, service.capacity, options.session_grace, self._boot, listener
        )
        self._waiting: Deque[Call] = deque()
        self._next_check = 0.0
        self._drain_until = 0.0
        self._stopping = threading.Event()
        self.finished = threading.Event()
        self._lock = threading.RLock()
        self._watchdog = Watchdog(self._lock, self._drain)

    def run(self) -> None:
        """Serve until `stop`, then free everything. Calls that have arrived are finished first."""
        self._lock.acquire()
        try:
            self._watchdog.start()
            self._serve()
        finally:
            # Ctrl-C may have come just before or after the lock was taken, or given up.
            with contextlib.suppress(RuntimeError):
                while True:
                    self._lock.release()
            self._watchdog.stop()
            self._listener.close()
            try:
                self._sessions.end_all()
                self._release_ended()
                self._service.close()
            finally:
                self.finished.set()

    def stop(self) -> None:
        """Make `run` return. Any thread and any signal handler may call this, repeatedly."""
        if not self._stopping.is_set():
            self._drain_until = time.monotonic() + self._options.drain_timeout
            self._stopping.set()
            if not self.finished.is_set():
                self._listener.wake()

    def abandon(self) -> None:
        """Free everything of a server that will not run."""
        if not self.finished.is_set():
            try:
                self._listener.close()
                self._service.close()
            finally:
                self.finished.set()

    def _serve(self) -> None:
        """Receive requests and execute them until a stop, and the end of the drain."""
        waiting, receive = self._waiting, self._listener.receive
        while True:
            patience = self._service.delay(waiting)
            if patience is None:
                patience = _TICK
                if self._stopping.is_set():
                    patience = min(self._drain_until - time.monotonic(), _TICK)
                    if patience <= 0 or not len(self._sessions):
                        return
            if patience <= 0:
                self._work()
            else:
                incoming = receive(patience)
                if incoming is not None:
                    self._handle(incoming)
            if time.monotonic() >= self._next_check:
                self._check()
            if self._sessions.ended:
                self._release_ended()

    def _work(self) -> None:
        """Have the service execute what waits, or a part of it, and send the replies."""
        if len(self._sessions) > 1:
            # Whatever has arrived meanwhile may go into the same batch.
            self._receive_all()
        self._watchdog.enter_call()
        try:
            outcomes = self._service.execute(self._waiting)
        finally:
            self._watchdog.leave_call()
        for call, outcome in outcomes:
            self._reply(call, outcome)

    def _drain(self) -> None:
        """Answer everything that has arrived, from the watchdog's thread."""
        self._receive_all()
        if time.monotonic() >= self._next_check:
            self._check()

    def _receive_all(self) -> None:
        while True:
            incoming = self._listener.receive(0)
            if incoming is None:
                return
            self._handle(incoming)

    def _check(self) -> None:
        """Look after the sessions now and then; shut down when there were none for too long."""
        now = time.monotonic()
        self._next_check = now + _PROBE_INTERVAL
        self._sessions.check()
        idle = self._options.idle_timeout
        if idle is not None:
            self._next_check = min(self._next_check, now + idle / 2)
            if self._sessions.idle_seconds >= idle:
                logger.info("shutting down after %g s without a session", idle)
                self.stop()

    def _release_ended(self) -> None:
        """Have the service forget the sessions that ended, on the thread of its calls."""
        while self._sessions.ended:
            self._service.release(self._sessions.ended.pop(0))

    def _handle(self, incoming: Incoming) -> None:
        peer = incoming.peer
        try:
            if len(incoming.control) > self._options.max_control:
                raise LimitExceeded(
                    f"control frame: expected at most {self._options.max_control} bytes,"
                    f" got {len(incoming.control)}"
                )
            request = unpack_request(incoming.control)
        except (ProtocolError, LimitExceeded) as exc:
            logger.warning("dropped a message that is no request: %s", exc)
            self._listener.send(peer, self._pack_error(UNPARSED, UNPARSED, exc))
            return
        if request.op >= FIRST_ACTING_OP:
            self._act(peer, request, incoming.payload)
            return
        try:
            body = self._answer(peer, request)
            control = pack(Reply(request.op, request.id, self._boot, OK, body))
        except Exception as exc:
            control = self._pack_error(request.op, request.id, exc)
        self._listener.send(peer, control)

    def _answer(self, peer: bytes, request: Request) -> Any:
        """Return the reply's body to a request outside a session."""
        if request.op == HELLO:
            PeerInfo.from_dict(request.body)
            return PeerInfo(self._service.role, self._options.limits).to_dict()
        if request.op == PING:
            return self._status()
        if request.op == OPEN:
            return self._open(peer, request)
        if request.op == SHUTDOWN:
            return self._shut_down()
        raise ProtocolError(f"unknown operation {request.op}")

    def _status(self) -> Dict[str, Any]:
        return {
            "role": self._service.role,
            "uptime": time.monotonic() - self._started,
            "sessions": len(self._sessions),
            "requests": self._requests,
        }

    def _open(self, peer: bytes, request: Request) -> Any:
        if len(request.session) != 16:
            raise ProtocolError(f"session id: expected 16 bytes, got {len(request.session)}")
        session = self._sessions.get(request.session)
        if session is None:
            if self._stopping.is_set():
                raise Busy(f"the {self._service.role}'s server is shutting down")
            body = request.body if isinstance(request.body, dict) else {}
            self._sessions.make_room(bool(body.get("takeover")))
            limits = PeerInfo.from_dict(body.get("client")).limits
            session = self._sessions.add(Session(request.session, peer, limits))
        session.peer = peer
        return self._service.describe()

    def _shut_down(self) -> None:
        if not self._options.allow_remote_shutdown:
            raise SecurityError(
                f"this {self._service.role}'s server does not let clients shut it down; its"
                " ServeOptions(allow_remote_shutdown=True) would"
            )
        self.stop()

    def _act(self, peer: bytes, request: Request, payload: Sequence[memoryview]) -> None:
        """Have an acting request executed exactly once, whatever is sent again."""
        session = self._sessions.get(request.session)
        if session is None:
            self._refuse(peer, request)
            return
        session.peer = peer
        session.unreachable_since = None
        if request.id == session.next and not session.running and request.op != CLOSE:
            if self._is_drained():
                # Otherwise busy clients would keep a server up that was asked to stop.
                return
            session.next += 1
            session.running, session.reply = True, None
            self._requests += 1
            self._waiting.append(Call(session, request.op, request.body, payload))
        elif request.op == CLOSE and request.id >= session.next:
            # Whatever it skips, nothing will come after it.
            if session.running:
                session.abandoned = True
            else:
                self._sessions.end(session)
            self._listener.send(peer, pack(Reply(CLOSE, request.id, self._boot, OK, None)))
        elif request.id == session.next - 1:
            if session.reply is not None and not session.running:
                self._listener.send(peer, *session.reply)
            # While it runs, its reply will take the route of this newest message.
        elif request.id >= session.next:
            gap = ProtocolError(
                f"request {request.id} of this session came before request {session.next}"
                " was answered"
            )
            self._listener.send(peer, self._pack_error(request.op, request.id, gap))

    def _is_drained(self) -> bool:
        """Whether a stop was asked for, and the time that sessions have to end is over."""
        return self._stopping.is_set() and time.monotonic() >= self._drain_until

    def _refuse(self, peer: bytes, request: Request) -> None:
        """Answer a request of a session that is not, or no longer, known."""
        if request.op == CLOSE:
            # Closing what is already gone is what the client wanted.
            control = pack(Reply(CLOSE, request.id, self._boot, OK, None))
        else:
            gone = SessionLost(
                f"the server does not know this session: it restarted, or it freed the"
                f" {self._service.role} of a client that it could not reach"
            )
            control = self._pack_error(request.op, request.id, gone)
        self._listener.send(peer, control)

    def _reply(self, call: Call, outcome: Outcome) -> None:
        """Send what came of a call, and keep it for as long as it may be asked for again."""
        session, op = call.session, call.op
        control, payload = self._pack_outcome(session, op, outcome)
        session.running = False
        session.reply = (control, payload)
        self._listener.send(session.peer, control, payload)
        if session.abandoned:
            self._sessions.end(session)

    def _pack_outcome(
        self, session: Session, op: int, outcome: Outcome
    ) -> Tuple[bytes, Sequence[memoryview]]:
        number = session.next - 1
        if isinstance(outcome, Failure):
            return self._pack_error(op, number, *outcome), ()
        body, payload = outcome
        try:
            control = pack((op, number, self._boot, OK, body))
            if payload or len(control) > session.limits.control:
                check_size(control, payload, session.limits, OP_NAMES.get(op, "reply"))
        except Exception as exc:
            return self._pack_error(op, number, exc), ()
        return control, payload

    def _pack_error(self, op: int, number: int, exc: Exception, inputs: Any = None) -> bytes:
        body = error_to_wire(exc, self._service.role, inputs)
        return pack(Reply(op, number, self._boot, ERROR, body))
