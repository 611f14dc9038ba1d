"""Clients and servers that vanish, and connections that break."""

from __future__ import annotations

import math
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any, Callable

import envs
import numpy as np
import pytest
from proxies import Proxy
from rollouts import assert_same_episode, run_episode, sample_actions
from servers import PATIENCE, Servers

import rlmesh
import rlmesh.numpy
from rlmesh._rpc import client as rpc_client
from rlmesh.errors import Busy, ConnectionFailed, RequestTimeout, SessionLost

SCHEMES = pytest.mark.parametrize("scheme", ["tcp", "unix"])


def until_free(address: str, **options: Any) -> rlmesh.RemoteEnv:
    """Open an env as soon as its server has noticed that its holder is gone."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return rlmesh.RemoteEnv(address, **options)
        except Busy:
            assert time.monotonic() < deadline


@SCHEMES
def test_the_env_of_a_killed_client_can_be_taken_over(
    scheme: str, serve: Servers, new_address: Callable[[str], str]
) -> None:
    server = serve("envs:Countdown", new_address(scheme))
    serve.client(server.address, "hold").kill()
    with until_free(server.address, takeover=True) as env:
        env.reset()
        assert env.step(0)[1] == 1.0


@SCHEMES
def test_the_env_of_a_killed_client_is_free_after_its_grace(
    scheme: str, serve: Servers, new_address: Callable[[str], str]
) -> None:
    server = serve("envs:Countdown", new_address(scheme), options={"session_grace": 0.3})
    serve.client(server.address, "hold").kill()
    with until_free(server.address) as env:
        env.reset()


def test_the_env_of_a_killed_client_is_kept_within_its_grace(serve: Servers) -> None:
    server = serve("envs:Countdown")
    serve.client(server.address, "hold").kill()
    deadline, refusal = time.monotonic() + PATIENCE, None
    while refusal is None or not refusal.holder_gone:
        assert time.monotonic() < deadline
        with pytest.raises(Busy) as caught:
            rlmesh.RemoteEnv(server.address, connect_timeout=0.3)
        refusal = caught.value
    assert "held by a client that cannot be reached; it becomes free in" in str(refusal)
    assert "or at once with takeover=True" in str(refusal)


def test_a_client_that_lives_is_not_taken_over(serve: Servers) -> None:
    server = serve("envs:Countdown")
    holder = serve.client(server.address, "hold")
    for takeover in (False, True):
        with pytest.raises(Busy, match="held by another client"):
            rlmesh.RemoteEnv(server.address, takeover=takeover)
    holder.kill()


@SCHEMES
def test_a_client_that_just_ends_frees_its_env_at_once(
    scheme: str, serve: Servers, new_address: Callable[[str], str]
) -> None:
    server = serve("envs:Countdown", new_address(scheme))
    assert serve.client(server.address, "leave").wait() == 0
    rlmesh.RemoteEnv(server.address, connect_timeout=1).close()


def test_a_frozen_client_can_be_taken_over_and_learns_of_it(serve: Servers) -> None:
    server = serve("envs:Countdown", kwargs={"length": 10**9})
    holder = serve.client(server.address, "step")
    holder.signal(signal.SIGSTOP)
    with until_free(server.address, takeover=True) as env:
        env.reset()
        assert env.step(0)[1] == 1.0
        holder.signal(signal.SIGCONT)
        assert "does not know this session" in holder.read_line()
        assert env.step(0)[1] == 2.0


def test_ctrl_c_in_a_step_leaves_the_client_usable(serve: Servers, tmp_path: Path) -> None:
    until = tmp_path / "until"
    server = serve("envs:Slow", kwargs={"until": str(until)})
    holder = serve.client(server.address, "retry")
    assert [server.read_line(), server.read_line()] == ["reset", "step"]
    holder.signal(signal.SIGINT)
    assert holder.read_line() == "interrupted"
    until.touch()
    assert holder.read_line() == "{'steps': 1}"
    assert holder.read_line() == "{'steps': 2}"
    assert holder.wait() == 0


@SCHEMES
def test_a_server_killed_during_a_step_is_named(
    scheme: str, serve: Servers, new_address: Callable[[str], str], tmp_path: Path
) -> None:
    address = new_address(scheme)
    server = serve("envs:Slow", address, kwargs={"until": str(tmp_path / "until")})

    def kill() -> None:
        assert [server.read_line(), server.read_line()] == ["reset", "step"]
        server.kill()

    killing = threading.Thread(target=kill)
    killing.start()
    words = rf"{server.address} broke during step, and could not be restored within 0\.3 s"
    with rlmesh.RemoteEnv(server.address, connect_timeout=0.3) as env:
        env.reset()
        with pytest.raises(ConnectionFailed, match=words):
            env.step(0)
        with pytest.raises(SessionLost, match="is over: the connection"):
            env.step(0)
        with pytest.raises(ConnectionFailed, match="no RLMesh server answered"):
            env.reset()
        killing.join(PATIENCE)
        again = serve("envs:Countdown", server.address)
        with pytest.raises(SessionLost, match="came back with another env"):
            env.reset()
        again.kill()
        serve("envs:Slow", server.address, kwargs={"until": str(tmp_path)})
        env.reset()
        assert env.step(0)[4] == {"steps": 1}


@SCHEMES
def test_a_server_that_was_replaced_is_noticed_by_a_step_and_opened_by_a_reset(
    scheme: str, serve: Servers, new_address: Callable[[str], str], tmp_path: Path
) -> None:
    server = serve("envs:Countdown", new_address(scheme))
    address = server.address
    with rlmesh.RemoteEnv(address) as env:
        env.reset(seed=1)
        server.kill()
        server = serve("envs:Countdown", address)
        with pytest.raises(SessionLost, match=f"{address} restarted: the session is gone"):
            env.step(0)
        env.reset(seed=2)
        assert env.step(0)[1] == 1.0
        server.kill()
        server = serve("envs:Countdown", address)
        env.reset(seed=3)
        assert env.step(0)[1] == 1.0
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_was_replaced_during_a_step_is_noticed(
    serve: Servers, new_address: Callable[[str], str], tmp_path: Path
) -> None:
    kwargs = {"until": str(tmp_path / "until")}
    server = serve("envs:Slow", new_address("unix"), kwargs=kwargs)

    def replace() -> None:
        assert [server.read_line(), server.read_line()] == ["reset", "step"]
        server.kill()
        serve("envs:Slow", server.address, kwargs=kwargs)

    replacing = threading.Thread(target=replace)
    replacing.start()
    with rlmesh.RemoteEnv(server.address) as env:
        env.reset()
        with pytest.raises(SessionLost, match="restarted"):
            env.step(0)
        replacing.join(PATIENCE)
        assert env.reset()[1] == {"steps": 0}


def test_a_frozen_server_is_named(serve: Servers) -> None:
    server = serve("envs:Countdown")
    with rlmesh.RemoteEnv(server.address, step_timeout=0.3) as env:
        env.reset()
        server.signal(signal.SIGSTOP)
        with pytest.raises(RequestTimeout, match=r"did not answer step within 0\.3 s"):
            env.step(0)
        server.signal(signal.SIGCONT)
        env.reset()
        assert env.step(0)[1] == 1.0


@pytest.mark.parametrize("seed", [0, 1])
def test_cut_cables_are_invisible_in_the_result(seed: int, serve: Servers) -> None:
    local = envs.Everything()
    actions = sample_actions(local.action_space, seed, 40)
    expected = run_episode(local, seed, actions)
    server, rng = serve("envs:Everything"), random.Random(seed)
    with Proxy(server.address) as proxy, rlmesh.numpy.RemoteEnv(proxy.address) as env:
        stop = threading.Event()

        def cut() -> None:
            while not stop.wait(rng.random() * 0.5):
                proxy.cut()

        cutting = threading.Thread(target=cut)
        cutting.start()
        try:
            for _ in range(5):
                assert_same_episode(run_episode(env, seed, actions), expected)
        finally:
            stop.set()
            cutting.join(PATIENCE)
        assert proxy.connections > 1


def test_frames_stay_whole_over_cut_cables(serve: Servers) -> None:
    shape, rng = (90, 160, 3), random.Random(0)
    server = serve("envs:Reused", kwargs={"shape": shape})
    with Proxy(server.address) as proxy, rlmesh.numpy.RemoteEnv(proxy.address) as env:
        env.reset()
        kept = []
        for number in range(1, 150):
            cutting = threading.Timer(rng.random() * 0.002, proxy.cut)
            if number % 5 == 0:
                cutting.start()
            observation, _, _, _, info = env.step(np.full(shape, number, np.uint32))
            for array in (*observation.values(), info["step"]):
                assert (array == number).all()
            kept.append(observation)
            if number % 5 == 0:
                cutting.join(PATIENCE)
        for number, observation in enumerate(kept, start=1):
            assert (observation["step"] == number).all()
            assert (observation["action"] == number).all()
        assert proxy.connections > 20


def test_a_reply_that_takes_longer_than_a_resend_arrives(
    monkeypatch: pytest.MonkeyPatch, serve: Servers
) -> None:
    monkeypatch.setattr(rpc_client, "RESEND_INTERVAL", 0.1)
    shape = (400, 500, 3)
    server = serve("envs:Reused", kwargs={"shape": shape})
    rate = 10.0 * 4 * math.prod(shape)  # ten arrays in a second; a reply holds three
    with Proxy(server.address, rate=rate) as proxy, rlmesh.numpy.RemoteEnv(proxy.address) as env:
        env.reset()
        for number in (1, 2):
            observation = env.step(np.full(shape, number, np.uint32))[0]
            assert (observation["step"] == number).all()
        assert proxy.connections > 3
