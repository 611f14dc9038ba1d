from __future__ import annotations

import pytest

from rlmesh import PredictContext, Tensor
from rlmesh._models.batches import stacker
from rlmesh._models.corners import Corners
from rlmesh._models.source import Source
from rlmesh.backends import NativeBackend
from rlmesh.errors import InvalidValue
from rlmesh.spaces import Box

BACKEND = NativeBackend()
SPACE = Box(0, 1000, (1,), "int64")
STACK = stacker(SPACE, BACKEND, None)
P, C, B, CB = "predict", "predict_chunk", "predict_batch", "predict_chunk_batch"

# What is called for (horizon 1, one observation), (1, two), (3, one), (3, two).
CALLS = {
    (P,): ([P], [P, P], None, None),
    (C,): ([C], [C, C], [C], [C, C]),
    (B,): ([B], [B], None, None),
    (CB,): ([CB], [CB], [CB], [CB]),
    (P, C): ([P], [P, P], [C], [C, C]),
    (P, B): ([P], [B], None, None),
    (P, CB): ([P], [CB], [CB], [CB]),
    (C, B): ([C], [B], [C], [C, C]),
    (C, CB): ([C], [CB], [C], [CB]),
    (B, CB): ([B], [B], [CB], [CB]),
    (P, C, B): ([P], [B], [C], [C, C]),
    (P, C, CB): ([P], [CB], [C], [CB]),
    (P, B, CB): ([P], [B], [CB], [CB]),
    (C, B, CB): ([C], [B], [C], [CB]),
    (P, C, B, CB): ([P], [B], [C], [CB]),
}
CASES = [
    pytest.param(names, horizon, count, calls[2 * (horizon == 3) + count - 1], id=f"{text}-{how}")
    for names, calls in CALLS.items()
    for text in ["+".join(names)]
    for horizon in (1, 3)
    for count in (1, 2)
    for how in [f"horizon{horizon}-{count}obs"]
]


class Corner:
    """Functions whose k-th action for an observation of n is 10 n + k; they write down calls."""

    def __init__(self, names, chunk=4):
        self.calls = []
        for name in names:
            setattr(self, name, getattr(self, f"_{name}"))
        self.chunk = chunk

    def _actions(self, number):
        return [10 * number + k for k in range(self.chunk)]

    def _predict(self, observation, context):
        self.calls.append((P, observation.tolist(), context.step))
        return self._actions(observation[0])[0]

    def _predict_chunk(self, observation, context):
        self.calls.append((C, observation.tolist(), context.step))
        return self._actions(observation[0])

    def _predict_batch(self, observations, contexts):
        self.calls.append((B, observations.tolist(), [c.step for c in contexts]))
        return [self._actions(number)[0] for (number,) in observations.tolist()]

    def _predict_chunk_batch(self, observations, contexts):
        self.calls.append((CB, observations.tolist(), [c.step for c in contexts]))
        return [self._actions(number) for (number,) in observations.tolist()]


def corners_of(source):
    return Corners(Source(source, None, None, None).corners, BACKEND)


def act(source, numbers, horizon):
    corners = corners_of(source)
    corners.check_horizon(horizon)
    observations = [Tensor.from_values([number], "int64") for number in numbers]
    contexts = [PredictContext("id", None, 100 + number) for number in numbers]
    found = corners.act(observations, contexts, horizon, STACK)
    return [list(actions) for actions in found]


@pytest.mark.parametrize(("names", "horizon", "count", "called"), CASES)
def test_the_most_specific_function_is_called_and_the_actions_are_the_same(
    names, horizon, count, called
):
    source, numbers = Corner(names), [7, 8][:count]
    if called is None:
        with pytest.raises(ValueError, match="execution_horizon: expected 1 for a model with"):
            act(source, numbers, horizon)
        assert source.calls == []
        return
    expected = [[10 * n + k for k in range(horizon)] for n in numbers]
    assert act(source, numbers, horizon) == expected
    if len(called) == count == 2:
        assert source.calls == [(name, [n], 100 + n) for name, n in zip(called, numbers)]
    elif called[0] in (P, C):
        assert source.calls == [(called[0], [7], 107)]
    else:
        (name,) = called
        assert source.calls == [(name, [[n] for n in numbers], [100 + n for n in numbers])]


@pytest.mark.parametrize("name", [C, CB])
@pytest.mark.parametrize(("chunk", "horizon", "length"), [(2, 3, 2), (3, 3, 3), (5, 3, 3)])
def test_a_chunk_gives_as_many_actions_as_it_has_up_to_the_horizon(name, chunk, horizon, length):
    assert act(Corner([name], chunk), [4], horizon) == [[40, 41, 42][:length]]


@pytest.mark.parametrize("horizon", [1, 3])
@pytest.mark.parametrize("name", [C, CB])
def test_an_empty_chunk_is_an_error(name, horizon):
    with pytest.raises(InvalidValue, match=rf"^{name}: expected at least one action, got 0$"):
        act(Corner([name], 0), [4], horizon)


@pytest.mark.parametrize("horizon", [0, -1])
@pytest.mark.parametrize("names", [[P], [CB]])
def test_a_horizon_below_one_is_an_error(names, horizon):
    with pytest.raises(ValueError, match=f"execution_horizon: expected at least 1, got {horizon}"):
        act(Corner(names), [4], horizon)


@pytest.mark.parametrize("name", [B, CB])
@pytest.mark.parametrize("returned", [[0], [0, 1, 2], []])
def test_a_batch_of_another_length_than_its_observations_is_an_error(name, returned):
    class Wrong:
        pass

    source = Wrong()
    setattr(source, name, lambda observations: [[action] for action in returned])
    words = rf"^{name}: expected 2 actions, got {len(returned)}$"
    with pytest.raises(InvalidValue, match=words):
        act(source, [1, 2], 1)


@pytest.mark.parametrize("returned", [None, 3, "left", 1.5, object(), {}, ()])
@pytest.mark.parametrize("name", [C, B, CB])
def test_what_is_no_batch_and_no_chunk_is_named(name, returned):
    class Wrong:
        pass

    source = Wrong()
    setattr(source, name, lambda value: returned)
    words = rf"^{name}: expected a list of actions, or arrays with one along their first axis, got"
    with pytest.raises(InvalidValue, match=words):
        act(source, [1], 1)


@pytest.mark.parametrize("where", ["first", "last"])
def test_a_chunk_within_a_batch_that_is_none_is_named(where):
    class Wrong:
        def predict_chunk_batch(self, observations):
            return [[1], 2] if where == "last" else [2, [1]]

    with pytest.raises(InvalidValue, match=r"^predict_chunk_batch: expected a list.*got 2 \(int"):
        act(Wrong(), [1, 2], 1)


def test_what_a_function_raises_is_raised_as_it_is():
    def fail(observation):
        raise ZeroDivisionError("on purpose")

    with pytest.raises(ZeroDivisionError, match="on purpose"):
        act(fail, [1], 1)


def test_the_contexts_of_a_batch_are_a_list_that_the_source_may_keep_and_change():
    kept = []

    class Keeps:
        def predict_batch(self, observations, contexts):
            kept.append(contexts)
            return [contexts.pop().step for _ in range(2)]

    assert act(Keeps(), [1, 2], 1) == [[102], [101]]
    assert kept == [[]]
