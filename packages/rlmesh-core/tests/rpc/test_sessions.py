from __future__ import annotations

import threading
from typing import Any, Callable, ContextManager, Deque, List, Optional, Tuple

import pytest
import worlds
from carriers import MemoryConnection, MemoryListener, Network
from worlds import SOON, World

from rlmesh._rpc import client as client_module
from rlmesh._rpc.client import RpcClient, _introduction
from rlmesh._rpc.histogram import Histogram
from rlmesh._rpc.service import Call, Failure, Outcome, Result
from rlmesh._rpc.session import Session
from rlmesh._wire.messages import (
    CLOSE,
    ERROR,
    OK,
    OPEN,
    PING,
    PREDICT,
    PROBE,
    RESET,
    STEP,
    Reply,
    Request,
    pack,
    unpack_reply,
    unpack_request,
)
from rlmesh.errors import (
    Busy,
    ConnectionFailed,
    EnvError,
    LimitExceeded,
    ProtocolError,
    RequestTimeout,
    SessionLost,
)


class Counter:
    """A service whose every step is counted, and may be held back."""

    role = "env"
    capacity = 1
    sharing_rule = ""

    def __init__(self) -> None:
        self.steps: List[Any] = []
        self.latencies = {"step": Histogram()}
        self.released = threading.Semaphore(0)
        self.entered = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def describe(self) -> Any:
        return {"counts": True}

    def delay(self, waiting: Deque[Call]) -> Optional[float]:
        return 0.0 if waiting else None

    def execute(self, waiting: Deque[Call]) -> List[Tuple[Call, Outcome]]:
        call = waiting.popleft()
        try:
            return [(call, self.call(call))]
        except KeyError as exc:
            return [(call, Failure(exc))]

    def call(self, call: Call) -> Result:
        if call.op == RESET:
            raise KeyError("no reset here")
        self.steps.append(call.body)
        self.entered.set()
        assert self.go_on.wait(SOON)
        return len(self.steps), list(call.payload)

    def release(self, session: Session) -> None:
        self.released.release()

    def close(self) -> None:
        self.closed = True


def serving(**options: Any) -> ContextManager[World[Counter]]:
    return worlds.serving(Counter, **options)


def steps_only(fate: Callable[[int], int]) -> Callable[[bytes], int]:
    """Return a fate that befalls steps alone, given how many came before."""
    count = 0

    def decide(control: bytes) -> int:
        nonlocal count
        fields = unpack_reply(control)
        if fields[0] != STEP:
            return 1
        count += 1
        return fate(count - 1)

    return decide


def test_a_lost_request_is_sent_again() -> None:
    with serving() as world:
        client = world.client()
        world.network.to_server = steps_only(lambda n: 0 if n == 0 else 1)
        assert client.call(STEP, "a", (), SOON) == (1, [])
        assert world.service.steps == ["a"]


def test_a_lost_reply_is_repeated_without_a_second_step() -> None:
    with serving() as world:
        client = world.client()
        world.network.to_client = steps_only(lambda n: 0 if n < 3 else 1)
        assert client.call(STEP, "a", [memoryview(b"payload")], SOON) == (1, [b"payload"])
        assert client.call(STEP, "b", (), SOON) == (2, [])
        assert world.service.steps == ["a", "b"]


def test_doubled_messages_step_once_and_late_replies_are_dropped() -> None:
    with serving() as world:
        client = world.client()
        world.network.to_server = world.network.to_client = lambda control: 3
        assert [client.call(STEP, i, (), SOON)[0] for i in range(20)] == list(range(1, 21))
        assert world.service.steps == list(range(20))


def test_a_cut_during_a_step_attaches_to_the_step_that_runs() -> None:
    with serving() as world:
        client = world.client()
        world.service.go_on.clear()

        def cut() -> None:
            assert world.service.entered.wait(SOON)
            world.network.cut()
            world.service.go_on.set()

        saboteur = threading.Thread(target=cut)
        saboteur.start()
        assert client.call(STEP, "a", (), SOON) == (1, [])
        saboteur.join()
        assert world.service.steps == ["a"]


def test_an_error_is_a_reply_like_any_other() -> None:
    with serving() as world:
        client = world.client()
        world.network.to_client = steps_only(lambda n: 1)
        with pytest.raises(EnvError, match="reset of the env at memory raised KeyError") as caught:
            client.call(RESET, None, (), SOON)
        assert "no reset here" in caught.value.remote_traceback
        assert client.call(STEP, "a", (), SOON) == (1, [])


def test_a_second_client_is_refused_until_the_first_one_closes() -> None:
    with serving() as world:
        first = world.client()
        with pytest.raises(Busy, match="held by another client"):
            world.client()
        first.close()
        assert world.client().call(STEP, "b", (), SOON) == (1, [])


def test_a_second_client_is_refused_at_once_while_a_step_runs() -> None:
    with serving() as world:
        client = world.client()
        world.service.go_on.clear()
        stepping = threading.Thread(target=client.call, args=(STEP, "a", (), SOON))
        stepping.start()
        assert world.service.entered.wait(SOON)
        with pytest.raises(Busy, match="held by another client"):
            world.client()
        pinging = RpcClient(MemoryConnection(world.network), "memory", SOON)
        assert pinging.ping()["sessions"] == 1
        assert stepping.is_alive()
        world.service.go_on.set()
        stepping.join(SOON)


def test_a_vanished_holder_is_freed_after_its_grace() -> None:
    with serving(session_grace=0.1) as world:
        world.client()
        world.network.cut()
        assert world.client().call(STEP, "b", (), SOON) == (1, [])


def test_a_vanished_holder_keeps_its_env_within_its_grace() -> None:
    with serving(session_grace=SOON) as world:
        first = world.client()
        world.network.cut()
        with pytest.raises(Busy, match=r"cannot be reached; it becomes free\s+in \d+ s"):
            world.client(connect_timeout=0.5)
        assert first.call(STEP, "a", (), SOON) == (1, [])


def test_takeover_ends_a_vanished_holder_only() -> None:
    with serving(session_grace=SOON) as world:
        first = world.client()
        with pytest.raises(Busy):
            world.client(takeover=True)
        world.network.cut()
        second = world.client(takeover=True)
        with pytest.raises(SessionLost, match="does not know this session"):
            first.call(STEP, "a", (), SOON)
        assert second.call(STEP, "b", (), SOON) == (1, [])


def test_a_restarted_server_is_recognised() -> None:
    with serving() as world:
        client = world.client()
        world.stop()
        world.start()
        with pytest.raises(SessionLost, match="restarted"):
            client.call(STEP, "a", (), SOON)
        with pytest.raises(SessionLost, match="is over"):
            client.call(STEP, "a", (), SOON)
        assert world.service.steps == []


def test_a_server_that_never_comes_back_is_named_with_the_budget() -> None:
    with serving() as world:
        client = world.client()
        client._connect_timeout = 0.1
        world.stop()
        with pytest.raises(ConnectionFailed, match=r"memory broke during step.*within 0\.1 s"):
            client.call(STEP, "a", (), SOON)
        world.start()


def test_a_server_that_vanishes_in_silence_is_found_out_and_named() -> None:
    with serving() as world:
        client = world.client(connect_timeout=0.1)
        listener, world.network.listener = world.network.listener, None
        with pytest.raises(ConnectionFailed, match=r"memory broke during step.*within 0\.1 s"):
            client.call(STEP, "a", (), SOON)
        world.network.listener = listener


@pytest.mark.parametrize(
    ("op", "timeout", "words"),
    [
        (STEP, SOON, "step, and could not be restored within 0.1 s; whether request 2 "),
        (RESET, SOON, "reset, and could not be restored within 0.1 s; whether request 2 "),
        (PREDICT, SOON, "predict, and could not be restored within 0.1 s; whether request 2 "),
        (PREDICT, 0.05, "predict, and was not restored in the last 0.0"),
        (OPEN, SOON, "open, and could not be restored within 0.1 s"),
        (PING, SOON, "ping, and could not be restored within 0.1 s"),
    ],
)
def test_the_error_about_a_peer_that_is_lost_says_what_was_under_way(
    op: int, timeout: float, words: str
) -> None:
    def vanish(control: bytes) -> int:
        if unpack_request(control).op == op:
            world.network.listener = None
            world.network.cut()
        return 0

    with serving() as world:
        client, listener = world.stranger(connect_timeout=0.1), world.network.listener
        if op == OPEN:
            calls = client.open
        else:
            client.open()
            client.call(STEP, "a", (), SOON)
            calls = client.ping if op == PING else lambda: client.call(op, "b", (), timeout)
        world.network.to_server = lambda control: vanish(control) if op in control[:2] else 1
        with pytest.raises(ConnectionFailed) as caught:
            calls()
        assert str(caught.value).startswith(f"the connection to memory broke during {words}")
        world.network.to_server = lambda control: 1
        world.network.listener = listener


def test_a_lost_goodbye_is_said_again() -> None:
    with serving(session_grace=SOON) as world:
        first, lost = world.client(), [0, 0]
        world.network.to_server = lambda control: lost.pop() if lost else 1
        first.close()
        assert lost == []
        assert world.client().call(STEP, "b", (), SOON) == (1, [])


def test_a_cut_does_not_swallow_a_goodbye() -> None:
    with serving(session_grace=SOON) as world:
        first = world.client()

        def cut(control: bytes) -> int:
            world.network.to_server = lambda control: 1
            world.network.cut()
            return 0

        world.network.to_server = cut
        first.close()
        assert world.client().call(STEP, "b", (), SOON) == (1, [])


def test_an_opening_that_comes_after_the_end_of_its_session_opens_nothing() -> None:
    with serving(session_grace=SOON) as world:
        for is_open in (True, False):
            first = world.stranger()
            opening = pack(Request(OPEN, 2, first._session, 0, {"client": _introduction()}))
            if is_open:
                first.open()
                first.close()
            else:
                raw = Raw(world.network)
                assert raw.ask(pack(Request(CLOSE, 1, first._session, 0, None))).status == OK
            late = Raw(world.network).ask(opening)
            assert late.status == ERROR
            assert "does not know this session" in late.body["message"]
            assert world.stranger().ping()["sessions"] == 0


def test_a_request_that_comes_late_does_not_change_the_way_of_a_reply(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client_module, "RESEND_INTERVAL", SOON)
    with serving() as world:
        client = world.client()
        for body in "ab":
            client.call(STEP, body, (), SOON)
        world.service.entered.clear()
        world.service.go_on.clear()
        replies: List[Any] = []
        stepping = threading.Thread(target=lambda: replies.append(client.call(STEP, 3, (), SOON)))
        stepping.start()
        assert world.service.entered.wait(SOON)
        late = MemoryConnection(world.network)
        late.send(pack(Request(STEP, 1, client._session, 0, "a")))
        (session,) = world.server._sessions
        route = session.peer
        assert world.stranger().ping()["sessions"] == 1  # what came before it was handled, too
        world.service.go_on.set()
        stepping.join(SOON)
        assert replies == [(3, [])]
        assert session.peer != late.name
        assert route != late.name


def test_a_client_that_was_cut_off_can_release_its_last_session_itself() -> None:
    with serving(session_grace=SOON) as world:
        first = world.client(connect_timeout=0.1)
        listener, world.network.listener = world.network.listener, None
        world.network.cut()
        with pytest.raises(ConnectionFailed):
            first.call(STEP, "a", (), SOON)
        world.network.listener = listener
        second = world.stranger(connect_timeout=0.1)
        second.release(first)
        second.open()
        assert second.call(STEP, "b", (), SOON) == (1, [])


def test_nobody_at_the_address_is_named_with_the_budget() -> None:
    client = RpcClient(MemoryConnection(Network()), "memory", 0.05)
    with pytest.raises(ConnectionFailed, match=r"no RLMesh server answered at memory within 0\.05"):
        client.open()
    client.close()


def test_a_step_timeout_ends_the_session_and_frees_the_env_when_the_step_returns() -> None:
    with serving() as world:
        client = world.client()
        world.service.go_on.clear()
        with pytest.raises(RequestTimeout, match="did not answer step within 0.2 s"):
            client.call(STEP, "a", (), 0.2)
        with pytest.raises(SessionLost, match="is over"):
            client.call(STEP, "b", (), SOON)
        with pytest.raises(Busy, match="still executes a call that its last client gave up"):
            world.client(connect_timeout=0.5)
        world.service.go_on.set()
        assert world.service.released.acquire(timeout=SOON)
        assert world.client().call(STEP, "c", (), SOON) == (2, [])


def test_close_twice_and_calls_after_it() -> None:
    with serving() as world:
        client = world.client()
        client.close()
        client.close()
        with pytest.raises(SessionLost, match="is over: it was closed"):
            client.call(STEP, "a", (), SOON)


def test_stop_twice_and_from_within_no_thread() -> None:
    with serving() as world:
        world.server.stop()
        world.server.stop()
        world.thread.join(SOON)
        world.server.stop()


def test_no_thread_is_left() -> None:
    before = threading.active_count()
    with serving() as world:
        world.client().call(STEP, "a", (), SOON)
    assert threading.active_count() == before


def test_a_message_too_large_for_the_server_is_refused_by_its_sender() -> None:
    with serving(max_control=2000, max_payload=1000) as world:
        client = world.client()
        with pytest.raises(LimitExceeded, match="step: the other side accepts"):
            client.call(STEP, b"x" * 2000, (), SOON)
        with pytest.raises(LimitExceeded, match="payload of 1000 bytes"):
            client.call(STEP, b"x", [memoryview(bytes(1001))], SOON)
        assert client.call(STEP, "a", (), SOON) == (1, [])


class Raw:
    """A client without manners: it sends what it is told, and shows what comes back."""

    def __init__(self, network: Network) -> None:
        self.connection = MemoryConnection(network)

    def ask(self, control: bytes) -> Reply:
        self.connection.send(control)
        while True:
            message = self.connection.receive(SOON)
            assert message is not None
            reply = unpack_reply(message.control)
            if reply.op != PROBE:
                return reply


@pytest.mark.parametrize(
    ("control", "words"),
    [
        (b"\xc1", "does not parse"),
        (b"", "does not parse"),
        (b"\x91" * 1900, "does not parse"),
        (pack([1, 2]), "does not parse"),
        (pack("hello"), "not an RLMesh request"),
        (pack([0, "1", b"", 0, None]), "not an RLMesh request"),
        (pack([0, 1, b"", 0, {"protocol": 99}]), "expected 1 (rlmesh"),
        (pack([0, 1, b"", 0, None]), "protocol version"),
        (pack([2, 1, b"short", 0, None]), "expected 16 bytes, got 5"),
        (pack([2, 1, b"x" * 16, 0, None]), "protocol version"),
        (pack([7, 1, b"", 0, None]), "unknown operation 7"),
        (pack([STEP, 1, b"x" * 16, 0, None]), "does not know this session"),
        (pack([-5, 1, b"x" * 16, 0, None]), "unknown operation -5"),
        (b"x" * 3000, "expected at most 2000 bytes, got 3000"),
    ],
)
def test_nonsense_is_answered_and_the_server_lives_on(control: bytes, words: str) -> None:
    with serving(max_control=2000) as world:
        reply = Raw(world.network).ask(control)
        assert reply.status == ERROR
        assert words in reply.body["message"]
        assert world.client().call(STEP, "a", (), SOON) == (1, [])


def test_a_gap_in_the_numbers_is_an_error_and_an_old_number_is_dropped() -> None:
    with serving() as world:
        client = world.client()
        client.call(STEP, "a", (), SOON)
        client.call(STEP, "b", (), SOON)
        raw = Raw(world.network)
        session = client._session
        gap = raw.ask(pack(Request(STEP, 9, session, 0, "z")))
        assert gap.status == ERROR
        assert "before request 3" in gap.body["message"]
        raw.connection.send(pack(Request(STEP, 1, session, 0, "old")))
        repeated = raw.ask(pack(Request(STEP, 2, session, 0, "b")))
        assert (repeated.id, repeated.body) == (2, 2)
        assert world.service.steps == ["a", "b"]


def test_closing_a_session_that_is_gone_succeeds() -> None:
    with serving() as world:
        reply = Raw(world.network).ask(pack(Request(CLOSE, 7, b"x" * 16, 0, None)))
        assert (reply.op, reply.status) == (CLOSE, 0)


def test_a_server_that_talks_nonsense_is_a_protocol_error() -> None:
    network = Network()
    listener = MemoryListener(network)
    client = RpcClient(MemoryConnection(network), "memory", SOON)

    def answer() -> None:
        incoming = listener.receive(SOON)
        assert incoming is not None
        unpack_request(incoming.control)
        listener.send(incoming.peer, b"what?")

    thread = threading.Thread(target=answer)
    thread.start()
    with pytest.raises(ProtocolError, match="does not parse"):
        client.hello()
    thread.join(SOON)
    client.close()
