"""Compiled encoders: from values of any framework to bodies."""

from __future__ import annotations

import math
import warnings
from typing import Any, Callable, List, Optional, Tuple

from rlmesh._values.dtypes import dtype_of
from rlmesh._values.tensor import Tensor
from rlmesh._values.trees import map_arrays
from rlmesh.backends import Backend
from rlmesh.spaces import (
    Box,
    Discrete,
    Graph,
    MultiBinary,
    MultiDiscrete,
    OneOf,
    Sequence,
    Space,
    Text,
)
from rlmesh.spaces import (
    Dict as DictSpace,
)
from rlmesh.spaces import (
    Tuple as TupleSpace,
)

from .payload import INLINE_BYTES, PayloadWriter

Encoder = Callable[[Any, PayloadWriter], Any]
"""Takes a value and a writer for its large arrays; returns the body."""

ARRAY_SPACES = (Box, MultiBinary, MultiDiscrete)

_SMALL = 1024
"""Arrays up to this many elements are checked against their bounds at every step."""
_QUICK = 32
"""Arrays up to this many elements are checked in a loop of their own."""
_LARGE_CHECKS = 16
"""Larger arrays are checked only this many times."""


def compile_encoder(space: Space[Any], backend: Backend, path: str) -> Encoder:
    """Return the encoder of a space's values.

    Args:
        space: The space.
        backend: The framework whose arrays the values may hold, besides native ones.
        path: What errors call the value, e.g. `"observation"`.
    """
    if isinstance(space, ARRAY_SPACES):
        return _array_encoder(space, backend, path)
    if isinstance(space, (Discrete, Text)):
        return _scalar_encoder(space, path)
    if isinstance(space, DictSpace):
        return _dict_encoder(space, backend, path)
    if isinstance(space, TupleSpace):
        return _tuple_encoder(space, backend, path)
    return _variable_encoder(space, backend, path)


def nbytes_of(space: Any) -> int:
    """Return the size of one array of a space, in bytes."""
    return dtype_of(str(space.dtype)).itemsize * int(math.prod(space.shape))


def _array_encoder(space: Any, backend: Backend, path: str) -> Encoder:
    conform, check = space.conform, _bounds_check(space, path)
    is_array, to_tensor = backend.is_array, backend.to_tensor
    inline = nbytes_of(space) <= INLINE_BYTES

    def encode(value: Any, writer: PayloadWriter) -> Any:
        tensor = conform(to_tensor(value) if is_array(value) else value, path)
        if check is not None:
            check(tensor)
        if inline:
            return bytes(tensor.data)
        writer.add(tensor.data)
        return None

    return encode


def _scalar_encoder(space: Any, path: str) -> Encoder:
    conform, check = space.conform, _bounds_check(space, path)

    def encode(value: Any, writer: PayloadWriter) -> Any:
        body = conform(value, path)
        if check is not None:
            check(body)
        return body

    return encode


def _dict_encoder(space: DictSpace, backend: Backend, path: str) -> Encoder:
    check_keys = space.check_keys
    encoders = [
        (key, compile_encoder(part, backend, f"{path}[{key!r}]"))
        for key, part in space.spaces.items()
    ]

    def encode(value: Any, writer: PayloadWriter) -> Any:
        check_keys(value, path)
        return [encode_part(value[key], writer) for key, encode_part in encoders]

    return encode


def _tuple_encoder(space: TupleSpace, backend: Backend, path: str) -> Encoder:
    check_length = space.check_length
    encoders = [
        compile_encoder(part, backend, f"{path}[{i}]") for i, part in enumerate(space.spaces)
    ]

    def encode(value: Any, writer: PayloadWriter) -> Any:
        check_length(value, path)
        return [encode_part(part, writer) for encode_part, part in zip(encoders, value)]

    return encode


def _variable_encoder(space: Any, backend: Backend, path: str) -> Encoder:
    """Return an encoder for a space whose values vary in size."""
    conform, check, encode_native = space.conform, _bounds_check(space, path), _native(space)
    is_array, to_tensor = backend.is_array, backend.to_tensor

    def encode(value: Any, writer: PayloadWriter) -> Any:
        native = conform(map_arrays(value, is_array, to_tensor), path)
        if check is not None:
            check(native)
        return encode_native(native, writer)

    return encode


def _native(space: Space[Any]) -> Encoder:
    """Return an encoder for values that are conformed already."""
    if isinstance(space, ARRAY_SPACES):
        return _encode_tensor
    if isinstance(space, (Discrete, Text)):
        return lambda value, writer: value
    if isinstance(space, (DictSpace, TupleSpace)):
        spaces: Any = space.spaces
        keyed: List[Tuple[Any, Encoder]] = [
            (key, _native(spaces[key]))
            for key in (spaces if isinstance(space, DictSpace) else range(len(spaces)))
        ]
        return lambda value, writer: [encode(value[key], writer) for key, encode in keyed]
    if isinstance(space, OneOf):
        choices = [_native(part) for part in space.spaces]
        return lambda value, writer: [value[0], choices[value[0]](value[1], writer)]
    if isinstance(space, Graph):
        return _native_graph(space)
    assert isinstance(space, Sequence)
    if space.stack:
        return _native_stack(space.feature_space)
    feature = _native(space.feature_space)
    return lambda value, writer: [feature(part, writer) for part in value]


def _native_stack(feature: Space[Any]) -> Encoder:
    encode_stacked = _native(feature.batched(1))
    return lambda value, writer: [feature.stacked_length(value), encode_stacked(value, writer)]


def _native_graph(space: Graph) -> Encoder:
    encode_nodes = _native_stack(space.node_space)
    encode_edges = _native_stack(space.edge_space or space.node_space)

    def encode(value: Any, writer: PayloadWriter) -> Any:
        nodes = encode_nodes(value.nodes, writer)
        if value.edges is None:
            return [nodes, None, None]
        edges = encode_edges(value.edges, writer)
        return [nodes, edges, _encode_tensor(value.edge_links, writer)]

    return encode


def _encode_tensor(tensor: Tensor, writer: PayloadWriter) -> Any:
    if tensor.nbytes <= INLINE_BYTES:
        return bytes(tensor.data)
    writer.add(tensor.data)
    return None


def _bounds_check(space: Any, path: str) -> Optional[Callable[[Any], None]]:
    """Return a function that warns about the first value out of the space's bounds.

    It returns None for spaces that have none.
    """
    if isinstance(space, Box) and not space.bounded:
        return None
    size = math.prod(space.shape) if isinstance(space, ARRAY_SPACES) else 0
    remaining = math.inf if size <= _SMALL else _LARGE_CHECKS
    is_inside = _quick_check(space, size)

    def check(value: Any) -> None:
        nonlocal remaining
        if remaining <= 0 or is_inside(value):
            return
        remaining -= 1
        violation = space.violation(value, path)
        if violation is not None:
            remaining = 0
            warnings.warn(
                f"{violation}; it is passed on unchanged, and this warning is given once",
                RuntimeWarning,
                stacklevel=2,
            )

    return check


def _quick_check(space: Any, size: int) -> Callable[[Any], bool]:
    """Return a cheap test that is true only for values within bounds."""
    if isinstance(space, Discrete):
        first, last = space.start, space.start + space.n - 1
        return lambda value: first <= value <= last
    if not isinstance(space, Box) or size > _QUICK:
        return lambda value: False
    bounds = list(zip(space.low.flat(), space.high.flat()))

    def is_inside(tensor: Tensor) -> bool:
        for number, (low, high) in zip(tensor.flat(), bounds):
            if not low <= number <= high:
                return False
        return True

    return is_inside
