"""Runs with several lanes: what they are, that nothing depends on them, and how they end."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time

import pytest
from countdown import Countdown

import rlmesh
from rlmesh import EnvServer, Model, ServeOptions
from rlmesh.errors import Busy, EnvError, ModelError

SEEDS = [7, 1, 12, 3, 5, 2, 9, 4, 8, 6, 11, 10]


class Batches:
    """Acts with 1 on odd counts, in batches whose sizes it writes down."""

    def __init__(self):
        self.sizes = []
        self.episodes = []
        self.ended = []
        self.closed = 0

    def predict_batch(self, observations, contexts):
        assert len(contexts) == len(observations)
        self.sizes.append(len(contexts))
        return [observation[0] % 2 for observation in observations]

    def reset(self, episode_id):
        self.episodes.append(episode_id)

    def on_episode_end(self, episode_id):
        self.ended.append(episode_id)

    def close(self):
        self.closed += 1


def alone(observation):
    return observation[0] % 2


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.fixture
def addresses(tmp_path):
    """Return a function that serves so many envs."""
    names = itertools.count()
    with contextlib.ExitStack() as stack:

        def serve(count):
            paths = [f"unix://{tmp_path}/{next(names)}" for _ in range(count)]
            servers = [EnvServer(Countdown(), path) for path in paths]
            return [stack.enter_context(server).address for server in servers]

        yield serve


@pytest.mark.parametrize("count", [2, 5, 8])
@pytest.mark.parametrize("source", [Batches, lambda: alone])
def test_the_result_does_not_depend_on_the_number_of_lanes(make_model, addresses, source, count):
    expected = Model(alone).run(Countdown(), seeds=SEEDS)
    result = make_model(source()).run(addresses(count), seeds=SEEDS)
    assert result == expected
    assert [episode.index for episode in result.episodes] == list(range(len(SEEDS)))
    assert result.timing.lanes == count


def test_envs_here_and_served_ones_are_lanes_alike(make_model, addresses):
    served = addresses(2)
    with rlmesh.RemoteEnv(served[0]) as env:
        result = make_model(Batches()).run([env, served[1], Countdown()], seeds=SEEDS)
        assert result == Model(alone).run(Countdown(), seeds=SEEDS)
        # What was lent is as it was.
        assert env.reset(seed=3)[0].tolist() == [3]
        assert env.step(0)[1:3] == (0.0, False)


def test_there_are_no_more_lanes_than_episodes(addresses):
    result = Model(alone).run(addresses(5), seeds=SEEDS[:2])
    assert result.timing.lanes == 2
    assert [episode.seed for episode in result.episodes] == SEEDS[:2]


def test_a_lane_that_has_finished_takes_the_next_episode(addresses):
    finished = []
    seeds = [99, *[1] * 10]
    Model(Batches()).run(addresses(2), seeds=seeds, on_result=lambda e: finished.append(e.index))
    # The long episode is the first to start and the last to end; the others went on beside it.
    assert finished == [*range(1, 11), 0]


def test_every_episode_starts_and_ends_once(make_model, addresses):
    source = Batches()
    make_model(source).run(addresses(4), seeds=SEEDS)
    assert len(set(source.episodes)) == len(SEEDS)
    assert sorted(source.ended) == sorted(source.episodes)


def test_lanes_share_forward_passes(addresses):
    source = Batches()
    result = Model(source).run(addresses(4), seeds=[20] * 8)
    assert sum(source.sizes) == result.total_steps == 160
    assert max(source.sizes) == 4
    assert result.timing.mean_batch_size == pytest.approx(160 / len(source.sizes))
    limited = Batches()
    Model(limited).run(addresses(4), seeds=[20] * 8, max_batch_size=3)
    assert max(limited.sizes) <= 3


@pytest.mark.parametrize("lanes", [1, 4])
def test_padded_batches_have_one_size(addresses, lanes):
    source = Batches()
    padded = {"max_batch_size": 6, "batch_padding": True}
    result = Model(source).run(addresses(lanes), seeds=SEEDS, **padded)
    assert set(source.sizes) == {6}
    assert result == Model(alone).run(Countdown(), seeds=SEEDS)
    assert result.timing.mean_batch_size <= lanes


def test_a_served_model_pads_as_its_options_say(addresses):
    source = Batches()
    options = ServeOptions(max_batch_size=5, batch_padding=True)
    with rlmesh.ModelServer(Model(source), options=options) as server:
        result = rlmesh.run(server.address, addresses(3), seeds=SEEDS)
        assert set(source.sizes) == {5}
        assert result == Model(alone).run(Countdown(), seeds=SEEDS)
        with pytest.raises(
            ValueError, match=r"a served model batches as its server's ServeOptions"
        ):
            rlmesh.run(server.address, addresses(1), batch_padding=True)


def test_an_error_of_predict_names_the_lane(addresses):
    class Fragile(Batches):
        def predict_batch(self, observations, contexts):
            if any(context.episode_seed == 12 and context.step == 3 for context in contexts):
                raise ArithmeticError("on purpose")
            return super().predict_batch(observations, contexts)

    source = Fragile()
    with rlmesh.ModelServer(Model(source)) as server, pytest.raises(
        ModelError, match=r"lane \d \(seed 12, step 3\): predict of the model at .* on purpose"
    ):
        rlmesh.run(server.address, addresses(4), seeds=SEEDS)
    source = Fragile()
    with pytest.raises(
        ModelError,
        match=r"predict raised ArithmeticError: on purpose; .* lane \d \(seed 12, step 3\)",
    ) as error:
        Model(source).run(addresses(4), seeds=SEEDS)
    assert isinstance(error.value.__cause__, ArithmeticError)
    assert error.value.inputs == {"observation": ("int64", (1,))}
    assert sorted(source.ended) == sorted(source.episodes)
    assert source.closed == 1


def test_an_error_of_one_batch_as_a_whole_names_its_lanes(addresses):
    class Alone(Batches):
        def predict_batch(self, observations, contexts):
            if len(contexts) > 1:
                raise ArithmeticError("too many")
            return super().predict_batch(observations, contexts)

    with pytest.raises(ModelError, match=r"lane 0 .*, lane 1 .*, together, though for none"):
        Model(Alone()).run(addresses(2), seeds=[30, 30])


def test_an_error_of_one_env_ends_the_others_episodes(make_model, addresses):
    class Broken(Countdown):
        def step(self, action):
            if self.count == 2:
                raise RuntimeError("stuck")
            return super().step(action)

    source = Batches()
    with EnvServer(Broken()) as broken, pytest.raises(EnvError, match="stuck"):
        make_model(source).run([*addresses(2), broken.address], seeds=[30, 30, 4])
    # A model's server may still have to end what it had just begun.
    wait_until(lambda: sorted(source.ended) == sorted(source.episodes))


def test_what_on_result_raises_ends_the_run(addresses):
    source = Batches()

    def stop(result):
        raise StopAsyncIteration("enough")

    with pytest.raises(StopAsyncIteration, match="enough"):
        Model(source).run(addresses(3), seeds=SEEDS, on_result=stop)
    assert sorted(source.ended) == sorted(source.episodes)


@pytest.mark.parametrize("served", [False, True])
def test_a_second_ctrl_c_ends_the_run_at_once_and_frees_the_envs(addresses, served):
    class Interrupted(Batches):
        def predict_batch(self, observations, contexts):
            if len(self.sizes) > 5:
                raise KeyboardInterrupt
            return super().predict_batch(observations, contexts)

        def on_episode_end(self, episode_id):
            raise KeyboardInterrupt

    lanes = addresses(3)
    if served:
        # The client is interrupted itself: the server of the model runs in this process, too.
        with rlmesh.ModelServer(Model(Batches())) as server, rlmesh.RemoteModel(
            server.address
        ) as model:
            times = iter(range(10**6))

            def interrupt(progress):
                if next(times) > 0:
                    raise KeyboardInterrupt

            with pytest.raises(KeyboardInterrupt):
                model.run(lanes, seeds=[50] * 9, progress=interrupt)
    else:
        with pytest.raises(KeyboardInterrupt):
            Model(Interrupted()).run(lanes, seeds=[50] * 9)
    for address in lanes:
        with rlmesh.RemoteEnv(address) as env:
            env.reset()


def test_an_env_that_is_held_is_an_error_that_frees_the_others(addresses):
    free, held = addresses(2)
    with rlmesh.RemoteEnv(held), pytest.raises(
        Busy, match="no env for each of 2 lanes: the env is held by another client"
    ):
        Model(alone).run([free, held], seeds=SEEDS)
    with rlmesh.RemoteEnv(free) as env:
        env.reset()


def test_a_restarted_server_costs_no_episode(tmp_path, addresses):
    address = f"unix://{tmp_path}/restarted"
    servers = [EnvServer(Countdown(), address).start()]

    def restart(result):
        if len(servers) == 1:
            servers.pop().shutdown()
            servers.extend([EnvServer(Countdown(), address).start(), None])

    lanes = [address, *addresses(2)]
    result = Model(Batches()).run(lanes, seeds=SEEDS * 3, on_result=restart)
    servers[0].shutdown()
    assert result == Model(alone).run(Countdown(), seeds=SEEDS * 3)


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"concurrency": 0}, ValueError, "at least one lane for each of the 2 envs, got 0"),
        ({"concurrency": 1}, ValueError, "at least one lane for each of the 2 envs, got 1"),
        ({"concurrency": "3"}, TypeError, "concurrency: expected an integer, got '3'"),
        ({"max_batch_size": 0}, ValueError, "max_batch_size: expected at least 1, got 0"),
        ({"max_wait": -1.0}, ValueError, "max_wait: expected at least 0, got -1.0"),
        ({"retries": -1}, ValueError, "retries: expected at least 0, got -1"),
        ({"concurrency": 3}, ValueError, "an env object is one lane"),
    ],
)
def test_wrong_arguments_are_errors_that_name_them(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        Model(alone).run([Countdown(), Countdown()], seeds=SEEDS, **arguments)


def test_no_env_at_all_is_an_error():
    with pytest.raises(ValueError, match="expected at least one env or address"):
        Model(alone).run([])


def test_two_runs_at_once_do_not_disturb_each_other(make_model, addresses):
    model, expected = make_model(Batches()), Model(alone).run(Countdown(), seeds=SEEDS)
    results = []
    threads = [
        threading.Thread(target=lambda some=some: results.append(model.run(some, seeds=SEEDS)))
        for some in (addresses(3), [Countdown(), Countdown()])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected, expected]


def test_a_slow_lane_does_not_hold_up_the_last_episodes(addresses):
    class Slow(Countdown):
        def step(self, action):
            time.sleep(0.02)
            return super().step(action)

    played = []

    class Recording(Slow):
        def reset(self, *, seed=None, options=None):
            played.append(seed)
            return super().reset(seed=seed, options=options)

    with EnvServer(Recording()) as slow:
        result = Model(alone).run([slow.address, *addresses(2)], seeds=[20] * 40)
    assert result == Model(alone).run(Countdown(), seeds=[20] * 40)
    # The others are through with the rest before it has finished its first.
    assert len(played) == 1
