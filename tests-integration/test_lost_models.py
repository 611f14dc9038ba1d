"""Servers and clients of a model that vanish, or come back as others."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, List, Sequence

import numpy as np
import pytest
from envs import Suspicious
from policies import Remembers
from predicts import predict_in_thread
from servers import PATIENCE, ServerProcess, Servers

import rlmesh
import rlmesh.numpy
from rlmesh.errors import ConnectionFailed

SCHEMES = pytest.mark.parametrize("scheme", ["tcp", "unix"])
BLOCKED, FREE = 0, 1
CORNER = "predict_batch"
SUSPECT = {"name": FREE, "length": 15}


@SCHEMES
def test_a_server_killed_during_a_predict_is_named(
    scheme: str, serve: Servers, new_address: Callable[[str], str], tmp_path: Path
) -> None:
    kwargs = {"until": str(tmp_path / "until")}
    server = serve("policies:Stuck", new_address(scheme), kwargs=kwargs, model="numpy")
    outcomes: List[Any] = []
    with rlmesh.numpy.RemoteModel(server.address, connect_timeout=0.3) as model:
        session = model.session(Suspicious(BLOCKED))
        predicting = predict_in_thread(session, outcomes)
        assert [server.read_line(), server.read_line()] == ["reset", "predict 0"]
        server.kill()
        predicting.join(PATIENCE)
        assert outcomes == [ConnectionFailed]
        session.close()
        with pytest.raises(ConnectionFailed, match="no RLMesh server answered"):
            model.session(Suspicious(FREE))


class Replaces(rlmesh.RunHooks):
    """Now and then kills a server, and starts it again, while episodes run.

    Args:
        start: Starts the server at an address.
        steps: Before which steps of the run.
    """

    def __init__(self, start: Callable[[str], ServerProcess], steps: Sequence[int]) -> None:
        self._start = start
        self._steps = steps
        self._count = 0
        self.server = start("tcp://127.0.0.1:0")

    def on_step(self, event: rlmesh.StepEvent) -> None:
        self._count += 1
        if self._count in self._steps:
            self.server.kill()
            self.server = self._start(self.server.address)


@pytest.mark.parametrize("lanes", [1, 8])
@pytest.mark.parametrize("killed", ["model", "env"])
def test_a_killed_server_that_comes_back_costs_no_episode(
    killed: str, lanes: int, serve: Servers
) -> None:
    def start_model(address: str) -> ServerProcess:
        return serve("policies:Remembers", address, model="numpy", kwargs={"corner": CORNER})

    def start_env(address: str) -> ServerProcess:
        options = {"max_sessions": 8}
        return serve("envs:Suspicious", address, kwargs=SUSPECT, factory=True, options=options)

    seeds = range(16)
    expected = rlmesh.numpy.Model(Remembers()).run(Suspicious(**SUSPECT), seeds=seeds)
    kills = Replaces(start_model if killed == "model" else start_env, [35, 130])
    model = kills.server if killed == "model" else start_model("tcp://127.0.0.1:0")
    env = kills.server if killed == "env" else start_env("tcp://127.0.0.1:0")
    result = rlmesh.run(
        model.address, env.address, seeds=seeds, concurrency=lanes, hooks=kills, on_error="record"
    )
    assert result == expected
    attempts = [episode.attempts for episode in result.episodes]
    assert sum(attempts) - len(attempts) >= 2


@SCHEMES
def test_the_error_of_a_server_that_stays_away_says_where_the_run_was(
    scheme: str, serve: Servers, new_address: Callable[[str], str]
) -> None:
    server = serve("policies:Remembers", new_address(scheme), model="numpy")

    class Kills(Suspicious):
        def step(self, action: Any) -> Any:
            if self.steps == 5 and self.checked > 50:
                server.kill()
            return super().step(action)

    words = (
        rf"^no RLMesh server answered at {server.address} within 0\.3 s; before that, lane 0,"
        rf" episode 1 \(seed 4, step 6\): the connection to {server.address} broke during predict,"
        r" and could not be restored within 0\.3 s; whether request \d+ of the session was executed"
        r" is not known$"
    )
    with rlmesh.RemoteModel(server.address, connect_timeout=0.3) as model:
        with pytest.raises(ConnectionFailed, match=words) as raised:
            model.run(Kills(FREE), seeds=[3, 4, 5], retries=2)
        with pytest.raises(ConnectionFailed, match="no RLMesh server answered"):
            model.run(Suspicious(FREE))
    result = raised.value.run_result
    assert [episode.seed for episode in result.episodes] == [3]
    (error,) = result.errors
    assert (error.index, error.seed, error.kind, error.attempts) == (1, 4, "ConnectionFailed", 1)


@SCHEMES
@pytest.mark.parametrize("moment", ["idle", "predicting"])
def test_the_episodes_of_a_killed_client_end_after_its_grace(
    moment: str, scheme: str, serve: Servers, new_address: Callable[[str], str], tmp_path: Path
) -> None:
    until = tmp_path / "until"
    server = serve(
        "policies:Stuck",
        new_address(scheme),
        kwargs={"until": str(until)},
        options={"session_grace": 0.3},
        model="numpy",
    )
    with rlmesh.numpy.RemoteModel(server.address) as model:
        session = model.session(Suspicious(FREE))
        observation, _ = session.reset()
        name = BLOCKED if moment == "predicting" else FREE
        client = serve.start("model_client.py", server.address, str(name))
        assert [server.read_line() for _ in range(3)] == ["reset", "reset", f"predict {name}"]
        if moment == "idle":
            assert client.read_line() == "acted"
        assert model.ping()["sessions"] == 2
        client.kill()
        until.touch()
        assert server.read_line() == "end"
        assert model.ping()["sessions"] == 1
        assert np.array_equal(session.predict(observation), [FREE] * 4)
        session.close()


def test_a_client_that_just_ends_ends_its_episodes_at_once(serve: Servers) -> None:
    server = serve("policies:Stuck", kwargs={"until": ""}, model="numpy")
    client = serve.start("model_client.py", server.address, str(FREE), "leave")
    assert client.wait() == 0, client.stderr
    assert [server.read_line() for _ in range(3)] == ["reset", f"predict {FREE}", "end"]
    with rlmesh.RemoteModel(server.address) as model:
        assert model.ping()["sessions"] == 0
