"""What every server answers by itself: introductions, pings, openings and shutdowns."""

from __future__ import annotations

import os
import time
from typing import Any, Dict, Optional, Set

from rlmesh import _logs
from rlmesh._contract.peer import PeerInfo
from rlmesh._forks import leave_to_parent
from rlmesh._transport.carrier import Incoming, Listener
from rlmesh._wire.counting import UNCOUNTED_BYTES
from rlmesh._wire.errors import error_to_wire
from rlmesh._wire.messages import (
    CLOSE,
    ERROR,
    FIRST_ACTING_OP,
    HELLO,
    OK,
    OPEN,
    PING,
    SHUTDOWN,
    STATS,
    UNPARSED,
    Reply,
    Request,
    pack,
    unpack_request,
)
from rlmesh.errors import (
    Busy,
    LimitExceeded,
    ProtocolError,
    RLMeshError,
    SecurityError,
    SessionLost,
)

from .latch import Latch
from .limits import check_received
from .openings import Openings
from .options import ServeOptions
from .session import Session
from .sessions import Sessions
from .shares import Shares, Stopwatch
from .shortage import shortage_of
from .tally import Tally

PROBE_INTERVAL = 2.0
SETTLE_INTERVAL = 0.1
_BURST = 64
"""Messages that are taken together, besides two of each session."""
_USUAL = 16 * 1024
"""Bytes of a control frame that are no burden in a request whose turn it is."""
_MOST_KNOWN = 1024
_SILENCE = 10.0
"""Seconds between two complaints about messages, so that nobody can fill a disk with them."""


def new_boot_id() -> bytes:
    """Return what tells a server from the one that had its address before."""
    return os.urandom(8)


class Reception:
    """The part of a server that is the same whatever becomes of acting requests.

    Args:
        role: What is served, `"env"` or `"model"`.
        sessions: Who uses it.
        listener: Where messages come from.
        options: See `ServeOptions`.
        boot: The server's boot id.
        tally: What it has executed.

    Attributes:
        finished: Set when everything is freed.
    """

    def __init__(
        self,
        role: str,
        sessions: Sessions,
        listener: Listener,
        options: ServeOptions,
        boot: bytes,
        tally: Tally,
    ) -> None:
        self._role = role
        self._sessions = sessions
        self._listener = listener
        self._options = options
        self._boot = boot
        self._openings = Openings(sessions, self._describe, self._fate, self._answer_opening)
        self._started = time.monotonic()
        self._tally = tally
        self._shares = Shares(sessions)
        # Peers of which a request was executed: their small messages are not looked at as closely.
        self._known: Set[bytes] = set()
        self._next_check = 0.0
        self._next_probe = 0.0
        self._drain_until = 0.0
        self._next_complaint = 0.0
        self._stopping = Latch()
        self._drains = self._ran = self._is_inherited = False
        self.finished = Latch()
        leave_to_parent(self)

    def disown(self) -> None:
        """Free nothing in a forked process; see `Heirloom`."""
        self._is_inherited = True

    def stop(self) -> None:
        """Make `run` return. Any thread and any signal handler may call this, repeatedly."""
        if not self._stopping.is_set():
            self._drain_until = time.monotonic() + self._options.drain_timeout
            self._stopping.set()
            self._next_check = 0.0
            if not self.finished.is_set():
                self._listener.wake()

    def hurry(self) -> None:
        """After `stop`, give clients no more time. Any thread or signal handler may call this."""
        self._drain_until = 0.0
        if not self.finished.is_set():
            self._listener.wake()

    def _describe(self, session: Session) -> Any:
        """Return what a client learns when its session opens; None when it has to ask again."""
        raise NotImplementedError

    def _act(self, request: Request, incoming: Incoming) -> None:
        """Take a request that acts on a session."""
        raise NotImplementedError

    def _fate(self, session_id: bytes) -> RLMeshError:
        """Return what became of a session that is not, or no longer, known."""
        return SessionLost(
            f"the server does not know this session: it restarted, or it freed the"
            f" {self._role} of a client that it could not reach"
        )

    def _status(self) -> Dict[str, Any]:
        return {
            "role": self._role,
            "uptime": time.monotonic() - self._started,
            "sessions": len(self._sessions),
            "requests": self._tally.total,
            "draining": self._stopping.is_set(),
        }

    def _counted(self) -> Tally:
        """Return what was executed up to now."""
        return self._tally

    def _stats(self) -> Dict[str, Any]:
        counted = self._counted().to_plain()
        return {**self._status(), "capacity": self._sessions.capacity, **counted}

    def _log(self, event: str, message: str, **fields: Any) -> None:
        """Log an event of this server."""
        _logs.info(
            _logs.SERVER, event, message, role=self._role, address=self._listener.address, **fields
        )

    def _log_start(self) -> None:
        self._ran = True
        self._log("server_started", f"serving at {self._listener.address}")

    def _log_stop(self) -> None:
        if self._ran:
            requests = self._status()["requests"]
            self._log("server_stopped", "the server has stopped", requests=requests)

    def _receive_all(self) -> None:
        """Take what has arrived, or what others leave of the time to those who send without end."""
        for _ in range(_BURST + 2 * len(self._sessions)):
            incoming = self._listener.receive(0)
            if incoming is None:
                return
            self._handle(incoming)

    def _handle(self, incoming: Incoming) -> None:
        """Take a message, unless its peer has had its share of this server's time."""
        now = time.monotonic()
        if self._shares.until > now and self._shares.keeps(incoming):
            self._next_check = min(self._next_check, now + SETTLE_INTERVAL)
            return
        self._take(incoming)

    def _take(self, incoming: Incoming) -> None:
        is_usual = len(incoming.control) <= _USUAL and incoming.peer in self._known
        clock = Stopwatch(is_usual)
        try:
            if incoming.payload or len(incoming.control) > self._options.max_control:
                check_received(incoming.control, incoming.payload, self._options.limits)
            request = unpack_request(incoming.control, _USUAL if is_usual else UNCOUNTED_BYTES)
        except (ProtocolError, LimitExceeded) as exc:
            self._complain(exc)
            self._send_error(incoming.peer, UNPARSED, UNPARSED, exc)
            self._shares.charge(incoming, clock.read())
            return
        session = self._sessions.get(request.session)
        if request.op >= FIRST_ACTING_OP:
            number = 0 if session is None else session.next
            self._act(request, incoming)
            is_due = session is not None and session.next != number
            if not (is_due and is_usual):
                self._shares.charge(incoming, clock.read())
                if is_due:
                    self._know(incoming.peer)
            return
        try:
            if request.op == OPEN:
                self._openings.ask(incoming.peer, request, self._closing())
                self._next_check = 0.0
                self._shares.charge(incoming, clock.read())
                return
            if session is not None:
                session.peer = incoming.peer
            body = self._answer(request)
            control = pack(Reply(request.op, request.id, self._boot, OK, body))
        except Exception as exc:
            control = self._pack_error(request.op, request.id, shortage_of(exc) or exc)
        self._listener.send(incoming.peer, control)
        self._shares.charge(incoming, clock.read())

    def _know(self, peer: bytes) -> None:
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known.add(peer)

    def _complain(self, exc: Exception) -> None:
        """Log that a message was dropped, unless that was said a moment ago."""
        now = time.monotonic()
        if now >= self._next_complaint:
            self._next_complaint = now + _SILENCE
            text = f"dropped a message that is no request: {exc}"
            _logs.warning(_logs.SERVER, "bad_message", text, role=self._role)

    def _answer(self, request: Request) -> Any:
        """Return the reply's body to a request outside a session."""
        if request.op == HELLO:
            PeerInfo.from_dict(request.body)
            return PeerInfo(self._role, self._options.limits).to_dict()
        if request.op == PING:
            return self._status()
        if request.op == STATS:
            return self._stats()
        if request.op == SHUTDOWN:
            return self._shut_down()
        raise ProtocolError(f"unknown operation {request.op}")

    def _shut_down(self) -> None:
        if not self._options.allow_remote_shutdown:
            raise SecurityError(
                f"this {self._role}'s server does not let clients shut it down; its"
                " ServeOptions(allow_remote_shutdown=True) would"
            )
        self.stop()

    def _refuse(self, peer: bytes, request: Request) -> None:
        """Answer a request of a session that is not, or no longer, known."""
        if request.op == CLOSE:
            # Closing what is already gone is what the client wanted.
            self._openings.leave(request.session)
            self._sessions.bury(request.session)
            self._listener.send(peer, pack(Reply(CLOSE, request.id, self._boot, OK, None)))
        else:
            self._send_error(peer, request.op, request.id, self._fate(request.session))

    def _check(self) -> None:
        """Look after the sessions now and then; shut down when there were none for too long."""
        now = time.monotonic()
        if now >= self._next_probe:
            self._next_probe = now + PROBE_INTERVAL
            self._sessions.check()
        self._next_check = self._next_probe
        if self._shares:
            for incoming in self._shares.due():
                self._take(incoming)
            self._next_check = min(self._next_check, now + SETTLE_INTERVAL)
        if self._openings:
            self._openings.settle(self._closing())
            self._next_check = min(self._next_check, now + SETTLE_INTERVAL)
        idle = self._options.idle_timeout
        if idle is not None:
            self._next_check = min(self._next_check, now + idle / 2)
            if self._sessions.idle_seconds >= idle:
                self._log("idle", f"shutting down after {idle:g} s without a session")
                self.stop()
        if self._stopping.is_set() and self._drain_until > now and not self._drains:
            self._drains = True
            left, sessions = self._drain_until - now, len(self._sessions)
            text = f"shutting down: {sessions} sessions have {left:.0f} s to end"
            self._log("server_draining", text, sessions=sessions)

    def _is_drained(self) -> bool:
        """Whether a stop was asked for, and the time that sessions have to end is over."""
        return self._stopping.is_set() and time.monotonic() >= self._drain_until

    def _closing(self) -> Optional[Busy]:
        if self._stopping.is_set():
            return Busy(f"the {self._role}'s server is shutting down")
        return None

    def _answer_opening(self, peer: bytes, number: int, answer: Any) -> None:
        if isinstance(answer, Exception):
            self._send_error(peer, OPEN, number, shortage_of(answer) or answer)
        else:
            self._listener.send(peer, pack(Reply(OPEN, number, self._boot, OK, answer)))

    def _send_error(self, peer: bytes, op: int, number: int, exc: Exception) -> None:
        self._listener.send(peer, self._pack_error(op, number, exc))

    def _pack_error(self, op: int, number: int, exc: BaseException, inputs: Any = None) -> bytes:
        return pack(Reply(op, number, self._boot, ERROR, error_to_wire(exc, self._role, inputs)))
