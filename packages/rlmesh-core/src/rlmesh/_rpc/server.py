"""The server's side of sessions: who holds the service, and exactly-once execution."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from typing import Any, Dict, Optional, Sequence

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
    PROBE,
    UNPARSED,
    Reply,
    Request,
    pack,
    unpack_request,
)
from rlmesh.errors import Busy, LimitExceeded, ProtocolError, SessionLost

from .limits import check_size
from .options import ServeOptions
from .service import Service
from .session import Session
from .watchdog import Watchdog

logger = logging.getLogger("rlmesh.server")

_TICK = 1.0
_PROBE_INTERVAL = 2.0


class RpcServer:
    """Serves one service to one session at a time, on the thread that calls `run`.

    Args:
        service: What is served.
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
        self._holder: Optional[Session] = None
        self._next_probe = 0.0
        self._stopping = threading.Event()
        self.finished = threading.Event()
        self._lock = threading.RLock()
        self._watchdog = Watchdog(self._lock, self._drain)

    def run(self) -> None:
        """Serve until `stop`, then free the listener. A call under way is finished first."""
        self._lock.acquire()
        try:
            self._watchdog.start()
            while not self._stopping.is_set():
                incoming = self._listener.receive(_TICK)
                if incoming is not None:
                    self._handle(incoming)
                else:
                    self._check_holder()
            if self._holder is not None:
                self._end_session()
        finally:
            # Ctrl-C may have come just before or after the lock was taken, or given up.
            with contextlib.suppress(RuntimeError):
                while True:
                    self._lock.release()
            self._watchdog.stop()
            self._listener.close()
            self.finished.set()

    def stop(self) -> None:
        """Make `run` return. Any thread and any signal handler may call this, repeatedly."""
        if not self._stopping.is_set():
            self._stopping.set()
            if not self.finished.is_set():
                self._listener.wake()

    def _drain(self) -> None:
        """Answer everything that has arrived, from the watchdog's thread."""
        while True:
            incoming = self._listener.receive(0)
            if incoming is None:
                break
            self._handle(incoming)
        self._check_holder()

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
        if not self._running:
            self._check_holder()

    @property
    def _running(self) -> bool:
        return self._holder is not None and self._holder.running

    def _answer(self, peer: bytes, request: Request) -> Any:
        """Return the reply's body to a request outside a session."""
        if request.op == HELLO:
            PeerInfo.from_dict(request.body)
            return PeerInfo(self._service.role, self._options.limits).to_dict()
        if request.op == PING:
            return self._status()
        if request.op == OPEN:
            return self._open(peer, request)
        raise ProtocolError(f"unknown operation {request.op}")

    def _status(self) -> Dict[str, Any]:
        return {
            "role": self._service.role,
            "uptime": time.monotonic() - self._started,
            "sessions": int(self._holder is not None),
            "requests": self._requests,
        }

    def _open(self, peer: bytes, request: Request) -> Any:
        if len(request.session) != 16:
            raise ProtocolError(f"session id: expected 16 bytes, got {len(request.session)}")
        body = request.body if isinstance(request.body, dict) else {}
        holder = self._holder
        if holder is not None and holder.id != request.session:
            unreachable = not self._probe(holder)
            if not (unreachable and body.get("takeover") and not holder.running):
                gone = unreachable or holder.abandoned
                raise Busy(self._busy_sentence(holder), holder_gone=gone)
            self._end_session()
            holder = None
        if holder is None:
            limits = PeerInfo.from_dict(body.get("client")).limits
            self._holder = holder = Session(request.session, peer, limits)
        holder.peer = peer
        return self._service.describe()

    def _busy_sentence(self, holder: Session) -> str:
        if holder.abandoned:
            return f"the {self._service.role} still executes a call that its last client gave up"
        if holder.unreachable_since is None:
            return (
                f"the {self._service.role} is held by another client;"
                " a served env instance has one client at a time"
            )
        left = self._options.session_grace - (time.monotonic() - holder.unreachable_since)
        return (
            f"the {self._service.role} is held by a client that cannot be reached; it becomes free"
            f" in {max(left, 0):.0f} s, or at once with takeover=True"
        )

    def _act(self, peer: bytes, request: Request, payload: Sequence[memoryview]) -> None:
        """Execute an acting request exactly once, whatever is sent again."""
        session = self._holder
        if session is None or session.id != request.session:
            # Closing what is already gone is what the client wanted.
            gone = SessionLost(
                f"the server does not know this session: it restarted, or it freed the"
                f" {self._service.role} of a client that it could not reach"
            )
            if request.op == CLOSE:
                control = pack(Reply(CLOSE, request.id, self._boot, OK, None))
            else:
                control = self._pack_error(request.op, request.id, gone)
            self._listener.send(peer, control)
            return
        session.peer = peer
        session.unreachable_since = None
        if request.id == session.next and not session.running:
            session.next += 1
            self._requests += 1
            self._execute(session, request, payload)
        elif request.id == session.next - 1:
            if session.reply is not None and not session.running:
                self._listener.send(peer, *session.reply)
            # While it runs, its reply will take the route of this newest message.
        elif request.op == CLOSE and request.id >= session.next:
            # Whatever it skips, nothing will come after it.
            if session.running:
                session.abandoned = True
            else:
                self._end_session()
            self._listener.send(peer, pack(Reply(CLOSE, request.id, self._boot, OK, None)))
        elif request.id >= session.next:
            gap = ProtocolError(
                f"request {request.id} of this session came before request {session.next}"
                " was answered"
            )
            self._listener.send(peer, self._pack_error(request.op, request.id, gap))

    def _execute(self, session: Session, request: Request, payload: Sequence[memoryview]) -> None:
        if request.op == CLOSE:
            self._end_session()
            control = pack(Reply(CLOSE, request.id, self._boot, OK, None))
            self._listener.send(session.peer, control)
            return
        session.running, session.reply = True, None
        reply_payload: Sequence[memoryview] = ()
        self._watchdog.enter_call()
        try:
            body, reply_payload = self._service.call(request.op, request.body, payload)
            control = pack((request.op, request.id, self._boot, OK, body))
            if reply_payload or len(control) > session.limits.control:
                name = OP_NAMES.get(request.op, "reply")
                check_size(control, reply_payload, session.limits, name)
        except Exception as exc:
            control, reply_payload = self._pack_error(request.op, request.id, exc), ()
        finally:
            self._watchdog.leave_call()
            session.running = False
        session.reply = (control, reply_payload)
        self._listener.send(session.peer, control, reply_payload)
        if session.abandoned:
            self._end_session()

    def _pack_error(self, op: int, number: int, exc: Exception) -> bytes:
        return pack(Reply(op, number, self._boot, ERROR, error_to_wire(exc)))

    def _check_holder(self) -> None:
        """Probe the holder now and then; free the service when it stays unreachable."""
        holder, now = self._holder, time.monotonic()
        if holder is None or now < self._next_probe:
            return
        self._next_probe = now + _PROBE_INTERVAL
        if self._probe(holder) or holder.running or holder.unreachable_since is None:
            return
        if now - holder.unreachable_since >= self._options.session_grace:
            logger.warning("freed the %s of a client that went away", self._service.role)
            self._end_session()

    def _probe(self, holder: Session) -> bool:
        """Return whether the holder can be reached, and remember since when it cannot."""
        reachable = self._listener.send(holder.peer, pack(Reply(PROBE, 0, self._boot, OK, None)))
        if reachable:
            holder.unreachable_since = None
        elif holder.unreachable_since is None:
            holder.unreachable_since = time.monotonic()
        return reachable

    def _end_session(self) -> None:
        self._holder = None
        self._service.release()
