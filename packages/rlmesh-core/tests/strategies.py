"""Hypothesis strategies: random spaces, and random values of a given space."""

from __future__ import annotations

import math
import struct

from hypothesis import strategies as st

from rlmesh import Tensor
from rlmesh._values.dtypes import DTYPES
from rlmesh.spaces import (
    Box,
    Dict,
    Discrete,
    Graph,
    GraphInstance,
    MultiBinary,
    MultiDiscrete,
    OneOf,
    Sequence,
    Text,
    Tuple,
)

INTEGER_DTYPES = [d.name for d in DTYPES.values() if d.is_integer]
SPECIAL_FLOATS = [0.0, -0.0, 1.0, -1.5, math.inf, -math.inf, math.nan]
EXTREMES = {  # smallest denormal, largest number
    "float16": (2.0**-24, 65504.0),
    "float32": (2.0**-149, 3.4028234663852886e38),
    "float64": (5e-324, 1.7976931348623157e308),
    "bfloat16": (2.0**-133, 3.3895313892515355e38),
}

characters = st.characters(blacklist_categories=["Cs"])
texts = st.text(characters, max_size=8) | st.sampled_from(
    ["", "é", "日本語", "🤖👩‍🚀", "\0", "\U0010ffff"]
)
shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple)
keys = st.text(characters, max_size=5) | st.integers(-3, 3)


def numbers(dtype, nan=True):
    """Any number of a dtype; floats with denormals, extremes, infinities, both zeros, and NaN."""
    kind = DTYPES[dtype]
    if kind.kind == "b":
        return st.booleans()
    if kind.is_integer:
        low, high = kind.limits
        return st.integers(low, high) | st.sampled_from([low, high, max(low, -1), 0, 1])
    bits = st.binary(min_size=kind.itemsize, max_size=kind.itemsize)
    raw = bits.map(lambda data: Tensor(data, dtype, ()).item())
    tiny, largest = EXTREMES[dtype]
    special = st.sampled_from([*SPECIAL_FLOATS, tiny, -tiny, largest, -largest])
    return (raw | special).filter(lambda x: nan or x == x)


@st.composite
def tensors(draw, dtype, shape):
    """Any tensor of a dtype and shape, whatever the bounds of its space."""
    kind, size = DTYPES[dtype], math.prod(shape)
    if kind.kind != "b" and draw(st.booleans()):  # all bit patterns, NaNs with payloads too
        data = draw(st.binary(min_size=size * kind.itemsize, max_size=size * kind.itemsize))
        return Tensor(data, dtype, shape)
    flat = draw(st.lists(numbers(dtype), min_size=size, max_size=size))
    return Tensor(Tensor.from_values(flat, dtype).data, dtype, shape)


@st.composite
def boxes(draw):
    """Boxes of any dtype: uniform and other bounds, infinite ones, no elements, no axes."""
    dtype, shape = draw(st.sampled_from(list(DTYPES))), draw(shapes)
    if draw(st.booleans()) and DTYPES[dtype].kind in "biu":
        low, high = DTYPES[dtype].limits
        return Box(low, high, shape, dtype)
    size = 1 if draw(st.booleans()) else math.prod(shape)
    bound = numbers(dtype, nan=False)
    pairs = draw(st.lists(st.tuples(bound, bound).map(sorted), min_size=size, max_size=size))
    low, high = (Tensor.from_values([pair[i] for pair in pairs], dtype) for i in (0, 1))
    if size == 1:
        return Box(low.item(), high.item(), shape, dtype)
    return Box(Tensor(low.data, dtype, shape), Tensor(high.data, dtype, shape), shape, dtype)


@st.composite
def discretes(draw):
    """Discrete spaces of any dtype, up to all of its integers that a count can have."""
    dtype = draw(st.sampled_from(INTEGER_DTYPES))
    low, high = DTYPES[dtype].limits
    start = draw(st.sampled_from([0, low, high, max(low, -1)]) | st.integers(low, high))
    most = min(high, high - start + 1)
    n = draw(st.integers(1, most) | st.just(most))
    return Discrete(n, start=start, dtype=dtype)


@st.composite
def multi_discretes(draw):
    """MultiDiscrete spaces of any dtype and shape."""
    shape = draw(shapes)
    dtype = draw(st.sampled_from(INTEGER_DTYPES))
    size = math.prod(shape)
    _, high = DTYPES[dtype].limits
    nvec = draw(st.lists(st.integers(1, min(high, 2**40)), min_size=size, max_size=size))
    start = [draw(st.integers(0, high - n)) for n in nvec]
    nvec, start = (
        Tensor(Tensor.from_values(part, dtype).data, dtype, shape) for part in (nvec, start)
    )
    return MultiDiscrete(nvec, dtype, start=start if draw(st.booleans()) else None)


@st.composite
def text_spaces(draw):
    """Text spaces of any characters, short enough to sample."""
    min_length, more = draw(st.integers(0, 4)), draw(st.integers(0, 4))
    charset = draw(st.text(characters, min_size=1, max_size=10))
    return Text(min_length + more, min_length=min_length, charset=charset)


multi_binaries = (st.integers(1, 5) | st.lists(st.integers(1, 3), max_size=3)).map(MultiBinary)
arrays = st.one_of(boxes(), discretes(), multi_binaries, multi_discretes())
leaves = arrays | text_spaces()


def dicts_of(parts, min_size=0):
    """Dict spaces, their keys in any order."""
    pairs = st.lists(
        st.tuples(keys, parts), min_size=min_size, max_size=3, unique_by=lambda pair: pair[0]
    )
    return st.builds(Dict, pairs, sort_keys=st.booleans())


def tuples_of(parts, min_size=0):
    """Tuple spaces."""
    return st.lists(parts, min_size=min_size, max_size=3).map(Tuple)


stackable = arrays | dicts_of(arrays, 1) | tuples_of(arrays, 1) | dicts_of(tuples_of(arrays, 1), 1)
graphs = st.builds(Graph, stackable, st.none() | stackable)
stacked_sequences = st.builds(Sequence, stackable, stack=st.just(True))


def spaces(max_leaves=6):
    """Any space, nested, with about this many leaves at most."""
    return st.recursive(
        leaves | graphs | stacked_sequences,
        lambda parts: st.one_of(
            dicts_of(parts),
            tuples_of(parts),
            parts.map(Sequence),
            st.lists(parts, min_size=1, max_size=3).map(OneOf),
        ),
        max_leaves=max_leaves,
    )


def values(space):
    """Any native value that conforms to the space; most are out of its bounds."""
    if isinstance(space, (Box, MultiBinary, MultiDiscrete)):
        return tensors(space.dtype, space.shape)
    if isinstance(space, Discrete):
        return numbers(space.dtype)
    if isinstance(space, Text):
        return texts
    if isinstance(space, Dict):
        # A dict by hand: fixed_dictionaries would take an order of its own.
        parts = st.tuples(*[values(part) for part in space.spaces.values()])
        return parts.map(lambda drawn: dict(zip(space.spaces, drawn)))
    if isinstance(space, Tuple):
        return st.tuples(*map(values, space.spaces))
    if isinstance(space, OneOf):
        choices = [st.tuples(st.just(i), values(part)) for i, part in enumerate(space.spaces)]
        return st.one_of(choices)
    if isinstance(space, Graph):
        return _graph_values(space)
    if space.stack:
        return st.integers(0, 3).flatmap(lambda n: values(space.feature_space.batched(n)))
    return st.lists(values(space.feature_space), max_size=3).map(tuple)


@st.composite
def _graph_values(draw, space):
    nodes = draw(values(space.node_space.batched(draw(st.integers(0, 3)))))
    if space.edge_space is None or draw(st.booleans()):
        return GraphInstance(nodes, None, None)
    count = draw(st.integers(0, 3))
    edges = draw(values(space.edge_space.batched(count)))
    return GraphInstance(nodes, edges, draw(tensors("int32", (count, 2))))


@st.composite
def space_and_sample(draw, max_leaves=6):
    """A space, and a value that it sampled."""
    space = draw(spaces(max_leaves))
    space.seed(draw(st.integers(0, 2**32)))
    return space, space.sample()


@st.composite
def space_and_value(draw, max_leaves=6):
    """A space, and any value that conforms to it; most are out of its bounds."""
    space = draw(spaces(max_leaves))
    return space, draw(values(space))


def same_bits(one, other):
    """Whether two numbers are the same, NaNs included, and zeros of one sign."""
    return struct.pack("d", one) == struct.pack("d", other)
