"""A model's server ends in good order, and leaves nothing behind."""

from __future__ import annotations

import re
import signal
import threading
from pathlib import Path
from typing import Any, Callable, List

import pytest
from envs import Suspicious
from policies import Remembers
from predicts import predict_in_thread
from servers import PATIENCE, Servers
from traces import Traces, assert_soon

import rlmesh
import rlmesh.numpy
from rlmesh.errors import (
    ConnectionFailed,
    RequestTimeout,
    SecurityError,
)

SCHEMES = pytest.mark.parametrize("scheme", ["tcp", "unix"])
BLOCKED, FREE = 0, 1
LARGE = 50_000


def serve_remembers(address: str, corner: str = "predict") -> rlmesh.ModelServer:
    return rlmesh.ModelServer(rlmesh.numpy.Model(Remembers(corner)), address)


def use(server: Any, size: int = 4) -> None:
    env = Suspicious(FREE, size)
    with rlmesh.RemoteModel(server.address) as model:
        model.run(env, max_episodes=2)
    assert env.checked == 100


@pytest.fixture
def before(tmp_path: Path) -> Traces:
    """What the process has before a server; what ZeroMQ starts only once is already there."""
    with serve_remembers("tcp://127.0.0.1:0") as server:
        use(server)
        use(server, LARGE)
    with pytest.raises(ConnectionFailed):
        rlmesh.RemoteModel(f"unix://{tmp_path}/nothing", connect_timeout=0.1)
    return Traces.now()


@SCHEMES
def test_ten_servers_and_their_clients_leave_no_trace(
    scheme: str, before: Traces, new_address: Callable[[str], str], tmp_path: Path
) -> None:
    for i in range(10):
        server = serve_remembers(new_address(scheme), ["predict", "predict_batch"][i % 2]).start()
        use(server)
        use(server, LARGE)
        model = rlmesh.RemoteModel(server.address, connect_timeout=0.2)
        sessions = [model.session(Suspicious(FREE)) for _ in range(3)]
        sessions[0].reset()
        if i % 2:
            sessions[0].close()
        server.shutdown()
        assert list(tmp_path.iterdir()) == []
        for session in sessions[1:]:
            session.close()
        model.close()
        model.close()
        sessions[0].close()  # the server has ended its episode, if it was not closed before
    assert_soon(before.are_left)


@SCHEMES
@pytest.mark.parametrize("moment", ["at once", "in an episode"])
def test_a_client_that_fails_leaves_no_trace(
    moment: str, scheme: str, before: Traces, new_address: Callable[[str], str]
) -> None:
    class Fails(Suspicious):
        def step(self, action: Any) -> Any:
            raise ZeroDivisionError

    with serve_remembers(new_address(scheme)) as server:
        use(server)
        during = Traces.now()
        for _ in range(5):
            if moment == "at once":
                with pytest.raises(ValueError, match="execution_horizon"):
                    rlmesh.run(server.address, Suspicious(FREE), execution_horizon=2)
            else:
                with pytest.raises(ZeroDivisionError):
                    rlmesh.run(server.address, Fails(FREE))
        assert_soon(during.are_left)
    assert_soon(before.are_left)


class Held:
    """A policy that is in a predict until it is let go."""

    def __init__(self) -> None:
        self.entered, self.go_on = threading.Event(), threading.Event()
        self.log: List[str] = []

    def predict(self, observation: Any) -> Any:
        self.entered.set()
        assert self.go_on.wait(PATIENCE)
        self.log.append("predict")
        return observation

    def on_episode_end(self) -> None:
        self.log.append("end")

    def close(self) -> None:
        self.log.append("close")


@SCHEMES
def test_a_predict_under_way_is_finished_and_answered_before_a_shutdown(
    scheme: str, new_address: Callable[[str], str]
) -> None:
    policy = Held()
    outcomes: List[Any] = []
    server = rlmesh.ModelServer(rlmesh.numpy.Model(policy), new_address(scheme)).start()
    with rlmesh.numpy.RemoteModel(server.address, connect_timeout=0.3) as model:
        session = model.session(Suspicious(FREE))
        predicting = predict_in_thread(session, outcomes)
        assert policy.entered.wait(PATIENCE)
        ending = [threading.Thread(target=server.shutdown) for _ in range(3)]
        for thread in ending:
            thread.start()
        assert predicting.is_alive()
        policy.go_on.set()
        for thread in (*ending, predicting):
            thread.join(PATIENCE)
        assert outcomes == [True]
        assert policy.log == ["predict", "end", "close"]
        assert server.wait(PATIENCE)
        server.shutdown()
        with pytest.raises(ConnectionFailed, match="no RLMesh server answered"):
            session.reset()
        for _ in range(2):
            session.close()


def test_a_shutdown_gives_up_a_predict_that_does_not_return(before: Traces) -> None:
    policy = Held()
    outcomes: List[Any] = []
    options = rlmesh.ServeOptions(close_timeout=0.2)
    server = rlmesh.ModelServer(rlmesh.numpy.Model(policy), options=options).start()
    with rlmesh.numpy.RemoteModel(server.address, connect_timeout=0.3) as model:
        session = model.session(Suspicious(FREE))
        predicting = predict_in_thread(session, outcomes)
        assert policy.entered.wait(PATIENCE)
        words = r"ModelServer\(rlmesh.numpy.Model\(Held\), .*\) still executes a call 0.2 s after"
        for _ in range(2):
            with pytest.raises(RequestTimeout, match=words):
                server.shutdown()
        assert policy.log == []
        policy.go_on.set()
        server.shutdown()
        predicting.join(PATIENCE)
        assert outcomes == [True]
        assert policy.log == ["predict", "end", "close"]
        session.close()
    assert_soon(before.are_left)


def test_a_policy_may_shut_its_own_server_down() -> None:
    def predict(observation: Any) -> Any:
        server.shutdown()
        return observation

    server = rlmesh.ModelServer(rlmesh.numpy.Model(predict)).start()
    with rlmesh.numpy.RemoteModel(server.address, connect_timeout=0.3) as model:
        session = model.session(Suspicious(FREE))
        observation, _ = session.reset()
        assert (session.predict(observation) == observation).all()
        assert server.wait(PATIENCE)
        session.close()


@SCHEMES
def test_a_server_that_nobody_uses_ends_by_itself(
    scheme: str, before: Traces, new_address: Callable[[str], str], tmp_path: Path
) -> None:
    policy = Held()
    policy.go_on.set()
    options = rlmesh.ServeOptions(idle_timeout=0.2)
    server = rlmesh.ModelServer(
        rlmesh.numpy.Model(policy), new_address(scheme), options=options
    ).start()
    with rlmesh.numpy.RemoteModel(server.address, connect_timeout=0.3) as model:
        with model.session(Suspicious(FREE)) as session:
            observation, _ = session.reset()
            while model.ping()["uptime"] < 1.0:
                session.predict(observation)
        assert server.wait(PATIENCE)
        assert policy.log[-2:] == ["end", "close"]
        with pytest.raises(ConnectionFailed):
            model.run(Suspicious(FREE))
    assert list(tmp_path.iterdir()) == []
    assert_soon(before.are_left)


@pytest.mark.parametrize("allowed", [False, True])
def test_a_client_shuts_a_server_down_only_where_that_is_allowed(
    allowed: bool, serve: Servers
) -> None:
    server = serve("policies:Remembers", options={"allow_remote_shutdown": allowed}, model="numpy")
    with rlmesh.RemoteModel(server.address) as model:
        if allowed:
            model.shutdown()
            assert server.wait() == 0
            assert server.read_line() == "[]"
        else:
            with pytest.raises(SecurityError, match="allow_remote_shutdown=True"):
                model.shutdown()
            use(server)


def test_a_session_ends_in_good_order_while_its_server_drains() -> None:
    policy = Remembers()
    options = rlmesh.ServeOptions(drain_timeout=PATIENCE)
    server = rlmesh.ModelServer(rlmesh.numpy.Model(policy), options=options).start()
    with rlmesh.RemoteModel(server.address) as model:

        class Ends(Suspicious):
            def step(self, action: Any) -> Any:
                if self.checked == 10:
                    ending.start()
                return super().step(action)

        env, ending = Ends(FREE), threading.Thread(target=server.shutdown)
        assert model.run(env, max_episodes=2).total_steps == 100
        ending.join(PATIENCE)
    assert policy.ended == 2


@SCHEMES
@pytest.mark.parametrize("method", ["serve", "start"])
@pytest.mark.parametrize("moment", ["alone", "held", "predicting"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_and_its_episodes_and_leaves_nothing(
    number: signal.Signals,
    moment: str,
    method: str,
    scheme: str,
    serve: Servers,
    new_address: Callable[[str], str],
    tmp_path: Path,
) -> None:
    until = tmp_path / "until"
    outcomes: List[Any] = []
    server = serve(
        "policies:Stuck",
        new_address(scheme),
        kwargs={"until": str(until)},
        method=method,
        model="numpy",
    )
    assert_soon(lambda: server.catches(number))
    model = rlmesh.numpy.RemoteModel(server.address, connect_timeout=0.3)
    expected = ["closed"]
    interrupts = number == signal.SIGINT and method == "serve"
    if moment != "alone":
        session = model.session(Suspicious(BLOCKED))
        if moment == "predicting":
            predicting = predict_in_thread(session, outcomes)
            assert [server.read_line(), server.read_line()] == ["reset", "predict 0"]
        else:
            session.reset()
            assert server.read_line() == "reset"
        expected = ["end", "closed"]
    server.signal(number)
    if moment == "predicting" and not interrupts:
        until.touch()
    assert server.wait() == (0 if number == signal.SIGTERM else -signal.SIGINT), server.stderr
    assert [server.read_line() for _ in expected] == expected
    assert server.is_gone()
    assert [entry.name for entry in tmp_path.iterdir() if entry != until] == []
    assert "Traceback" not in server.stderr or server.stderr.strip().endswith("KeyboardInterrupt")
    if moment == "predicting":
        predicting.join(PATIENCE)
        assert outcomes == [ConnectionFailed if interrupts else False]
    if moment == "held":
        session.close()
    model.close()


@SCHEMES
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_at_full_speed_ends_the_process_and_is_named_by_every_client(
    number: signal.Signals,
    scheme: str,
    serve: Servers,
    new_address: Callable[[str], str],
    tmp_path: Path,
) -> None:
    kwargs = {"corner": "predict_batch"}
    server = serve("policies:Remembers", new_address(scheme), kwargs=kwargs, model="numpy")
    errors: List[str] = []
    envs = [Suspicious(name, length=10**9) for name in range(4)]

    def run(env: Suspicious) -> None:
        with rlmesh.RemoteModel(server.address, connect_timeout=0.3) as model:
            try:
                model.run(env)
            except ConnectionFailed as exc:
                errors.append(str(exc))

    threads = [threading.Thread(target=run, args=(env,)) for env in envs]
    for thread in threads:
        thread.start()
    assert_soon(lambda: min(env.checked for env in envs) > 20)
    server.signal(number)
    assert server.wait() == (0 if number == signal.SIGTERM else -number), server.stderr
    for thread in threads:
        thread.join(PATIENCE)
    words = (
        f"no RLMesh server answered at {server.address} within 0.3 s; before that, lane 0,"
        r" episode 0 \(seed None, step \d+\): the connection to"
        f" {server.address} broke during predict, and could not be restored within 0.3 s;"
        r" whether request \d+ of the session was executed is not known"
    )
    assert len(errors) == 4
    for error in errors:
        assert re.fullmatch(words, error), error
    assert server.is_gone()
    if number != signal.SIGKILL:
        assert list(tmp_path.iterdir()) == []
