"""One server, several sessions: each as if it were alone."""

from __future__ import annotations

import random
import threading
from typing import Any, ContextManager, List

import pytest
import worlds
from carriers import MemoryConnection, MemoryListener
from ledgers import Ledger
from worlds import SOON, World, assert_soon

from rlmesh._contract.peer import Limits, PeerInfo
from rlmesh._rpc import reception
from rlmesh._rpc.client import RpcClient
from rlmesh._transport.carrier import Incoming
from rlmesh._wire.messages import CLOSE, OPEN, PREDICT, Request, pack
from rlmesh.errors import Busy, ModelError, RequestTimeout, SessionLost


def serving(capacity: int = 8, together: int = 1, **options: Any) -> ContextManager[World[Ledger]]:
    return worlds.serving(lambda: Ledger(capacity, together), **options)


def act(client: RpcClient, body: Any, *payload: memoryview) -> Any:
    """Make a call, and return the reply's body and payload."""
    return client.call(PREDICT, body, payload, SOON)


def bodies_of(world: World[Ledger], client: RpcClient) -> List[Any]:
    return [body for session, body in world.service.calls if session == client._session]


def vanish(world: World[Ledger], client: RpcClient) -> None:
    """Cut a client off, as if its process had been killed."""
    world.network.routes.pop(client._connection.name)  # type: ignore[attr-defined]


def test_interleaved_calls_are_counted_for_each_session() -> None:
    with serving() as world:
        clients = [world.client() for _ in range(3)]
        for number in range(1, 20):
            for client in clients if number % 2 else reversed(clients):
                part = memoryview(client._session)
                reply, payload = act(client, number, part)
                assert reply == [client._session, number, number]
                assert payload == [client._session]


@pytest.mark.parametrize("together", [1, 8])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_call_of_three_sessions_is_executed_once_over_a_bad_network(
    seed: int, together: int
) -> None:
    rng, stop = random.Random(seed), threading.Event()
    with serving(together=together) as world:
        clients = [world.client() for _ in range(3)]
        world.network.to_server = lambda control: rng.choice((0, 1, 1, 1, 2))
        world.network.to_client = lambda control: rng.choice((0, 1, 1, 1, 3))

        def use(client: RpcClient) -> None:
            for number in range(60):
                reply, payload = act(client, number, memoryview(b"%d" % number))
                assert reply == [client._session, number, number + 1]
                assert payload == [b"%d" % number]

        def cut() -> None:
            while not stop.wait(0.05):
                world.network.cut()

        users = [threading.Thread(target=use, args=(client,)) for client in clients]
        saboteur = threading.Thread(target=cut)
        for thread in (saboteur, *users):
            thread.start()
        for thread in users:
            thread.join(60)
        stop.set()
        saboteur.join(SOON)
        assert not any(thread.is_alive() for thread in users)
        world.network.to_server = world.network.to_client = lambda control: 1
        for client in clients:
            assert bodies_of(world, client) == list(range(60))


def test_calls_that_are_executed_together_are_answered_each_with_its_own() -> None:
    with serving(together=8) as world:
        clients, replies = [world.client() for _ in range(4)], {}
        world.service.go_on.clear()

        def use(client: RpcClient) -> None:
            replies[client._session] = act(client, client._session[:4], memoryview(client._session))

        users = [threading.Thread(target=use, args=(client,)) for client in clients]
        users[0].start()
        assert world.service.entered.wait(SOON)
        for user in users[1:]:
            user.start()
        assert_soon(lambda: len(world.server._waiting) == 3)
        world.service.go_on.set()
        for user in users:
            user.join(SOON)
        assert world.service.batches == [1, 3]
        for client in clients:
            session = client._session
            assert replies[session] == ([session, session[:4], 1], [session])


def test_an_error_is_its_own_callers_alone() -> None:
    with serving() as world:
        first, second = world.client(), world.client()
        for number in (1, 2):
            with pytest.raises(ModelError, match="predict of the model at memory raised") as caught:
                act(first, "fail")
            assert caught.value.inputs == {"observation": ("int64", (1,))}
            assert act(second, "fine")[0] == [second._session, "fine", number]


def test_a_session_is_closed_while_the_call_of_another_runs() -> None:
    with serving() as world:
        caller, leaver, replies = world.client(), world.client(), []
        world.service.go_on.clear()
        calling = threading.Thread(target=lambda: replies.append(act(caller, "a")))
        calling.start()
        assert world.service.entered.wait(SOON)
        leaver.close()
        assert calling.is_alive()
        assert world.stranger().ping()["sessions"] == 1
        assert world.service.released == []  # that takes the thread on which the call runs
        world.service.go_on.set()
        calling.join(SOON)
        assert replies == [([caller._session, "a", 1], [])]
        assert_soon(lambda: world.service.released == [leaver._session])


def test_a_session_opens_and_waits_while_the_call_of_another_runs() -> None:
    with serving() as world:
        caller, replies = world.client(), []
        world.service.go_on.clear()
        threads = [threading.Thread(target=lambda: replies.append(act(caller, "a")[0]))]
        threads[0].start()
        assert world.service.entered.wait(SOON)
        late = world.client()
        threads.append(threading.Thread(target=lambda: replies.append(act(late, "b")[0])))
        threads[1].start()
        assert_soon(lambda: len(world.server._waiting) == 1)
        world.service.go_on.set()
        for thread in threads:
            thread.join(SOON)
        assert sorted(replies, key=str) == sorted(
            [[caller._session, "a", 1], [late._session, "b", 1]], key=str
        )
        assert [body for _, body in world.service.calls] == ["a", "b"]


def test_a_caller_that_gave_up_is_released_when_its_call_returns() -> None:
    with serving() as world:
        caller, other = world.client(), world.client()
        world.service.go_on.clear()
        with pytest.raises(RequestTimeout, match=r"did not answer predict within 0\.2 s"):
            caller.call(PREDICT, "a", (), 0.2)
        assert world.service.released == []
        world.service.go_on.set()
        assert_soon(lambda: world.service.released == [caller._session])
        assert act(other, "b")[0] == [other._session, "b", 1]
        with pytest.raises(SessionLost):
            act(caller, "c")


def test_a_vanished_client_is_released_after_its_grace_and_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reception, "PROBE_INTERVAL", 0.0)
    with serving(session_grace=0.1) as world:
        clients = [world.client() for _ in range(3)]
        for client in clients:
            act(client, 1)
        vanish(world, clients[1])
        while world.service.released == []:
            act(clients[0], 2)
            act(clients[2], 2)
        assert world.service.released == [clients[1]._session]
        with pytest.raises(SessionLost, match="it freed the model of a client that it could not"):
            act(clients[1], 2)
        assert world.stranger().ping()["sessions"] == 2


def test_a_client_that_comes_back_within_its_grace_keeps_its_session() -> None:
    with serving(session_grace=SOON) as world:
        client, other = world.client(), world.client()
        act(client, 1)
        vanish(world, client)
        act(other, 1)
        client._connection.reconnect()
        assert act(client, 2)[0] == [client._session, 2, 2]


def test_one_session_more_than_fits_is_refused_until_another_ends() -> None:
    with serving(capacity=2) as world:
        first, second = world.client(), world.client()
        for takeover in (False, True):
            with pytest.raises(Busy, match="has 2 clients, as many as its max_sessions allows"):
                world.client(takeover=takeover)
        act(first, 1)
        act(second, 1)
        first.close()
        third = world.client()
        assert act(third, "a")[0] == [third._session, "a", 1]


def test_one_session_more_than_fits_waits_for_a_vanished_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reception, "PROBE_INTERVAL", 0.05)
    with serving(capacity=2, session_grace=0.2) as world:
        first = world.client()
        vanished = world.client()
        vanish(world, vanished)
        third = world.client()
        assert act(third, "a")[0] == [third._session, "a", 1]
        assert act(first, "a")[0] == [first._session, "a", 1]
        assert world.service.released == [vanished._session]


def test_opening_a_session_again_opens_no_other() -> None:
    with serving(capacity=1) as world:
        client = world.client()
        world.network.to_server = lambda control: 3
        client.open()
        assert act(client, 1)[0] == [client._session, 1, 1]
        assert world.stranger().ping()["sessions"] == 1


def test_everything_but_answers_happens_on_the_servers_thread() -> None:
    with serving(session_grace=0.0) as world:
        caller, leaver = world.client(), world.client()
        world.service.go_on.clear()
        calling = threading.Thread(target=act, args=(caller, 1))
        calling.start()
        assert world.service.entered.wait(SOON)
        leaver.close()
        world.service.go_on.set()
        calling.join(SOON)
        world.client().close()
        world.stop()
        assert world.service.threads == {world.thread}
        assert len(world.service.released) == 3


class Crowd:
    """Three sessions without manners, of which one always has a call waiting."""

    def __init__(self, world: World[Ledger]) -> None:
        self.world = world
        self.listener: MemoryListener = world.server._listener  # type: ignore[assignment]
        self.names = [b"%016d" % who for who in range(3)]
        self.sent = [0, 0, 0]
        self.limit = 500

    def put(self, op: int, number: int, session: bytes, body: Any = None) -> None:
        control = pack(Request(op, number, session, 0, body))
        self.listener.inbox.put(Incoming(session, control, ()))

    def open(self, session: bytes) -> None:
        self.put(OPEN, 1, session, {"client": PeerInfo("client", Limits()).to_dict()})

    def call(self, who: int) -> None:
        self.sent[who] += 1
        self.put(PREDICT, self.sent[who], self.names[who])

    def follow(self, number: int) -> None:
        """Send the call of the session whose turn is the next but one."""
        if number < self.limit:
            self.call((number + 2) % 3)

    def start(self) -> None:
        for name in self.names:
            self.open(name)
        self.world.service.during = self.follow
        self.world.service.go_on.clear()
        self.call(0)
        assert self.world.service.entered.wait(SOON)
        self.call(1)
        self.world.service.go_on.set()


def test_sessions_end_and_vanished_clients_are_found_however_busy_the_others_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reception, "PROBE_INTERVAL", 0.0)
    when = {}

    class Timed(Ledger):
        def release(self, session: Any) -> None:
            when[session.id] = len(self.batches)
            super().release(session)

    leaver, ghost = b"leaver".ljust(16), b"ghost".ljust(16)
    with worlds.serving(Timed, session_grace=0.0) as world:
        crowd = Crowd(world)
        # What is sent to these arrives nowhere, but it can be sent; the ghost has no route.
        for name in (leaver, *crowd.names):
            world.network.routes[name] = MemoryConnection(world.network)
        crowd.open(leaver)
        crowd.start()

        def follow(number: int) -> None:
            if number == 100:
                crowd.put(CLOSE, 1, leaver)
                crowd.open(ghost)
            crowd.follow(number)

        world.service.during = follow
        assert_soon(lambda: len(world.service.batches) > 500)
        assert 100 < when[leaver] < 110
        assert 100 < when[ghost] < 110


@pytest.mark.parametrize("drain_timeout", [0.0, 0.2])
def test_busy_clients_do_not_keep_a_server_up(drain_timeout: float) -> None:
    with serving(drain_timeout=drain_timeout) as world:
        crowd = Crowd(world)
        crowd.limit = 10**9
        crowd.start()
        assert_soon(lambda: len(world.service.batches) > 50)
        world.server.stop()
        world.join()
        assert world.service.closed == 1


def test_those_who_wait_for_a_place_get_it_in_their_order() -> None:
    with serving(capacity=2) as world:
        holders = [world.client(), world.client()]
        order: List[int] = []
        line = world.server._openings._line

        def wait(number: int) -> None:
            client = world.stranger()
            client.open(busy_timeout=SOON)
            order.append(number)
            client.close()

        threads = [threading.Thread(target=wait, args=(number,)) for number in range(4)]
        for number, thread in enumerate(threads, start=1):
            thread.start()
            assert_soon(lambda: len(line) == number)  # noqa: B023
        with pytest.raises(Busy, match="as many as its max_sessions allows"):
            world.client()
        holders[0].close()
        for thread in threads:
            thread.join(SOON)
        assert order == [0, 1, 2, 3]
        assert act(holders[1], 1)[0] == [holders[1]._session, 1, 1]


def test_those_who_wait_are_told_that_the_server_ends() -> None:
    with serving(capacity=1, drain_timeout=SOON) as world:
        holder, told = world.client(), []

        def wait() -> None:
            try:
                world.client(busy_timeout=SOON)
            except Busy as busy:
                told.append(str(busy))

        waiting = threading.Thread(target=wait)
        waiting.start()
        assert_soon(lambda: bool(world.server._openings))
        world.server.stop()
        waiting.join(SOON)
        assert told == ["the model's server is shutting down"]
        holder.close()
        world.join()
