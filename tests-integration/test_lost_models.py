"""Servers and clients of a model that vanish, or come back as others."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, List

import numpy as np
import pytest
from envs import Suspicious
from predicts import predict_in_thread
from servers import PATIENCE, Servers

import rlmesh
import rlmesh.numpy
from rlmesh.errors import ConnectionFailed, SessionLost

SCHEMES = pytest.mark.parametrize("scheme", ["tcp", "unix"])
BLOCKED, FREE = 0, 1


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


@SCHEMES
def test_a_server_that_was_replaced_in_the_middle_of_a_run_is_named(
    scheme: str, serve: Servers, new_address: Callable[[str], str]
) -> None:
    class Replaces(Suspicious):
        def step(self, action: Any) -> Any:
            if self.checked == 5:
                servers[-1].kill()
                servers.append(serve("policies:Remembers", servers[-1].address, model="numpy"))
            return super().step(action)

    servers = [serve("policies:Remembers", new_address(scheme), model="numpy")]
    address = servers[0].address
    with rlmesh.RemoteModel(address) as model:
        env = Replaces(FREE)
        with pytest.raises(SessionLost, match=f"the server at {address} restarted"):
            model.run(env)
        assert env.checked == 6
        # The next run has a session of its own, with the server that is there now.
        other = Suspicious(FREE)
        assert model.run(other).total_steps == other.checked == 50


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
