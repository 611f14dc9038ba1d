"""What a server with workers knows of the requests that its workers execute."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest
from countdown import Countdown

import rlmesh
from rlmesh.errors import EnvCrashed

PATIENCE = 60.0
pytestmark = pytest.mark.usefixtures("way")


def assert_soon(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


def requests(server):
    return rlmesh.stats(server.address).requests


def test_the_server_hears_what_its_workers_execute_while_they_do(serve):
    server = serve(Countdown)
    fresh = rlmesh.stats(server.address)
    assert (fresh.requests, fresh.errors) == ({}, 0)
    assert {latency.count for latency in fresh.latencies.values()} == {0}
    assert set(fresh.latencies) == {"reset", "step", "render", "codec"}
    with rlmesh.RemoteEnv(server.address) as first, rlmesh.RemoteEnv(server.address) as second:
        for env in first, second:
            env.reset(seed=9)
        for _ in range(3):
            first.step(0)
        second.step(1)
        assert_soon(lambda: requests(server) == {"reset": 2, "step": 4})
        found = rlmesh.stats(server.address)
        assert rlmesh.ping(server.address).requests == 6
        assert (found.role, found.sessions, found.capacity) == ("env", 2, 256)
        assert found.workers == rlmesh.ping(server.address).workers
        counts = {phase: latency.count for phase, latency in found.latencies.items()}
        assert counts == {"reset": 2, "step": 4, "render": 0, "codec": 6}
        assert 0 < found.latencies["step"].p50 <= found.latencies["step"].max
    assert rlmesh.ping(server.address).requests == 6
    assert_soon(lambda: rlmesh.ping(server.address).workers == 2)


def test_what_ended_workers_executed_stays_counted(serve):
    server = serve(Countdown, max_sessions=1)
    for _ in range(2):
        with rlmesh.RemoteEnv(server.address, busy_timeout=PATIENCE) as env:
            env.reset(seed=9)
            env.step(0)
    # At once, because the clients have said how many there were.
    assert rlmesh.ping(server.address).requests == 4
    assert_soon(lambda: requests(server) == {"reset": 2, "step": 2})
    assert rlmesh.stats(server.address).latencies["step"].count == 2


def test_what_a_crashed_worker_said_before_stays_counted(serve):
    server = serve("troubles:Troubled", max_sessions=1)
    with rlmesh.RemoteEnv(server.address) as env:
        env.reset(seed=9)
        env.step(0)
        assert_soon(lambda: requests(server) == {"reset": 1, "step": 1})
        with pytest.raises(EnvCrashed):
            env.step(1)
        env.reset()
        assert_soon(lambda: requests(server)["reset"] == 2)
        assert requests(server)["step"] in (1, 2)


def test_errors_of_workers_are_counted(serve):
    server = serve(Countdown)
    with rlmesh.RemoteEnv(server.address) as env:
        with pytest.raises(rlmesh.errors.NotReset):
            env.step(0)
        assert_soon(lambda: rlmesh.stats(server.address).errors == 1)


def test_the_server_answers_and_counts_while_a_worker_steps(serve, tmp_path):
    server = serve("troubles:Waiting", kwargs={"until": str(tmp_path / "until")})
    with rlmesh.RemoteEnv(server.address) as env, contextlib.ExitStack() as stack:
        env.reset()
        stepping = threading.Thread(target=env.step, args=(0,))
        stack.callback(stepping.join, PATIENCE)
        stack.callback((tmp_path / "until").touch)
        stepping.start()
        assert_soon(lambda: requests(server) == {"reset": 1, "step": 1})
        assert rlmesh.stats(server.address).latencies["step"].count == 0
        (tmp_path / "until").touch()
        assert_soon(lambda: rlmesh.stats(server.address).latencies["step"].count == 1)
