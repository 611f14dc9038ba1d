"""What a client or a server says where something cannot be done with it."""

from __future__ import annotations

import copy
import os
import pickle
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Callable, List

import envs
import gymnasium
import numpy as np
import pytest
import torch

import rlmesh
import rlmesh.numpy
from rlmesh.errors import ConnectionFailed, InvalidValue, SessionLost
from rlmesh.numpy.gym import RemoteEnv, RemoteVectorEnv

COPIES = pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])


@COPIES
def test_nothing_that_holds_a_session_is_copied(copied: Callable[[Any], Any]) -> None:
    made: List[Any] = []
    with rlmesh.EnvServer("CartPole-v1") as server:
        made += [server, RemoteEnv(server.address), rlmesh.numpy.RemoteEnv(server.address)]
        made += [rlmesh.RemoteEnv(server.address)]
        model = rlmesh.Model(lambda observation: 0)
        with model.session(server) as session, pytest.raises(TypeError, match="Session: cannot"):
            copied(session)
        for one in made:
            name = type(one).__name__
            with pytest.raises(
                TypeError, match=f"{name}: cannot be copied or pickled, as it holds"
            ):
                copied(one)
        for env in made[1:]:
            assert env.reset(seed=0)[0].shape == (4,)  # it is as good as before
            env.close()
    vector = gymnasium.make_vec("CartPole-v1", 2, vectorization_mode="sync")
    with rlmesh.EnvServer(vector) as server:
        native = rlmesh.RemoteVectorEnv(server.address)
        with pytest.raises(TypeError, match="RemoteVectorEnv: cannot be copied or pickled"):
            copied(native)
        native.close()
    with rlmesh.EnvServer(vector) as server:
        face = RemoteVectorEnv(server.address)
        with pytest.raises(TypeError, match=r"RemoteVectorEnv: cannot .* pass on its address"):
            copied(face)
        face.close()


@COPIES
def test_nor_is_a_served_model(copied: Callable[[Any], Any]) -> None:
    with rlmesh.ModelServer(rlmesh.Model(lambda observation: 0)) as server:
        for one in (server, rlmesh.RemoteModel(server.address)):
            with pytest.raises(TypeError, match="cannot be copied or pickled, as it holds"):
                copied(one)


def test_a_host_name_that_does_not_resolve_is_named_at_once() -> None:
    sentence = r"the host name 'nowhere.invalid' of tcp://nowhere.invalid:5555 does not resolve"
    calls: List[Callable[[], Any]] = [
        lambda: rlmesh.RemoteEnv("nowhere.invalid:5555", connect_timeout=1e6),
        lambda: rlmesh.ping("nowhere.invalid:5555", timeout=1e6),
        lambda: rlmesh.Model(lambda observation: 0).run("nowhere.invalid:5555", seeds=[0]),
    ]
    for call in calls:
        with pytest.raises(ConnectionFailed, match=sentence):
            call()


def test_a_session_that_ctrl_c_gave_up_says_so(tmp_path: Path) -> None:
    until = tmp_path / "until"
    serving = rlmesh.EnvServer(envs.Slow(str(until)))
    with serving as server, rlmesh.numpy.RemoteEnv(server.address) as env:
        env.reset()
        pid = os.getpid()

        def interrupt() -> None:
            while not server_is_stepping():
                pass
            os.kill(pid, signal.SIGINT)

        slow: Any = server._env.env  # type: ignore[attr-defined]

        def server_is_stepping() -> bool:
            return bool(slow.began)

        interrupting = threading.Thread(target=interrupt)
        interrupting.start()
        with pytest.raises(KeyboardInterrupt):
            env.step(0)
        interrupting.join()
        with pytest.raises(SessionLost, match="a KeyboardInterrupt during step gave it up"):
            env.step(0)
        until.touch()
        env.reset()
        assert env.step(0)[1] == 1.0


class Half(gymnasium.Env[Any, Any]):
    """Observes half-precision tensors, unless told otherwise."""

    observation_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    observation: Any = torch.zeros(2, dtype=torch.bfloat16)

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        return self.observation, {}

    def step(self, action: Any) -> Any:
        return self.observation, 0.0, False, False, {}


def test_bfloat16_in_a_numpy_env_says_what_to_do() -> None:
    env = Half()
    with rlmesh.EnvServer(env) as server, rlmesh.numpy.RemoteEnv(server.address) as client:
        with pytest.raises(InvalidValue, match=r"observation.dtype: torch.bfloat16 .* \.float\(\)"):
            client.reset()
        env.observation = env.observation.float()
        client.reset()
        with pytest.raises(InvalidValue, match=r"action.dtype: torch.bfloat16 .* \.float\(\)"):
            client.step(torch.zeros(2, dtype=torch.bfloat16))
        client.step(torch.zeros(2))


def test_python_m_rlmesh_is_the_command() -> None:
    command = [sys.executable, "-m", "rlmesh", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"rlmesh {rlmesh.__version__}\n"
