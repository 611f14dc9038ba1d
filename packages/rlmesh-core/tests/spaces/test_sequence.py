from __future__ import annotations

import statistics

import pytest

from rlmesh import Tensor
from rlmesh.errors import InvalidValue
from rlmesh.spaces import Box, Dict, Discrete, Sequence, Text, Tuple

STACKED = Sequence(Dict(x=Box(0, 1, (2,)), n=Tuple([Discrete(5)])), stack=True)


def test_values_are_tuples_of_any_length():
    space = Sequence(Text(3))
    assert space.conform(["a", "bc"]) == ("a", "bc")
    assert () in space
    assert Sequence(Discrete(2), seed=1).sample() in Sequence(Discrete(2))


def test_stacked_values_are_arrays_with_a_first_axis_more():
    value = STACKED.conform({"x": [[0, 1], [1, 0], [0, 0]], "n": ([1, 2, 3],)})
    assert value["x"].shape == (3, 2)
    assert value["n"] == (Tensor.from_values([1, 2, 3], "int64"),)
    assert value in STACKED
    assert STACKED.sample() in STACKED
    assert Tensor(b"", "float32", (0, 2)) in Sequence(Box(0, 1, (2,)), stack=True)


def test_sample_lengths_are_geometric_with_a_mean_of_4():
    space = Sequence(Discrete(2), seed=1)
    lengths = [len(space.sample()) for _ in range(2000)]
    assert min(lengths) == 1
    assert statistics.mean(lengths) == pytest.approx(4, abs=0.3)


@pytest.mark.parametrize(
    ("space", "value", "message"),
    [
        (Sequence(Discrete(2)), 3, "obs: expected a tuple, got 3 (int)"),
        (Sequence(Discrete(2)), [1, "x"], "obs[1]: expected an integer, got 'x' (str)"),
        (STACKED, [], "obs: expected a mapping, got [] (list)"),
        (STACKED, {"x": 3, "n": ([],)}, "obs['x']: expected an array of stacked values, got 3"),
        (STACKED, {"x": [[0, 1]], "n": ([],)}, "obs['n'][0].shape: expected (1,), got (0,)"),
        (
            Sequence(Discrete(2), stack=True),
            "abc",
            "obs: expected an array of int64 and shape",
        ),
    ],
)
def test_a_misfit_is_named_with_its_path(space, value, message):
    with pytest.raises(InvalidValue) as caught:
        space.conform(value, "obs")
    assert str(caught.value).startswith(message)


def test_the_first_element_out_of_bounds_is_named_with_its_path():
    plain = Sequence(Discrete(2))
    assert plain.violation((0, 1, 2), "obs") == "obs[2]: expected within [0, 1], got 2"
    value = STACKED.conform({"x": [[0, 1], [1, 9]], "n": ([1, 1],)})
    assert STACKED.violation(value, "obs") == "obs['x'][1, 1]: expected within [0.0, 1.0], got 9.0"


def test_a_stack_without_elements_claims_no_more_memory_than_it_has():
    space = Sequence(Dict(a=Box(0, 1, (0,)), b=Discrete(3)), stack=True)
    value = {"a": Tensor(b"", "float32", (2**45, 0)), "b": []}
    assert value not in space


def test_repr_and_equality_tell_every_argument():
    space = Sequence(Discrete(2))
    assert repr(space) == "Sequence(Discrete(2), stack=False)"
    assert space == Sequence(Discrete(2))
    assert space not in (Sequence(Discrete(3)), Sequence(Discrete(2), stack=True))
