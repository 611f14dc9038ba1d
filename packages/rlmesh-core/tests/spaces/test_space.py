"""What holds for every space, nested ones included."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import space_and_sample, space_and_value, spaces, stackable, values

from rlmesh import errors
from rlmesh.spaces import Box, Dict, Discrete, Graph, OneOf, Sequence, Text, Tuple

NESTED = Dict(
    a=Tuple([Box(-1, 1, (3,)), Text(5)]),
    b=Sequence(OneOf([Discrete(100), Box(0, 1)])),
    c=Graph(Box(-1, 1), Discrete(9)),
)


@given(space_and_sample())
def test_a_sample_is_contained(pair):
    space, sample = pair
    assert space.violation(space.conform(sample)) is None
    assert sample in space


@given(space_and_value())
def test_conform_returns_a_native_value_unchanged(pair):
    space, value = pair
    conformed = space.conform(value)
    assert conformed == value
    assert type(conformed) is type(value)


@given(space_and_value(), st.just("action"))
def test_a_violation_is_a_sentence_that_starts_with_the_path(pair, path):
    space, value = pair
    violation = space.violation(value, path)
    assert violation is None or (violation.startswith(path) and ": expected" in violation)
    assert (violation is None) == space.contains(value)


@given(spaces(), st.integers(0, 2**64))
def test_samples_are_the_same_after_the_same_seed(space, seed):
    seeded = space.seed(seed)
    samples = [space.sample(), space.sample()]
    assert space.seed(seed) == seeded
    assert [space.sample(), space.sample()] == samples
    assert space.seed(seeded) == seeded
    assert [space.sample(), space.sample()] == samples


@given(spaces())
def test_equal_spaces_sample_the_same_under_a_seed(space):
    twin = copy.deepcopy(space)
    assert twin == space
    space.seed(3)
    twin.seed(3)
    assert twin.sample() == space.sample()


@given(spaces())
def test_spaces_survive_pickling(space):
    assert pickle.loads(pickle.dumps(space)).to_spec() == space.to_spec()


@given(st.data())
def test_a_stack_of_samples_is_in_the_batched_space(data):
    space = data.draw(stackable)
    samples = [space.sample() for _ in range(data.draw(st.integers(0, 3)))]
    stacked = space.stack_values(samples)
    batched = space.batched(len(samples))
    assert stacked in batched
    assert space.stacked_length(stacked) == len(samples)
    assert batched.conform(stacked) == stacked


@given(st.data())
def test_a_batched_space_has_the_bounds_of_the_space(data):
    space = data.draw(stackable)
    drawn = data.draw(st.lists(values(space), min_size=1, max_size=3))
    batched = space.batched(len(drawn))
    assert (space.stack_values(drawn) in batched) == all(value in space for value in drawn)


def test_spaces_inside_one_get_different_seeds():
    seeds = Tuple([Discrete(2)] * 20).seed(0)
    assert len(set(seeds)) == 20


def test_a_seed_from_the_operating_system_is_returned_and_reproduces():
    seeded = NESTED.seed()
    sample = NESTED.sample()
    assert NESTED.seed(seeded) == seeded
    assert NESTED.sample() == sample
    assert NESTED.seed() != seeded


def test_unseeded_spaces_differ():
    assert Box(0, 1, (8,)).sample() != Box(0, 1, (8,)).sample()


def test_a_seed_argument_seeds():
    assert Discrete(10**6, 5).sample() == Discrete(10**6, seed=5).sample()
    assert Box(0, 1, seed=5).sample() == Box(0, 1, seed=5).sample()


@pytest.mark.parametrize("seed", [-1, 1.5, "x"])
def test_a_seed_that_is_no_number_is_refused(seed):
    with pytest.raises(errors.InvalidValue, match="seed: expected a non-negative integer"):
        Discrete(2).seed(seed)


def test_too_few_seeds_are_refused():
    with pytest.raises(errors.InvalidValue, match="seed: expected 2 seeds, got 1"):
        Tuple([Discrete(2), Discrete(3)]).seed([1])


@pytest.mark.parametrize(
    "space", [Text(3), Sequence(Discrete(2)), OneOf([Discrete(2)]), Dict(), Tuple([])]
)
def test_spaces_that_are_no_arrays_do_not_stack(space):
    for build in (lambda s: Sequence(s, stack=True), lambda s: Graph(s, None)):
        with pytest.raises(errors.UnsupportedSpace, match="stack"):
            build(space)
    with pytest.raises(errors.UnsupportedSpace, match="stack"):
        Sequence(Tuple([Discrete(2), space]), stack=True)


@pytest.mark.parametrize(
    "build", [lambda s: Dict(a=s), lambda s: Tuple([s]), lambda s: OneOf([s]), Sequence]
)
@pytest.mark.parametrize("part", [None, 3, "Box"])
def test_parts_must_be_spaces(build, part):
    with pytest.raises(errors.UnsupportedSpace, match="expected a space of rlmesh.spaces, got"):
        build(part)
