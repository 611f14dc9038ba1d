"""Runs that another thread ends, or the task that awaits them."""

from __future__ import annotations

import asyncio
import threading

import pytest
from countdown import Countdown

import rlmesh
from rlmesh import EnvServer, Model, ModelServer, RunHooks
from rlmesh.errors import RunCancelled
from rlmesh.spaces import Discrete

LONG = 1000
PATIENCE = 60


class Forever:
    """Never ends; says when it was stepped, and holds a step up while it may not go on."""

    def __init__(self, go_on=None):
        self.observation_space = Discrete(LONG)
        self.action_space = Discrete(2)
        self.inside = threading.Event()
        self.go_on = go_on or threading.Event()
        self.steps = 0
        if go_on is None:
            self.go_on.set()

    def reset(self, *, seed=None, options=None):
        return 0, {}

    def step(self, action):
        self.steps += 1
        self.inside.set()
        assert self.go_on.wait(PATIENCE)
        return 0, 1.0, False, False, {}


def one(observation):
    return 1


class Ended(RunHooks):
    """Notes with what a run ended."""

    def __init__(self):
        self.results = []

    def on_run_end(self, result):
        self.results.append(result)


class Setting(RunHooks):
    """Sets an event once so many episodes are finished."""

    def __init__(self, event, count):
        self.event, self.count = event, count

    def on_episode_end(self, result):
        self.count -= 1
        if self.count == 0:
            self.event.set()


@pytest.fixture(params=["env", "served env", "served model", "lanes", "served lanes", "both"])
def play(request, tmp_path):
    """Return a function that runs in an env of this kind, and the envs."""
    envs = [Forever(), Forever()]
    servers = [EnvServer(env, f"unix://{tmp_path}/env{i}") for i, env in enumerate(envs)]
    model = Model(one)
    model_server = ModelServer(Model(one), f"unix://{tmp_path}/model")
    with servers[0], servers[1], model_server:
        kind = request.param
        target = servers if kind in ("served lanes", "both") else envs if kind == "lanes" else None
        if target is None:
            target = servers[0] if "env" in kind[3:] else envs[0]
        name = model_server.address if kind in ("served model", "both") else model

        def run(**options):
            return rlmesh.run(name, target, **options)

        run.model, run.target, run.envs, run.servers = name, target, envs, servers
        yield run
        for server in servers:
            with rlmesh.RemoteEnv(server.address) as env:  # given up by the run
                env.reset()


def test_an_event_ends_a_run_between_two_steps(play):
    cancel, ended, errors = threading.Event(), Ended(), []

    def evaluate():
        try:
            play(seeds=range(4), cancel=cancel, hooks=[ended])
        except BaseException as exc:
            errors.append(exc)

    thread = threading.Thread(target=evaluate)
    thread.start()
    assert play.envs[0].inside.wait(PATIENCE)
    cancel.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    (error,) = errors
    assert type(error) is RunCancelled
    assert str(error) == "the run was cancelled"
    assert error.run_result.episodes == ()
    assert len(ended.results) == 1


def test_cancelling_a_task_ends_its_run(play):
    ended = Ended()

    async def main():
        task = asyncio.ensure_future(
            rlmesh.run_async(play.model, play.target, seeds=range(4), hooks=ended)
        )
        assert await asyncio.get_running_loop().run_in_executor(
            None, play.envs[0].inside.wait, PATIENCE
        )
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    # It has ended by then, and not only been left to itself.
    assert len(ended.results) == 1


def test_a_run_that_waits_for_a_server_is_ended_at_once(tmp_path):
    go_on = threading.Event()
    stuck = Forever(go_on)
    errors, cancel = [], threading.Event()
    with EnvServer(stuck, f"unix://{tmp_path}/s") as server:

        def evaluate():
            try:
                Model(one).run(server.address, seeds=[0], cancel=cancel)
            except BaseException as exc:
                errors.append(exc)

        thread = threading.Thread(target=evaluate)
        thread.start()
        try:
            assert stuck.inside.wait(PATIENCE)
            cancel.set()
            thread.join(PATIENCE)
            assert [type(error) for error in errors] == [RunCancelled]
            assert not go_on.is_set()
        finally:
            go_on.set()
        with rlmesh.RemoteEnv(server.address, busy_timeout=PATIENCE) as env:
            env.reset()


def test_a_run_that_looks_for_a_server_is_ended_at_once(tmp_path):
    cancel = threading.Event()
    cancel.set()
    for envs in (f"unix://{tmp_path}/nobody", [f"unix://{tmp_path}/a", f"unix://{tmp_path}/b"]):
        with pytest.raises(RunCancelled):
            Model(one).run(envs, seeds=[0, 1], cancel=cancel)


@pytest.mark.parametrize("model", ["here", "served"])
def test_a_task_that_looks_for_a_server_is_ended_at_once(tmp_path, model):
    nobody = f"unix://{tmp_path}/nobody"

    async def main():
        pair = (nobody, Countdown()) if model == "served" else (Model(one), nobody)
        task = asyncio.ensure_future(rlmesh.run_async(*pair, seeds=[0], connect_timeout=LONG))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, PATIENCE)

    asyncio.run(main())


@pytest.mark.parametrize("lanes", [1, 3])
def test_the_journal_has_what_was_finished_and_the_run_goes_on_from_it(tmp_path, lanes):
    cancel, path = threading.Event(), tmp_path / "run.jsonl"
    seeds = [5, 2, 4, 3, 6, 1]
    model, envs = Model(one), [Countdown() for _ in range(lanes)]
    with pytest.raises(RunCancelled) as caught:
        model.run(envs, seeds=seeds, cancel=cancel, journal=path, hooks=Setting(cancel, 2))
    done = caught.value.run_result
    assert len(done.episodes) == 2
    again = []
    result = model.run(envs, seeds=seeds, journal=path, on_result=again.append)
    assert len(again) == 4
    assert result == model.run(Countdown(), seeds=seeds)


def test_a_cancelled_task_has_what_its_run_had_finished(tmp_path):
    async def main():
        finished = asyncio.Event()
        loop = asyncio.get_running_loop()

        def tell(result):
            loop.call_soon_threadsafe(finished.set)

        task = asyncio.ensure_future(
            Model(one).run_async(Countdown(), seeds=[1] * 100_000, on_result=tell)
        )
        await finished.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        # Which of the exceptions arrives is asyncio's choice before Python 3.11.
        return caught.value

    error = asyncio.run(main())
    if hasattr(error, "run_result"):
        assert 0 < len(error.run_result.episodes) < 100_000


def test_run_async_returns_and_raises_what_run_does():
    async def main():
        runs = [Model(one).run_async(Countdown(), seeds=[3, 2]) for _ in range(8)]
        results = await asyncio.gather(*runs)
        with pytest.raises(ValueError, match="concurrency: an env object is one lane"):
            await rlmesh.run_async(Model(one), Countdown(), concurrency=2, max_episodes=2)
        with pytest.raises(TypeError, match="cancel: expected none for run_async"):
            await Model(one).run_async(Countdown(), cancel=threading.Event())
        return results

    assert asyncio.run(main()) == [Model(one).run(Countdown(), seeds=[3, 2])] * 8


def test_an_event_that_is_never_set_changes_nothing(tmp_path):
    expected = Model(one).run(Countdown(), seeds=[3, 2])
    cancel = threading.Event()
    with EnvServer(Countdown(), f"unix://{tmp_path}/s") as server:
        for env in (Countdown(), server, [Countdown(), Countdown()]):
            assert Model(one).run(env, seeds=[3, 2], cancel=cancel) == expected
    with pytest.raises(TypeError, match=r"cancel: expected a threading.Event or None, got True"):
        Model(one).run(Countdown(), cancel=True)


def test_a_worker_that_runs_for_ever_returns_when_it_is_cancelled(tmp_path):
    cancel, results = threading.Event(), []

    def tell(result):
        results.append(result)
        if len(results) == 3:
            cancel.set()

    with EnvServer(Countdown(), f"unix://{tmp_path}/s") as server:
        Model(one).run_local(server.address, on_result=tell, cancel=cancel)
        assert len(results) == 3
        with pytest.raises(RunCancelled):
            Model(one).run_local_for_episodes(server.address, max_episodes=2, cancel=cancel)
