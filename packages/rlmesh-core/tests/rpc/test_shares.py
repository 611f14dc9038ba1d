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
from rlmesh.spaces import Discrete

GOOD, OTHER, STRANGER = b"good", b"other", b"stranger"


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(shares, "time", clock)
    return clock


def message(peer: bytes) -> Incoming:
    return Incoming(peer, b"control", ())


def test_who_takes_more_than_a_share_waits_and_is_served_later(clock: Clock) -> None:
    given = Shares()
    given.charge(STRANGER, 0.5 * SHARE, True)
    assert not given.keeps(message(STRANGER), {GOOD})
    given.charge(STRANGER, 1.0 * SHARE, True)
    assert given.keeps(message(STRANGER), {GOOD})
    assert not given.keeps(message(GOOD), {GOOD})
    assert list(given.due({GOOD})) == []
    clock.now += 0.6
    assert given.until < clock.now
    assert list(given.due({GOOD})) == [message(STRANGER)]
    assert len(given) == 0


def test_nobody_waits_who_is_alone(clock: Clock) -> None:
    given = Shares()
    given.charge(GOOD, 100.0, False)
    given.charge(STRANGER, 100.0, True)
    assert not given.keeps(message(GOOD), {GOOD})
    assert not given.keeps(message(STRANGER), set())
    assert given.keeps(message(GOOD), {GOOD, OTHER})
    assert not given.keeps(message(OTHER), {GOOD, OTHER})


def test_many_strangers_have_no_more_together_than_two(clock: Clock) -> None:
    given = Shares()
    for i in range(100):
        given.charge(b"%d" % i, 0.03 * SHARE, True)
    assert given.keeps(message(b"new"), {GOOD})
    assert not given.keeps(message(GOOD), {GOOD})


def test_few_messages_are_kept(clock: Clock) -> None:
    given = Shares()
    given.charge(STRANGER, 100.0, True)
    for _ in range(10):
        assert given.keeps(message(STRANGER), {GOOD})
    assert len(given) == 1
    for i in range(10_000):
        given.charge(b"%d" % i, 1.0, True)
        assert given.keeps(message(b"%d" % i), {GOOD})
    assert len(given) == 64
    assert len(given._even) <= 1025


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
