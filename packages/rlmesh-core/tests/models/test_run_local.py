from __future__ import annotations

import pathlib
import signal
import subprocess
import sys

import pytest
from countdown import Countdown

from rlmesh import EnvServer, Model, ModelServer, RemoteEnv, RemoteModel
from rlmesh.errors import ConnectionFailed, EnvError

SCRIPT = pathlib.Path(__file__).parent.parent / "run_local.py"
PATIENCE = 60


@pytest.fixture
def env():
    return Countdown()


@pytest.fixture
def served(env, tmp_path):
    with EnvServer(env, f"unix://{tmp_path}/env") as server:
        yield server.address


@pytest.fixture
def start(served):
    """Start processes that run a model against the served env."""
    processes = []

    def start(stuck):
        command = [sys.executable, str(SCRIPT), served, str(stuck)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait(PATIENCE)
        process.stdout.close()


SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@SIGNALS
@pytest.mark.parametrize("stuck", [0, 2], ids=["at full speed", "in a predict"])
def test_a_signal_ends_a_worker_in_good_order_and_frees_the_env_at_once(
    start, served, number, stuck
):
    worker = start(stuck)
    lines = iter(worker.stdout.readline, "")
    assert next(lines) == "end\n"
    assert next(lines) == "10\n"
    if stuck:
        assert next(lines) == "predict\n"
    worker.send_signal(number)
    rest = list(lines)
    assert worker.wait(PATIENCE) == 0
    assert rest[-2:] == ["closed\n", "returned\n"]
    if stuck:
        assert rest == ["end\n", "closed\n", "returned\n"]
    RemoteEnv(served).close()


@SIGNALS
def test_the_process_handles_signals_as_before_once_a_run_is_over(number, served, env):
    before = signal.getsignal(number)

    def stop(result):
        signal.raise_signal(number)

    Model(lambda observation: 1).run_local(served, on_result=stop)
    assert signal.getsignal(number) is before
    assert [name for name, _ in env.log].count("reset") == 1
    RemoteEnv(served).close()


def test_a_number_of_episodes_is_run_and_nothing_returned(served, env):
    model, told = Model(lambda observation: 1), []
    assert model.run_local_for_episodes(served, max_episodes=2, on_result=told.append) is None
    model.run_local_for_episodes(served, max_episodes=3, seeds=[4, 5], on_result=told.append)
    model.run_local_for_episodes(served, max_episodes=1, seeds=[4, 5], on_result=told.append)
    assert [seed for name, seed in env.log if name == "reset"] == [None, None, 4, 5, None, 4]
    assert [(r.index, r.steps) for r in told] == [(0, 10), (1, 10), (0, 4), (1, 5), (2, 10), (0, 4)]
    RemoteEnv(served).close()


def test_chunks_are_executed_as_in_a_run(served, env):
    class Chunks:
        def predict_chunk(self, observation):
            return [1, 0]

    Model(Chunks()).run_local_for_episodes(served, max_episodes=1, seeds=[4], execution_horizon=2)
    assert [action for name, action in env.log if name == "step"] == [1, 0, 1, 0]


def test_a_number_of_episodes_must_be_given():
    with pytest.raises(TypeError, match="max_episodes"):
        Model(len).run_local_for_episodes("unix:///nowhere")
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="expected at least one episode"):
            Model(len).run_local_for_episodes("unix:///nowhere", max_episodes=wrong)
    with pytest.raises(TypeError, match="max_episodes: expected an integer"):
        Model(len).run_local_for_episodes("unix:///nowhere", max_episodes=1.5)


@pytest.mark.parametrize("address", [None, 3, Countdown()])
def test_a_worker_takes_an_address_alone(address):
    with pytest.raises(TypeError, match="env_address: expected an address such as"):
        Model(len).run_local(address)
    with pytest.raises(TypeError, match="env_address: expected an address such as"):
        Model(len).run_local_for_episodes(address, max_episodes=1)


def test_an_error_ends_a_worker_and_frees_the_env(tmp_path):
    class Faulty(Countdown):
        def step(self, action):
            raise RuntimeError("the simulator fell over")

    closed = []
    with EnvServer(Faulty(), f"unix://{tmp_path}/faulty") as server:
        model = Model(lambda observation: 1, on_close=lambda: closed.append(True))
        for run in (model.run_local, lambda a: model.run_local_for_episodes(a, max_episodes=1)):
            with pytest.raises(EnvError, match="the simulator fell over"):
                run(server.address)
        RemoteEnv(server.address).close()
    assert closed == [True, True]


def test_a_wrong_horizon_ends_a_worker_before_its_first_episode(served, env):
    with pytest.raises(ValueError, match="execution_horizon: expected 1 for a model with neither"):
        Model(lambda observation: 1).run_local(served, execution_horizon=2)
    assert env.log == []


def test_a_served_model_runs_as_a_worker_too(served, tmp_path):
    told = []
    server = ModelServer(Model(lambda observation: 1), f"unix://{tmp_path}/model").start()
    with RemoteModel(server.address, connect_timeout=0.2) as model:
        model.run_local_for_episodes(served, max_episodes=2, seeds=[3, 4], on_result=told.append)
        server.shutdown()
        with pytest.raises(ConnectionFailed):
            model.run_local(served)
    assert [result.reward for result in told] == [6.0, 10.0]
    RemoteEnv(served).close()


class Finalizer:
    """What a signal raises while this goes is lost, as in any finalizer."""

    def __init__(self, number):
        self.number = number

    def __del__(self):
        signal.raise_signal(self.number)


@SIGNALS
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_in_a_finalizer_ends_a_worker_all_the_same(number, served):
    predicted = []

    def act(observation):
        predicted.append(Finalizer(number) if not predicted else None)
        predicted[:1] = [None]
        return 1

    Model(act).run_local(served)
    assert len(predicted) == 1
    RemoteEnv(served).close()
