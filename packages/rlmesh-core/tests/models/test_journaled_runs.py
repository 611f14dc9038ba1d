"""Runs with a journal: whatever ends one, the same call goes on with it."""

from __future__ import annotations

import contextlib

import pytest
from countdown import Countdown
from disks import files_of_at_most

import rlmesh
from rlmesh import DELEGATED, EnvServer, Model, RunResult
from rlmesh.adapters import AdapterBase
from rlmesh.errors import JournalError
from rlmesh.spaces import Box

SEEDS = [7, 1, 12, 3, 5, 2, 9, 4]


def odd(observation):
    return observation[0] % 2


def even(observation):
    return 1 - observation[0] % 2


class Chunks:
    def predict_chunk(self, observation):
        return [observation[0] % 2, 0, 1]


class Stop(Exception):
    """Ends a run that was going well."""


class Slow(Countdown):
    """Another env of the same spaces."""


def stop_at(count):
    """Return an `on_result` that ends the run at this episode, and the list of those before."""
    seen = []

    def on_result(result):
        if len(seen) == count:
            raise Stop
        seen.append(result.index)

    return on_result, seen


def lines(path, kind="episode"):
    return path.read_bytes().count(b'{"%s": ' % kind.encode())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.jsonl"


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_run_that_was_ended_goes_on_to_the_same_result(make_model, path, tmp_path, concurrency):
    seeds = range(3, 23)
    undisturbed = make_model(odd).run(Countdown(), seeds=seeds)
    with EnvServer(Countdown, f"unix://{tmp_path}/env") as server:
        for count in (0, 3, 1):
            on_result, seen = stop_at(count)
            with pytest.raises(Stop):
                make_model(odd).run(
                    server,
                    seeds=seeds,
                    concurrency=concurrency,
                    on_result=on_result,
                    journal=path,
                )
            # The one that `on_result` choked on is in the journal, too.
            assert len(seen) == count
        # With several lanes, so is what each of the others finished before it heard of it.
        played = lines(path)
        assert 7 <= played <= 7 + 3 * (concurrency - 1)
        result = make_model(odd).run(server, seeds=seeds, concurrency=concurrency, journal=path)
    assert result == undisturbed
    assert lines(path) == len(seeds)
    assert RunResult.load(path) == result
    assert RunResult.load(path).metadata == result.metadata
    assert RunResult.load(path).timing == result.timing
    # If the calls that were ended had played all of them, nobody has measured the run.
    assert (result.timing is None) == (played == len(seeds))


def test_nobody_is_told_of_another_episode_after_on_result_has_raised(make_model, tmp_path):
    calls = []

    def on_result(result):
        calls.append(result.index)
        raise Stop

    with EnvServer(Countdown, f"unix://{tmp_path}/env") as server:
        for _ in range(3):
            with pytest.raises(Stop):
                make_model(odd).run(server, seeds=[3] * 8, concurrency=4, on_result=on_result)
    assert len(calls) == 3


def test_a_run_that_is_complete_is_not_played_again(path):
    first = Model(odd).run(Countdown(), seeds=SEEDS, journal=path)
    before, env, seen = path.read_bytes(), Countdown(), []
    again = rlmesh.run(Model(odd), env, seeds=SEEDS, journal=str(path), on_result=seen.append)
    assert again == first
    assert again.timing == first.timing
    assert (env.log, seen, path.read_bytes()) == ([], [], before)


def test_a_run_that_was_ended_after_its_last_episode_has_no_timing(path):
    on_result, seen = stop_at(len(SEEDS) - 1)
    with pytest.raises(Stop):
        Model(odd).run(Countdown(), seeds=SEEDS, on_result=on_result, journal=path)
    assert (len(seen), lines(path), lines(path, "metadata")) == (len(SEEDS) - 1, len(SEEDS), 0)
    for _ in range(2):
        result = Model(odd).run(Countdown(), seeds=SEEDS, journal=path)
        assert result == RunResult.load(path)
        assert (result.timing, RunResult.load(path).timing) == (None, None)


def test_a_run_here_goes_on_with_a_served_model_and_elsewhere(path, tmp_path):
    on_result, _ = stop_at(3)
    with pytest.raises(Stop):
        Model(odd).run(Countdown(), seeds=SEEDS, on_result=on_result, journal=path)
    with EnvServer(Countdown, f"unix://{tmp_path}/env") as server, rlmesh.ModelServer(
        Model(odd), f"unix://{tmp_path}/model"
    ) as model:
        result = rlmesh.run(model.address, server, seeds=SEEDS, concurrency=2, journal=path)
    assert result == Model(odd).run(Countdown(), seeds=SEEDS)


def test_each_episode_is_on_the_disk_before_anybody_hears_of_it(path):
    written = []
    Model(odd).run(
        Countdown(),
        seeds=SEEDS,
        journal=path,
        on_result=lambda result: written.append(RunResult.load(path).episodes[-1] == result),
    )
    assert written == [True] * len(SEEDS)


def test_progress_counts_what_was_finished_before(path):
    on_result, _ = stop_at(3)
    with pytest.raises(Stop):
        Model(odd).run(Countdown(), seeds=SEEDS, on_result=on_result, journal=path)
    shown = []
    Model(odd).run(Countdown(), seeds=SEEDS, journal=path, progress=shown.append)
    # The fourth was written before `on_result` raised.
    assert shown[0].result.num_episodes in (4, 5)
    assert (shown[-1].result.num_episodes, shown[-1].total) == (8, 8)


def test_unseeded_episodes_are_played_once(path):
    on_result, _ = stop_at(1)
    with pytest.raises(Stop):
        Model(odd).run(Countdown(), seeds=[3], max_episodes=4, on_result=on_result, journal=path)
    result = Model(odd).run(Countdown(), seeds=[3], max_episodes=4, journal=path)
    assert [one.seed for one in result.episodes] == [3, None, None, None]
    assert lines(path) == 4


CHANGES = {
    "seeds: the journal has 0..9 (10), this run 0..11 (12)": {"seeds": range(12)},
    "seeds: the journal has 0..9 (10), this run 0..9, 2 x None (12)": {"max_episodes": 12},
    "options.execution_horizon: the journal has 1, this run 2": {"execution_horizon": 2},
    "options.max_episode_steps: the journal has 100000, this run 50": {"max_episode_steps": 50},
    'options.instruction: the journal has null, this run "go"': {"instruction": "go"},
    "model.batch_padding: the journal has 0, this run 32": {"batch_padding": True},
}


@pytest.mark.parametrize("line", CHANGES)
def test_a_call_that_differs_is_refused(path, line):
    given = {"seeds": range(10), **CHANGES[line]}
    model = Model(Chunks(), spec=DELEGATED)

    class Ready(Countdown):
        def reset(self, *, seed=None, options=None):
            return super().reset(seed=(seed or 0) + 1)

    model.run(Ready(), seeds=range(10), journal=path)
    before, env = path.read_bytes(), Ready()
    with pytest.raises(JournalError, match="this is the journal of another run") as caught:
        model.run(env, journal=path, **given)
    assert str(caught.value).split("\n  ")[1:] == [line]
    assert (env.log, path.read_bytes()) == ([], before)


def test_another_model_is_refused(make_model, path):
    make_model(odd).run(Countdown(), seeds=SEEDS, journal=path)
    with pytest.raises(JournalError, match='model.name: the journal has "odd", this run "even"'):
        make_model(even).run(Countdown(), seeds=SEEDS, journal=path)
    with pytest.raises(
        JournalError, match='model.spec: the journal has null, this run "DELEGATED"'
    ):
        make_model(odd, spec=DELEGATED).run(Countdown(), seeds=SEEDS, journal=path)

    class ByHand(AdapterBase):
        def transform_obs(self, observation):
            return observation

        def transform_action(self, output):
            return output

    with pytest.raises(JournalError, match=r'model.spec: .*this run {"adapter": ".*:test_'):
        make_model(odd, spec=ByHand()).run(Countdown(), seeds=SEEDS, journal=path)


def test_another_env_is_refused_and_what_a_machine_has_to_say_does_not_count(path):
    Model(odd).run(Countdown(), seeds=SEEDS, journal=path)
    with pytest.raises(JournalError, match='env.env_id: the journal has "Countdown", this run'):
        Model(odd).run(Slow(), seeds=SEEDS, journal=path)
    env = Countdown()
    env.observation_space = Box(0, 101, (1,), "int64")
    with pytest.raises(
        JournalError, match="env.observation_space.high: the journal has 100, this run 101"
    ):
        Model(odd).run(env, seeds=SEEDS, journal=path)
    env = Countdown()
    env.metadata = {"scene": "/home/somebody/scene.xml", "render_fps": 3}
    Model(odd).run(env, seeds=SEEDS, journal=path)


def test_several_kinds_of_envs_are_compared_whatever_their_order(path):
    first = Model(odd).run([Countdown(), Slow()], seeds=SEEDS, journal=path)
    again = Model(odd).run([Slow(), Countdown(), Slow()], seeds=SEEDS, journal=path)
    assert again == first
    with pytest.raises(JournalError, match="env: the journal has"):
        Model(odd).run(Countdown(), seeds=SEEDS, journal=path)


def test_what_can_be_known_is_refused_before_anything_is_dialed(path, tmp_path):
    nobody = f"unix://{tmp_path}/nobody"
    path.write_text("somebody's notes")
    for journal, says in (
        (path, "another file"),
        (tmp_path, "Is a directory"),
        (tmp_path / "no" / "such", "No such file"),
    ):
        with pytest.raises(JournalError, match=says):
            Model(odd).run(nobody, seeds=SEEDS, journal=journal)
    assert path.read_text() == "somebody's notes"
    with pytest.raises(TypeError, match="journal: expected a path"):
        Model(odd).run(nobody, seeds=SEEDS, journal=3)


def test_a_journal_is_free_again_after_a_run_that_did_not_begin(path):
    with pytest.raises(TypeError):
        Model(odd).run(object(), seeds=SEEDS, journal=path)
    assert path.read_bytes() == b""
    assert Model(odd).run(Countdown(), seeds=SEEDS, journal=path).num_episodes == 8


def test_two_runs_at_once_are_refused(path):
    def nested(result):
        with pytest.raises(JournalError, match=r"run\.jsonl: another run is writing this journal"):
            Model(odd).run(Countdown(), seeds=SEEDS, journal=path)

    Model(odd).run(Countdown(), seeds=SEEDS, on_result=nested, journal=path)
    assert lines(path) == len(SEEDS)


def test_a_full_disk_ends_the_run_with_all_that_was_finished(path):
    undisturbed = Model(odd).run(Countdown(), seeds=SEEDS)
    seen = []
    with contextlib.ExitStack() as stack:

        def fill_up(result):
            seen.append(result.index)
            if len(seen) == 3:
                stack.enter_context(files_of_at_most(path.stat().st_size + 10))

        with pytest.raises(JournalError, match=r"run\.jsonl: cannot be written") as caught:
            Model(odd).run(Countdown(), seeds=SEEDS, on_result=fill_up, journal=path)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.run_result.episodes == undisturbed.episodes[:4]
    assert caught.value.run_result.metadata == undisturbed.metadata
    assert (seen, lines(path)) == ([0, 1, 2], 3)
    assert Model(odd).run(Countdown(), seeds=SEEDS, journal=path) == undisturbed


def test_a_disk_that_is_full_already_is_found_before_the_first_episode(path):
    env = Countdown()
    with files_of_at_most(10), pytest.raises(JournalError, match="cannot be written"):
        Model(odd).run(env, seeds=SEEDS, journal=path)
    assert env.log == []


def test_merging_is_the_way_to_more_seeds(path, tmp_path):
    Model(odd).run(Countdown(), seeds=range(1, 5), journal=path)
    more = Model(odd).run(Countdown(), seeds=range(5, 9), journal=tmp_path / "more.jsonl")
    merged = RunResult.load(path).merge(more)
    assert merged == Model(odd).run(Countdown(), seeds=range(1, 9))
    # And what was saved can be taken up by a run of all of them.
    merged.save(path)
    env = Countdown()
    assert Model(odd).run(env, seeds=range(1, 9), journal=path) == merged
    assert env.log == []
    with pytest.raises(ValueError, match="options.max_episode_steps"):
        merged.merge(Model(odd).run(Countdown(), seeds=[20], max_episode_steps=30))
