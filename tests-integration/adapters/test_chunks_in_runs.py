"""What runs tell adapters of chunks: what was executed, what is pending, and what is averaged."""

from __future__ import annotations

import math
from typing import Any, Dict, List, Tuple

import gymnasium
import numpy as np
import pytest
from adapters.frameworks import FRAMEWORKS, back, into
from gymnasium.spaces import Box
from gymnasium.spaces import Dict as DictSpace

import rlmesh
import rlmesh.adapters as adapt
import rlmesh.jax
import rlmesh.numpy
import rlmesh.torch

MODELS: Dict[str, Any] = {
    "numpy": rlmesh.numpy.Model,
    "torch": rlmesh.torch.Model,
    "jax": rlmesh.jax.Model,
}
IN_EVERY = pytest.mark.parametrize("framework", FRAMEWORKS)
ANYWHERE = pytest.mark.parametrize("where", ["here", "served"])
LENGTH, STEPS = 6, 14
PUSH = "action/push"


class Track(gymnasium.Env[Any, Any]):
    """Writes down what it is told to do, by seed; observes seed and step."""

    observation_space = DictSpace({"at": Box(0, 1000, (2,), np.float32)})
    action_space = Box(-100, 100, (2,), np.float32)

    def __init__(self) -> None:
        self.actions: Dict[int, List[List[float]]] = {}

    def reset(self, *, seed: Any = None, options: Any = None) -> Tuple[Any, Dict[str, Any]]:
        self._seed, self._step = seed, 0
        self.actions[seed] = []
        return self._observe(), {}

    def step(self, action: Any) -> Tuple[Any, float, bool, bool, Dict[str, Any]]:
        self.actions[self._seed].append(action.tolist())
        self._step += 1
        return self._observe(), 0.0, self._step == STEPS, False, {}

    def _observe(self) -> Any:
        return {"at": np.array([self._seed, self._step], np.float32)}


def tags(sticky: Any = None) -> adapt.EnvTags:
    gripper = adapt.Actuator(adapt.ACTION_GRIPPER, dim=1, range=(0, 80), sticky=sticky)
    action = adapt.Action(adapt.Actuator(PUSH, dim=1, scale=2.0), gripper)
    return adapt.EnvTags({"at": adapt.StateTag("proprio/at")}, action)


def output(seed: int, at: int, step: int) -> List[float]:
    """Return what the chunk that is predicted at a step says of another step."""
    return [seed + math.sin(3 * at + step), (7 * at + 5 * step + seed) % 10 / 10]


class Chunks:
    """Predicts chunks, and writes down the payloads by seed and step."""

    def __init__(self, framework: str) -> None:
        self._framework = framework
        self.seen: Dict[Tuple[int, int], Any] = {}

    def predict_chunk(self, payload: Any) -> Any:
        seed, at = (int(number) for number in back(payload["at"]).tolist())
        self.seen[seed, at] = {key: back(part) for key, part in payload.items()}
        chunk = [output(seed, at, at + i) for i in range(LENGTH)]
        return into(self._framework, np.array(chunk, np.float32))


OUTPUT = adapt.Action(
    adapt.Actuator(PUSH, dim=1),
    adapt.Actuator(adapt.ACTION_GRIPPER, dim=1, range=(0, 1), binary=True),
)


def play(
    framework: str,
    where: str,
    envs: List[Track],
    env_tags: adapt.EnvTags,
    inputs: Any,
    **options: Any,
) -> Chunks:
    """Run on envs; return what predicted."""
    source = Chunks(framework)
    spec = adapt.ModelSpec({"at": adapt.State("proprio/at"), **inputs}, OUTPUT)
    model = MODELS[framework](source, spec=spec)
    tagged = [adapt.tag(env, env_tags) for env in envs]
    if where == "here":
        model.run(tagged, seeds=range(4), **options)
    else:
        with rlmesh.ModelServer(model) as server, rlmesh.RemoteModel(server.address) as remote:
            remote.run(tagged, seeds=range(4), **options)
    return source


def blended(seed: int, horizon: int, k: float) -> List[List[float]]:
    """Return the actions of an episode by the definition, before anything is held."""
    found = []
    for step in range(STEPS):
        starts = [at for at in range(0, step + 1, horizon) if step - at < LENGTH]
        weights = np.exp(-k * np.arange(len(starts)))
        said = np.array([output(seed, at, step) for at in starts], np.float32)
        high = weights[said[:, 1] >= 0.5].sum() * 2 >= weights.sum()
        found.append([2 * (weights @ said[:, 0]) / weights.sum(), 80.0 if high else 0.0])
    return found


def held(actions: List[List[float]], steps: int) -> List[List[float]]:
    """Return actions whose gripper keeps a new value for so many steps."""
    found: List[List[float]] = []
    until = 0
    for step, (push, grip) in enumerate(actions):
        if found and step < until:
            grip = found[-1][1]
        elif found and grip != found[-1][1]:
            until = step + steps
        found.append([push, grip])
    return found


@IN_EVERY
@ANYWHERE
@pytest.mark.parametrize("horizon", [1, 2, 4])
@pytest.mark.parametrize("sticky", [None, 3])
def test_chunks_are_averaged_in_the_units_of_the_env_and_held_then(
    framework: str, where: str, horizon: int, sticky: Any
) -> None:
    envs = [Track(), Track()]
    blend = {"execution_horizon": horizon, "chunk_blend": rlmesh.Ensemble(0.1)}
    play(framework, where, envs, tags(sticky), {}, **blend)
    actions = {seed: one for env in envs for seed, one in env.actions.items()}
    for seed in range(4):
        wanted = blended(seed, horizon, 0.1)
        wanted = wanted if sticky is None else held(wanted, sticky)
        np.testing.assert_allclose(actions[seed], wanted, atol=1e-5)
    grips = {grip for one in actions.values() for _, grip in one}
    assert grips == {0.0, 80.0}


@IN_EVERY
@ANYWHERE
@pytest.mark.parametrize("horizon", [1, 3, LENGTH])
def test_the_previous_action_is_the_last_that_was_executed_and_the_rest_is_pending(
    framework: str, where: str, horizon: int
) -> None:
    inputs = {
        "last": adapt.State(PUSH, source="action"),
        "pending": adapt.State(PUSH, source="pending_actions", stack=LENGTH),
        "count": adapt.Presence(PUSH, source="pending_actions", dtype="int32"),
    }
    source = play(framework, where, [Track()], tags(), inputs, execution_horizon=horizon)
    for seed in range(4):
        steps = range(0, STEPS, horizon)
        assert {at for one, at in source.seen if one == seed} == set(steps)
        for at in steps:
            seen = source.seen[seed, at]
            rest = [output(seed, at - horizon, at + i)[0] for i in range(LENGTH - horizon)]
            rest = rest if at else []
            last = output(seed, at - horizon, at - 1)[0] if at else 0.0
            np.testing.assert_allclose(seen["last"], [last], atol=1e-6)
            padded = [*rest, *[0.0] * (LENGTH - len(rest))]
            np.testing.assert_allclose(seen["pending"][:, 0], padded, atol=1e-6)
            assert int(seen["count"]) == len(rest)


@IN_EVERY
def test_what_somebody_else_does_in_a_session_is_no_action_of_the_chunk(framework: str) -> None:
    source = Chunks(framework)
    inputs = {"at": adapt.State("proprio/at"), "last": adapt.State(PUSH, source="action")}
    model = MODELS[framework](source, spec=adapt.ModelSpec(inputs, OUTPUT))
    with model.session(adapt.tag(Track(), tags()), execution_horizon=2) as session:
        observation, _ = session.reset(seed=1)
        for _ in range(2):
            action = session.predict(observation)
            for _ in range(5):
                observation = session.step(action)[0]
    last = source.seen[1, 5]["last"]
    np.testing.assert_allclose(last, [output(1, 0, 1)[0]], atol=1e-6)
