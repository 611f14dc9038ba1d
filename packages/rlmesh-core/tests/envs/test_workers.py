"""Many envs behind one address, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from countdown import Countdown
from troubles import Troubled

import rlmesh
from rlmesh._envs import front
from rlmesh._transport.security import Token
from rlmesh.errors import (
    Busy,
    EnvCrashed,
    RequestTimeout,
    SecurityError,
    SessionLost,
)

PATIENCE = 60.0
SECRET = "a-token-that-is-long-enough"


def assert_soon(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def workers_of(server):
    """Return the number of processes that a server says it has."""
    from rlmesh._rpc.dial import dial

    client = dial(server.address, Token(), PATIENCE)
    try:
        return client.ping()["workers"]
    finally:
        client.close()


def children():
    path = Path(f"/proc/self/task/{threading.get_native_id()}/children")
    return path.read_text().split() if path.exists() else []


@pytest.mark.parametrize("scheme", ["tcp", "unix"])
@pytest.mark.parametrize("token", ["", SECRET])
def test_every_client_has_an_env_of_its_own(serve, way, scheme, token, tmp_path):
    address = f"unix://{tmp_path}/s" if scheme == "unix" else "tcp://127.0.0.1:0"
    server = serve(Troubled, address, token=token)
    first, second, third = (rlmesh.RemoteEnv(server.address, token=token) for _ in range(3))
    pids = {env.reset(seed=seed)[1]["pid"] for seed, env in ((5, first), (7, second), (9, third))}
    assert len(pids | {os.getpid()}) == 4
    assert [env.step(0)[0].tolist() for env in (first, second, first)] == [[4], [6], [3]]
    for env in (first, second, third):
        env.close()
    if token:
        with pytest.raises(SecurityError):
            rlmesh.RemoteEnv(server.address, connect_timeout=PATIENCE)


def test_the_workers_socket_asks_for_the_token(serve, monkeypatch):
    seen = []
    monkeypatch.setattr("rlmesh._envs.client.is_reachable", seen.append)
    server = serve(Countdown, token=SECRET)
    with rlmesh.RemoteEnv(server.address, token=SECRET):
        address = seen[0]["address"]
        with pytest.raises(SecurityError):
            rlmesh.RemoteEnv(address, connect_timeout=PATIENCE)
        path = Path(address.partition("//")[2])
        assert path.stat().st_mode & 0o77 == path.parent.stat().st_mode & 0o77 == 0


def test_a_session_leaves_nothing_to_the_next_one(serve, way):
    server = serve(Troubled, max_sessions=1)
    pids = []
    for _ in range(3):
        with rlmesh.RemoteEnv(server.address, connect_timeout=PATIENCE) as env:
            pids.append(env.reset()[1]["pid"])
    assert len(set(pids)) == 3
    assert_soon(lambda: not any(map(is_running, pids)))


def test_as_many_wait_ready_as_the_last_ones_used(serve):
    server = serve(Countdown, max_sessions=3)
    assert workers_of(server) == 1
    envs = [rlmesh.RemoteEnv(server.address) for _ in range(3)]
    assert workers_of(server) == 3
    for env in envs:
        env.close()
    assert_soon(lambda: workers_of(server) == 3)


def test_a_client_too_many_is_refused_at_once(serve):
    server = serve(Countdown, max_sessions=2)
    with rlmesh.RemoteEnv(server.address), rlmesh.RemoteEnv(server.address) as second:
        with pytest.raises(Busy, match="others use all 2 envs that this server's max_sessions"):
            rlmesh.RemoteEnv(server.address)
        second.close()
        with rlmesh.RemoteEnv(server.address, connect_timeout=PATIENCE) as third:
            third.reset()


@pytest.mark.parametrize("kind", ["factory", "instance"])
def test_those_who_wait_come_in_the_order_in_which_they_came(serve, kind):
    server = serve(Countdown if kind == "factory" else Countdown(), max_sessions=1)
    holder, order, threads = rlmesh.RemoteEnv(server.address), [], []

    def wait(number):
        with rlmesh.RemoteEnv(server.address, busy_timeout=PATIENCE, connect_timeout=PATIENCE):
            order.append(number)

    def line():
        return len(server._server._openings._line)

    for number in range(3):
        threads.append(threading.Thread(target=wait, args=(number,)))
        threads[-1].start()
        assert_soon(lambda: line() == number + 1)  # noqa: B023
    with pytest.raises(Busy):
        rlmesh.RemoteEnv(server.address, connect_timeout=0.1)
    holder.close()
    for thread in threads:
        thread.join(PATIENCE)
    assert order == [0, 1, 2]


@pytest.mark.parametrize("kind", ["factory", "instance"])
def test_one_who_waits_in_vain_leaves_the_line(serve, kind):
    server = serve(Countdown if kind == "factory" else Countdown(), max_sessions=1)
    with rlmesh.RemoteEnv(server.address):
        with pytest.raises(Busy, match="busy_timeout|held by another client"):
            rlmesh.RemoteEnv(server.address, busy_timeout=0.2, connect_timeout=0.2)
        assert_soon(lambda: not server._server._openings)


def test_one_who_waits_and_is_killed_leaves_the_line(serve, monkeypatch):
    monkeypatch.setattr("rlmesh._rpc.openings._PATIENCE", 0.1)
    server = serve(Countdown, max_sessions=1)
    code = f"import rlmesh; rlmesh.RemoteEnv({server.address!r}, busy_timeout=1000)"
    with rlmesh.RemoteEnv(server.address):
        waiting = subprocess.Popen([sys.executable, "-c", code])
        assert_soon(lambda: bool(server._server._openings._line))
        waiting.kill()
        waiting.wait()
        assert_soon(lambda: not server._server._openings._line)


CRASHES = [
    ("exit", 7, "", "exited with status 7"),
    ("leave", 3, "", "exited with status 3"),
    ("kill", None, "SIGKILL", "was ended by SIGKILL"),
    ("segfault", None, "SIGSEGV", "was ended by SIGSEGV"),
]


@pytest.mark.parametrize(("trouble", "code", "signal", "words"), CRASHES)
def test_a_crash_is_told_as_what_it_was_and_frees_its_place(
    serve, way, trouble, code, signal, words
):
    server = serve(Troubled, kwargs={"trouble": trouble}, max_sessions=2)
    with rlmesh.RemoteEnv(server.address) as other, rlmesh.RemoteEnv(server.address) as env:
        other.reset(seed=5)
        pid = env.reset()[1]["pid"]
        with pytest.raises(EnvCrashed, match=words) as caught:
            env.step(1)
        assert (caught.value.exit_code, caught.value.signal) == (code, signal)
        assert f"about to {trouble}" in caught.value.stderr
        assert f"about to {trouble}" in str(caught.value)
        with pytest.raises(SessionLost, match="is over"):
            env.step(0)
        assert env.reset(seed=3)[1]["pid"] != pid
        assert env.step(0)[0].tolist() == [2]
        assert other.step(0)[0].tolist() == [4]


def test_a_crash_between_two_calls_is_told_by_the_next_one(serve, way):
    server = serve(Troubled)
    with rlmesh.RemoteEnv(server.address) as env:
        os.kill(env.reset()[1]["pid"], 9)
        with pytest.raises(EnvCrashed, match="SIGKILL"):
            env.step(0)
        env.reset()


@pytest.mark.parametrize("trouble", ["sleep", "keep the GIL"])
def test_an_env_that_hangs_costs_its_own_session_only(serve, way, trouble, monkeypatch):
    monkeypatch.setattr("rlmesh._envs.workers.TERMINATE_AFTER", 0.1)
    server = serve(Troubled, kwargs={"trouble": trouble}, max_sessions=1)
    with rlmesh.RemoteEnv(server.address, step_timeout=0.3, connect_timeout=PATIENCE) as env:
        pid = env.reset()[1]["pid"]
        with pytest.raises(RequestTimeout, match="step within 0.3 s"):
            env.step(1)
        assert env.reset()[1]["pid"] != pid
        assert_soon(lambda: not is_running(pid))


def test_an_env_that_could_not_be_made_again_is_told(serve, tmp_path):
    flag = tmp_path / "flag"
    server = serve("once:make", kwargs={"flag": str(flag)}, max_sessions=2)
    with rlmesh.RemoteEnv(server.address):
        with pytest.raises(rlmesh.errors.EnvError, match="raised FileExistsError"):
            rlmesh.RemoteEnv(server.address)
        flag.unlink()
        rlmesh.RemoteEnv(server.address).close()


def test_what_became_of_old_sessions_is_forgotten_in_time(serve, monkeypatch):
    monkeypatch.setattr(front, "_REMEMBERED", 1)
    server = serve(Troubled)
    for _ in range(3):
        with rlmesh.RemoteEnv(server.address) as env:
            env.reset()
            with pytest.raises(EnvCrashed):
                env.step(1)
    assert len(server._server._fates) == 1


def test_a_second_shutdown_does_nothing_and_nothing_is_left(serve, tmp_path):
    pids = tmp_path / "pids"
    server = serve(Troubled, f"unix://{tmp_path}/s", kwargs={"pid_file": str(pids)})
    env = rlmesh.RemoteEnv(server.address)
    env.reset()
    folder = Path(server._server._workers._folder.path)
    assert folder.is_dir()
    for _ in range(2):
        server.shutdown()
    assert not any(is_running(int(pid)) for pid in pids.read_text().split())
    assert not folder.exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["pids"]
    env.close()


def test_a_server_that_never_ran_ends_its_worker(tmp_path):
    pids = tmp_path / "pids"
    server = rlmesh.EnvServer(Troubled, env_kwargs={"pid_file": str(pids)})
    server.bind()
    server.shutdown()
    assert not is_running(int(pids.read_text()))


def test_a_server_that_drains_lets_its_sessions_end(serve):
    server = serve(Countdown, drain_timeout=PATIENCE, max_sessions=2)
    with rlmesh.RemoteEnv(server.address) as env:
        env.reset(seed=3)
        server._server.stop()
        with pytest.raises(Busy, match="the env's server is shutting down"):
            rlmesh.RemoteEnv(server.address)
        assert env.step(0)[0].tolist() == [2]
    assert server.wait(PATIENCE)


def test_a_client_shuts_it_down_where_it_may(serve, way):
    server = serve(Countdown, allow_remote_shutdown=True)
    with rlmesh.RemoteEnv(server.address, connect_timeout=0.2) as env:
        env.shutdown()
        assert server.wait(PATIENCE)
