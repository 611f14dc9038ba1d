"""`ping` and `stats` of real servers."""

from __future__ import annotations

import platform
import threading
from pathlib import Path
from typing import Any, Iterator, List

import pytest
from countdown import Countdown
from worlds import SOON, assert_soon

import rlmesh
from rlmesh._transport.security import TOKEN_VARIABLE
from rlmesh.errors import AddressError, ConnectionFailed, InvalidValue, SecurityError

TOKEN = "a-token-that-is-long-enough"


class Held(Countdown):
    """Its step returns once a file is there."""

    def __init__(self, until: Path) -> None:
        super().__init__()
        self.until = until
        self.entered = threading.Event()

    def step(self, action: Any) -> Any:
        self.entered.set()
        assert_soon(self.until.exists)
        return super().step(action)


class Rendered(Countdown):
    metadata = {"render_modes": ["ansi"]}
    render_mode = "ansi"

    def render(self) -> str:
        return "frame"


@pytest.fixture
def server() -> Iterator[rlmesh.EnvServer]:
    with rlmesh.EnvServer(Rendered()) as server:
        yield server


def test_a_ping_says_who_serves(server: rlmesh.EnvServer) -> None:
    found = rlmesh.ping(server.address)
    assert (found.role, found.version, found.protocol) == ("env", rlmesh.__version__, 1)
    assert found.python == platform.python_version()
    assert (found.sessions, found.requests, found.workers) == (0, 0, None)
    assert not found.draining
    assert found.round_trip > 0
    assert 0 <= found.uptime < rlmesh.ping(server.address).uptime


def test_stats_count_what_an_env_executed(server: rlmesh.EnvServer) -> None:
    fresh = rlmesh.stats(server.address)
    assert (fresh.role, fresh.sessions, fresh.capacity, fresh.workers) == ("env", 0, 1, None)
    assert (fresh.requests, fresh.errors, fresh.draining) == ({}, 0, False)
    assert list(fresh.latencies) == ["reset", "step", "render", "codec"]
    assert fresh.latencies["step"] == rlmesh.Latency(0, 0, 0, 0, 0, 0)
    with rlmesh.RemoteEnv(server.address) as env:
        with pytest.raises(rlmesh.errors.NotReset):
            env.render()
        env.reset(seed=5)
        for _ in range(3):
            env.step(1)
        env.render()
        found = rlmesh.stats(server.address)
        assert found.sessions == 1
        assert rlmesh.ping(server.address).requests == 6
    assert found.requests == {"reset": 1, "step": 3, "render": 2}
    assert found.errors == 1
    counts = {phase: latency.count for phase, latency in found.latencies.items()}
    assert counts == {"reset": 1, "step": 3, "render": 1, "codec": 5}
    for latency in found.latencies.values():
        assert 0 < latency.p50 <= latency.p90 <= latency.p99 <= latency.max
        assert 0 < latency.mean <= latency.max


def test_both_are_answered_while_a_step_runs(tmp_path: Path) -> None:
    held = Held(tmp_path / "until")
    with rlmesh.EnvServer(held) as server, rlmesh.RemoteEnv(server.address) as env:
        env.reset()
        stepping = threading.Thread(target=env.step, args=(0,))
        stepping.start()
        assert held.entered.wait(SOON)
        assert rlmesh.ping(server.address).requests == 2
        found = rlmesh.stats(server.address)
        assert found.requests == {"reset": 1, "step": 1}
        assert found.latencies["step"].count == 0
        assert stepping.is_alive()
        held.until.touch()
        stepping.join(SOON)
        assert rlmesh.stats(server.address).latencies["step"].count == 1


def test_both_are_answered_while_a_predict_runs() -> None:
    entered, go_on = threading.Event(), threading.Event()

    def predict(observation: Any) -> int:
        entered.set()
        assert go_on.wait(SOON)
        return 0

    with rlmesh.ModelServer(rlmesh.Model(predict)) as server:
        model = rlmesh.RemoteModel(server.address)
        running = threading.Thread(target=model.run, args=(Countdown(),), kwargs={"seeds": [3]})
        running.start()
        assert entered.wait(SOON)
        assert rlmesh.ping(server.address).role == "model"
        found = rlmesh.stats(server.address)
        assert found.requests == {"configure_route": 1, "start_episode": 1, "predict": 1}
        assert found.latencies["predict"].count == 0
        go_on.set()
        running.join(SOON)
        model.close()
        counts = {
            phase: latency.count
            for phase, latency in rlmesh.stats(server.address).latencies.items()
        }
    assert counts == {"queue": 3, "predict": 3, "adapter": 3, "codec": 3}


def test_what_goes_into_one_batch_is_one_forward_pass() -> None:
    class Batches:
        def predict_batch(self, observations: List[Any]) -> List[int]:
            return [0] * len(observations)

    with rlmesh.ModelServer(rlmesh.Model(Batches())) as server:
        envs = [Countdown() for _ in range(4)]
        rlmesh.run(server.address, envs, seeds=[5] * 8)
        found = rlmesh.stats(server.address)
    assert found.capacity == 256
    assert found.requests["predict"] == found.latencies["adapter"].count == 40
    assert found.latencies["queue"].count == found.latencies["codec"].count == 40
    assert 10 <= found.latencies["predict"].count <= 40


def test_a_failed_predict_is_an_error_of_the_stats() -> None:
    def predict(observation: Any) -> int:
        raise ArithmeticError("no")

    with rlmesh.ModelServer(rlmesh.Model(predict)) as server:
        with pytest.raises(rlmesh.errors.ModelError):
            rlmesh.run(server.address, Countdown(), seeds=[1])
        found = rlmesh.stats(server.address)
        assert (found.requests["predict"], found.errors) == (1, 1)
        assert found.latencies["predict"].count == 0


def test_an_observation_that_breaks_its_space_is_an_error_of_the_stats() -> None:
    class Wrong(Countdown):
        def reset(self, *, seed: Any = None, options: Any = None) -> Any:
            return "nothing", {}

    with rlmesh.EnvServer(Wrong()) as server, rlmesh.RemoteEnv(server.address) as env:
        with pytest.raises(InvalidValue):
            env.reset()
        assert rlmesh.stats(server.address).errors == 1


def test_both_say_that_a_server_drains() -> None:
    server = rlmesh.EnvServer(Countdown(), options=rlmesh.ServeOptions(drain_timeout=SOON)).start()
    with rlmesh.RemoteEnv(server.address):
        ending = threading.Thread(target=server.shutdown)
        ending.start()
        assert_soon(lambda: rlmesh.ping(server.address).draining)
        assert rlmesh.stats(server.address).draining
    ending.join(SOON)
    assert not ending.is_alive()


@pytest.mark.parametrize("ask", [rlmesh.ping, rlmesh.stats])
def test_they_fail_as_connecting_does(ask: Any, tmp_path: Path) -> None:
    with pytest.raises(AddressError, match="address: expected tcp://HOST:PORT"):
        ask("nowhere")
    with pytest.raises(ConnectionFailed, match=r"no RLMesh server answered at .* within 0.1 s"):
        ask(f"unix://{tmp_path}/nobody", timeout=0.1)


@pytest.mark.parametrize("ask", [rlmesh.ping, rlmesh.stats])
def test_they_need_the_servers_token(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with rlmesh.EnvServer(Countdown(), token=TOKEN) as server:
        assert ask(server.address, token=TOKEN).role == "env"
        with pytest.raises(SecurityError):
            ask(server.address, timeout=SOON)
        monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
        assert ask(server.address).role == "env"
