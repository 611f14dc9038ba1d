"""What an env has started ends with it, and what ends an env arrives at its client."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import List, Sequence

import envs
import numpy as np
import pytest
from gymnasium.vector.async_vector_env import AsyncState
from servers import PATIENCE, ServerProcess, Servers

import rlmesh
import rlmesh.numpy


def gone(pids: Sequence[int]) -> bool:
    """Whether processes end within the patience of a test."""
    deadline = time.monotonic() + PATIENCE
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(map(is_running, pids))


def is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def started(server: ServerProcess, env: rlmesh.RemoteEnv) -> List[int]:
    info = env.reset()[1]
    pids = [*info["pids"], info["worker"], *server.children()]
    assert all(map(is_running, pids))
    return pids


@pytest.mark.parametrize("end", ["kill", "terminate", "close", "crash"])
def test_what_an_env_has_started_ends_with_it_however_it_ends(serve: Servers, end: str) -> None:
    server = serve("envs:WithHelpers", factory=True)
    env = rlmesh.RemoteEnv(server.address)
    pids = started(server, env)
    if end == "kill":
        server.kill()
    elif end == "terminate":
        server.process.terminate()
    elif end == "close":
        env.close()
        pids = pids[:4]
    else:
        with pytest.raises(rlmesh.errors.EnvCrashed, match="exited with status 3"):
            env.step(0)
        pids = pids[:4]
    assert gone(pids)
    if end == "kill":  # a server that is not there any more says no goodbye
        with pytest.raises(rlmesh.errors.RLMeshError):
            rlmesh.RemoteEnv(server.address, connect_timeout=0.2)


def test_what_an_env_has_started_ends_also_when_its_worker_is_killed_with_the_server(
    serve: Servers,
) -> None:
    server = serve("envs:WithHelpers", factory=True)
    with rlmesh.RemoteEnv(server.address) as env:
        pids = started(server, env)
        server.kill()
        os.kill(pids[3], 9)
    assert gone(pids)


def test_nothing_of_an_env_is_left_when_its_process_ends(serve: Servers) -> None:
    # nanobind complains of whatever of ale-py's is there when Python ends.
    server = serve("ale_py:ALE/Pong-v5", factory=True)
    with rlmesh.RemoteEnv(server.address) as env:
        env.reset(seed=0)
        env.step(0)
    server.process.terminate()
    server.wait()
    assert "leaked" not in server.stderr


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_an_env_instance_that_raises_what_ends_a_program_is_an_error_with_its_cause(
    kind: type,
) -> None:
    action = [SystemExit, KeyboardInterrupt, GeneratorExit].index(kind) + 1
    with rlmesh.EnvServer(envs.Leaves()) as server, rlmesh.RemoteEnv(server.address) as env:
        for _ in range(2):
            env.reset()
            with pytest.raises(
                rlmesh.errors.EnvError, match=f"raised {kind.__name__}: the simulator gave up"
            ):
                env.step(action)
        env.reset()
        assert env.step(0)[1:4] == (1.0, True, False)


def test_a_served_instance_tells_its_client_too_what_ends_a_program(serve: Servers) -> None:
    server = serve("envs:Leaves")
    with rlmesh.RemoteEnv(server.address) as env:
        env.reset()
        with pytest.raises(rlmesh.errors.EnvError, match="raised SystemExit: the simulator gave"):
            env.step(1)
        env.reset()
        assert env.step(0)[1] == 1.0


def test_a_vector_env_of_a_factory_that_loses_a_process_is_made_again(
    serve: Servers, tmp_path: Path
) -> None:
    kwargs = {"env_id": "Fragile", "num_envs": 2, "kind": "Async", "mode": "Disabled"}
    once = str(tmp_path / "once")

    def run() -> rlmesh.RunResult:
        server = serve("envs:make_vector", factory=True, kwargs={**kwargs, "once": once})
        model = rlmesh.numpy.Model(lambda observation: np.int64(0))
        return model.run(server.address, seeds=range(4), max_episode_steps=6)

    crashed = run()
    assert os.path.exists(once)
    assert crashed == run()


def test_a_vector_env_that_loses_a_process_says_how_it_ended(tmp_path: Path) -> None:
    vector = envs.make_vector("Fragile", 2, kind="Async", once=str(tmp_path / "once"))
    actions = np.zeros(2, np.int64)
    with rlmesh.EnvServer(vector) as server, rlmesh.numpy.RemoteVectorEnv(server.address) as env:
        env.reset(seed=0)
        env.step(actions)
        env.step(actions)
        for call in (lambda: env.step(actions), lambda: env.reset(seed=0)):
            with pytest.raises(rlmesh.errors.EnvCrashed) as caught:
                call()
            assert caught.value.signal == "SIGKILL"
            assert "an env instance cannot be made again; serve a factory" in str(caught.value)
    vector._state = AsyncState.DEFAULT  # else it would wait for the step that never came
    vector.close(terminate=True)
