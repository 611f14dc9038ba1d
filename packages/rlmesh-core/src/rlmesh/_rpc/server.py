"""The server's side of sessions: exactly-once execution, for as many sessions as a service has."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from typing import Any, Deque, Dict, Optional, Sequence, Tuple

from rlmesh._once import warnings_once
from rlmesh._transport.carrier import Incoming, Listener
from rlmesh._wire.messages import CLOSE, OK, OP_NAMES, PROVE, Reply, Request, pack
from rlmesh.errors import ProtocolError

from .limits import check_size
from .options import ServeOptions
from .proof import SIZE, proof, session_key
from .reception import SETTLE_INTERVAL, Reception, new_boot_id
from .service import Call, Failure, Outcome, Service
from .session import Session
from .sessions import Sessions
from .shortage import shortage_of
from .tally import Tally
from .watchdog import Watchdog

_TICK = 1.0


class RpcServer(Reception):
    """Serves one service, on the thread that calls `run`.

    Args:
        service: What is served; closed at the end of `run`.
        listener: Where messages come from; closed at the end of `run`.
        options: See `ServeOptions`.
        boot: The server's boot id; None makes one.
        secret: What a worker knows of its server; see `proof`. Empty for any other server.

    Attributes:
        finished: Set when `run` has ended and everything is freed.
    """

    def __init__(
        self,
        service: Service,
        listener: Listener,
        options: ServeOptions,
        boot: Optional[bytes] = None,
        secret: bytes = b"",
    ) -> None:
        boot = boot or new_boot_id()
        grace = options.session_grace
        rule = service.sharing_rule
        sessions = Sessions(service.role, service.capacity, grace, boot, listener, rule)
        tally = Tally(service.latencies)
        super().__init__(service.role, sessions, listener, options, boot, tally)
        self._service = service
        self._secret = secret
        self._waiting: Deque[Call] = deque()
        self._lock = threading.RLock()
        self._watchdog = Watchdog(self._lock, self._drain)

    def tally(self) -> Dict[str, Any]:
        """Return what was executed up to now, as plain data. Any thread may call this."""
        return self._tally.to_plain()

    def run(self) -> None:
        """Serve until `stop`, then free everything. Calls that have arrived are finished first."""
        self._lock.acquire()
        try:
            self._watchdog.start()
            self._log_start()
            with warnings_once(inherit=True):
                self._serve()
        finally:
            if not self._is_inherited:
                self._free()

    def _free(self) -> None:
        # Ctrl-C may have come just before or after the lock was taken, or given up.
        with contextlib.suppress(RuntimeError):
            while True:
                self._lock.release()
        self._watchdog.stop()
        self._listener.close()
        try:
            self._sessions.end_all("server stopped")
            self._release_ended()
            self._service.close()
        finally:
            self._log_stop()
            self.finished.set()

    def disown(self) -> None:
        """Free nothing in a forked process, which the served env may have started."""
        super().disown()
        self._lock = threading.RLock()
        self._watchdog.disown(self._lock)

    def abandon(self) -> None:
        """Free everything of a server that will not run."""
        if not (self.finished.is_set() or self._is_inherited):
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
                patience = SETTLE_INTERVAL if self._openings or self._shares else _TICK
                if self._stopping.is_set():
                    patience = min(self._drain_until - time.monotonic(), patience)
                    if patience <= 0 or not len(self._sessions):
                        return
            if patience <= 0:
                self._work()
            else:
                incoming = receive(patience)
                if incoming is not None:
                    self._handle(incoming)
                    if len(self._sessions) > 1:
                        # What has arrived together is looked at together.
                        self._receive_all()
            if time.monotonic() >= self._next_check:
                self._check()
            if self._sessions.ended:
                self._release_ended()
                self._openings.settle(self._closing())

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

    def _release_ended(self) -> None:
        """Have the service forget the sessions that ended, on the thread of its calls."""
        while self._sessions.ended:
            self._service.release(self._sessions.ended.pop(0))

    def _answer(self, request: Request) -> Any:
        if request.op != PROVE or not self._secret:
            return super()._answer(request)
        challenge = request.body
        if not isinstance(challenge, bytes) or len(challenge) != SIZE:
            raise ProtocolError(f"prove: expected a challenge of {SIZE} bytes")
        return proof(session_key(self._secret, request.session), challenge, self._boot)

    def _describe(self, session: Session) -> Any:
        return self._service.describe()

    def _act(self, request: Request, incoming: Incoming) -> None:
        """Have an acting request executed exactly once, whatever is sent again."""
        peer, session = incoming.peer, self._sessions.get(request.session)
        if session is None:
            self._refuse(peer, request)
            return
        if request.id < session.next - 1:
            return  # it comes late, perhaps over a connection that is gone
        session.peer = peer
        session.unreachable_since = None
        if request.id == session.next and not session.running and request.op != CLOSE:
            if self._is_drained():
                # Otherwise busy clients would keep a server up that was asked to stop.
                return
            session.next += 1
            session.running, session.reply = True, None
            self._tally.count(request.op)
            now = time.perf_counter_ns()
            self._waiting.append(Call(session, request.op, request.body, incoming.payload, now))
        elif request.op == CLOSE and request.id >= session.next:
            # Whatever it skips, nothing will come after it.
            if session.running:
                session.abandoned = True
            else:
                self._sessions.end(session, "closed")
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
            self._send_error(peer, request.op, request.id, gap)

    def _reply(self, call: Call, outcome: Outcome) -> None:
        """Send what came of a call, and keep it for as long as it may be asked for again."""
        session, op = call.session, call.op
        control, payload = self._pack_outcome(session, op, outcome)
        session.running = False
        session.reply = (control, payload)
        self._listener.send(session.peer, control, payload, self._is_drained())
        if session.abandoned:
            self._sessions.end(session, "closed")

    def _pack_outcome(
        self, session: Session, op: int, outcome: Outcome
    ) -> Tuple[bytes, Sequence[memoryview]]:
        number = session.next - 1
        if isinstance(outcome, Failure):
            self._tally.errors += 1
            return self._pack_error(op, number, *outcome), ()
        body, payload = outcome
        try:
            control = pack((op, number, self._boot, OK, body))
            if payload or len(control) > session.limits.control:
                check_size(control, payload, session.limits, OP_NAMES.get(op, "reply"))
        except Exception as exc:
            self._tally.errors += 1
            return self._pack_error(op, number, shortage_of(exc) or exc), ()
        return control, payload
