"""How a server ends, and what becomes of its sessions and its service."""

from __future__ import annotations

import threading
from typing import Any, ContextManager

import pytest
import worlds
from ledgers import Ledger
from worlds import SOON, World, assert_soon

from rlmesh._rpc import client as client_module
from rlmesh._wire.messages import PREDICT, unpack_reply
from rlmesh.errors import Busy, ConnectionFailed, SecurityError


def serving(**options: Any) -> ContextManager[World[Ledger]]:
    return worlds.serving(Ledger, **options)


def test_a_server_that_drains_serves_its_sessions_to_their_end_and_no_others() -> None:
    with serving(drain_timeout=60) as world:
        first, second = world.client(), world.client()
        world.server.stop()
        with pytest.raises(Busy, match="the model's server is shutting down"):
            world.client()
        for number in (1, 2):
            assert first.call(PREDICT, number, (), SOON)[0][1] == number
        assert second.ping()["sessions"] == 2
        first.close()
        second.call(PREDICT, 3, (), SOON)
        assert world.service.closed == 0
        second.close()
        world.join()
        assert world.service.closed == 1
        assert sorted(world.service.released) == sorted([first._session, second._session])


def test_a_drain_ends_with_its_time_and_the_sessions_with_it() -> None:
    with serving(drain_timeout=0.1) as world:
        client = world.client(connect_timeout=0.1)
        world.server.stop()
        world.join()
        assert world.service.released == [client._session]
        with pytest.raises(ConnectionFailed, match="broke during predict"):
            client.call(PREDICT, 1, (), SOON)


@pytest.fixture
def _patient(_impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have clients not reconnect, to send again, in the moment in which a server ends."""
    monkeypatch.setattr(client_module, "RESEND_INTERVAL", SOON)


@pytest.mark.usefixtures("_patient")
def test_a_call_under_way_is_finished_and_answered_after_a_drain() -> None:
    with serving(drain_timeout=0.0) as world:
        client, replies = world.client(), []
        client.call(PREDICT, "before", (), SOON)
        world.service.entered.clear()
        world.service.go_on.clear()
        calling = threading.Thread(
            target=lambda: replies.append(client.call(PREDICT, "a", (), SOON)[0][1])
        )
        calling.start()
        assert world.service.entered.wait(SOON)
        world.server.stop()
        assert not world.server.finished.is_set()
        world.service.go_on.set()
        calling.join(SOON)
        world.join()
        assert replies == ["a"]
        assert [unpack_reply(reply).body[1] for reply in world.server._listener.last] == ["a"]
        assert world.service.released == [client._session]


def test_what_is_answered_during_a_drain_is_not_kept_until_its_end() -> None:
    with serving(drain_timeout=SOON) as world:
        client = world.client()
        world.server.stop()
        for number in range(5):
            client.call(PREDICT, number, (), SOON)
        client.close()
        world.join()
        assert world.server._listener.last == []


def test_a_server_without_sessions_ends_after_its_idle_time() -> None:
    with serving(idle_timeout=0.05) as world:
        world.join()
        assert world.service.closed == 1


def test_a_server_ends_its_idle_time_after_its_last_session() -> None:
    with serving(idle_timeout=0.3) as world:
        client, pinging = world.client(), world.stranger()
        while pinging.ping()["uptime"] < 1.0:
            client.call(PREDICT, 1, (), SOON)
        client.close()
        world.join()
        assert world.service.closed == 1
        assert world.service.released == [client._session]


def test_a_server_without_an_idle_time_stays_up() -> None:
    with serving() as world:
        while world.stranger().ping()["uptime"] < 0.5:
            pass
        assert world.thread.is_alive()


def test_a_client_may_not_shut_the_server_down_by_default() -> None:
    with serving() as world:
        client = world.client()
        for stranger in (client, world.stranger()):
            with pytest.raises(SecurityError, match=r"ServeOptions\(allow_remote_shutdown=True\)"):
                stranger.shutdown()
        assert client.call(PREDICT, 1, (), SOON)[0][1] == 1


def test_a_client_may_shut_the_server_down_where_that_is_allowed() -> None:
    with serving(allow_remote_shutdown=True) as world:
        client = world.client()
        world.stranger().shutdown()
        world.join()
        assert world.service.released == [client._session]
        assert world.service.closed == 1


@pytest.mark.usefixtures("_patient")
def test_a_shutdown_from_afar_is_answered_while_a_call_runs_and_waits_for_it() -> None:
    with serving(allow_remote_shutdown=True) as world:
        client, replies = world.client(), []
        world.service.go_on.clear()
        calling = threading.Thread(
            target=lambda: replies.append(client.call(PREDICT, "a", (), SOON)[0][1])
        )
        calling.start()
        assert world.service.entered.wait(SOON)
        world.stranger().shutdown()
        assert world.thread.is_alive()
        world.service.go_on.set()
        calling.join(SOON)
        world.join()
        assert replies == ["a"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_the_service_is_closed_once_and_told_of_its_sessions_also_after_an_error(
    error: type,
) -> None:
    world = World(Ledger, worlds.ServeOptions())
    client, other = world.client(connect_timeout=0.2), world.client()

    def fail(number: int) -> None:
        raise error

    world.service.during = fail
    with pytest.raises(ConnectionFailed):
        client.call(PREDICT, 1, (), SOON)
    world.join()
    assert type(world.error) is error
    assert world.server.finished.is_set()
    assert sorted(world.service.released) == sorted([client._session, other._session])
    assert world.service.closed == 1
    world.server.stop()
    for one in (client, other):
        one.close()


def test_a_server_is_finished_also_when_its_service_fails_to_close() -> None:
    class Fails(Ledger):
        def close(self) -> None:
            super().close()
            raise ArithmeticError("no close")

    world = World(Fails, worlds.ServeOptions())
    world.stop()
    assert world.server.finished.is_set()
    assert str(world.error) == "no close"
    assert world.service.closed == 1


def test_no_thread_is_left_of_a_server_with_many_sessions() -> None:
    before = set(threading.enumerate())
    with serving() as world:
        for _ in range(5):
            world.client().call(PREDICT, 1, (), SOON)
    assert_soon(lambda: set(threading.enumerate()) == before)
