"""A run that waits for a server says so; how long it waits is its caller's choice."""

from __future__ import annotations

import logging
import threading

import pytest
from countdown import Countdown

import rlmesh
from rlmesh import EnvServer, Model, ModelServer, RemoteModel
from rlmesh._rpc.dial import ENV_CONNECT_TIMEOUT, MODEL_CONNECT_TIMEOUT
from rlmesh._rpc.waits import telling
from rlmesh.errors import ConnectionFailed, SecurityError


def act(observation):
    return 1


class StartsWhenWaitedFor(logging.Handler):
    """Starts a server as soon as somebody says to be waiting for it."""

    def __init__(self, server):
        super().__init__()
        self.server = server
        self.records = []

    def emit(self, record):
        if record.event == "waiting" and not self.records:
            threading.Thread(target=self.server.start).start()
        self.records.append(record)


@pytest.fixture
def late():
    """Return a function that has a server started only when it is waited for."""
    handlers = []
    logger = logging.getLogger("rlmesh.client")

    def start(server):
        handlers.append(StartsWhenWaitedFor(server))
        logger.addHandler(handlers[-1])
        return handlers[-1]

    yield start
    for handler in handlers:
        logger.removeHandler(handler)
        handler.server.shutdown()


def test_a_model_that_comes_late_is_waited_for_and_that_is_logged(tmp_path, late):
    address = f"unix://{tmp_path}/model"
    handler = late(ModelServer(Model(act), address))
    shown = []
    with telling(lambda waits: shown.append([str(wait) for wait in waits])):
        result = rlmesh.run(address, Countdown(), seeds=[3])
    assert result.num_episodes == 1
    record = handler.records[0]
    assert record.getMessage() == f"waiting for a model at {address}: 2 s of 60 s"
    assert record.address == address
    assert 59 < record.until - record.since < 61
    assert shown[0] == [record.getMessage()]
    # It is taken back when it is over.
    assert shown[-1] == []


def test_an_env_that_comes_late_is_waited_for_as_long_as_was_asked(tmp_path, late):
    first, second = EnvServer(Countdown(), f"unix://{tmp_path}/a"), f"unix://{tmp_path}/b"
    handler = late(EnvServer(Countdown(), second))
    with first:
        result = Model(act).run([first.address, second], seeds=[3, 4], connect_timeout=30)
    assert result.num_episodes == 2
    assert handler.records[0].getMessage() == (
        f"waiting for an env at {second} (lane 1): 2 s of 30 s"
    )
    assert handler.records[0].lane == 1


RUNS = {
    "run": lambda env: Model(act).run(env, connect_timeout=0.3),
    "session": lambda env: Model(act).session(env, connect_timeout=0.3),
    "rlmesh.run": lambda env: rlmesh.run(Model(act), env, connect_timeout=0.3),
    "rlmesh.run, model": lambda env: rlmesh.run(env, Countdown(), connect_timeout=0.3),
    "rlmesh.session": lambda env: rlmesh.session(Model(act), env, connect_timeout=0.3),
    "rlmesh.session, model": lambda env: rlmesh.session(env, Countdown(), connect_timeout=0.3),
    "run_local": lambda env: Model(act).run_local(env, connect_timeout=0.3),
    "run_local_for_episodes": lambda env: Model(act).run_local_for_episodes(
        env, max_episodes=1, connect_timeout=0.3
    ),
    "RemoteModel": lambda env: RemoteModel(env, connect_timeout=0.3),
    "RemoteEnv": lambda env: rlmesh.RemoteEnv(env, connect_timeout=0.3),
}


@pytest.mark.parametrize("kind", RUNS)
def test_whatever_dials_waits_as_long_as_it_was_told(tmp_path, kind):
    with pytest.raises(ConnectionFailed, match=r"no RLMesh server answered at .* within 0\.3 s"):
        RUNS[kind](f"unix://{tmp_path}/nobody")


def test_a_model_has_time_for_a_cold_start_by_default():
    assert (ENV_CONNECT_TIMEOUT, MODEL_CONNECT_TIMEOUT) == (10, 60)


def test_a_token_that_differs_is_said_at_once_however_long_the_timeout(tmp_path):
    address, waits = f"unix://{tmp_path}/model", []
    server = ModelServer(Model(act), address, token="a-secret-of-many-letters")
    with server, telling(waits.append), pytest.raises(SecurityError, match="asks for a token"):
        rlmesh.run(address, Countdown(), connect_timeout=600)
    assert waits == []


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_timeout_is_positive(seconds):
    with pytest.raises(ValueError, match="connect_timeout: expected a positive number"):
        Model(act).run(Countdown(), connect_timeout=seconds)
