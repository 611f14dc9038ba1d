"""The front of a server with workers: one address for many envs, each in a process of its own."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import Any, Callable, Dict, Optional, Sequence

from rlmesh import _logs
from rlmesh._contract.peer import PeerInfo
from rlmesh._rpc.histogram import Histogram
from rlmesh._rpc.options import ServeOptions
from rlmesh._rpc.proof import session_key
from rlmesh._rpc.reception import Reception, new_boot_id
from rlmesh._rpc.session import Session
from rlmesh._rpc.sessions import Sessions
from rlmesh._rpc.tally import Tally
from rlmesh._transport.carrier import ConnectionLost, Incoming
from rlmesh._transport.client import ZmqConnection
from rlmesh._transport.security import Token
from rlmesh._transport.server import ZmqListener
from rlmesh._transport.waiting import wait_readable
from rlmesh._wire.messages import CLOSE, FATE, OK, OPEN, Reply, Request, pack, unpack_reply
from rlmesh.adapters.tags import EnvTags
from rlmesh.errors import ConnectionFailed, LimitExceeded, ProtocolError, RLMeshError

from .factory import EnvFactory
from .host import host_id
from .service import PHASES
from .workers import Worker, Workers

_TICK = 0.1
_REMEMBERED = 1024
_LARGEST_COUNT = 2**32
"""Requests of one session that are believed, for a sum that the wire can carry."""
_BURST = 64
"""Messages of clients that are handled before those of workers have their turn."""


class Slots(Sessions):
    """Sessions with a worker each, whose place is free only when that worker's process is gone."""

    def begin(self) -> None:
        """Count from now on for how long there was no session."""
        self._empty_since = time.monotonic()

    def end(self, session: Session, reason: str) -> None:
        """End a session; its place stays taken until `free`."""
        if not session.abandoned:
            session.abandoned = True
            self.ended.append(session)
            self._log_end(session, reason)

    def free(self, session: Session) -> None:
        """Free the place of a session."""
        self.forget(session)

    def _busy_sentence(self) -> str:
        used = "the one env" if self._capacity == 1 else f"all {self._capacity} envs"
        return (
            f"others use {used} that this server's max_sessions allows;"
            " with busy_timeout=SECONDS, a client waits for its turn"
        )


class Relay:
    """A session's way to its worker for a client that cannot go it by itself.

    Args:
        session: The session.
        connection: To its worker.
    """

    def __init__(self, session: Session, connection: ZmqConnection) -> None:
        self.session = session
        self.connection = connection
        # The request whose reply is still to come: its operation and number.
        self.pending: Optional[Request] = None
        body = {"client": PeerInfo("client", session.limits).to_dict()}
        connection.send(pack(Request(OPEN, 0, session.id, 0, body)))


class EnvFront(Reception):
    """Gives each session a worker, and does for clients what their worker cannot.

    Clients on this machine talk to their worker itself; for others this passes messages on. In
    either case it holds the sessions, and knows what became of them.

    Args:
        factory: What makes the envs.
        tags: What their observations and actions are.
        token: The secret that clients share.
        listener: Where clients are reached; closed at the end of `run`.
        options: See `ServeOptions`.
        expose: The names of the envs' attributes and methods that clients may use.

    Attributes:
        finished: Set when `run` has ended and everything is freed.
    """

    def __init__(
        self,
        factory: EnvFactory,
        tags: Optional[EnvTags],
        token: Token,
        listener: ZmqListener,
        options: ServeOptions,
        expose: Sequence[str] = (),
    ) -> None:
        boot = new_boot_id()
        self._slots = Slots("env", options.max_sessions, options.session_grace, boot, listener)
        # Of the workers that have ended.
        tally = Tally({phase: Histogram() for phase in PHASES})
        super().__init__("env", self._slots, listener, options, boot, tally)
        self._ended_requests = 0
        self._workers = Workers(factory, tags, token, options, boot, self._wake, expose)
        self._changed = threading.Event()
        self._token = token
        self._relays: Dict[bytes, Relay] = {}
        self._fates: OrderedDict[bytes, RLMeshError] = OrderedDict()
        # Where messages arrive: of clients, where there is no relay, or of workers.
        self._sockets: Dict[Any, Optional[Relay]] = {listener.socket: None}

    def start_first(self, is_unwanted: Callable[[], bool]) -> None:
        """Start the first worker; see `Workers.start_first`."""
        self._workers.start_first(is_unwanted)

    def run(self) -> None:
        """Serve until `stop`, then end the workers and free everything."""
        try:
            self._slots.begin()
            self._log_start()
            self._serve()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """End the workers and free everything, also of a server that will not run."""
        if not (self.finished.is_set() or self._is_inherited):
            try:
                for relay in list(self._relays.values()):
                    self._drop_relay(relay)
                self._listener.close()
            finally:
                try:
                    # Half of what `shutdown` waits, so that it sees the end of what was killed.
                    self._workers.close(self._options.close_timeout / 2)
                finally:
                    self._log_stop()
                    self.finished.set()

    def _serve(self) -> None:
        while not (self._is_drained() or (self._stopping.is_set() and not len(self._sessions))):
            for socket in wait_readable(list(self._sockets), _TICK):
                relay = self._sockets.get(socket)
                if relay is not None:
                    self._pass_back(relay)
                elif socket in self._sockets:
                    self._receive_some()
            if self._changed.is_set() or time.monotonic() >= self._next_check:
                self._changed.clear()
                self._check()

    def _wake(self) -> None:
        """Have the workers looked after at once; called from the thread that reads their pipes."""
        self._changed.set()
        self._listener.wake()

    def _receive_some(self) -> None:
        for _ in range(_BURST):
            incoming = self._listener.receive(0)
            if incoming is None:
                return
            self._handle(incoming)

    def _check(self) -> None:
        """Look after workers, sessions, and those who wait."""
        self._look_after_workers()
        super()._check()
        self._retire_ended()
        self._next_check = min(self._next_check, time.monotonic() + _TICK)

    def _look_after_workers(self) -> None:
        """Free the slots of workers that are gone, and have as many ready as before."""
        for worker in self._workers.reap():
            self._tally.merge(worker.tally)
            session = self._session_of(worker)
            if session is None:
                continue
            relay = self._relays.get(session.id)
            while relay is not None and self._pass_back(relay):
                pass  # what it said before it died
            if not session.abandoned:
                self._mourn(session, worker)
            if relay is not None:
                self._drop_relay(relay)
            self._ended_requests += _requests_of(session)
            self._slots.free(session)
            if worker.contract is not None and not self._stopping.is_set():
                try:
                    self._workers.add_spare()
                except OSError as exc:
                    text = f"no env was started for the next client: {exc}"
                    _logs.warning(_logs.SERVER, "worker_failed", text)
        if self._openings:
            self._openings.settle(self._closing())

    def _mourn(self, session: Session, worker: Worker) -> None:
        """Remember, and tell, why a session ended that nobody wanted to end."""
        fate = worker.error or worker.crash()
        _logs.warning(
            _logs.SERVER,
            "session_ended",
            fate.args[0],
            session=_logs.short(session.id),
            role=self._role,
            address=self._listener.address,
            reason="env crashed",
            requests=_requests_of(session),
            pid=worker.pid,
        )
        self._fates[session.id] = fate
        if len(self._fates) > _REMEMBERED:
            self._fates.popitem(last=False)
        relay = self._relays.get(session.id)
        if relay is not None and relay.pending is not None:
            self._send_error(session.peer, relay.pending.op, relay.pending.id, fate)

    def _session_of(self, worker: Worker) -> Optional[Session]:
        return next((session for session in self._slots if session.state is worker), None)

    def _describe(self, session: Session) -> Any:
        if session.abandoned:
            raise self._fate(session.id)
        worker = session.state
        if worker is None:
            worker = session.state = self._workers.take()
        if worker.contract is None:
            return None
        key = session_key(worker.secret, session.id)
        way = {"address": worker.address, "host": host_id(), "key": key}
        return {**worker.contract, "worker": way}

    def _fate(self, session_id: bytes) -> RLMeshError:
        return self._fates.get(session_id) or super()._fate(session_id)

    def _status(self) -> Dict[str, Any]:
        return {
            **super()._status(),
            "sessions": sum(not session.abandoned for session in self._slots),
            "requests": self._ended_requests + sum(map(_requests_of, self._slots)),
            "workers": len(self._workers),
        }

    def _counted(self) -> Tally:
        counted = Tally()
        for plain in (self._tally.to_plain(), *(worker.tally for worker in self._workers)):
            counted.merge(plain)
        return counted

    def _answer(self, request: Request) -> Any:
        if request.op != FATE:
            return super()._answer(request)
        self._look_after_workers()
        session = self._sessions.get(request.session)
        if session is None or session.abandoned:
            raise self._fate(request.session)
        return None

    def _act(self, request: Request, incoming: Incoming) -> None:
        session = self._sessions.get(request.session)
        if session is None or session.abandoned:
            self._refuse(incoming.peer, request)
            return
        session.peer = incoming.peer
        session.unreachable_since = None
        number = min(request.id + (request.op != CLOSE), _LARGEST_COUNT)
        session.next = max(session.next, number)
        if request.op == CLOSE:
            self._openings.leave(session.id)
            self._slots.end(session, "closed")
            self._retire_ended()
            self._listener.send(session.peer, pack(Reply(CLOSE, request.id, self._boot, OK, None)))
        elif session.state is not None and not self._is_drained():
            self._pass_on(session, request, incoming)

    def _retire_ended(self) -> None:
        """Have the workers of sessions that ended end, too."""
        while self._slots.ended:
            session = self._slots.ended.pop()
            if session.id in self._relays:
                self._drop_relay(self._relays[session.id])
            if session.state is None:
                self._slots.free(session)
            else:
                session.state.retire()

    def _pass_on(self, session: Session, request: Request, incoming: Incoming) -> None:
        relay = self._relays.get(session.id)
        if relay is None:
            # What comes back is for the client, and as large as that accepts.
            largest = max(session.limits.control, session.limits.payload)
            try:
                connection = ZmqConnection(session.state.address, self._token, largest)
            except ConnectionFailed as exc:
                # The client sends it again, and by then there may be room.
                text = f"a request could not be passed on to its worker: {exc}"
                _logs.warning(_logs.SERVER, "worker_failed", text, pid=session.state.pid)
                return
            relay = self._relays[session.id] = Relay(session, connection)
            self._sockets[connection.sockets[0]] = relay
        relay.pending = request._replace(body=None)
        relay.connection.send(incoming.control, incoming.payload)

    def _pass_back(self, relay: Relay) -> bool:
        """Send a worker's reply to wherever its session's client is now; False: there was none."""
        try:
            message = relay.connection.receive(0)
        except ConnectionLost:
            return False  # the worker is gone, as will be noticed
        if message is None:
            return False
        try:
            reply = unpack_reply(message.control)
        except (ProtocolError, LimitExceeded) as exc:
            text = f"dropped what a worker sent: {exc}"
            _logs.warning(_logs.SERVER, "bad_message", text, role=self._role)
            return True
        if reply.op != OPEN:
            if relay.pending is not None and reply.id == relay.pending.id:
                relay.pending = None
            self._listener.send(relay.session.peer, message.control, message.payload)
        return True

    def _drop_relay(self, relay: Relay) -> None:
        del self._relays[relay.session.id]
        del self._sockets[relay.connection.sockets[0]]
        relay.connection.close()


def _requests_of(session: Session) -> int:
    """Return what a session's worker has executed, by what it and the client say."""
    said = 0 if session.state is None else sum(session.state.tally["requests"].values())
    return max(said, session.next - 1)
