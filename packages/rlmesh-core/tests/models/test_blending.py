"""Chunks that overlap are averaged as ACT does, whatever plays them."""

from __future__ import annotations

import math

import pytest

from rlmesh import Ensemble, Tensor
from rlmesh.errors import EnvCrashed, InvalidValue
from rlmesh.spaces import Box, Discrete

LENGTH = 5
STEPS = 12


class Track:
    """Writes down what it was told to do; the observation is the step and the seed."""

    observation_space = Box(-1e9, 1e9, (2,), "float64")
    action_space = Box(-1e9, 1e9, (2,), "float64")

    def __init__(self, crashes_at=None):
        self.actions = {}
        self._crashes_at = crashes_at

    def reset(self, *, seed=None, options=None):
        self._seed, self._step = seed or 0, 0
        self.actions[self._seed] = []
        return self._observe(), {}

    def step(self, action):
        self.actions[self._seed].append(action.tolist())
        self._step += 1
        if self._step == self._crashes_at:
            self._crashes_at = None
            raise EnvCrashed("once")
        return self._observe(), 0.0, self._step == STEPS, False, {}

    def _observe(self):
        return Tensor.from_values([float(self._step), float(self._seed)], "float64")


def said(seed, predicted_at, step):
    """Return what the chunk that is predicted at a step says of another step."""
    return [seed + math.sin(7 * predicted_at + step), 1.0 if (predicted_at * step) % 3 else -1.0]


class Chunks:
    def predict_chunk(self, observation):
        at, seed = map(int, observation.tolist())
        return [Tensor.from_values(said(seed, at, at + i), "float64") for i in range(LENGTH)]


def expected(seed, horizon, k):
    """Return the actions of an episode by the definition."""
    actions = []
    for step in range(STEPS):
        starts = [at for at in range(0, step + 1, horizon) if step - at < LENGTH]
        weights = [math.exp(-k * i) for i in range(len(starts))]
        columns = zip(*(said(seed, at, step) for at in starts))
        actions.append([sum(map(float.__mul__, weights, c)) / sum(weights) for c in columns])
    return actions


def assert_close(actions, wanted):
    assert len(actions) == len(wanted)
    for action, want in zip(actions, wanted):
        assert action == pytest.approx(want, abs=1e-12)


@pytest.mark.parametrize("horizon", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("blend", "k"),
    [("ensemble", 0.01), ("ensemble:0.5", 0.5), (Ensemble(0), 0), (Ensemble(-1), -1)],
)
def test_an_action_is_the_mean_of_all_chunks(make_model, horizon, blend, k):
    env = Track()
    make_model(Chunks()).run(env, seeds=[3, 4], execution_horizon=horizon, chunk_blend=blend)
    for seed in (3, 4):
        assert_close(env.actions[seed], expected(seed, horizon, k))


def test_lanes_do_not_mix_and_a_replay_starts_anew(make_model):
    envs = [Track(crashes_at=7) for _ in range(3)]
    result = make_model(Chunks()).run(
        envs, seeds=range(7), execution_horizon=2, chunk_blend="ensemble"
    )
    assert max(episode.attempts for episode in result.episodes) == 2
    actions = {seed: one for env in envs for seed, one in env.actions.items()}
    for seed in range(7):
        assert_close(actions[seed], expected(seed, 2, 0.01))


def test_a_session_blends_too(make_model):
    env = Track()
    with make_model(Chunks()).session(env, chunk_blend=Ensemble(0.2)) as session:
        observation, _ = session.reset(seed=5)
        while not session.over:
            observation = session.step(session.predict(observation))[0]
    assert_close(env.actions[5], expected(5, 1, 0.2))


def test_a_single_chunk_is_executed_as_it_is(make_model):
    env = Track()
    model = make_model(Chunks())
    with pytest.warns(UserWarning, match="chunks of 5 actions, of which 5 are executed"):
        model.run(env, seeds=[1], execution_horizon=LENGTH, chunk_blend="ensemble")
    assert env.actions[1] == expected(1, LENGTH, 0)


@pytest.mark.parametrize("blend", ["mean", "ensemble:", "ensemble:inf", "ensemble:x", 0.01, True])
def test_what_is_no_blending_is_named(make_model, blend):
    with pytest.raises(ValueError, match=r"chunk_blend: expected 'ensemble', 'ensemble:K'.*, got"):
        make_model(Chunks()).run(Track(), seeds=[1], chunk_blend=blend)


@pytest.mark.parametrize("k", [math.nan, math.inf, "0.1", True, None])
def test_a_decay_is_a_finite_number(k):
    with pytest.raises(ValueError, match=r"Ensemble\.k: expected a finite number, got"):
        Ensemble(k)


def test_a_model_without_chunks_has_nothing_to_blend(make_model):
    class Plain:
        def predict(self, observation):
            return observation

    env = Track()
    with pytest.raises(ValueError, match="chunk_blend: expected a model with predict_chunk or"):
        make_model(Plain()).run(env, seeds=[1], chunk_blend="ensemble")
    assert env.actions == {}


def test_actions_that_have_no_mean_are_refused(make_model):
    class Buttons(Track):
        action_space = Discrete(3)

    with pytest.raises(InvalidValue, match="chunk_blend: expected an env whose actions are a Box"):
        make_model(Chunks()).run(Buttons(), seeds=[1], chunk_blend="ensemble")


def test_an_action_of_another_shape_is_named(make_model):
    class Wide:
        def predict_chunk(self, observation):
            return [[0.0, 1.0, 2.0]] * 4

    with pytest.raises(InvalidValue, match=r"expected shape \(2,\).*, got \(3,\)"):
        make_model(Wide()).run(Track(), seeds=[1], chunk_blend="ensemble")


def test_a_journal_knows_the_blending(make_model, tmp_path):
    journal = tmp_path / "run.jsonl"
    model = make_model(Chunks())
    options = {"seeds": [1], "name": "one", "journal": journal}
    model.run(Track(), chunk_blend=Ensemble(0.25), **options)
    assert '"chunk_blend":"Ensemble(k=0.25)"' in journal.read_text().replace(" ", "")
    with pytest.raises(Exception, match=r"options.chunk_blend: the journal has .*0.25"):
        model.run(Track(), **options)
