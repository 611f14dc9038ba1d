"""What clients of a served model see while a predict runs, and when one fails."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Any, Callable, Iterator, List, Optional

import numpy as np
import pytest
from envs import Suspicious
from servers import PATIENCE, ServerProcess, Servers
from traces import assert_soon

import rlmesh
import rlmesh.numpy
from rlmesh.errors import (
    InvalidValue,
    ModelError,
    ProtocolError,
    RequestTimeout,
    SecurityError,
    SessionLost,
)

BLOCKED, FREE, FAILING = 0, 1, 13
"""Names of envs, by what the `Stuck` policy does with their observations."""
CORNERS = pytest.mark.parametrize("corner", ["predict", "predict_batch"])


class Caller:
    """A session with a served model, and what came of its predict on a thread of its own.

    Args:
        model: Of whom.
        name: The env's.
    """

    def __init__(self, model: rlmesh.numpy.RemoteModel, name: int) -> None:
        self.session = model.session(Suspicious(name))
        self.observation, _ = self.session.reset()
        self.outcome: Any = None
        self.name = name
        self.thread = threading.Thread(target=self.predict)

    def predict(self) -> Any:
        try:
            self.outcome = self.session.predict(self.observation)
        except rlmesh.RLMeshError as exc:
            self.outcome = exc
        return self.outcome

    def assert_answered(self) -> None:
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
        assert_acts_as(self.outcome, self.name)


def assert_acts_as(outcome: Any, name: int) -> None:
    assert isinstance(outcome, np.ndarray), outcome
    assert outcome.tolist() == [name] * 4


@pytest.fixture
def until(tmp_path: Path) -> Path:
    return tmp_path / "until"


@pytest.fixture
def served(serve: Servers, until: Path) -> Callable[..., ServerProcess]:
    """Serve the policy that is stuck until a file exists."""

    def served(corner: str = "predict", **options: Any) -> ServerProcess:
        kwargs = {"until": str(until), "corner": corner}
        return serve("policies:Stuck", kwargs=kwargs, model="numpy", options=options)

    return served


@contextlib.contextmanager
def blocked(server: ServerProcess, model: rlmesh.numpy.RemoteModel) -> Iterator[Caller]:
    """Give a caller whose predict runs."""
    caller = Caller(model, BLOCKED)
    caller.thread.start()
    assert [server.read_line(), server.read_line()] == ["reset", f"predict {BLOCKED}"]
    yield caller
    caller.thread.join(PATIENCE)


def test_the_server_answers_while_a_predict_runs(
    served: Callable[..., ServerProcess], until: Path
) -> None:
    server = served()
    with rlmesh.numpy.RemoteModel(server.address) as model:
        with blocked(server, model) as caller:
            before = model.ping()
            assert before["sessions"] == 1
            waiting: List[Caller] = []

            def come() -> None:
                waiting.append(Caller(model, FREE))

            coming = threading.Thread(target=come)
            coming.start()
            # It has dialed, opened its session, and asked to be configured.
            assert_soon(lambda: model.ping()["sessions"] == 2)
            assert_soon(lambda: model.ping()["requests"] == before["requests"] + 1)
            with rlmesh.RemoteModel(server.address) as other:
                assert other.ping()["uptime"] > before["uptime"]
            with pytest.raises(SecurityError, match="does not let clients shut it down"):
                model.shutdown()
            assert caller.thread.is_alive()
            assert coming.is_alive()
            until.touch()
            caller.assert_answered()
            coming.join(PATIENCE)
        assert_acts_as(waiting[0].predict(), FREE)
        for one in (caller, *waiting):
            one.session.close()


@CORNERS
def test_a_predict_that_takes_too_long_is_its_callers_alone(
    corner: str, served: Callable[..., ServerProcess], until: Path
) -> None:
    server = served(corner)
    hasty = rlmesh.numpy.RemoteModel(server.address, predict_timeout=0.5)
    with hasty, rlmesh.numpy.RemoteModel(server.address) as patient:
        other = Caller(patient, FREE)
        assert server.read_line() == "reset"
        with blocked(server, hasty) as caller:
            other.thread.start()
        assert isinstance(caller.outcome, RequestTimeout)
        words = f"the server at {server.address} is connected, but did not answer predict"
        unknown = "whether request 3 of the session was executed is not known"
        assert str(caller.outcome) == f"{words} within 0.5 s; {unknown}"
        with pytest.raises(SessionLost, match=f"the session with {server.address} is over"):
            caller.session.predict(caller.observation)
        caller.session.close()
        assert other.thread.is_alive()
        until.touch()
        other.assert_answered()
        # The server ended the episode of the one that gave up.
        assert sorted([server.read_line(), server.read_line()]) == ["end", f"predict {FREE}"]
        assert_soon(lambda: patient.ping()["sessions"] == 1)
        other.session.close()
        again = Caller(patient, BLOCKED)
        assert_acts_as(again.predict(), BLOCKED)
        again.session.close()


@CORNERS
def test_what_predict_raises_reaches_its_caller_and_the_server_lives_on(
    corner: str, served: Callable[..., ServerProcess]
) -> None:
    server = served(corner)
    with rlmesh.numpy.RemoteModel(server.address) as model:
        failing, fine = Caller(model, FAILING), Caller(model, FREE)
        for _ in range(2):
            error = failing.predict()
            assert type(error) is ModelError
            assert error.remote_type == "ZeroDivisionError"
            assert error.remote_message == "13 is out of luck"
            assert error.inputs == {"observation": ("uint32", (4,))}
            text = str(error)
            assert text.startswith(f"predict of the model at {server.address} raised ZeroDivision")
            assert "policies.py" in text
            assert "in _predict_batch" in text
            assert "observation: uint32 (4,)" in text
            assert "rlmesh/_models" not in error.remote_traceback
            assert_acts_as(fine.predict(), FREE)
        for caller in (failing, fine):
            caller.session.close()
        with pytest.raises(ModelError, match="13 is out of luck"):
            model.run(Suspicious(FAILING))
        with pytest.raises(ModelError, match="13 is out of luck"):
            rlmesh.run(server.address, Suspicious(FAILING))
        assert model.ping()["sessions"] == 0


def test_in_a_batch_the_error_is_that_of_the_guilty_client_alone(
    served: Callable[..., ServerProcess], until: Path
) -> None:
    server = served("predict_batch")
    with rlmesh.numpy.RemoteModel(server.address) as model:
        callers = [Caller(model, name) for name in (2, FAILING, 3)]
        assert [server.read_line() for _ in callers] == ["reset"] * 3
        with blocked(server, model) as first:
            before = model.ping()["requests"]
            for caller in callers:
                caller.thread.start()
            assert_soon(lambda: model.ping()["requests"] == before + 3)
            until.touch()
        first.assert_answered()
        for caller in callers:
            caller.thread.join(PATIENCE)
        assert type(callers[1].outcome) is ModelError
        assert callers[1].outcome.inputs == {"observation": ("uint32", (4,))}
        callers[0].assert_answered()
        callers[2].assert_answered()
        assert server.read_line() == "predict 2 3 13"
        assert sorted(server.read_line() for _ in range(3)) == [f"predict {n}" for n in (13, 2, 3)]
        for caller in (first, *callers):
            caller.session.close()


@pytest.mark.parametrize("failing", ["reset", "on_episode_end"])
def test_what_a_callback_raises_reaches_its_caller_and_the_server_lives_on(failing: str) -> None:
    class Fails:
        def predict(self, observation: Any) -> Any:
            return observation

        def reset(self) -> None:
            self.call("reset")

        def on_episode_end(self) -> None:
            ended.append(True)
            self.call("on_episode_end")

        def call(self, name: str) -> None:
            if name == failing and not failed:
                failed.append(name)
                raise ArithmeticError(f"{name} fails once")

    ended: List[bool] = []
    failed: List[str] = []
    server = rlmesh.ModelServer(rlmesh.numpy.Model(Fails()))
    with server, rlmesh.numpy.RemoteModel(server.address) as model:
        name = {"reset": "start_episode", "on_episode_end": "end_episode"}[failing]
        words = f"{name} of the model at .* raised ArithmeticError: {failing} fails once"
        with pytest.raises(ModelError, match=words) as caught:
            model.run(Suspicious(FREE), max_episode_steps=1, max_episodes=2)
        assert caught.value.inputs == {}
        # An episode that started badly ends nevertheless, and none ends twice.
        assert ended == [True]
        assert model.ping()["sessions"] == 0
        model.run(Echoed(), max_episodes=2)
        assert len(ended) == 3


class Echoed(Suspicious):
    """Wants its observations back."""

    def __init__(self) -> None:
        super().__init__(FREE, length=2)

    def step(self, action: Any) -> Any:
        self.steps += 1
        return self._observe(), 1.0, self.steps == self.length, False, {}


@pytest.mark.parametrize("action", [None, "left", np.zeros(3, np.uint32), np.zeros(4)])
def test_an_action_that_does_not_fit_is_named_as_for_a_model_here(action: Any) -> None:
    model = rlmesh.numpy.Model(lambda observation: action)
    with pytest.raises(InvalidValue, match=r"^action") as here:
        model.run(Suspicious(FREE))
    with rlmesh.ModelServer(model) as server:
        with pytest.raises(InvalidValue) as served:
            rlmesh.run(server.address, Suspicious(FREE))
        with pytest.raises(InvalidValue, match=r"^action"):
            rlmesh.run(server.address, Suspicious(FREE))
    assert str(served.value) == str(here.value)


def test_what_is_served_elsewhere_is_named(serve: Servers) -> None:
    env = serve("envs:Countdown")
    model = serve("policies:Stuck", kwargs={"until": ""}, model="numpy")
    for kind in (rlmesh.RemoteModel, rlmesh.numpy.RemoteModel):
        with pytest.raises(ProtocolError, match=f"{env.address} serves an env, expected a model"):
            kind(env.address)
    for other in (rlmesh.RemoteEnv, rlmesh.numpy.RemoteEnv):
        with pytest.raises(ProtocolError, match=f"{model.address} serves a model, expected an env"):
            other(model.address)
    with pytest.raises(ProtocolError, match="serves an env, expected a model"):
        rlmesh.run(env.address, env.address)
    with pytest.raises(ProtocolError, match="serves a model, expected an env"):
        rlmesh.run(model.address, model.address)
    # Neither of them minds.
    rlmesh.RemoteEnv(env.address).close()
    with rlmesh.RemoteModel(model.address) as remote:
        assert remote.ping()["sessions"] == 0


TOKEN, OTHER = "a-secret-that-is-long-enough", "another-secret-of-some-length"


@pytest.mark.parametrize(
    ("servers", "clients", "words"),
    [
        (TOKEN, OTHER, "wrong token, none on its side, or not an RLMesh server"),
        (TOKEN, "", "it asks for a token"),
        # Which of the two it is, is not always certain.
        ("", TOKEN, "it uses no token, and this client does|wrong token, none on its side"),
    ],
)
def test_a_token_that_differs_is_named(servers: str, clients: str, words: str) -> None:
    model = rlmesh.Model(lambda observation: 0)
    with rlmesh.ModelServer(model, token=servers) as server:
        with pytest.raises(SecurityError, match=words):
            rlmesh.RemoteModel(server.address, token=clients)
        with pytest.raises(SecurityError, match=words):
            rlmesh.run(server.address, Suspicious(FREE), token=clients)
        with rlmesh.RemoteModel(server.address, token=servers) as remote:
            assert remote.ping()["role"] == "model"


@pytest.mark.parametrize("token", ["", TOKEN])
def test_one_token_serves_for_the_model_and_the_env(token: str, serve: Servers) -> None:
    env = serve("envs:Countdown", token=token)
    model = rlmesh.Model(lambda observation: 0)
    with rlmesh.ModelServer(model, token=token) as server:
        result = rlmesh.run(server.address, env.address, seeds=[1], token=token)
        assert result.total_steps == 4
        with rlmesh.RemoteModel(server.address, token=token) as remote:
            assert remote.run(env.address, seeds=[1], token=token) == result


@pytest.mark.parametrize("remote", [False, True])
def test_a_horizon_and_an_instruction_that_do_not_fit_are_named_as_for_a_model_here(
    remote: bool,
) -> None:
    model: Any = rlmesh.Model(lambda observation: 0)
    client: Optional[Any] = None
    with rlmesh.ModelServer(model) as server:
        if remote:
            model = client = rlmesh.RemoteModel(server.address)
        env = Suspicious(FREE)
        with pytest.raises(ValueError, match="instruction: this model has no text input"):
            model.run(env, instruction="go")
        with pytest.raises(ValueError, match="execution_horizon: expected 1 for a model with nei"):
            model.run(env, execution_horizon=2)
        assert env.checked == 0
        if client is not None:
            assert client.ping()["sessions"] == 0
            client.close()
