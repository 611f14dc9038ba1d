"""Hooks that render the env of an event, wherever it is."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import pytest
from drawn import Drawn, DrawnVector, Fragile

import rlmesh
from rlmesh import EnvServer, Model, RemoteEnv, RunHooks
from rlmesh.errors import EnvError, InvalidValue, NotReset, RLMeshError

SEEDS = [4, 2, 3, 5, 1, 6]


class Draws(RunHooks):
    """Renders at every event, and keeps what it got with what it should be."""

    def __init__(self):
        self.frames = []
        self.errors = []
        self.event = None

    def on_episode_start(self, event):
        self.event = event
        assert event.render() == f"{event.observation[0]} (1)"

    def on_step(self, event):
        frame, expected = event.render(), f"{event.next_observation[0]} ({event.step + 2})"
        self.frames.append((frame, expected))
        assert frame == expected

    def on_episode_error(self, error, retried):
        self.errors.append((error.index, error.kind, retried))


MODEL = Model(lambda observation: 0)


@pytest.mark.parametrize("concurrency", [1, 3])
def test_the_env_of_the_event_is_rendered_over_an_address(concurrency):
    hooks = Draws()
    with EnvServer(Drawn) as server:
        result = MODEL.run(server, seeds=SEEDS, concurrency=concurrency, hooks=hooks)
    assert [episode.steps for episode in result.episodes] == SEEDS
    assert len(hooks.frames) == sum(SEEDS)


def test_so_is_an_env_object_or_a_client():
    hooks = Draws()
    MODEL.run(Drawn(), seeds=SEEDS, hooks=hooks)
    with EnvServer(Drawn()) as server, RemoteEnv(server.address) as env:
        MODEL.run(env, seeds=SEEDS, hooks=hooks)
    MODEL.run([Drawn(), Drawn()], seeds=SEEDS, hooks=hooks)
    assert len(hooks.frames) == 3 * sum(SEEDS)


@pytest.mark.parametrize("served", [False, True])
def test_sub_envs_are_refused_by_name(served):
    class Starts(RunHooks):
        def on_episode_start(self, event):
            event.render()

    class Steps(RunHooks):
        def on_step(self, event):
            event.render()

    server = EnvServer(DrawnVector()).start()
    target = server.address if served else DrawnVector()
    for hooks in (Starts(), Steps()):
        with pytest.raises(
            InvalidValue, match=r"render: this lane is sub-env [01] of 'DrawnVector'"
        ):
            MODEL.run(target, seeds=SEEDS, hooks=hooks)
    server.shutdown()


def test_events_are_rendered_while_hooks_are_told_of_them():
    hooks = Draws()
    MODEL.run(Drawn(), seeds=[2], hooks=hooks)
    with pytest.raises(NotReset, match="the run has gone on since this event"):
        hooks.event.render()


def test_events_stay_plain_data():
    hooks = Draws()
    MODEL.run(Drawn(), seeds=[2], hooks=hooks)
    event = hooks.event
    for twin in (copy.deepcopy(event), pickle.loads(pickle.dumps(event))):
        assert twin == event
        with pytest.raises(NotReset, match="comes from no run"):
            twin.render()
    assert [field.name for field in dataclasses.fields(event)] == list(dataclasses.asdict(event))
    with pytest.raises(NotReset, match="comes from no run"):
        dataclasses.replace(event, index=3).render()


@pytest.mark.parametrize("served", [False, True])
def test_what_rendering_raises_fails_the_episode_and_not_the_run(served):
    hooks, error = Draws(), "EnvError" if served else "ZeroDivisionError"
    if served:
        with EnvServer(Fragile) as server:
            result = MODEL.run(server, seeds=[1, 4, 1], hooks=hooks, on_error="record")
    else:
        result = MODEL.run(Fragile(), seeds=[1, 4, 1], hooks=hooks, on_error="record")
    assert [episode.index for episode in result.episodes] == [0, 2]
    assert hooks.errors == [(1, error, False)]


def test_a_hook_may_do_without():
    class Careful(RunHooks):
        def on_step(self, event):
            if event.next_observation[0] == Fragile.fails_at:
                with pytest.raises(EnvError, match="render .* raised ZeroDivisionError"):
                    event.render()

    with EnvServer(Fragile) as server:
        assert MODEL.run(server, seeds=[4], hooks=Careful()).total_steps == 4


def test_a_client_of_the_run_that_is_busy_is_no_deadlock():
    class Renders(RunHooks):
        def __init__(self, envs):
            self.envs, self.frames, self.refused = envs, 0, []

        def on_step(self, event):
            for env in self.envs:
                try:
                    self.frames += bool(env.render())
                except RLMeshError as exc:
                    self.refused.append(str(exc))

    server = EnvServer(Drawn)
    with server, RemoteEnv(server.address) as one, RemoteEnv(server.address) as other:
        hooks = Renders([one, other])
        MODEL.run([one, other], seeds=[9] * 6, hooks=hooks)
    assert hooks.frames + len(hooks.refused) == 2 * 54
    assert hooks.frames >= 54
    for sentence in hooks.refused:
        assert "render: a run has this env execute a" in sentence
        assert "event.render()" in sentence


def test_another_session_says_where_the_runs_own_is():
    class Dials(RunHooks):
        def on_step(self, event):
            with rlmesh.RemoteEnv(server.address) as env:
                env.render()

    with EnvServer(Drawn) as server, pytest.raises(
        NotReset, match=r"a hook of a run renders its env with event.render\(\)"
    ):
        MODEL.run(server, seeds=[2], hooks=Dials())
