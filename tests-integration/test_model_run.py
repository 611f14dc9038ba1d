"""`Model.run`: the same result wherever the env is, and the lifecycle callbacks around it."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any, Callable, Dict, Iterator, List, Optional

import envs
import numpy as np
import pytest
from envs import Countdown
from servers import Servers

import rlmesh
import rlmesh.numpy
import rlmesh.numpy.gym
from rlmesh.errors import Busy, EnvError, InvalidValue

MODELS = pytest.mark.parametrize("model", [rlmesh.Model, rlmesh.numpy.Model], ids=["native", "np"])


def act(observation: Any) -> int:
    """A policy for CartPole, on values of any framework."""
    return int(observation[2] > 0)


def nothing(observation: Any) -> int:
    return 0


@contextlib.contextmanager
def cartpole() -> Iterator[Any]:
    env = envs.make("CartPole-v1")
    yield env
    env.close()


TARGETS: Dict[str, Callable[[str], Any]] = {
    "an env": lambda address: cartpole(),
    "a server": lambda address: rlmesh.EnvServer(envs.make("CartPole-v1")),
    "an object with an address": lambda address: contextlib.nullcontext(
        SimpleNamespace(address=address)
    ),
    "an address": contextlib.nullcontext,
    "an address without scheme": lambda address: contextlib.nullcontext(
        address.replace("tcp://", "")
    ),
    "a native RemoteEnv": rlmesh.RemoteEnv,
    "a NumPy RemoteEnv": rlmesh.numpy.RemoteEnv,
    "a Gymnasium RemoteEnv": rlmesh.numpy.gym.RemoteEnv,
}


@pytest.fixture(scope="module")
def served_cartpole(serve_module: Servers) -> str:
    return serve_module("envs:make", kwargs={"env_id": "CartPole-v1"}).address


@pytest.fixture(scope="module")
def expected() -> List[Any]:
    """The seeds, lengths and rewards of five episodes, from a loop without RLMesh."""
    episodes = []
    with cartpole() as env:
        for seed in range(5):
            observation, _ = env.reset(seed=seed)
            steps, reward, terminated, truncated = 0, 0.0, False, False
            while not (terminated or truncated):
                observation, step_reward, terminated, truncated, _ = env.step(act(observation))
                steps, reward = steps + 1, reward + step_reward
            episodes.append((seed, steps, reward, terminated, truncated))
    return episodes


@MODELS
@pytest.mark.parametrize("target", TARGETS)
def test_the_result_does_not_depend_on_where_the_env_is(
    model: Any, target: str, served_cartpole: str, expected: List[Any]
) -> None:
    with TARGETS[target](served_cartpole) as env:
        result = model(act).run(env, seeds=range(5))
    assert [
        (e.seed, e.steps, e.reward, e.terminated, e.truncated) for e in result.episodes
    ] == expected
    with cartpole() as local:
        assert result == model(act).run(local, seeds=range(5))
    assert [e.index for e in result.episodes] == list(range(5))
    assert result.total_steps == sum(e[1] for e in expected)
    assert result.success_rate is None


@pytest.mark.parametrize(
    ("seeds", "max_episodes", "expected"),
    [
        (None, None, [None]),
        (None, 3, [None, None, None]),
        ([7, 3], None, [7, 3]),
        (range(5), 2, [0, 1]),
        ([5], 3, [5, None, None]),
        (np.array([4, 2]), None, [4, 2]),
        (iter([1, 2]), None, [1, 2]),
        ([2**63], None, [2**63]),
        ([], 2, [None, None]),
    ],
)
@pytest.mark.parametrize("where", ["here", "served"])
def test_seeds_and_max_episodes_choose_the_episodes(
    seeds: Any, max_episodes: Optional[int], expected: List[Optional[int]], where: str
) -> None:
    env = Countdown()
    if where == "served":
        if not isinstance(seeds, (list, range, np.ndarray, type(None))):
            seeds = [1, 2]
        with rlmesh.EnvServer(env) as server:
            result = rlmesh.Model(nothing).run(server, seeds=seeds, max_episodes=max_episodes)
    else:
        result = rlmesh.Model(nothing).run(env, seeds=seeds, max_episodes=max_episodes)
    assert env.seeds == expected
    assert all(type(seed) in (int, type(None)) for seed in env.seeds)
    assert [episode.seed for episode in result.episodes] == expected
    assert result.num_episodes == len(expected)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"seeds": []}, ValueError, "at least one episode"),
        ({"max_episodes": 0}, ValueError, "at least one episode"),
        ({"seeds": [1], "max_episodes": -1}, ValueError, "at least one episode"),
        ({"seeds": [-1]}, ValueError, "non-negative"),
        ({"seeds": [1.5]}, TypeError, "seeds: expected a sequence of integers"),
        ({"seeds": 3}, TypeError, "seeds: expected a sequence of integers"),
        ({"max_episodes": 1.0}, TypeError, "max_episodes: expected an integer"),
        ({"max_episode_steps": 0}, ValueError, "max_episode_steps: expected at least 1"),
        ({"instruction": "go"}, ValueError, "instruction: .* no text input"),
    ],
)
def test_arguments_that_ask_for_no_run_are_named(
    arguments: Dict[str, Any], error: type, words: str
) -> None:
    env = Countdown()
    with pytest.raises(error, match=words):
        rlmesh.Model(nothing).run(env, **arguments)
    assert env.seeds == []


@pytest.mark.parametrize("env", [None, 5, object(), SimpleNamespace(address=5)])
def test_what_is_no_env_is_named(env: Any) -> None:
    with pytest.raises(TypeError, match=r"env_or_address: expected an env with reset\(\)"):
        rlmesh.Model(nothing).run(env)


class Recorder:
    """A model that writes down what is called; the one called `failing` raises."""

    def __init__(self, failing: str = "", at: int = 1) -> None:
        self.events: List[str] = []
        self.ids: List[str] = []
        self.failing, self.at = failing, at

    def _note(self, name: str) -> None:
        self.events.append(name)
        if name == self.failing and self.events.count(name) == self.at:
            raise ArithmeticError(f"{name} failed")

    def reset(self, episode_id: str) -> None:
        self.ids.append(episode_id)
        self._note("reset")

    def predict(self, observation: Any) -> int:
        self._note("predict")
        return 0

    def on_episode_end(self, episode_id: str) -> None:
        self.ids.append(episode_id)
        self._note("end")

    def close(self) -> None:
        self._note("close")


EPISODE = ["reset", "predict", "predict", "end"]


@MODELS
@pytest.mark.parametrize("where", ["here", "served"])
def test_callbacks_are_called_in_order_with_the_episodes_id(
    model: Any, where: str, serve: Servers
) -> None:
    recorder = Recorder()
    env = Countdown(2) if where == "here" else serve("envs:Countdown", kwargs={"length": 2})
    model(recorder).run(env, max_episodes=3)
    assert recorder.events == [*EPISODE, *EPISODE, *EPISODE, "close"]
    assert all(isinstance(one, str) and one for one in recorder.ids)
    assert recorder.ids[::2] == recorder.ids[1::2]
    assert len(set(recorder.ids)) == 3


def test_callbacks_may_be_given_beside_the_source_and_take_no_argument() -> None:
    events: List[Any] = []
    recorder = Recorder()
    model = rlmesh.Model(
        recorder,
        on_reset=lambda: events.append("reset"),
        on_episode_end=lambda episode_id, note="end": events.append((note, len(episode_id) > 0)),
        on_close=lambda: events.append("close"),
        artifacts=["unused"],
        load_kwargs={"unused": 1},
        trust_entrypoints=True,
    )
    model.run(Countdown(1))
    assert events == ["reset", ("end", True), "close"]
    assert recorder.events == ["predict"]


@pytest.mark.parametrize(
    ("failing", "at", "events"),
    [
        ("reset", 1, ["reset", "end", "close"]),
        ("predict", 2, ["reset", "predict", "predict", "end", "close"]),
        ("predict", 3, [*EPISODE, "reset", "predict", "end", "close"]),
        ("end", 1, [*EPISODE, "close"]),
        ("close", 1, [*EPISODE, *EPISODE, "close"]),
    ],
)
@pytest.mark.parametrize("where", ["here", "served"])
def test_the_other_callbacks_are_called_when_one_raises(
    failing: str, at: int, events: List[str], where: str
) -> None:
    recorder, env = Recorder(failing, at), Countdown(2)
    with contextlib.ExitStack() as stack:
        target = env if where == "here" else stack.enter_context(rlmesh.EnvServer(env))
        with pytest.raises(ArithmeticError, match=f"{failing} failed"):
            rlmesh.Model(recorder).run(target, max_episodes=2)
        assert recorder.events == events
        if where == "served":
            rlmesh.RemoteEnv(target.address).close()  # the env was given up


@pytest.mark.parametrize(
    ("fail_at", "events"),
    [(0, ["close"]), (2, ["reset", "predict", "predict", "end", "close"])],
)
def test_callbacks_when_the_env_raises(fail_at: int, events: List[str], serve: Servers) -> None:
    recorder = Recorder()
    with pytest.raises(ZeroDivisionError, match=f"no step {fail_at}"):
        rlmesh.Model(recorder).run(Countdown(fail_at=fail_at))
    assert recorder.events == events
    server, recorder = serve("envs:Countdown", kwargs={"fail_at": fail_at}), Recorder()
    with pytest.raises(EnvError, match=f"raised ZeroDivisionError: no step {fail_at}"):
        rlmesh.Model(recorder).run(server)
    assert recorder.events == events
    rlmesh.RemoteEnv(server.address).close()


def test_callbacks_when_a_result_is_not_wanted() -> None:
    recorder = Recorder()

    def refuse(result: rlmesh.EpisodeResult) -> None:
        raise KeyError(result.index)

    with pytest.raises(KeyError):
        rlmesh.Model(recorder).run(Countdown(2), max_episodes=2, on_result=refuse)
    assert recorder.events == [*EPISODE, "close"]


def test_callbacks_when_there_is_nothing_to_run(served_cartpole: str) -> None:
    recorder = Recorder()
    with pytest.raises(rlmesh.errors.AddressError):
        rlmesh.Model(recorder).run("no address")
    with rlmesh.RemoteEnv(served_cartpole), pytest.raises(Busy):
        rlmesh.Model(recorder).run(served_cartpole)
    with pytest.raises(rlmesh.errors.UnsupportedSpace):
        rlmesh.Model(recorder).run(SimpleNamespace(reset=int, step=int))
    with pytest.raises(rlmesh.errors.SecurityError):
        rlmesh.Model(recorder).run(served_cartpole, token="which this server does not ask for")
    assert recorder.events == ["close"] * 4


def test_results_are_handed_over_one_by_one() -> None:
    seen: List[Any] = []
    env = Countdown()
    result = rlmesh.Model(nothing).run(
        env,
        seeds=[3, 4],
        on_result=lambda episode: seen.append((episode, len(env.seeds))),
    )
    assert seen == [(result.episodes[0], 1), (result.episodes[1], 2)]


def test_an_env_object_is_closed_only_when_asked() -> None:
    env = Countdown()
    rlmesh.Model(nothing).run(env)
    assert env.closed == 0
    rlmesh.Model(nothing).run(env, close_env=True)
    assert env.closed == 1
    env.fail_at = 1
    with pytest.raises(ZeroDivisionError):
        rlmesh.Model(nothing).run(env, close_env=True)
    assert env.closed == 2


def test_a_remote_env_stays_open_and_a_dialed_one_is_given_up(served_cartpole: str) -> None:
    model = rlmesh.Model(nothing)
    with rlmesh.RemoteEnv(served_cartpole) as env:
        model.run(env)
        env.reset()
        model.run(env, close_env=True)
        with pytest.raises(rlmesh.errors.SessionLost, match="it was closed"):
            env.reset()
        for _ in range(3):
            model.run(served_cartpole)


@MODELS
def test_a_cap_on_the_steps_marks_the_episode_truncated(model: Any) -> None:
    def ends(env: Countdown, max_episode_steps: int) -> Any:
        (episode,) = model(nothing).run(env, max_episode_steps=max_episode_steps).episodes
        return episode.steps, episode.reward, episode.terminated, episode.truncated

    assert ends(Countdown(4), 3) == (3, 6.0, False, True)
    assert ends(Countdown(4), 4) == (4, 10.0, True, False)
    assert ends(Countdown(4), 5) == (4, 10.0, True, False)
    assert ends(Countdown(4, truncates=True), 5) == (4, 10.0, False, True)
    assert ends(Countdown(4, truncates=True), 4) == (4, 10.0, False, True)


def test_the_cap_is_100_000_steps_by_default() -> None:
    env = Countdown(length=0)  # counts past its end, forever
    (episode,) = rlmesh.Model(nothing).run(env).episodes
    assert (episode.steps, episode.terminated, episode.truncated) == (100_000, False, True)


@pytest.mark.parametrize(
    ("final_info", "success"),
    [
        ({}, None),
        ({"is_success": True}, True),
        ({"is_success": np.bool_(False)}, False),
        ({"success": np.bool_(True)}, True),
        ({"success": 1.0}, True),
        ({"success": np.array([True])}, True),
        ({"success": np.array([False])}, False),
        ({"success": np.array(False)}, False),
        ({"is_success": None, "success": 0}, False),
        ({"is_success": False, "success": True}, False),
        ({"other": True}, None),
    ],
)
@pytest.mark.parametrize("where", ["here", "served"])
def test_success_is_what_the_final_info_says(
    final_info: Dict[str, Any], success: Optional[bool], where: str
) -> None:
    env = Countdown(final_info=final_info)
    with rlmesh.EnvServer(env) as server:
        for model in (rlmesh.Model, rlmesh.numpy.Model):
            result = model(nothing).run(env if where == "here" else server)
            assert result.episodes[0].success is success
            assert result.success_rate == (None if success is None else float(success))


@MODELS
def test_a_success_that_is_no_flag_is_named(model: Any) -> None:
    env = Countdown(final_info={"success": np.array([True, False])})
    with pytest.raises(InvalidValue, match=r"info\['success'\]: expected a bool, 0 or 1, got"):
        model(nothing).run(env)


def test_times_add_up(served_cartpole: str) -> None:
    with cartpole() as env:
        for target in (env, served_cartpole):
            result = rlmesh.Model(act).run(target, seeds=range(5))
            for part in (*result.episodes, result):
                parts = (part.env_seconds, part.wire_seconds, part.predict_seconds)
                assert min(parts) > 0
                assert sum(parts) <= part.duration


@MODELS
def test_an_action_that_does_not_fit_names_itself(model: Any, served_cartpole: str) -> None:
    recorder_free = model(lambda observation: "left")
    for target in (Countdown(), served_cartpole):
        with pytest.raises(InvalidValue, match=r"action: expected an integer, got 'left' \(str\)"):
            recorder_free.run(target)
    rlmesh.RemoteEnv(served_cartpole).close()


def test_numpy_models_act_with_arrays_and_native_ones_with_numbers(serve: Servers) -> None:
    server = serve("envs:make", kwargs={"env_id": "HalfCheetah-v5"})
    actions = np.random.default_rng(0).uniform(-1, 1, (50, 6)).astype(np.float32)

    def policy(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
        remaining = iter(actions)
        return lambda observation: convert(next(remaining))

    arrays = rlmesh.numpy.Model(policy(lambda a: a)).run(server, seeds=[1], max_episode_steps=50)
    lists = rlmesh.Model(policy(lambda a: a.tolist())).run(server, seeds=[1], max_episode_steps=50)
    tensors = rlmesh.Model(policy(rlmesh.numpy.from_array)).run(
        server, seeds=[1], max_episode_steps=50
    )
    assert arrays == lists == tensors
    env = envs.make("HalfCheetah-v5")
    env.reset(seed=1)
    total = 0.0
    for action in actions:
        total += float(env.step(action)[1])
    assert arrays.total_reward == total
    env.close()
