"""Conversion from and to the installed Gymnasium, for random nested spaces."""

from __future__ import annotations

import inspect
import warnings
from collections import OrderedDict

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces as gym
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rlmesh
from rlmesh.errors import UnsupportedSpace
from rlmesh.spaces import from_gymnasium, to_gymnasium

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float16", "float32", "float64"]
HAS_DTYPE = "dtype" in inspect.signature(gym.Discrete.__init__).parameters
HAS_SORT_KEYS = "sort_keys" in inspect.signature(gym.Dict.__init__).parameters
HAS_ANY_NODES = HAS_DTYPE  # both came after Gymnasium 1.1
modest = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])

shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple)


@st.composite
def boxes(draw):
    dtype, shape = np.dtype(draw(st.sampled_from([*INTEGERS, *FLOATS, "bool"]))), draw(shapes)
    if dtype.kind == "f":
        numbers = st.integers(-9, 9).map(lambda n: n / 4) | st.sampled_from([-np.inf, np.inf, -0.0])
    else:
        numbers = st.integers(0 if dtype.kind in "ub" else -100, 1 if dtype.kind == "b" else 100)
    size = 1 if draw(st.booleans()) else int(np.prod(shape))
    pairs = draw(st.lists(st.tuples(numbers, numbers), min_size=size, max_size=size))
    low, high = (np.array([pick(pair) for pair in pairs], dtype) for pick in (min, max))
    if dtype.kind == "f":  # Gymnasium samples no Box whose only values are infinite
        low, high = np.minimum(low, 9).astype(dtype), np.maximum(high, -9).astype(dtype)
    if size == 1:
        low, high = np.full(shape, low[0], dtype), np.full(shape, high[0], dtype)
    return gym.Box(low.reshape(shape), high.reshape(shape), shape, dtype)


@st.composite
def discretes(draw):
    dtype = draw(st.sampled_from(INTEGERS)) if HAS_DTYPE else "int64"
    start = draw(st.integers(0 if dtype.startswith("u") else -9, 9))
    options = {"dtype": dtype} if HAS_DTYPE else {}
    return gym.Discrete(draw(st.integers(1, 100)), start=start, **options)


@st.composite
def multi_discretes(draw):
    # Without axes, what Gymnasium samples is no array, and not in its own space.
    shape, dtype = draw(shapes.filter(len)), draw(st.sampled_from(INTEGERS))
    size = int(np.prod(shape))
    nvec = draw(st.lists(st.integers(1, 9), min_size=size, max_size=size))
    start = draw(st.lists(st.integers(0, 9), min_size=size, max_size=size))
    nvec, start = (np.array(part, dtype).reshape(shape) for part in (nvec, start))
    return gym.MultiDiscrete(nvec, dtype, start=start)


@st.composite
def texts(draw):
    min_length, more = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    characters = st.characters(blacklist_categories=["Cs"])
    charset = "".join(draw(st.lists(characters, min_size=1, max_size=9, unique=True)))
    return gym.Text(min_length + more, min_length=min_length, charset=charset)


def dicts_of(parts, **size):
    pairs = st.lists(st.tuples(st.text("abc🤖", max_size=3), parts), **size)
    return pairs.map(lambda pairs: gym.Dict(OrderedDict(pairs)))


def tuples_of(parts, **size):
    return st.lists(parts, **size).map(gym.Tuple)


binaries = st.integers(1, 5) | st.lists(st.integers(1, 3), min_size=1, max_size=3)
arrays = st.one_of(boxes(), discretes(), multi_discretes(), binaries.map(gym.MultiBinary))
some = {"min_size": 1, "max_size": 3}
stackable = arrays | dicts_of(arrays, **some) | tuples_of(arrays, **some)
nodes = stackable if HAS_ANY_NODES else boxes() | discretes()
leaves = st.one_of(
    arrays,
    texts(),
    st.builds(gym.Graph, nodes, st.none() | nodes),
    stackable.map(lambda space: gym.Sequence(space, stack=True)),
)
gym_spaces = st.recursive(
    leaves,
    lambda parts: st.one_of(
        dicts_of(parts, max_size=3),
        tuples_of(parts, max_size=3),
        parts.map(gym.Sequence),
        st.lists(parts, **some).map(getattr(gym, "OneOf", gym.Tuple)),
    ),
    max_leaves=6,
)


def parts_of(space):
    """Return everything that defines a space of Gymnasium, exactly."""
    kind = type(space).__name__
    if isinstance(space, gym.Box):
        return (kind, space.shape, space.dtype, space.low.tobytes(), space.high.tobytes())
    if isinstance(space, gym.Discrete):
        return (kind, int(space.n), int(space.start), space.dtype)
    if isinstance(space, gym.MultiDiscrete):
        return (kind, space.shape, space.dtype, space.nvec.tobytes(), space.start.tobytes())
    if isinstance(space, gym.MultiBinary):
        return (kind, space.n)
    if isinstance(space, gym.Text):
        return (kind, space.min_length, space.max_length, space.character_list)
    if isinstance(space, gym.Dict):
        items = [(key, parts_of(part)) for key, part in space.spaces.items()]
        return (kind, items, getattr(space, "sort_keys", True))
    if isinstance(space, gym.Sequence):
        return (kind, parts_of(space.feature_space), space.stack)
    if isinstance(space, gym.Graph):
        edges = space.edge_space
        return (kind, parts_of(space.node_space), None if edges is None else parts_of(edges))
    return (kind, [parts_of(part) for part in space.spaces])


def to_numpy(value):
    """Return a native value as Gymnasium has it."""
    if isinstance(value, rlmesh.Tensor):
        return np.asarray(value)
    if isinstance(value, dict):
        return {key: to_numpy(part) for key, part in value.items()}
    if isinstance(value, tuple):
        parts = [to_numpy(part) for part in value]
        return gym.GraphInstance(*parts) if hasattr(value, "nodes") else tuple(parts)
    return value


@modest
@given(gym_spaces)
def test_a_gymnasium_space_survives_the_round_trip_exactly(space):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = to_gymnasium(from_gymnasium(space))
    assert parts_of(again) == parts_of(space)
    assert again == space


@modest
@given(gym_spaces)
def test_repr_of_a_leaf_names_what_gymnasiums_does(space):
    converted = from_gymnasium(space)
    if isinstance(space, (gym.Discrete, gym.MultiBinary, gym.Text)):
        assert repr(converted) == repr(space)
    assert repr(converted).split("(")[0] == type(space).__name__


@modest
@given(gym_spaces, st.integers(0, 2**31))
def test_what_gymnasium_samples_is_in_our_space(space, seed):
    space.seed(seed)
    sample = space.sample()
    converted = from_gymnasium(space)
    converted.conform(sample)
    # Some versions sample graphs out of their own bounds.
    assert (sample in converted) == space.contains(sample)


@modest
@given(gym_spaces, st.integers(0, 2**31))
def test_what_we_sample_is_in_gymnasiums_space(space, seed):
    converted = from_gymnasium(space)
    converted.seed(seed)
    assert space.contains(to_numpy(converted.sample()))


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS, "bool"])
@pytest.mark.parametrize("shape", [(), (2, 3)])
def test_a_box_as_wide_as_its_dtype_converts(dtype, shape):
    kind = np.dtype(dtype).kind
    if kind == "f":
        limits = np.finfo(dtype)
        low, high = float(limits.min), float(limits.max)
    else:
        low, high = (0, 1) if kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    space = gym.Box(low, high, shape, np.dtype(dtype))
    assert parts_of(to_gymnasium(from_gymnasium(space))) == parts_of(space)
    for bound in (space.low, space.high):
        assert bound in from_gymnasium(space)


@pytest.mark.parametrize("dtype", [np.float32, np.dtype("f4"), "float32", np.dtype(">f4")])
def test_our_box_takes_numpys_dtypes_and_arrays(dtype):
    low, high = np.array([0.1, -np.inf]), np.array([1, 2], dtype=np.int8)
    space = to_gymnasium(rlmesh.spaces.Box(low, high, dtype=dtype))
    assert parts_of(space) == parts_of(gym.Box(low.astype("f4"), high.astype("f4")))
    assert rlmesh.spaces.Box(np.float32(0.5), np.int64(2)).shape == (1,)
    assert rlmesh.spaces.Box(0, np.array(2.0)).shape == ()


def test_a_custom_subclass_converts_as_the_space_that_it_extends():
    class Keys(gym.Discrete):
        pass

    assert from_gymnasium(Keys(3)) == rlmesh.spaces.Discrete(3)


def test_an_unknown_space_and_a_strange_dtype_are_named_with_their_path():
    class Mission(gym.Space):
        pass

    with pytest.raises(
        UnsupportedSpace, match=r"^obs\['m'\]: .*Mission is a space of its own kind"
    ):
        from_gymnasium(gym.Dict(m=Mission()), "obs")
    long = gym.Box(0, 1, dtype=np.longdouble)
    with pytest.raises(UnsupportedSpace, match=r"^obs\[0\]: Box.dtype: expected one of bool"):
        from_gymnasium(gym.Tuple([long]), "obs")


def test_bfloat16_is_refused_by_name():
    space = rlmesh.spaces.Dict(x=rlmesh.spaces.Box(0, 1, dtype="bfloat16"))
    with pytest.raises(UnsupportedSpace, match=r"^obs\['x'\]: gymnasium has no bfloat16"):
        to_gymnasium(space, "obs")


def test_what_an_older_gymnasium_lacks_is_dropped_with_a_warning():
    space = rlmesh.spaces.Dict(a=rlmesh.spaces.Discrete(3, start=1, dtype="uint8"), sort_keys=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        converted = to_gymnasium(space, "obs")
    version = f"gymnasium {gymnasium.__version__}"
    expected = []
    if not HAS_DTYPE:
        expected.append(f"obs['a']: {version} has no Discrete.dtype; 'uint8' is dropped")
    if not HAS_SORT_KEYS:
        expected.append(f"obs: {version} has no Dict.sort_keys; False is dropped")
    assert [str(warning.message) for warning in caught] == expected
    assert converted["a"].start == 1


def test_a_kind_of_space_that_gymnasium_lacks_is_named(monkeypatch):
    monkeypatch.delattr(gym, "OneOf", raising=False)
    space = rlmesh.spaces.OneOf([rlmesh.spaces.Discrete(2)])
    with pytest.raises(UnsupportedSpace, match=r"^action: gymnasium .* has no OneOf$"):
        to_gymnasium(space, "action")


def test_what_gymnasium_refuses_is_named():
    space = rlmesh.spaces.MultiBinary([])  # an array without axes; Gymnasium takes it as well
    assert to_gymnasium(space).shape == ()
    dotted = rlmesh.spaces.Dict(a=rlmesh.spaces.Graph(rlmesh.spaces.MultiBinary(2), None))
    if HAS_ANY_NODES:
        assert to_gymnasium(dotted)["a"].node_space == gym.MultiBinary(2)
        return
    with pytest.raises(UnsupportedSpace, match=r"^obs\['a'\]: gymnasium .* cannot describe"):
        to_gymnasium(dotted, "obs")
