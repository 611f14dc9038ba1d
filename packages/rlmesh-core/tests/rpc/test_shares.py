"""No peer takes more than its share of a server's time while there are others."""

from __future__ import annotations

from typing import Any, List

import msgpack
import pytest
import zmq

import rlmesh
from rlmesh._rpc import shares
from rlmesh._rpc.shares import SHARE, Shares
from rlmesh._transport.carrier import Incoming
from rlmesh._wire.counting import MAX_VALUES
from rlmesh._wire.messages import STEP, Request, pack
from rlmesh.spaces import Discrete

GOOD, OTHER = b"good".ljust(16), b"other".ljust(16)
FOR_GOOD, FOR_OTHER = (pack(Request(STEP, 0xC410, one, 0, None)) for one in (GOOD, OTHER))
STRANGER = Incoming(b"stranger", b"anything", ())


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(shares, "time", clock)
    return clock


def given(*sessions: bytes) -> Shares:
    return Shares(dict.fromkeys(sessions, True))


def good(peer: bytes = b"a") -> Incoming:
    return Incoming(peer, FOR_GOOD, ())


def test_who_takes_more_than_a_share_waits_and_is_served_later(clock: Clock) -> None:
    kept = given(GOOD)
    kept.charge(STRANGER, 0.5 * SHARE)
    assert not kept.keeps(STRANGER)
    kept.charge(STRANGER, 1.0 * SHARE)
    assert kept.keeps(STRANGER)
    assert not kept.keeps(good())
    assert list(kept.due()) == []
    clock.now += 0.6
    assert kept.until < clock.now
    assert list(kept.due()) == [STRANGER]
    assert len(kept) == 0


def test_nobody_waits_who_is_alone(clock: Clock) -> None:
    alone = given(GOOD)
    alone.charge(good(), 100.0)
    assert not alone.keeps(good())
    nobody = given()
    nobody.charge(STRANGER, 100.0)
    assert not nobody.keeps(STRANGER)


def test_a_session_has_one_share_over_any_connection(clock: Clock) -> None:
    both = given(GOOD, OTHER)
    both.charge(good(), 100.0)
    assert both.keeps(good())
    assert both.keeps(good(b"another connection"))
    assert not both.keeps(Incoming(b"a", FOR_OTHER, ()))


def test_many_strangers_have_no_more_together_than_two(clock: Clock) -> None:
    many = given(GOOD)
    for i in range(100):
        many.charge(Incoming(b"%d" % i, b"", ()), 0.03 * SHARE)
    assert many.keeps(Incoming(b"new", b"", ()))
    # A client that has lost its connection meanwhile is no stranger.
    assert not many.keeps(good(b"a new connection"))


def test_few_messages_are_kept(clock: Clock) -> None:
    few = given(GOOD)
    few.charge(STRANGER, 100.0)
    for _ in range(10):
        assert few.keeps(STRANGER)
    assert len(few) == 1
    for i in range(10_000):
        few.charge(Incoming(b"%d" % i, b"", ()), 1.0)
        assert few.keeps(Incoming(b"%d" % i, b"", ()))
    assert len(few) == 64
    assert len(few._even) <= 1025


class Still:
    observation_space = action_space = Discrete(2)

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        return 0, {}

    def step(self, action: Any) -> Any:
        return 1, 0.5, False, False, {}


def test_a_client_steps_while_others_send_what_takes_long() -> None:
    heavy = msgpack.packb([1, 1, b"", 0, [[]] * (MAX_VALUES - 10)])
    with rlmesh.EnvServer(Still()) as server, rlmesh.RemoteEnv(
        server.address
    ) as env, zmq.Context() as context:
        peers: List[Any] = [context.socket(zmq.DEALER) for _ in range(4)]
        env.reset()
        for peer in peers:
            peer.linger = 0
            peer.connect(server.address)
            for _ in range(100):
                peer.send(heavy)
        for _ in range(200):
            assert env.step(0)[:2] == (1, 0.5)
        answered = 0
        for peer in peers:
            while peer.poll(0):
                peer.recv_multipart()
                answered += 1
            peer.close()
        assert answered < 200
        assert env.step(0)[:2] == (1, 0.5)
