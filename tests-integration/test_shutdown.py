"""A server leaves nothing behind: no process, thread, socket file or file descriptor."""

from __future__ import annotations

import contextlib
import signal
import threading
from pathlib import Path
from typing import Any, Callable, List

import numpy as np
import pytest
from envs import Countdown, Reused, Slow
from servers import PATIENCE, Servers
from traces import Traces, assert_soon

import rlmesh
import rlmesh.numpy
from rlmesh.errors import AddressInUse, ConnectionFailed, RLMeshError

IMAGE = (90, 160, 3)
SCHEMES = pytest.mark.parametrize("scheme", ["tcp", "unix"])


def use(server: rlmesh.EnvServer) -> None:
    with rlmesh.RemoteEnv(server.address) as env:
        env.reset()
        assert env.step(0)[1] == 1.0


def use_images(server: rlmesh.EnvServer) -> None:
    with rlmesh.numpy.RemoteEnv(server.address) as env:
        env.reset()
        env.step(np.ones(IMAGE, np.uint32))


@pytest.fixture
def before(new_address: Callable[[str], str], tmp_path: Path) -> Traces:
    """What the process has before a server.

    What ZeroMQ starts once in a process, for clients and for large arrays, is already there.
    """
    with rlmesh.EnvServer(Countdown()) as server:
        use(server)
    with rlmesh.EnvServer(Reused(IMAGE)) as server:
        use_images(server)
    with pytest.raises(ConnectionFailed):
        rlmesh.RemoteEnv(f"unix://{tmp_path}/nothing", connect_timeout=0.1)
    return Traces.now()


@SCHEMES
def test_twenty_servers_and_their_clients_leave_no_trace(
    scheme: str, before: Traces, new_address: Callable[[str], str], tmp_path: Path
) -> None:
    for i in range(20):
        server = rlmesh.EnvServer(Countdown(), new_address(scheme)).start()
        use(server)
        env = rlmesh.RemoteEnv(server.address)
        env.reset()
        if i % 2:
            env.close()
        server.shutdown()
        assert list(tmp_path.iterdir()) == []
        env.close()
        with rlmesh.EnvServer(Reused(IMAGE), new_address(scheme)) as server:
            use_images(server)
    assert_soon(before.are_left)


@SCHEMES
def test_a_server_is_shut_down_by_its_with_block_also_after_an_error(
    scheme: str, before: Traces, new_address: Callable[[str], str], tmp_path: Path
) -> None:
    def fail() -> None:
        with rlmesh.EnvServer(Countdown(), new_address(scheme)) as server:
            use(server)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []
    assert_soon(before.are_left)


@SCHEMES
def test_serve_on_a_thread_of_ones_own_is_ended_by_shutdown(
    scheme: str, before: Traces, new_address: Callable[[str], str], tmp_path: Path
) -> None:
    server = rlmesh.EnvServer(Countdown(), new_address(scheme))
    server.bind()
    thread = threading.Thread(target=server.serve)
    thread.start()
    use(server)
    server.shutdown()
    assert list(tmp_path.iterdir()) == []
    thread.join(PATIENCE)
    assert_soon(before.are_left)


@SCHEMES
def test_a_server_that_never_ran_leaves_no_trace(
    scheme: str, before: Traces, new_address: Callable[[str], str], tmp_path: Path
) -> None:
    rlmesh.EnvServer(Countdown(), new_address(scheme)).shutdown()
    bound = rlmesh.EnvServer(Countdown(), new_address(scheme))
    bound.bind()
    with pytest.raises(AddressInUse):
        rlmesh.EnvServer(Countdown(), bound.address).start()
    for _ in range(2):
        bound.shutdown()
    assert list(tmp_path.iterdir()) == []
    assert_soon(before.are_left)


@SCHEMES
def test_a_refused_address_leaves_no_trace(
    scheme: str, before: Traces, new_address: Callable[[str], str]
) -> None:
    with rlmesh.EnvServer(Countdown(), new_address(scheme)) as server:
        during = Traces.now()
        for _ in range(5):
            with pytest.raises(AddressInUse):
                rlmesh.EnvServer(Countdown(), server.address).start()
        assert_soon(during.are_left)
    assert_soon(before.are_left)


def test_shutdown_may_come_again_and_from_everywhere() -> None:
    class ShutsDown(Countdown):
        def step(self, action: Any) -> Any:
            if action:
                server.shutdown()
            return super().step(action)

    server = rlmesh.EnvServer(ShutsDown()).start()
    with rlmesh.RemoteEnv(server.address, connect_timeout=0.2) as env:
        env.reset()
        assert env.step(1)[1] == 1.0
        threads = [threading.Thread(target=server.shutdown) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert server.wait(PATIENCE)
        server.shutdown()
        with pytest.raises(ConnectionFailed):
            env.step(0)
    for start in (server.start, server.serve):
        with pytest.raises(RLMeshError, match="shut down; make another one"):
            start()


def test_waiting_for_a_server_that_runs_ends_with_the_timeout() -> None:
    with rlmesh.EnvServer(Countdown()) as server:
        assert server.wait(0.01) is False
        with pytest.raises(RLMeshError, match="runs already"):
            server.start()
    assert server.wait(0.01) is True


@SCHEMES
def test_a_step_under_way_is_finished_and_answered_before_a_shutdown(
    scheme: str, new_address: Callable[[str], str], tmp_path: Path
) -> None:
    env_served = Slow(str(tmp_path / "until"))
    results: List[Any] = []
    server = rlmesh.EnvServer(env_served, new_address(scheme)).start()
    with rlmesh.RemoteEnv(server.address, connect_timeout=0.3) as env:
        env.reset()
        stepping = threading.Thread(target=lambda: results.append(env.step(0)))
        stepping.start()
        assert_soon(lambda: env_served.began == 1)
        ending = threading.Thread(target=server.shutdown)
        ending.start()
        assert stepping.is_alive()
        env_served.until.touch()
        ending.join(PATIENCE)
        stepping.join(PATIENCE)
        assert results[0][4] == {"steps": 1}
        with pytest.raises(ConnectionFailed, match="broke during step"):
            env.step(0)


MOMENTS = pytest.mark.parametrize("moment", ["alone", "held", "stepping"])
METHODS = pytest.mark.parametrize("method", ["serve", "start"])


@SCHEMES
@METHODS
@MOMENTS
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_and_leaves_nothing(
    scheme: str,
    method: str,
    moment: str,
    number: signal.Signals,
    serve: Servers,
    new_address: Callable[[str], str],
    tmp_path: Path,
) -> None:
    until = tmp_path / "until"
    server = serve("envs:Slow", new_address(scheme), kwargs={"until": str(until)}, method=method)
    results: List[Any] = []

    def step() -> None:
        try:
            results.append(env.step(0)[4])
        except RLMeshError as exc:
            results.append(exc)

    assert_soon(lambda: server.catches(number))
    if moment == "alone":
        rlmesh.RemoteEnv(server.address).close()
        server.signal(number)
    else:
        env = rlmesh.RemoteEnv(server.address, connect_timeout=0.2)
        env.reset()
        assert server.read_line() == "reset"
        stepping = threading.Thread(target=step)
        if moment == "stepping":
            stepping.start()
            assert server.read_line() == "step"
        server.signal(number)
        interrupts = number == signal.SIGINT and method == "serve"
        if moment == "stepping" and not interrupts:
            until.touch()
    assert server.wait() == (0 if number == signal.SIGTERM else -signal.SIGINT), server.stderr
    assert server.is_gone()
    assert [entry.name for entry in tmp_path.iterdir() if entry != until] == []
    assert "Traceback" not in server.stderr or server.stderr.strip().endswith("KeyboardInterrupt")
    if moment == "stepping":
        stepping.join(PATIENCE)
        assert results == [{"steps": 1}] or (
            interrupts and isinstance(results[0], ConnectionFailed)
        )
    if moment != "alone":
        env.close()


@SCHEMES
def test_a_program_that_just_ends_leaves_nothing(
    scheme: str, serve: Servers, new_address: Callable[[str], str], tmp_path: Path
) -> None:
    server = serve("envs:Countdown", new_address(scheme), method="forget")
    assert server.wait() == 0, server.stderr
    assert server.is_gone()
    assert server.stderr == ""
    assert list(tmp_path.iterdir()) == []


def step_until_it_fails(address: str, started: threading.Event) -> None:
    with rlmesh.RemoteEnv(address, connect_timeout=0.1) as env, contextlib.suppress(
        ConnectionFailed
    ):
        env.reset()
        while True:
            env.step(0)
            started.set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_at_full_speed_ends_the_process(
    number: signal.Signals, serve: Servers, new_address: Callable[[str], str], tmp_path: Path
) -> None:
    for _ in range(5):
        server = serve("envs:Countdown", new_address("unix"), kwargs={"length": 10**9})
        started = threading.Event()

        running = threading.Thread(target=step_until_it_fails, args=(server.address, started))
        running.start()
        assert started.wait(PATIENCE)
        server.signal(number)
        assert server.wait() == (0 if number == signal.SIGTERM else -signal.SIGINT), server.stderr
        running.join(PATIENCE)
        assert server.is_gone()
        assert list(tmp_path.iterdir()) == []
