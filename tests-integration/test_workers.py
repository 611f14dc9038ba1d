"""Gymnasium's envs in workers: their clients, their connections, and the end of their server."""

from __future__ import annotations

import contextlib
import math
import os
import random
import signal
import threading
from pathlib import Path
from typing import Callable, List, Optional

import envs
import gymnasium
import numpy as np
import pytest
from proxies import Proxy
from rollouts import assert_same_episode, run_episode, sample_actions
from servers import PATIENCE, ServerProcess, Servers
from traces import Traces, assert_soon

import rlmesh
import rlmesh.numpy
from rlmesh.errors import Busy, ConnectionFailed, EnvCrashed, SessionLost

SCHEMES = pytest.mark.parametrize("scheme", ["tcp", "unix"])


@pytest.fixture
def relayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have clients believe that their workers are on another machine."""
    monkeypatch.setattr("rlmesh._envs.client.is_reachable", lambda worker: False)


@pytest.fixture(params=["direct", "relayed"])
def way(request: pytest.FixtureRequest) -> None:
    """Let clients talk to their workers themselves, or through the server."""
    if request.param == "relayed":
        request.getfixturevalue("relayed")


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@SCHEMES
@pytest.mark.usefixtures("way")
def test_clients_at_the_same_time_see_what_each_would_see_alone(
    scheme: str, serve: Servers, new_address: Callable[[str], str]
) -> None:
    server = serve("CartPole-v1", new_address(scheme), factory=True)
    differences: List[BaseException] = []

    def use(seed: int) -> None:
        try:
            local = gymnasium.make("CartPole-v1")
            actions = sample_actions(local.action_space, seed, 15)
            with rlmesh.numpy.RemoteEnv(server.address) as env:
                for episode in (seed, seed + 10):
                    expected = run_episode(local, episode, actions)
                    assert_same_episode(run_episode(env, episode, actions), expected)
        except BaseException as exc:
            differences.append(exc)

    users = [threading.Thread(target=use, args=(seed,)) for seed in range(3)]
    for thread in users:
        thread.start()
    for thread in users:
        thread.join(PATIENCE)
    assert differences == []


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("seed", [0, 1])
def test_cut_cables_are_invisible_in_the_result(seed: int, serve: Servers) -> None:
    local = envs.Everything()
    actions = sample_actions(local.action_space, seed, 40)
    expected = run_episode(local, seed, actions)
    server, rng = serve("envs:Everything", factory=True), random.Random(seed)
    with Proxy(server.address) as proxy, rlmesh.numpy.RemoteEnv(proxy.address) as env:
        stop = threading.Event()

        def cut() -> None:
            while not stop.wait(rng.random() * 0.5):
                proxy.cut()

        cutting = threading.Thread(target=cut)
        cutting.start()
        try:
            for _ in range(4):
                assert_same_episode(run_episode(env, seed, actions), expected)
        finally:
            stop.set()
            cutting.join(PATIENCE)


@pytest.mark.usefixtures("relayed")
def test_frames_stay_whole_over_cut_cables(serve: Servers) -> None:
    shape, rng = (90, 160, 3), random.Random(0)
    server = serve("envs:Reused", kwargs={"shape": shape}, factory=True)
    with Proxy(server.address) as proxy, rlmesh.numpy.RemoteEnv(proxy.address) as env:
        env.reset()
        for number in range(1, 100):
            cutting = threading.Timer(rng.random() * 0.002, proxy.cut)
            if number % 5 == 0:
                cutting.start()
            observation, _, _, _, info = env.step(np.full(shape, number, np.uint32))
            for array in (*observation.values(), info["step"]):
                assert (array == number).all()
            if number % 5 == 0:
                cutting.join(PATIENCE)
        assert proxy.connections > 10


@pytest.mark.usefixtures("way")
def test_observations_may_be_larger_than_what_the_server_receives(serve: Servers) -> None:
    options = {"max_payload": 100_000, "max_control": 100_000}
    kwargs = {"shape": (200, 300, 3)}
    server = serve("envs:Reused", factory=True, kwargs=kwargs, options=options)
    with rlmesh.numpy.RemoteEnv(server.address) as env:
        assert env.reset()[0]["step"].nbytes == 720_000


@pytest.mark.usefixtures("way")
def test_a_killed_client_frees_its_place_after_its_grace(serve: Servers) -> None:
    options = {"max_sessions": 1, "session_grace": 0.3}
    server = serve("envs:Countdown", factory=True, options=options)
    holder = serve.client(server.address, "hold")
    (worker,) = server.children()
    holder.kill()
    with rlmesh.RemoteEnv(server.address, busy_timeout=PATIENCE) as env:
        env.reset()
        assert is_gone(worker)


def test_a_killed_clients_place_can_be_taken_over(serve: Servers) -> None:
    options = {"max_sessions": 1, "session_grace": math.inf}
    server = serve("envs:Countdown", factory=True, options=options)
    holder = serve.client(server.address, "hold")
    with pytest.raises(Busy):
        rlmesh.RemoteEnv(server.address, takeover=True)
    holder.kill()
    with rlmesh.RemoteEnv(server.address, takeover=True, busy_timeout=PATIENCE) as env:
        env.reset()


def step_until_it_fails(env: rlmesh.RemoteEnv, started: Optional[threading.Event] = None) -> None:
    with contextlib.suppress(ConnectionFailed, SessionLost):
        while True:
            env.step(0)
            if started is not None:
                started.set()


def end(server: ServerProcess, how: str) -> int:
    """End a server in some way, and return its exit status."""
    if how == "Ctrl-C":
        # A terminal sends it to the whole group.
        os.killpg(server.process.pid, signal.SIGINT)
    else:
        server.signal({"SIGTERM": signal.SIGTERM, "SIGKILL": signal.SIGKILL}[how])
    return server.wait()


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM", "SIGKILL"])
def test_no_worker_outlives_its_server(
    how: str, serve: Servers, new_address: Callable[[str], str], tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    address = new_address("unix")
    server = serve("envs:Countdown", address, factory=True, environ={"TMPDIR": str(temporary)})
    used, other = (rlmesh.RemoteEnv(address, connect_timeout=0.3) for _ in range(2))
    used.reset()
    assert_soon(lambda: server.catches(signal.SIGTERM))
    workers = server.children()
    assert len(workers) == 2
    status = end(server, how)
    assert status == {"Ctrl-C": -signal.SIGINT, "SIGTERM": 0, "SIGKILL": -signal.SIGKILL}[how]
    assert_soon(lambda: all(map(is_gone, workers)))
    if how != "SIGKILL":
        assert list(temporary.iterdir()) == []
        assert [entry.name for entry in tmp_path.iterdir()] == ["temporary"]
    for env in (used, other):
        with pytest.raises((ConnectionFailed, SessionLost)):
            env.step(0)
        env.close()


def test_no_worker_that_hangs_outlives_its_server(serve: Servers, tmp_path: Path) -> None:
    server = serve("envs:Slow", kwargs={"until": str(tmp_path / "never")}, factory=True)
    env = rlmesh.RemoteEnv(server.address, connect_timeout=0.3)
    env.reset()
    stepping = threading.Thread(target=step_until_it_fails, args=(env,))
    stepping.start()
    assert [server.read_line(), server.read_line()] == ["reset", "step"]
    workers = server.children()
    server.kill()
    assert_soon(lambda: all(map(is_gone, workers)))
    stepping.join(PATIENCE)
    env.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_at_full_speed_ends_the_workers(
    number: signal.Signals, serve: Servers, new_address: Callable[[str], str]
) -> None:
    server = serve("envs:Countdown", new_address("unix"), kwargs={"length": 10**9}, factory=True)
    env, started = rlmesh.RemoteEnv(server.address, connect_timeout=0.1), threading.Event()
    env.reset()
    stepping = threading.Thread(target=step_until_it_fails, args=(env, started))
    stepping.start()
    assert started.wait(PATIENCE)
    workers = server.children()
    server.signal(number)
    assert server.wait() == (0 if number == signal.SIGTERM else -signal.SIGINT), server.stderr
    stepping.join(PATIENCE)
    env.close()
    assert all(map(is_gone, workers))


def test_a_server_in_this_process_leaves_no_trace() -> None:
    def use() -> None:
        with rlmesh.EnvServer("CartPole-v1") as server, rlmesh.RemoteEnv(server.address) as env:
            env.reset()
            env.step(0)

    use()
    before = Traces.now()
    for _ in range(2):
        use()
    assert_soon(before.are_left)


def test_what_a_crashed_env_has_started_ends_with_it(serve: Servers) -> None:
    server = serve("envs:Starts", factory=True)
    with rlmesh.RemoteEnv(server.address) as env:
        simulator = env.reset()[1]["simulator"]
        assert not is_gone(simulator)
        with pytest.raises(EnvCrashed, match="exited with status 5"):
            env.step(0)
        assert_soon(lambda: is_gone(simulator))


def test_what_workers_print_arrives_where_the_server_prints(serve: Servers, tmp_path: Path) -> None:
    until = tmp_path / "until"
    until.touch()
    server = serve("envs:Slow", kwargs={"until": str(until)}, factory=True)
    with rlmesh.RemoteEnv(server.address) as env:
        env.reset()
        assert server.read_line() == "reset"


def test_a_policy_runs_in_lanes_as_it_does_alone(serve: Servers) -> None:
    server = serve("CartPole-v1", factory=True)
    model = rlmesh.Model(lambda observation: int(observation[2] + observation[3] > 0))
    alone = model.run(server.address, seeds=range(6), max_episode_steps=30)
    assert model.run(server.address, seeds=range(6), max_episode_steps=30, concurrency=3) == alone
