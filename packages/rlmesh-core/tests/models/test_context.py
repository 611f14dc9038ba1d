from __future__ import annotations

import random

import pytest
from countdown import Countdown

from rlmesh import DELEGATED, PredictContext


class Contexts:
    """A source whose corners write down their contexts."""

    def __init__(self, *corners):
        self.seen = []
        for name in corners:
            setattr(self, name, getattr(self, f"_{name}"))

    def _predict(self, observation, context):
        self.seen.append(context)
        return 1

    def _predict_chunk(self, observation, *, context):
        self.seen.append(context)
        return [1, 1, 1]

    def _predict_batch(self, observations, contexts):
        self.seen += contexts
        return [1 for _ in contexts]

    def _predict_chunk_batch(self, observations, contexts=()):
        self.seen += contexts
        return [[1, 1, 1] for _ in contexts]


CORNERS = pytest.mark.parametrize(
    "corner", ["predict", "predict_chunk", "predict_batch", "predict_chunk_batch"]
)


@CORNERS
def test_every_corner_gets_the_episode_its_seed_and_the_step(make_model, corner):
    source, ids = Contexts(corner), []
    make_model(source, on_reset=ids.append).run(Countdown(), seeds=[3, 2])
    assert all(type(context) is PredictContext for context in source.seen)
    told = [(c.episode_id, c.episode_seed, c.step, c.instruction) for c in source.seen]
    assert told == [
        *((ids[0], 3, step, None) for step in range(3)),
        *((ids[1], 2, step, None) for step in range(2)),
    ]


@pytest.mark.parametrize("corner", ["predict_chunk", "predict_chunk_batch"])
def test_the_step_counts_also_the_steps_that_a_chunk_answered(make_model, corner):
    source = Contexts(corner)
    make_model(source).run(Countdown(), seeds=[8], execution_horizon=3)
    assert [context.step for context in source.seen] == [0, 3, 6]


def test_an_unseeded_episode_has_no_seed_but_draws_one_of_its_own(make_model):
    source = Contexts("predict")
    make_model(source).run(Countdown(), max_episodes=2, max_episode_steps=2)
    assert {context.episode_seed for context in source.seen} == {None}
    assert len({context.seed for context in source.seen}) == 4


@CORNERS
def test_a_random_policy_acts_the_same_here_and_served_and_in_batches(make_model, corner):
    def draw(context):
        return random.Random(context.seed).randrange(2)

    class Random:
        pass

    source, env = Random(), Countdown()
    batch = "batch" in corner
    wrapped = (lambda action: [action]) if "chunk" in corner else (lambda action: action)
    if batch:
        setattr(source, corner, lambda o, contexts: [wrapped(draw(c)) for c in contexts])
    else:
        setattr(source, corner, lambda o, context: wrapped(draw(context)))
    make_model(source).run(env, seeds=[20, 21])
    expected = [
        draw(PredictContext("any", seed, step)) for seed in (20, 21) for step in range(seed)
    ]
    assert [value for name, value in env.log if name == "step"] == expected


def test_a_seed_depends_on_the_episodes_seed_and_the_step_alone():
    seed = PredictContext("a", 7, 3, None).seed
    assert seed == PredictContext("b", 7, 3, "pick it up").seed
    assert seed == 6148384659390418248  # for as long as results are to be reproducible
    seeds = {PredictContext("a", s, step).seed for s in range(30) for step in range(30)}
    assert len(seeds) == 900
    assert all(0 <= s < 2**63 for s in seeds)


def test_a_seed_without_an_episodes_seed_depends_on_its_id():
    assert PredictContext("a", None, 3).seed == PredictContext("a", None, 3).seed
    assert PredictContext("a", None, 3).seed != PredictContext("b", None, 3).seed


@pytest.mark.parametrize(
    "predict",
    [
        lambda observation, context: context.step % 2,
        lambda observation, context=None: context.step % 2,
        lambda observation, *, context: context.step % 2,
        lambda observation, other=None: 1 if other is None else "no context is passed to it",
        lambda observation, *rest: len(rest) + 1,
        lambda observation, **rest: len(rest) + 1,
    ],
)
def test_a_context_goes_to_an_argument_of_that_name_alone(make_model, predict):
    make_model(predict).run(Countdown(), seeds=[3])


def test_an_instruction_reaches_a_model_that_does_its_own_adapting(make_model):
    source = Contexts("predict")
    model = make_model(source, spec=DELEGATED)
    model.run(Countdown(), seeds=[2], instruction="pick up the cup")
    model.run(Countdown(), seeds=[1])
    with model.session(Countdown(), instruction="päck 🤖") as session:
        session.predict(session.reset()[0])
    told = [context.instruction for context in source.seen]
    assert told == ["pick up the cup"] * 2 + [None, "päck 🤖"]


def test_an_instruction_for_any_other_model_is_an_error(make_model):
    env = Countdown()
    words = "instruction: this model has no text input, so it cannot take 'go'"
    for attempt in (make_model(lambda observation: 1).run, make_model(len).session):
        with pytest.raises(ValueError, match=words):
            attempt(env, instruction="go")
    assert env.log == []
