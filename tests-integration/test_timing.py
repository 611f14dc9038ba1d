"""Where the time of episodes goes: each second to what it was spent on, in every kind of run."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any, Callable, Dict, List

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from sleepers import SLEEP, fast_env, slow_env, very_slow_env

import rlmesh
from rlmesh import EnvServer, ModelServer, RunHooks, RunResult
from rlmesh.adapters import Action, Actuator, EnvTags, Image, ImageTag, ModelSpec
from rlmesh.numpy import Model

SEEDS = range(8)


ACTION = np.zeros(2, np.float32)


def act(observation: Any) -> Any:
    time.sleep(SLEEP)
    return ACTION


class Batched:
    def predict_batch(self, observations: Any) -> Any:
        time.sleep(SLEEP)
        return [ACTION] * len(observations["image"])


class Chunked:
    def predict_chunk(self, observation: Any) -> Any:
        time.sleep(SLEEP)
        return [ACTION] * 3


MOVE = Action(Actuator("move", dim=2))
TAGS = EnvTags({"image": ImageTag("camera")}, MOVE)
SPEC = ModelSpec({"picture": Image("camera", size=24, fit="stretch", layout="chw")}, MOVE)


class SlowHook(RunHooks):
    def on_step(self, event: Any) -> None:
        time.sleep(SLEEP)


class Runs:
    """Makes every kind of run."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def serve(self, env: Callable[[], Any] = fast_env, **options: Any) -> str:
        return self._stack.enter_context(EnvServer(env, **options)).address

    def vector(self, mode: Any = AutoresetMode.DISABLED) -> Any:
        return gymnasium.vector.SyncVectorEnv([slow_env] * 3, autoreset_mode=mode)

    def remote(self, source: Any = act, **options: Any) -> Any:
        server = self._stack.enter_context(ModelServer(Model(source, **options)))
        return server.address

    def run(self, kind: str) -> RunResult:
        two: Dict[str, Any] = {"seeds": SEEDS, "concurrency": 2}
        three: Dict[str, Any] = {"seeds": SEEDS, "concurrency": 3}
        if kind == "local":
            return Model(act).run(slow_env(), seeds=SEEDS)
        if kind == "served":
            return Model(act).run(self.serve(slow_env), seeds=SEEDS)
        if kind == "served, lanes":
            return Model(act).run(self.serve(slow_env), **three)
        if kind == "here and served, lanes":
            return Model(act).run([slow_env(), self.serve(slow_env)], seeds=SEEDS)
        if kind == "batches":
            return Model(Batched()).run(self.serve(slow_env), **three)
        if kind == "batches, max_wait":
            return Model(Batched()).run(self.serve(slow_env), **three, max_wait=0.01)
        if kind == "served model":
            return rlmesh.run(self.remote(), self.serve(slow_env), seeds=SEEDS)
        if kind == "served model, lanes":
            return rlmesh.run(self.remote(), self.serve(slow_env), **three)
        if kind == "served model, batches":
            return rlmesh.run(self.remote(Batched()), self.serve(slow_env), **three)
        if kind == "vector":
            return Model(act).run(self.vector(), seeds=SEEDS)
        if kind == "vector, batches":
            return Model(Batched()).run(self.vector(), seeds=SEEDS)
        if kind == "vector, same step":
            return Model(Batched()).run(self.vector(AutoresetMode.SAME_STEP), max_episodes=8)
        if kind == "vector, served model":
            return rlmesh.run(self.remote(), self.vector(), seeds=SEEDS)
        if kind == "chunks":
            return Model(Chunked()).run(self.serve(slow_env), **three, execution_horizon=3)
        if kind == "served model, chunks":
            remote = self.remote(Chunked())
            return rlmesh.run(remote, self.serve(slow_env), **two, execution_horizon=3)
        if kind == "pushdown":
            address = self.serve(slow_env, tags=TAGS)
            return Model(act, spec=SPEC).run(address, **two, pushdown="images")
        if kind == "served model, pushdown":
            address = self.serve(slow_env, tags=TAGS)
            return rlmesh.run(self.remote(spec=SPEC), address, **two, pushdown="images")
        assert kind == "hooks"
        return Model(act).run(self.serve(slow_env), **three, hooks=SlowHook())


KINDS = [
    "local",
    "served",
    "served, lanes",
    "here and served, lanes",
    "batches",
    "batches, max_wait",
    "served model",
    "served model, lanes",
    "served model, batches",
    "vector",
    "vector, batches",
    "vector, same step",
    "vector, served model",
    "chunks",
    "served model, chunks",
    "pushdown",
    "served model, pushdown",
    "hooks",
]


@pytest.fixture
def runs() -> Any:
    with ExitStack() as stack:
        yield Runs(stack)


def parts(episode: Any) -> List[float]:
    return [
        episode.env_seconds,
        episode.wire_seconds,
        episode.adapter_seconds,
        episode.queue_seconds,
        episode.predict_seconds,
        episode.other_seconds,
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_the_parts_add_up_to_each_episode(runs: Runs, kind: str) -> None:
    result = runs.run(kind)
    assert result.num_episodes == len(SEEDS)
    for episode in result.episodes:
        assert min(parts(episode)) >= 0
        # Nothing is counted twice: what is left is what `other_seconds` says, to the bit.
        assert sum(parts(episode)) == pytest.approx(episode.duration, rel=1e-9)
        assert episode.env_seconds >= 6 * SLEEP
        assert episode.predict_seconds >= (2 if "chunks" in kind else 6) * SLEEP
    assert sum(result.spent.values()) == pytest.approx(result.duration)
    # Envs and model sleep, and everything else costs little beside that.
    if kind != "hooks":
        assert result.other_seconds < 0.5 * result.duration


def test_what_waits_for_a_model_in_this_process_is_in_the_queue_not_on_the_wire(
    runs: Runs,
) -> None:
    result = Model(act).run(runs.serve(), seeds=range(24), concurrency=6)
    # Five of six lanes wait while the sixth is predicted.
    assert result.queue_seconds > 2.5 * result.predict_seconds
    assert result.wire_seconds < 0.25 * result.queue_seconds
    assert result.other_seconds < 0.25 * result.queue_seconds
    assert result.timing is not None
    assert result.timing.mean_queue_seconds > 2.5 * SLEEP
    assert result.timing.max_queue_seconds >= result.timing.mean_queue_seconds


def test_what_waits_for_a_served_model_is_in_the_queue_not_on_the_wire(runs: Runs) -> None:
    result = rlmesh.run(runs.remote(), runs.serve(), seeds=range(24), concurrency=6)
    assert result.queue_seconds > 2.5 * result.predict_seconds
    assert result.wire_seconds < 0.25 * result.queue_seconds


def test_sub_envs_that_wait_for_others_predicts_wait_for_the_model(runs: Runs) -> None:
    envs = gymnasium.vector.SyncVectorEnv([fast_env] * 6, autoreset_mode=AutoresetMode.DISABLED)
    result = Model(act).run(envs, seeds=range(12))
    assert result.queue_seconds > 2.5 * result.predict_seconds
    assert result.wire_seconds < 0.25 * result.queue_seconds


@pytest.mark.parametrize("served", [False, True], ids=["here", "served"])
def test_other_lanes_hooks_are_neither_wire_nor_queue(runs: Runs, served: bool) -> None:
    source = lambda observation: ACTION  # noqa: E731 - a policy
    model = runs.remote(source) if served else Model(source)
    result = rlmesh.run(model, runs.serve(), seeds=range(24), concurrency=6, hooks=SlowHook())
    assert result.other_seconds > 0.7 * result.duration


def test_an_env_that_works_while_the_model_predicts_has_no_queue(runs: Runs) -> None:
    # Two lanes: an env takes much longer than the other lane's predict, which is over by then.
    result = Model(act).run(runs.serve(very_slow_env), seeds=range(4), concurrency=2)
    assert result.env_seconds > 0.7 * result.duration
    assert result.queue_seconds < 0.15 * result.duration
