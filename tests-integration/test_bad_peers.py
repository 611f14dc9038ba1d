"""Strangers who talk to a server of ours: each is answered or cut off, and the server lives on."""

from __future__ import annotations

import contextlib
import os
import pickle
import random
import signal
import socket
import time
from pathlib import Path
from typing import Any, Callable, Iterator, List

import msgpack
import pytest
import zmq
from peers import (
    CLOSE,
    ERROR,
    FATE,
    HELLO,
    INTRODUCTION,
    OK,
    OPEN,
    PING,
    PROBE,
    RENDER,
    RESET,
    SHUTDOWN,
    STATS,
    STEP,
    RawPeer,
)
from servers import PATIENCE, ServerProcess, Servers
from traces import assert_soon

import rlmesh

SESSION = b"0123456789abcdef"
OPTIONS = {"max_control": 100_000, "max_payload": 200_000, "session_grace": 0.2}
ZMTP_GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + b"\x00" + bytes(31)

# A valid action of `envs.Everything`: both, grip, image (in the payload), move, say.
ACTION = [[b"\x00\x01\x01", 11], 1, None, bytes(28), "abc"]
IMAGE = bytes(30_000)


@pytest.fixture(autouse=True)
def _a_session_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test another session id: one that was closed is never opened again."""
    monkeypatch.setitem(globals(), "SESSION", os.urandom(16))


@pytest.fixture(scope="module")
def shared_server(serve_module: Servers) -> ServerProcess:
    return serve_module("envs:Everything", options=OPTIONS)


@pytest.fixture
def server(shared_server: ServerProcess) -> Iterator[ServerProcess]:
    """A server that must serve a good client after the test, too."""
    yield shared_server
    with rlmesh.RemoteEnv(shared_server.address) as env:
        env.reset(seed=0)
        env.step(env.action_space.sample())
    assert shared_server.process.poll() is None
    assert "Traceback" not in shared_server.stderr


@pytest.fixture
def peer(server: ServerProcess) -> Iterator[RawPeer]:
    with RawPeer(server.address) as peer:
        yield peer


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x00" * 5000,
        b"\xff" * 5000,
        bytes(range(256)) * 40,
        ZMTP_GREETING + b"garbage" * 100,
        ZMTP_GREETING + b"\x06\xff" + b"\x7f" * 7,
        b"\x01\x02" * 100_000,
    ],
    ids=["nothing", "http", "zeros", "ones", "bytes", "greeting", "huge frame", "pairs"],
)
def test_garbage_from_a_plain_tcp_client_harms_nobody(data: bytes, server: ServerProcess) -> None:
    host, _, port = server.address.replace("tcp://", "").partition(":")
    for _ in range(5):
        # The server may hang up in the middle of it.
        with socket.create_connection((host, int(port))) as connection, contextlib.suppress(
            ConnectionError
        ):
            connection.sendall(data)


class PlainDealer:
    """A DEALER of a name of its own, made of a TCP socket."""

    def __init__(self, address: str, name: bytes) -> None:
        host, _, port = address.replace("tcp://", "").partition(":")
        self.connection = socket.create_connection((host, int(port)), timeout=PATIENCE)
        self.heard = b""
        self.connection.sendall(ZMTP_GREETING)
        self.wait_for(b"NULL", 1)
        fields = ((b"Socket-Type", b"DEALER"), (b"Identity", name))
        parts = [bytes([len(k)]) + k + len(v).to_bytes(4, "big") + v for k, v in fields]
        ready = b"\x05READY" + b"".join(parts)
        self.connection.sendall(bytes([4, len(ready)]) + ready)
        self.wait_for(b"READY", 1)

    def send(self, frame: bytes) -> None:
        self.connection.sendall(bytes([0, len(frame)]) + frame)

    def wait_for(self, word: bytes, times: int) -> None:
        """Read until the other side has said something so many times in all."""
        while self.heard.count(word) < times:
            data = self.connection.recv(4096)
            assert data, f"hung up after {self.heard!r}"
            self.heard += data


def test_a_peer_of_a_name_that_is_taken_harms_nobody(server: ServerProcess) -> None:
    first, second = PlainDealer(server.address, b"me"), PlainDealer(server.address, b"me")
    for dealer in (first, second, first):
        dealer.send(b"garbage")
    second.wait_for(b"PING", 1)
    first.connection.close()
    # ZeroMQ's next heartbeat to the one that hung up would be one too many.
    with contextlib.closing(second.connection):
        second.wait_for(b"PING", 2)


def test_who_takes_nothing_and_hangs_up_while_a_server_ends_harms_it_not(serve: Servers) -> None:
    server = serve("envs:Cameras")
    dealer = PlainDealer(server.address, b"deaf")
    with contextlib.closing(dealer.connection):
        dealer.send(msgpack.packb([OPEN, 1, SESSION, 0, {"client": INTRODUCTION}]))
        # More than the system takes for somebody who reads nothing.
        for number in range(1, 61):
            dealer.send(msgpack.packb([RESET, number, SESSION, 0, [0, None]]))
        assert_soon(lambda: rlmesh.stats(server.address).requests.get("reset") == 60)
        server.signal(signal.SIGTERM)
        with contextlib.suppress(OSError):
            for _ in range(30):
                dealer.send(b"garbage")
                time.sleep(0.01)
    assert (server.wait(), server.stderr) == (0, "")


@pytest.mark.parametrize(
    "kind", [zmq.REQ, zmq.ROUTER, zmq.PAIR, zmq.PUSH, zmq.PUB, zmq.SUB, zmq.REP, zmq.XPUB]
)
def test_other_zeromq_sockets_harm_nobody(kind: int, server: ServerProcess) -> None:
    with RawPeer(server.address, kind) as peer, RawPeer(server.address) as other:
        for _ in range(3):
            with contextlib.suppress(zmq.ZMQError):
                peer.socket.send(msgpack.packb([HELLO, 1, b"", 0, INTRODUCTION]), zmq.NOBLOCK)
        assert other.ask(PING, 1, b"", None)[3] == OK


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([b"garbage"], "does not parse"),
        ([b"\xc1"], "does not parse"),
        ([b"\x93\x01"], "does not parse"),
        ([b"\x91" * 60_000], "does not parse"),
        ([b"\x91" * 90_000], "control frame: expected at most 65,536 values, got more"),
        ([b"\xdc\x20\x00" * 1000], "control frame: expected at most 65,536 values, got more"),
        ([b"\xdd\xff\xff\xff\xff"], "does not parse"),
        ([b"", b"payload"], "does not parse"),
        ([b"a", b"b", b"c"], "does not parse"),
        ([b"garbage", *[b"frame"] * 5000], "payload: expected at most 1024 arrays, got more"),
        ([b"garbage", *[bytes(90_000)] * 3], "payload: expected at most 200000 bytes, got 270000"),
        ([msgpack.packb({"op": 0})], "does not parse"),
        ([msgpack.packb([HELLO, 1, b"", 0])], "does not parse"),
        ([msgpack.packb([HELLO, 1, b"", 0, None, 1])], "does not parse"),
        ([msgpack.packb(msgpack.ExtType(1, b"ab"))], "does not parse"),
        ([b"x" * 150_000], "control frame: expected at most 100000 bytes, got 150000"),
    ],
)
def test_what_is_no_request_is_answered_so(frames: List[bytes], words: str, peer: RawPeer) -> None:
    peer.send(*frames)
    op, number, boot, status, body = peer.receive()
    assert (op, number, len(boot), status) == (-1, -1, 8, ERROR)
    assert body["kind"] in ("ProtocolError", "LimitExceeded")
    assert words in body["message"]


def test_a_frame_beyond_every_limit_cuts_that_connection_alone(server: ServerProcess) -> None:
    with RawPeer(server.address) as peer, RawPeer(server.address) as other:
        peer.send(b"x" * 10_000_000)
        peer.send(b"x", b"x" * 10_000_000)
        assert other.ask(PING, 1, b"", None)[3] == OK


WRONG = [None, True, -1, 2**64 - 1, 1.5, "x", "\0" * 100, b"x", [], [[]], {}, {1: 2}]


@pytest.mark.parametrize(
    "op", [HELLO, PING, OPEN, PROBE, RESET, STEP, RENDER, CLOSE, FATE, STATS, 15, 30]
)
def test_every_field_of_a_request_may_be_wrong(op: int, peer: RawPeer) -> None:
    fields = [op, 1, SESSION, 0, {"client": INTRODUCTION}]
    for i in range(len(fields)):
        for wrong in WRONG:
            peer.send(msgpack.packb([*fields[:i], wrong, *fields[i + 1 :]]))
            reply = peer.receive()
            if reply[3] == ERROR:
                assert reply[4]["kind"] in ("ProtocolError", "SessionLost", "Busy"), (i, wrong)
            else:
                assert i > 0
    peer.ask(CLOSE, 1, SESSION, None)


@pytest.mark.parametrize(
    "introduction",
    [
        None,
        5,
        {},
        {**INTRODUCTION, "protocol": "1"},
        {**INTRODUCTION, "limits": None},
        {**INTRODUCTION, "limits": {"control": "many", "payload": 1}},
        {**INTRODUCTION, "limits": {"control": float("inf"), "payload": 1}},
        {k: v for k, v in INTRODUCTION.items() if k != "version"},
    ],
)
def test_an_introduction_that_does_not_parse_is_named(introduction: Any, peer: RawPeer) -> None:
    for reply in (
        peer.ask(HELLO, 1, b"", introduction),
        peer.ask(OPEN, 2, SESSION, {"client": introduction}),
    ):
        assert reply[3] == ERROR
        assert reply[4]["kind"] == "ProtocolError"
        assert "protocol version: expected 1" in reply[4]["message"] or (
            "introduction does not parse" in reply[4]["message"]
        )


def test_another_protocol_version_is_named_with_ours(peer: RawPeer) -> None:
    theirs = {**INTRODUCTION, "protocol": 7, "version": "9.9.9"}
    for op, body in ((HELLO, theirs), (OPEN, {"client": theirs})):
        reply = peer.ask(op, 1, SESSION, body)
        assert (reply[0], reply[3], reply[4]["kind"]) == (op, ERROR, "ProtocolError")
        assert "protocol version: expected 1 (rlmesh " in reply[4]["message"]
        assert "got 7 (rlmesh 9.9.9)" in reply[4]["message"]
        assert "install the same rlmesh version on both sides" in reply[4]["message"]


@pytest.mark.parametrize("op", [RESET, STEP, RENDER])
def test_acting_without_a_session_is_an_error(op: int, peer: RawPeer) -> None:
    for session in (b"", SESSION, b"x" * 100_00):
        reply = peer.ask(op, 1, session, None)
        assert (reply[3], reply[4]["kind"]) == (ERROR, "SessionLost")
        assert "does not know this session" in reply[4]["message"]


def replaced(body: Any) -> Iterator[Any]:
    """Yield copies of a body with wrong values in place of each of its parts, or of itself."""
    yield from (wrong for wrong in WRONG if wrong != body)
    if isinstance(body, list):
        for i, part in enumerate(body):
            for new in replaced(part):
                yield [*body[:i], new, *body[i + 1 :]]
        yield body[:-1]
        yield [*body, None]


def in_session(peer: RawPeer, requests: Callable[[], Iterator[Any]]) -> List[Any]:
    """Send requests (op, body, payload) within a session; return the replies."""
    peer.open(SESSION)
    replies = [peer.ask(RESET, 1, SESSION, [0, None])]
    for number, (op, body, payload) in enumerate(requests(), start=2):
        replies.append(peer.ask(op, number, SESSION, body, payload))
        assert replies[-1][:2] == [op, number]
    assert peer.ask(CLOSE, len(replies) + 1, SESSION, None)[3] == OK
    return replies


def test_every_part_of_an_action_may_be_wrong(peer: RawPeer) -> None:
    def requests() -> Iterator[Any]:
        yield STEP, ACTION, IMAGE
        for body in replaced(ACTION):
            yield STEP, body, IMAGE
        for payload in (None, b"", IMAGE[:-1]):
            yield STEP, ACTION, payload
        yield STEP, ACTION, IMAGE + b"more"

    replies = in_session(peer, requests)
    good = [reply for reply in replies if reply[3] == OK]
    assert [reply[1] for reply in good[:2]] == [1, 2]
    for reply in replies:
        if reply[3] == ERROR:
            assert reply[4]["kind"] == "ProtocolError", reply
    # Any number, any text of the right type decodes, and nobody reads the place of the image.
    assert 10 < len(good) < 30


@pytest.mark.parametrize(
    "body", [None, 5, "ab", b"", [], [1], [1, 2, 3], ["seed", None], [1.5, None], [0, 5], [0, [1]]]
)
def test_every_part_of_a_reset_may_be_wrong(body: Any, peer: RawPeer) -> None:
    replies = in_session(peer, lambda: iter([(RESET, body, None), (RESET, [1, None], None)]))
    assert [reply[3] for reply in replies] == [OK, ERROR, OK]
    assert replies[1][4]["kind"] == "ProtocolError"


def test_request_numbers_that_are_out_of_order_are_errors_or_dropped(peer: RawPeer) -> None:
    peer.open(SESSION)
    first = peer.ask(RESET, 1, SESSION, [0, None])
    assert peer.ask(RESET, 1, SESSION, [0, None]) == first
    for number in (3, 2**64 - 1):
        gap = peer.ask(STEP, number, SESSION, ACTION, IMAGE)
        assert (gap[1], gap[3], gap[4]["kind"]) == (number, ERROR, "ProtocolError")
        assert "before request 2" in gap[4]["message"]
    for number in (0, -1):
        peer.send_request(STEP, number, SESSION, ACTION, IMAGE)
    assert peer.ask(STEP, 2, SESSION, ACTION, IMAGE)[:4] == [STEP, 2, first[2], OK]
    # The old numbers were dropped without a reply: this one is the next that comes.
    assert peer.ask(CLOSE, 3, SESSION, None)[:2] == [CLOSE, 3]


def noise(rng: random.Random) -> List[bytes]:
    """Return the frames of some message that has little to do with any of ours."""

    def value(depth: int = 0) -> Any:
        leaves = [None, True, rng.randint(-(2**63), 2**64 - 1), rng.random(), "text", b"x", SESSION]
        if depth > 3 or rng.random() < 0.6:
            return rng.choice([*leaves, rng.randrange(20), rng.randbytes(rng.randrange(30))])
        parts = [value(depth + 1) for _ in range(rng.randrange(6))]
        return parts if rng.random() < 0.7 else dict(enumerate(parts))

    ops = [HELLO, PING, OPEN, PROBE, RESET, STEP, RENDER, CLOSE, SHUTDOWN, STATS, 200]
    request = [rng.choice(ops), rng.randrange(4), rng.choice([b"", SESSION]), 0, value()]
    mutated = bytearray(msgpack.packb(request))
    mutated[rng.randrange(len(mutated))] = rng.randrange(256)
    control = rng.choice(
        [rng.randbytes(rng.randrange(200)), msgpack.packb(value()), bytes(mutated)]
        + [msgpack.packb(request)] * 2
    )
    return [control, *[rng.randbytes(rng.randrange(100)) for _ in range(rng.choice([0, 0, 1, 2]))]]


@pytest.mark.parametrize("seed", [0, 1])
def test_two_thousand_messages_of_noise(seed: int, peer: RawPeer, server: ServerProcess) -> None:
    rng = random.Random(seed)
    with RawPeer(server.address) as holder:
        holder.open(SESSION)
        for _ in range(1000):
            peer.send(*noise(rng))
        peer.send_request(PING, 999_999, b"", None)
        while peer.receive()[1] != 999_999:
            pass
        assert holder.ask(CLOSE, 2**63, SESSION, None)[3] == OK


def test_noise_within_a_session(peer: RawPeer) -> None:
    rng = random.Random(2)

    def requests() -> Iterator[Any]:
        for _ in range(500):
            op = rng.choice([RESET, STEP, STEP, RENDER, 20, 30])
            body = rng.choice([ACTION, [0, None], None, 5, [], [None, {"a": 1}]])
            mutated = bytearray(msgpack.packb(body))
            mutated[rng.randrange(len(mutated))] = rng.randrange(256)
            with contextlib.suppress(ValueError, msgpack.exceptions.UnpackException):
                body = msgpack.unpackb(bytes(mutated), strict_map_key=False)
            yield op, body, rng.choice([None, IMAGE, rng.randbytes(50)])

    replies = in_session(peer, requests)
    assert {reply[3] for reply in replies} == {OK, ERROR}


def test_who_takes_no_replies_does_not_fill_the_servers_memory(server: ServerProcess) -> None:
    with RawPeer(server.address, rcvhwm=1) as deaf, RawPeer(server.address) as other:
        deaf.open(SESSION)
        deaf.ask(RESET, 1, SESSION, [0, None])
        before = server.memory
        # Small requests for the same large reply: over 200 MB, if all of these were kept.
        for _ in range(15_000):
            deaf.send_request(RESET, 1, SESSION, [0, None])
        assert other.ask(PING, 1, b"", None)[3] == OK
        assert server.memory - before < 120 * 2**20


def test_a_question_cannot_be_held_back_forever(server: ServerProcess) -> None:
    with RawPeer(server.address) as holder, RawPeer(server.address) as peer:
        holder.open(SESSION)
        wish = {"client": INTRODUCTION, "wait": True, "hold": float("nan")}
        reply = peer.ask(OPEN, 1, b"f" * 16, wish)
        assert (reply[3], reply[4]["kind"], reply[4]["in_line"]) == (ERROR, "Busy", True)
        assert holder.ask(CLOSE, 2**60, SESSION, None)[3] == OK
        peer.ask(CLOSE, 2**60, b"f" * 16, None)


def test_the_line_has_an_end(serve: Servers) -> None:
    server = serve("envs:Countdown")
    wish = {"client": INTRODUCTION, "wait": True, "hold": 0.0}
    with RawPeer(server.address) as holder, RawPeer(server.address) as peer:
        holder.open(SESSION)
        for i in range(1, 1025):
            reply = peer.ask(OPEN, i, i.to_bytes(16, "big"), wish)
            assert reply[4]["in_line"]
        reply = peer.ask(OPEN, 1025, b"l" * 16, wish)
        assert (reply[3], reply[4]["kind"], reply[4]["in_line"]) == (ERROR, "Busy", False)
        assert "1024 others wait already" in reply[4]["message"]
        # Whoever has a place keeps it, and one that is given up is free again.
        assert peer.ask(OPEN, 1026, (5).to_bytes(16, "big"), wish)[4]["in_line"]
        assert peer.ask(CLOSE, 2**60, (5).to_bytes(16, "big"), None)[3] == OK
        assert peer.ask(OPEN, 1027, b"l" * 16, wish)[4]["in_line"]
        assert holder.ask(CLOSE, 2**60, SESSION, None)[3] == OK


def test_a_number_of_many_digits_is_not_read(peer: RawPeer) -> None:
    limits = {"control": "9" * 90_000, "payload": 1}
    reply = peer.ask(HELLO, 1, b"", {**INTRODUCTION, "limits": limits})
    assert reply[4]["kind"] == "ProtocolError"
    assert "control: expected int, got" in reply[4]["message"]


def test_a_pickle_stays_what_it_is(peer: RawPeer, tmp_path: Path) -> None:
    made = tmp_path / "made"

    class Harm:
        def __reduce__(self) -> Any:
            return Path.touch, (made,)

    harm = pickle.dumps(Harm())
    pickle.loads(harm)
    assert made.exists()
    made.unlink()
    info = msgpack.packb({"x": msgpack.ExtType(1, harm), "y": harm})
    objects = msgpack.packb({"x": msgpack.ExtType(3, msgpack.packb(["O", [1], [harm]]))})
    for frames in ([harm], [harm, harm], [msgpack.packb([HELLO, 1, harm, 0, harm])]):
        peer.send(*frames)
        peer.receive()
    peer.open(SESSION)
    for number, body in enumerate([harm, [0, harm], [0, info], [0, objects]], start=1):
        peer.ask(RESET, number, SESSION, body, harm)
    peer.ask(STEP, 5, SESSION, harm, harm)
    peer.ask(STEP, 6, SESSION, [harm] * 5, harm)
    assert peer.ask(CLOSE, 7, SESSION, None)[3] == OK
    assert not made.exists()


def test_a_claim_of_many_requests_leaves_the_status_readable(serve: Servers) -> None:
    server = serve("envs:Countdown", factory=True)
    with RawPeer(server.address) as peer:
        peer.open(SESSION)
        peer.send_request(STEP, 2**64 - 1, SESSION, 0)
        while (reply := peer.ask(PING, 77, b"", None))[1] != 77:
            pass
        assert reply[3] == OK
