"""A server that is told to stop lets its clients finish, if it has the time."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from envs import Countdown
from servers import PATIENCE, ServerProcess, Servers
from traces import assert_soon

import rlmesh
from rlmesh.errors import Busy, ConnectionFailed, RLMeshError

KINDS = pytest.mark.parametrize("kind", ["instance", "direct", "relayed", "model"])


def act(observation: Any) -> int:
    return 0


def policy() -> Callable[[Any], int]:
    return act


@pytest.fixture
def start(
    serve: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., ServerProcess]]:
    """Start a server of a kind, in a folder that it leaves empty."""

    def start(kind: str, env: str = "envs:Countdown", **given: Any) -> ServerProcess:
        if kind == "relayed":
            monkeypatch.setattr("rlmesh._envs.client.is_reachable", lambda worker: False)
        address = f"unix://{tmp_path}/socket"
        given["options"] = {**given["options"], "ready_file": str(tmp_path / "ready")}
        if kind == "model":
            return serve("test_drain:policy", address, model="native", **given)
        return serve(env, address, factory=kind != "instance", **given)

    yield start
    assert [entry.name for entry in tmp_path.iterdir() if entry.name != "until"] == []


def terminate(server: ServerProcess) -> None:
    """Send SIGTERM to a server that drains then, and wait until it does."""
    assert_soon(lambda: server.catches(signal.SIGTERM))
    server.signal(signal.SIGTERM)
    assert_soon(lambda: rlmesh.ping(server.address).draining)


class Client:
    """One client of an env or a model, which goes on until it is closed."""

    def __init__(self, kind: str, address: str) -> None:
        if kind == "model":
            model = rlmesh.RemoteModel(address, connect_timeout=1.0)
            session = model.session(Countdown())
            self.observation = session.reset()[0]
            self.go_on: Callable[[], Any] = lambda: session.predict(self.observation)
            self.resources: Any = (session, model)
        else:
            env = rlmesh.RemoteEnv(address, connect_timeout=1.0)
            env.reset()
            self.go_on = lambda: env.step(0)
            self.resources = (env,)

    def close(self) -> None:
        for resource in self.resources:
            resource.close()


def act_forever(client: Client) -> None:
    while True:
        client.go_on()


@KINDS
def test_sessions_finish_and_nobody_else_comes(kind: str, start: Any, tmp_path: Path) -> None:
    server = start(kind, options={"drain_timeout": PATIENCE})
    assert_soon((tmp_path / "ready").exists)
    first, second = Client(kind, server.address), None
    if kind != "instance":
        second = Client(kind, server.address)
    terminate(server)
    with pytest.raises(Busy, match=r"the (env|model)'s server is shutting down"):
        Client(kind, server.address)
    for _ in range(3):
        first.go_on()
    found = rlmesh.stats(server.address)
    assert found.draining
    assert found.sessions == (1 if second is None else 2)
    first.close()
    if second is not None:
        second.go_on()
        assert rlmesh.ping(server.address).draining
        second.close()
    assert server.wait() == 0, server.stderr
    assert server.is_gone()
    assert server.stderr == ""


@KINDS
def test_a_run_finishes_during_a_drain(kind: str, start: Any) -> None:
    server = start(kind, options={"drain_timeout": PATIENCE})
    draining = threading.Event()

    def wait(observation: Any) -> int:
        if not draining.is_set():
            terminate(server)
            draining.set()
        return 0

    if kind == "model":

        class Waits(Countdown):
            def step(self, action: Any) -> Any:
                wait(None)
                return super().step(action)

        result = rlmesh.run(server.address, Waits(), seeds=range(3))
    else:
        result = rlmesh.Model(wait).run(server.address, seeds=range(3))
    assert len(result.episodes) == 3
    assert server.wait() == 0, server.stderr


@KINDS
def test_a_drain_is_over_when_its_time_is(kind: str, start: Any) -> None:
    server = start(kind, options={"drain_timeout": 0.3})
    client = Client(kind, server.address)
    assert_soon(lambda: server.catches(signal.SIGTERM))
    server.signal(signal.SIGTERM)
    with pytest.raises(RLMeshError):
        act_forever(client)
    assert server.wait() == 0, server.stderr
    client.close()


@KINDS
def test_a_second_sigterm_ends_a_drain_at_once(kind: str, start: Any) -> None:
    server = start(kind, options={"drain_timeout": 10**6})
    client = Client(kind, server.address)
    terminate(server)
    client.go_on()
    server.signal(signal.SIGTERM)
    assert server.wait() == 0, server.stderr
    assert server.is_gone()
    with pytest.raises(RLMeshError):
        client.go_on()
    client.close()


def test_a_second_sigterm_ends_a_started_servers_drain(start: Any) -> None:
    server = start("instance", options={"drain_timeout": 10**6}, method="start")
    client = Client("instance", server.address)
    terminate(server)
    client.go_on()
    server.signal(signal.SIGTERM)
    assert server.wait() == 0, server.stderr
    client.close()


def test_a_second_sigterm_interrupts_a_step(start: Any, tmp_path: Path) -> None:
    kwargs = {"until": str(tmp_path / "until")}
    server = start("instance", "envs:Slow", kwargs=kwargs, options={"drain_timeout": 10**6})
    client = Client("instance", server.address)
    assert server.read_line() == "reset"
    outcome = []

    def step() -> None:
        with pytest.raises(ConnectionFailed) as caught:
            client.go_on()
        outcome.append(caught.value)

    stepping = threading.Thread(target=step)
    stepping.start()
    assert server.read_line() == "step"
    terminate(server)
    server.signal(signal.SIGTERM)
    assert server.wait() == 0, server.stderr
    stepping.join(PATIENCE)
    assert len(outcome) == 1
    client.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_again_ends_workers_that_take_their_time(
    number: signal.Signals, start: Any, tmp_path: Path
) -> None:
    kwargs = {"until": str(tmp_path / "until")}
    server = start("direct", "envs:Slow", kwargs=kwargs, options={})
    client = Client("direct", server.address)
    assert server.read_line() == "reset"
    stepping = threading.Thread(target=pytest.raises, args=(RLMeshError, client.go_on))
    stepping.start()
    assert server.read_line() == "step"
    children = server.children()
    assert_soon(lambda: server.catches(number))
    server.signal(number)
    # By then it waits for the worker.
    assert_soon(lambda: not (tmp_path / "socket").exists())
    server.signal(number)
    assert server.wait() == (0 if number == signal.SIGTERM else -signal.SIGINT), server.stderr
    assert children
    assert not any(os.path.exists(f"/proc/{child}") for child in children)
    stepping.join(PATIENCE)
    client.close()
