"""What hooks are told of a run, wherever model and envs are, and what happens when they raise."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools

import pytest
from countdown import Countdown

import rlmesh
from rlmesh import EnvServer, Model, RunHooks
from rlmesh._models.remote import RemoteModelBase
from rlmesh.backends import NativeBackend
from rlmesh.errors import EnvError, SessionLost

SEEDS = [4, 2, 3, 5, 1, 6, 3, 2, 4, 5]
NAMES = [name for name in vars(RunHooks) if name.startswith("on_")]


def act(observation):
    return observation[0] % 2


class Recorder(RunHooks):
    """Keeps all events of each attempt of an episode, apart."""

    def __init__(self):
        self.log = []
        self.episodes = {}
        self.results = []

    def on_run_start(self, event):
        self.log.append(("run", event.lanes, event.total, len(event.contracts)))

    def on_episode_start(self, event):
        assert (event.index, event.attempt) not in self.episodes
        self.episodes[event.index, event.attempt] = [event]

    def on_step(self, event):
        self.episodes[event.index, event.attempt].append(event)

    def on_episode_end(self, result):
        self.episodes[result.index, result.attempts].append(result)

    def on_episode_error(self, error, retried):
        self.log.append((error.index, error.kind, error.attempts, retried))

    def on_run_end(self, result):
        self.results.append(result)


@pytest.fixture
def serve(tmp_path):
    """Return a function that serves so many envs."""
    names = itertools.count()
    with contextlib.ExitStack() as stack:

        def serve(count, make=Countdown):
            paths = [f"unix://{tmp_path}/env{next(names)}" for _ in range(count)]
            servers = [stack.enter_context(EnvServer(make(), path)) for path in paths]
            return [server.address for server in servers]

        yield serve


LANES = pytest.mark.parametrize("lanes", [1, 8])


@LANES
def test_a_recorder_gets_every_episode_whole(make_model, serve, lanes):
    recorder = Recorder()
    result = make_model(act).run(serve(lanes), seeds=SEEDS, hooks=recorder)
    assert result == Model(act).run(Countdown(), seeds=SEEDS)
    assert recorder.log == [("run", lanes, len(SEEDS), lanes)]
    assert recorder.results == [result]
    assert recorder.results[0].timing == result.timing
    for index, seed in enumerate(SEEDS):
        start, *steps, end = recorder.episodes.pop((index, 1))
        assert end == result.episodes[index]
        assert (start.seed, start.observation.tolist(), start.info) == (seed, [seed], {})
        counts = list(range(seed, 0, -1))
        assert [one.observation.tolist() for one in steps] == [[count] for count in counts]
        assert [one.next_observation.tolist() for one in steps] == [[c - 1] for c in counts]
        assert [one.action for one in steps] == [count % 2 for count in counts]
        assert [one.reward for one in steps] == [count % 2 * count for count in counts]
        assert [one.step for one in steps] == list(range(seed))
        assert [one.terminated for one in steps] == [count == 1 for count in counts]
        assert {one.lane for one in steps} == {start.lane}
        assert steps[-1].info == {"is_success": True}
        with pytest.raises(dataclasses.FrozenInstanceError):
            start.seed = 0
        with pytest.raises(dataclasses.FrozenInstanceError):
            steps[0].reward = 0.0
    assert recorder.episodes == {}


def test_steps_know_of_the_limits_of_the_run(make_model):
    recorder = Recorder()
    make_model(act).run(Countdown(), seeds=[9], max_episode_steps=2, hooks=[recorder])
    _, *steps, end = recorder.episodes[0, 1]
    assert [(one.terminated, one.truncated) for one in steps] == [(False, False), (False, True)]
    assert end.truncated


def test_several_hooks_are_told_one_after_the_other():
    log = []

    class Named(RunHooks):
        def __init__(self, name):
            self.name = name

        def on_run_start(self, event):
            log.append((self.name, "start"))

        def on_run_end(self, result):
            log.append((self.name, "end"))

    Model(act).run(Countdown(), hooks=(Named("a"), Named("b")))
    assert log == [("a", "start"), ("b", "start"), ("a", "end"), ("b", "end")]


@pytest.mark.parametrize("name", NAMES)
def test_only_hooks_that_look_at_values_have_a_served_models_values_decoded(name, serve):
    class Counting(NativeBackend):
        used = 0

        def importer(self, dtype, shape, device=None):
            self.used += 1
            return super().importer(dtype, shape, device)

    class Remote(RemoteModelBase):
        _backend = Counting()

    told = []
    hooks = type("Hooks", (RunHooks,), {name: lambda self, *event: told.append(event)})()
    with rlmesh.ModelServer(Model(act)) as server, Remote(server.address) as model:
        model.run(serve(1), seeds=[5], hooks=hooks)
    assert bool(Remote._backend.used) == (name in ("on_episode_start", "on_step"))
    assert bool(told) == (name != "on_episode_error")


@LANES
@pytest.mark.parametrize("name", NAMES)
def test_what_a_hook_raises_ends_the_run(make_model, serve, name, lanes):
    # An error that an episode would be played again for.
    error = SessionLost("the disk is full")

    def fail(self, *event):
        raise error

    class Failing(Countdown):
        def step(self, action):
            if self.count == 3 and name == "on_episode_error":
                raise ArithmeticError("on purpose")
            return super().step(action)

    hooks = type("Hooks", (RunHooks,), {name: fail})()
    addresses = serve(lanes, Failing)
    with pytest.raises(SessionLost, match="^the disk is full$") as raised:
        make_model(act).run(addresses, seeds=[2, *SEEDS], hooks=hooks, on_error="record")
    assert raised.value is error
    count = raised.value.run_result.num_episodes
    if name in ("on_run_start", "on_episode_start", "on_step"):
        assert count == 0
    elif name == "on_run_end":
        assert count == len(SEEDS) + 1
    else:
        assert count <= len(SEEDS)
    for address in addresses:
        rlmesh.RemoteEnv(address).close()


def test_a_run_that_an_error_ends_is_told_to_have_ended():
    class Stuck(Countdown):
        def step(self, action):
            if self.count == 7:
                raise ArithmeticError("stuck")
            return super().step(action)

    recorder = Recorder()
    with pytest.raises(ArithmeticError, match="stuck") as raised:
        Model(act).run(Stuck(), seeds=[3, 8, 2], hooks=recorder)
    (result,) = recorder.results
    assert result == raised.value.run_result
    assert [episode.seed for episode in result.episodes] == [3]
    assert [error.seed for error in result.errors] == [8]
    assert recorder.log[1:] == [(1, "ArithmeticError", 1, False)]


@LANES
def test_hooks_are_told_of_attempts(make_model, lanes):
    lost = []

    class Loses(Countdown):
        def step(self, action):
            if self.count == 2 and len(lost) < 3:
                lost.append(self.count)
                raise SessionLost("gone")
            return super().step(action)

    recorder = Recorder()
    envs = [Loses() for _ in range(lanes)]
    result = make_model(act).run(envs, seeds=[2, *[1] * 7], hooks=recorder, on_error="record")
    assert recorder.log[1:] == [(0, "SessionLost", attempt, True) for attempt in (1, 2, 3)]
    assert [len(recorder.episodes[0, attempt]) for attempt in (1, 2, 3, 4)] == [1, 1, 1, 4]
    assert result.episodes[0].attempts == 4
    assert result.errors == ()


@pytest.mark.parametrize("hooks", [3, Recorder, [Recorder(), None]])
def test_what_is_no_hook_is_named(hooks):
    with pytest.raises(TypeError, match="hooks: expected RunHooks, or a sequence of them, got"):
        Model(act).run(Countdown(), hooks=hooks)


def test_hooks_that_look_and_pushdown_exclude_each_other():
    with pytest.raises(ValueError, match=r"^pushdown: hooks with on_episode_start or on_step"):
        Model(act).run(Countdown(), hooks=Recorder(), pushdown="images")


def test_an_env_error_is_told_once(serve):
    class Broken(Countdown):
        def step(self, action):
            raise RuntimeError("stuck")

    recorder = Recorder()
    with pytest.raises(EnvError):
        Model(act).run(serve(1, Broken), seeds=[1, 2], hooks=recorder)
    assert recorder.log[1:] == [(0, "EnvError", 1, False)]
