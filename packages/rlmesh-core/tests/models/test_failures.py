"""Episodes that fail: played again, recorded or raised, and nothing that was finished is lost."""

from __future__ import annotations

import contextlib
import itertools
import signal
import time
import warnings

import pytest
from countdown import Countdown

import rlmesh
from rlmesh import EnvServer, Model, ModelServer
from rlmesh.adapters import AdapterBase
from rlmesh.errors import (
    ConnectionFailed,
    EnvCrashed,
    InvalidValue,
    ModelError,
    RequestTimeout,
    SessionLost,
)

SEEDS = [7, 1, 12, 3, 5, 2, 9, 4, 8, 6, 11, 10]
LANES = pytest.mark.parametrize("lanes", [1, 8])


def act(observation):
    return observation[0] % 2


class Batches:
    """Acts as `act`, in batches; raises for the seeds that it is given."""

    def __init__(self, *bad):
        self.bad = bad
        self.started = []
        self.ended = []

    def predict_batch(self, observations, contexts):
        if any(context.episode_seed in self.bad and context.step == 1 for context in contexts):
            raise ArithmeticError("on purpose")
        return [observation[0] % 2 for observation in observations]

    def reset(self, episode_id):
        self.started.append(episode_id)

    def on_episode_end(self, episode_id):
        self.ended.append(episode_id)


@pytest.fixture
def serve(tmp_path):
    """Return a function that serves so many envs."""
    names = itertools.count()
    with contextlib.ExitStack() as stack:

        def serve(count, make=Countdown):
            paths = [f"unix://{tmp_path}/env{next(names)}" for _ in range(count)]
            return [stack.enter_context(EnvServer(make(), path)).address for path in paths]

        yield serve


@pytest.fixture(scope="module")
def undisturbed():
    return {e.seed: e for e in Model(act).run(Countdown(), seeds=SEEDS).episodes}


def rewards(result):
    return {episode.seed: (episode.steps, episode.reward) for episode in result.episodes}


def all_but(undisturbed, *seeds):
    return {s: (e.steps, e.reward) for s, e in undisturbed.items() if s not in seeds}


@LANES
def test_what_predict_raises_is_recorded(make_model, serve, undisturbed, lanes):
    source = Batches(12, 8)
    result = make_model(source).run(serve(lanes), seeds=SEEDS, on_error="record")
    assert rewards(result) == all_but(undisturbed, 12, 8)
    assert [(e.index, e.seed, e.attempts) for e in result.errors] == [(2, 12, 1), (8, 8, 1)]
    here_alone = lanes == 1 and result.errors[0].kind == "ArithmeticError"
    assert here_alone or {error.kind for error in result.errors} == {"ModelError"}
    assert all("on purpose" in error.message for error in result.errors)
    assert sorted(source.started) == sorted(source.ended)
    assert len(source.started) == len(SEEDS)


@LANES
def test_what_an_env_raises_is_recorded(make_model, serve, undisturbed, lanes):
    class Broken(Countdown):
        def reset(self, *, seed=None, options=None):
            if seed == 3:
                raise RuntimeError("no scene")
            return super().reset(seed=seed, options=options)

        def step(self, action):
            if self.count == 10:
                raise RuntimeError("stuck")
            return super().step(action)

    result = make_model(act).run(serve(lanes, Broken), seeds=SEEDS, on_error="record")
    assert rewards(result) == all_but(undisturbed, 3, 10, 11, 12)
    assert [(e.seed, e.kind, e.attempts) for e in result.errors] == [
        (seed, "EnvError", 1) for seed in (12, 3, 11, 10)
    ]
    assert result.num_errors == 4


@LANES
def test_an_action_that_does_not_fit_is_recorded(make_model, serve, undisturbed, lanes):
    def wrong(observation):
        return "left" if observation[0] == 9 else act(observation)

    result = make_model(wrong).run(serve(lanes), seeds=SEEDS, on_error="record")
    assert rewards(result) == all_but(undisturbed, 9, 10, 11, 12)
    assert {error.kind for error in result.errors} == {"InvalidValue"}


@LANES
def test_an_error_has_what_was_finished(make_model, serve, lanes):
    source = Batches(12)
    finished = []
    with pytest.raises((ModelError, ArithmeticError), match="on purpose") as raised:
        make_model(source).run(
            serve(lanes), seeds=[2, 1, 2, 1, 1, 2, 1, 1, 12], on_result=finished.append
        )
    result = raised.value.run_result
    assert sorted(finished, key=lambda episode: episode.index) == list(result.episodes)
    assert len(result.episodes) >= 1
    assert [(error.index, error.seed) for error in result.errors] == [(8, 12)]


@LANES
@pytest.mark.parametrize("error", [KeyboardInterrupt, StopAsyncIteration, SessionLost])
def test_what_on_result_raises_ends_the_run_with_what_was_finished(serve, lanes, error):
    def stop(result):
        raise error("enough")

    with pytest.raises(error, match="enough") as raised:
        Model(act).run(serve(lanes), seeds=SEEDS, on_result=stop, on_error="record")
    result = raised.value.run_result
    assert (result.num_episodes, result.num_errors) == (1, 0)


@LANES
def test_ctrl_c_keeps_what_was_finished_and_frees_the_envs(make_model, serve, lanes):
    class Interrupts(rlmesh.RunHooks):
        steps = 0

        def on_step(self, event):
            self.steps += 1
            if self.steps == 40:
                signal.raise_signal(signal.SIGINT)

    addresses, source = serve(lanes), Batches()
    with pytest.raises(KeyboardInterrupt) as raised:
        make_model(source).run(
            addresses, seeds=[2] * 30, hooks=Interrupts(), on_error="record", retries=9
        )
    result = raised.value.run_result
    assert 0 < result.total_steps < 60
    assert result.errors == ()
    for address in addresses:
        rlmesh.RemoteEnv(address).close()


@LANES
def test_what_progress_raises_ends_the_run(serve, lanes):
    def stop(progress):
        if progress.result.episodes:
            raise SessionLost("enough")

    with pytest.raises(SessionLost, match="enough") as raised:
        Model(act).run(serve(lanes), seeds=SEEDS, progress=stop, on_error="record")
    assert raised.value.run_result.num_episodes == 1


@pytest.mark.parametrize("error", [EnvCrashed, RequestTimeout, SessionLost, ConnectionFailed])
@pytest.mark.parametrize("on_error", ["raise", "record"])
def test_an_episode_is_played_so_many_times(error, on_error):
    class Loses(Countdown):
        def step(self, action):
            if self.count == 2 and len(self.lost) < self.losses:
                self.lost.append(self.count)
                raise error("it is gone")
            return super().step(action)

    def run(losses, retries):
        Loses.losses, Loses.lost = losses, []
        return Model(act).run(Loses(), seeds=[1, 4, 1], retries=retries, on_error=on_error)

    expected = Model(act).run(Countdown(), seeds=[1, 4, 1])
    result = run(2, 2)
    assert result == expected
    assert [episode.attempts for episode in result.episodes] == [1, 3, 1]
    where = r"^lane 0, episode 1 \(seed 4, step 2\): it is gone$"
    if on_error == "raise":
        with pytest.raises(error, match=where) as raised:
            run(3, 2)
        result = raised.value.run_result
        assert result.episodes == expected.episodes[:1]
    else:
        result = run(3, 2)
        assert result.episodes == (expected.episodes[0], expected.episodes[2])
    (given_up,) = result.errors
    assert (given_up.index, given_up.seed, given_up.attempts) == (1, 4, 3)
    assert given_up.kind == error.__name__
    assert given_up.message == "lane 0, episode 1 (seed 4, step 2): it is gone"


@pytest.mark.parametrize("on_error", ["raise", "record"])
def test_what_a_dead_lane_leaves_is_played_by_the_others(
    make_model, serve, tmp_path, undisturbed, on_error
):
    addresses = serve(2)
    server = EnvServer(Countdown(), f"unix://{tmp_path}/dead").start()

    def kill(result):
        server.shutdown()

    env = rlmesh.RemoteEnv(server.address, connect_timeout=0.5)
    # The others may be through with everything before anybody has given lane 0 up.
    with env, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        result = make_model(Batches()).run(
            [env, *addresses],
            seeds=SEEDS * 3,
            on_result=kill,
            on_error=on_error,
            retries=2,
        )
    assert result.errors == ()
    assert rewards(result) == all_but(undisturbed)
    assert result.num_episodes == 3 * len(SEEDS)


def test_a_lane_that_has_paused_plays_what_another_cannot(make_model, serve, tmp_path, undisturbed):
    """The others have finished everything when the last episode of one is lost."""
    finished = []
    with EnvServer(Countdown(), f"unix://{tmp_path}/dead") as server:

        class Slow(Countdown):
            def step(self, action):
                if self.count == 12:
                    while len(finished) < 3:
                        time.sleep(0.001)
                    slow.shutdown()  # once this call is answered
                    raise SessionLost("gone")
                return super().step(action)

        source = Batches()
        hooks = Paused()
        with EnvServer(Slow(), f"unix://{tmp_path}/slow") as slow:
            env = rlmesh.RemoteEnv(slow.address, connect_timeout=0.5)
            with env, warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                result = make_model(source).run(
                    [env, server.address],
                    seeds=[12, 1, 2, 3],
                    on_result=finished.append,
                    hooks=hooks,
                )
    assert rewards(result) == {
        s: (undisturbed[s].steps, undisturbed[s].reward) for s in (12, 1, 2, 3)
    }
    # The last one is a lane that had nothing to do.
    *before, last = hooks.attempts
    assert sorted(before) == [(0, 0, 1), (1, 1, 1), (1, 2, 1), (1, 3, 1)]
    assert last == (1, 0, 2)


class Paused(rlmesh.RunHooks):
    def __init__(self):
        self.attempts = []

    def on_episode_start(self, event):
        self.attempts.append((event.lane, event.index, event.attempt))


@LANES
def test_when_no_lane_is_left_the_rest_is_recorded(make_model, tmp_path, lanes):
    class Endless(Countdown):
        def step(self, action):
            self.count += self.count > 1
            return super().step(action)

    servers = [EnvServer(Endless(), f"unix://{tmp_path}/env{i}").start() for i in range(lanes)]
    envs = [rlmesh.RemoteEnv(server.address, connect_timeout=0.5) for server in servers]

    def kill(result):
        for server in servers:
            server.shutdown()

    leaves = pytest.warns(UserWarning, match=r"lane \d leaves the run: no RLMesh server answered")
    with leaves if lanes > 1 else contextlib.nullcontext():
        result = make_model(act).run(
            envs, seeds=[1, *[40] * 20], on_result=kill, on_error="record", retries=1
        )
    assert [episode.index for episode in result.episodes] == [0]
    assert [error.index for error in result.errors] == list(range(1, 21))
    assert {error.seed for error in result.errors} == {40}
    *_, last = result.errors
    assert last.attempts == 0
    assert last.message.startswith("no lane is left to play it: no RLMesh server answered at unix:")
    assert "before that, lane " in last.message
    with pytest.raises(ConnectionFailed, match="no RLMesh server answered"):
        make_model(act).run(envs, seeds=[1, 2], on_error="raise", retries=1)


@LANES
@pytest.mark.parametrize("on_error", ["raise", "record"])
def test_a_model_server_that_is_replaced_costs_no_episode(serve, tmp_path, lanes, on_error):
    address = f"unix://{tmp_path}/model"
    servers = [ModelServer(Model(Batches()), address).start()]

    def restart(result):
        if len(servers) < 4:
            servers[-1].shutdown()
            servers.append(ModelServer(Model(Batches()), address).start())

    result = rlmesh.run(
        address, serve(lanes), seeds=SEEDS * 2, on_result=restart, on_error=on_error, retries=9
    )
    servers[-1].shutdown()
    assert result == Model(act).run(Countdown(), seeds=SEEDS * 2)
    assert len(servers) == 4


def test_another_model_at_the_same_address_is_an_error(serve, tmp_path):
    address = f"unix://{tmp_path}/model"
    servers = [ModelServer(Model(act), address).start()]

    class EveryStep(AdapterBase):
        needs_every_step = True

        def transform_obs(self, observation):
            return observation

        def transform_action(self, output):
            return output

    def replace(result):
        servers.pop().shutdown()
        servers.append(ModelServer(Model(act, spec=EveryStep()), address).start())

    with pytest.raises(SessionLost, match=f"{address} came back with another model") as raised:
        rlmesh.run(address, serve(1), seeds=[2, 3], on_result=replace)
    servers.pop().shutdown()
    assert raised.value.run_result.num_episodes == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"on_error": "ignore"}, "on_error: expected 'raise' or 'record', got 'ignore'"),
        ({"max_episode_seconds": 0}, "max_episode_seconds: expected a positive number, got 0"),
    ],
)
def test_wrong_arguments_are_errors_that_name_them(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        Model(act).run(Countdown(), **arguments)


class Ticking(Countdown):
    """An env whose third step takes a while."""

    def step(self, action):
        if self.count == 7:
            time.sleep(0.05)
        return super().step(action)


@LANES
def test_an_episode_is_cut_off_after_so_many_seconds(make_model, serve, lanes):
    result = make_model(act).run(serve(lanes, Ticking), seeds=[9] * 8, max_episode_seconds=0.05)
    for episode in result.episodes:
        assert (episode.terminated, episode.truncated, episode.timed_out) == (False, True, True)
        assert episode.steps <= 3
    unhurried = make_model(act).run(serve(lanes), seeds=[9] * 8, max_episode_seconds=1e6)
    assert unhurried == Model(act).run(Countdown(), seeds=[9] * 8)
    capped = make_model(act).run(serve(1), seeds=[9], max_episode_steps=1, max_episode_seconds=1e-9)
    assert (capped.episodes[0].truncated, capped.episodes[0].timed_out) == (True, False)


def test_a_session_has_no_limit_of_time_and_raises():
    with Model(act).session(Countdown()) as session:
        session.reset(seed=1)
        with pytest.raises(InvalidValue):
            session.step("left")
