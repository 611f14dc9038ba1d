from __future__ import annotations

import pytest
from countdown import Countdown

from rlmesh import Tensor
from rlmesh.errors import InvalidValue, ModelError


class Chunks:
    """A source that writes down what its chunks were asked for."""

    def __init__(self, chunk):
        self.chunk = chunk
        self.asked = []

    def predict_chunk(self, observation, context):
        self.asked.append((context.episode_seed, context.step, observation[0]))
        return self.chunk


def actions_of(env):
    return [value for name, value in env.log if name == "step"]


def test_a_chunk_is_executed_before_the_next_one_is_asked_for(make_model):
    source, env = Chunks([1, 0, 1]), Countdown()
    result = make_model(source).run(env, seeds=[7], execution_horizon=3)
    assert source.asked == [(7, 0, 7), (7, 3, 4), (7, 6, 1)]
    assert actions_of(env) == [1, 0, 1, 1, 0, 1, 1]
    assert result.total_reward == 7 + 5 + 4 + 2 + 1


def test_the_rest_of_a_chunk_is_dropped_at_the_end_of_its_episode(make_model):
    source, env = Chunks([1, 0, 0]), Countdown()
    make_model(source).run(env, seeds=[4, 2, 3], execution_horizon=3)
    assert source.asked == [(4, 0, 4), (4, 3, 1), (2, 0, 2), (3, 0, 3)]
    assert actions_of(env) == [1, 0, 0, 1, 1, 0, 1, 0, 0]


def test_the_rest_of_a_chunk_is_dropped_when_the_episode_is_cut_off(make_model):
    source = Chunks([1, 0, 0])
    make_model(source).run(Countdown(), seeds=[9, 9], execution_horizon=3, max_episode_steps=4)
    assert [asked[1] for asked in source.asked] == [0, 3, 0, 3]


@pytest.mark.parametrize("horizon", [None, 1, 2])
def test_a_longer_chunk_is_executed_up_to_the_horizon(make_model, horizon):
    source, env = Chunks([1, 0, 0, 0, 0]), Countdown()
    make_model(source).run(env, seeds=[4], execution_horizon=horizon)
    every = horizon or 1
    assert [asked[1] for asked in source.asked] == list(range(0, 4, every))
    assert actions_of(env) == ([1] * 4 if every == 1 else [1, 0, 1, 0])


def test_a_shorter_chunk_is_executed_whole(make_model):
    source, env = Chunks([0, 1]), Countdown()
    make_model(source).run(env, seeds=[5], execution_horizon=3)
    assert [asked[1] for asked in source.asked] == [0, 2, 4]
    assert actions_of(env) == [0, 1, 0, 1, 0]


def test_a_chunk_may_be_one_array(make_model):
    source, env = Chunks(Tensor.from_values([1, 0, 1], "int64")), Countdown()
    make_model(source).run(env, seeds=[6], execution_horizon=3)
    assert actions_of(env) == [1, 0, 1] * 2


@pytest.mark.parametrize("horizon", [None, 2])
def test_a_batch_of_one_gives_the_chunks_where_nothing_else_does(make_model, horizon):
    class Batch:
        def predict_chunk_batch(self, observations, contexts):
            shapes.append((observations.shape, len(contexts)))
            return Tensor.from_values([[0, 1, 0]], "int64")

    shapes, env = [], Countdown()
    make_model(Batch()).run(env, seeds=[4], execution_horizon=horizon)
    assert set(shapes) == {((1, 1), 1)}
    assert actions_of(env) == ([0, 0, 0, 0] if horizon is None else [0, 1, 0, 1])


@pytest.mark.parametrize("chunk", [[], Tensor(b"", "int64", (0,))], ids=["list", "array"])
def test_an_empty_chunk_is_an_error(make_model, chunk):
    model = make_model(Chunks(chunk))
    with pytest.raises(InvalidValue, match="predict_chunk: expected at least one action, got 0"):
        model.run(Countdown(), seeds=[3], execution_horizon=2)


@pytest.mark.parametrize("horizon", [0, -3])
def test_a_horizon_below_one_is_an_error_before_the_env_is_touched(make_model, horizon):
    env = Countdown()
    with pytest.raises(ValueError, match=f"execution_horizon: expected at least 1, got {horizon}"):
        make_model(Chunks([1])).run(env, seeds=[3], execution_horizon=horizon)
    assert env.log == []


@pytest.mark.parametrize("horizon", [2.5, "2"])
def test_a_horizon_that_is_no_integer_is_named(make_model, horizon):
    with pytest.raises(TypeError, match="execution_horizon: expected an integer, got"):
        make_model(Chunks([1])).run(Countdown(), seeds=[3], execution_horizon=horizon)


def test_a_horizon_for_a_model_without_chunks_is_an_error_that_says_what_it_lacks(make_model):
    class Plain:
        def predict(self, observation):
            return 1

        def predict_batch(self, observations):
            return [1] * len(observations.tolist())

    env = Countdown()
    with pytest.raises(ValueError, match="neither predict_chunk nor predict_chunk_batch, got 2"):
        make_model(Plain()).run(env, seeds=[3], execution_horizon=2)
    assert env.log == []
    make_model(Plain()).run(env, seeds=[3], execution_horizon=1)


def test_a_wrong_action_in_the_middle_of_a_chunk_is_named(make_model):
    model = make_model(Chunks([1, "left"]))
    with pytest.raises(InvalidValue, match="action: expected an integer, got 'left'"):
        model.run(Countdown(), seeds=[3], execution_horizon=2)


def test_an_error_in_a_chunk_is_the_sources_own(make_model):
    class Fails:
        def predict_chunk(self, observation):
            raise ArithmeticError("no chunk today")

    with pytest.raises((ArithmeticError, ModelError), match="no chunk today"):
        make_model(Fails()).run(Countdown(), seeds=[3], execution_horizon=2)
