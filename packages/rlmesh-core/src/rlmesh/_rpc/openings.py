"""Clients that ask for a session and do not have it yet."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, NamedTuple, Optional, Union

from rlmesh._contract.fields import field
from rlmesh._contract.peer import PeerInfo
from rlmesh._wire.messages import STARTING, Request
from rlmesh.errors import Busy, ProtocolError

from .limits import MAX_WAITING
from .session import Session
from .sessions import Sessions

_LONGEST_HOLD = 10.0
"""Seconds for which a question is held at most until its answer changes."""
_PATIENCE = 5.0
"""Seconds for which a client that cannot be reached keeps its place in the line."""

Answer = Union[Exception, Any]


class _Waiting(NamedTuple):
    """A client in the line: the session that it will have."""

    session: Session
    takeover: bool


class _Question(NamedTuple):
    """A request to open a session that is still to be answered."""

    session: Session
    number: int
    answer_by: float


class Openings:
    """The line of those for whom there is no room, and the questions that wait for an answer.

    Args:
        sessions: Where there is room or not.
        describe: Returns what a client learns of its session; None when that is not there yet.
        fate: Returns what became of a session that is gone.
        reply: Sends an answer to a session's client, given the question's number.
    """

    def __init__(
        self,
        sessions: Sessions,
        describe: Callable[[Session], Any],
        fate: Callable[[bytes], Exception],
        reply: Callable[[bytes, int, Answer], None],
    ) -> None:
        self._sessions = sessions
        self._describe = describe
        self._fate = fate
        self._reply = reply
        self._line: Dict[bytes, _Waiting] = {}
        self._questions: Dict[bytes, _Question] = {}

    def __bool__(self) -> bool:
        return bool(self._line or self._questions)

    def ask(self, peer: bytes, request: Request, closing: Optional[Busy]) -> None:
        """Take a request to open a session, which is answered now or by a later `settle`.

        Args:
            peer: The route to the client.
            request: The request; asking again is no new wish.
            closing: Why there are no new sessions any more; None where there are.

        Raises:
            Busy: There is no room, and the client does not wait; or `closing`.
            ProtocolError: The request does not parse.
        """
        if len(request.session) != 16:
            raise ProtocolError(f"session id: expected 16 bytes, got {len(request.session)}")
        hold = _hold(request)
        waiting = self._line.get(request.session)
        session = self._sessions.get(request.session) or (waiting and waiting.session)
        if session is None:
            if self._sessions.is_past(request.session):
                raise self._fate(request.session)
            session = self._new(peer, request, closing)
        session.peer = peer
        session.unreachable_since = None
        question = _Question(session, request.id, time.monotonic() + hold)
        self._questions[session.id] = question
        self._answer(question)

    def leave(self, session_id: bytes) -> None:
        """Forget a client that gave up."""
        self._line.pop(session_id, None)
        self._questions.pop(session_id, None)

    def settle(self, closing: Optional[Busy] = None) -> None:
        """Let in whoever is next, if there is room, and answer what can be answered.

        Args:
            closing: Why there are no new sessions any more; None where there are.
        """
        if closing is None:
            self._admit()
        for question in list(self._questions.values()):
            if closing is not None and question.session.id in self._line:
                self._reply(question.session.peer, question.number, closing)
                self.leave(question.session.id)
            else:
                self._answer(question)

    def _new(self, peer: bytes, request: Request, closing: Optional[Busy]) -> Session:
        if closing is not None:
            raise closing
        body = _body(request)
        try:
            takeover = field(body, "takeover", bool, default=False)
            waits = field(body, "wait", bool, default=False)
        except TypeError as exc:
            raise ProtocolError(f"open: {exc}") from None
        limits = PeerInfo.from_dict(body.get("client")).limits
        session = Session(request.session, peer, limits)
        refusal = self._refusal(takeover)
        if refusal is None:
            return self._sessions.add(session)
        if not waits:
            raise refusal
        if len(self._line) >= MAX_WAITING:
            raise Busy(f"{MAX_WAITING} others wait already, as many as may")
        self._line[session.id] = _Waiting(session, takeover)
        return session

    def _refusal(self, takeover: bool) -> Optional[Busy]:
        """As `Sessions.refusal`, for somebody who comes after all that wait."""
        if self._line:
            return self._sessions.refusal(False) or Busy("others wait already, and come first")
        return self._sessions.refusal(takeover)

    def _admit(self) -> None:
        now = time.monotonic()
        for session, takeover in list(self._line.values()):
            if not self._sessions.reaches(session):
                if now - (session.unreachable_since or now) >= _PATIENCE:
                    self.leave(session.id)
            elif self._sessions.refusal(takeover) is None:
                # Between two questions, too: the next one finds the session.
                del self._line[session.id]
                self._sessions.add(session)
            else:
                return

    def _answer(self, question: _Question) -> None:
        session, over = question.session, time.monotonic() >= question.answer_by
        try:
            if session.id in self._line:
                if not over:
                    return
                refusal = self._refusal(False)
                assert refusal is not None
                raise Busy(str(refusal), holder_gone=refusal.holder_gone, in_line=True)
            if self._sessions.get(session.id) is None:
                raise self._fate(session.id)
            answer = self._describe(session)
            if answer is None:
                if not over:
                    return
                answer = STARTING
        except Exception as exc:
            answer = exc
        del self._questions[session.id]
        self._reply(session.peer, question.number, answer)


def _body(request: Request) -> Any:
    """Return the body of a request; nothing for one of another protocol, which is told so."""
    return request.body if isinstance(request.body, dict) else {}


def _hold(request: Request) -> float:
    """Return for how many seconds a client wants its question held before it asks again."""
    try:
        hold: float = field(_body(request), "hold", float, int, default=0.0)
    except TypeError as exc:
        raise ProtocolError(f"open: {exc}") from None
    # In this order, because a NaN is not below anything.
    return min(_LONGEST_HOLD, hold)
