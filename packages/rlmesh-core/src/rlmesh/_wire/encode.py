"""Compiled encoders: from values of any framework to bodies."""

from __future__ import annotations

import math
from typing import Any, Callable, List, Tuple

from rlmesh._values.dtypes import dtype_of
from rlmesh._values.tensor import Tensor
from rlmesh._values.trees import map_arrays
from rlmesh.backends import Backend
from rlmesh.errors import InvalidValue
from rlmesh.spaces import (
    Dict as DictSpace,
)
from rlmesh.spaces import (
    Discrete,
    Graph,
    OneOf,
    Sequence,
    Space,
    Text,
)
from rlmesh.spaces import (
    Tuple as TupleSpace,
)

from .bounds import ARRAY_SPACES, bounds_check
from .payload import INLINE_BYTES, Parts, as_bytes

Encoder = Callable[[Any, Parts], Any]
"""Takes a value and a list for its large arrays; returns the body."""


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
    conform, to_tensors = space.conform, _importer(backend, path)
    export = backend.exporter(str(space.dtype), tuple(space.shape))
    check = bounds_check(space, path)
    inline = nbytes_of(space) <= INLINE_BYTES

    def encode(value: Any, parts: Parts) -> Any:
        memory = export(value)
        if memory is None:
            memory = conform(to_tensors(value), path).data
        if check is not None:
            check(memory)
        if inline:
            return memory.tobytes()
        parts.append(as_bytes(memory))
        return None

    return encode


def _scalar_encoder(space: Any, path: str) -> Encoder:
    conform, check = space.conform, bounds_check(space, path)

    def encode(value: Any, parts: Parts) -> Any:
        body = conform(value, path)
        if check is not None:
            check(body)
        return body

    return encode


def _dict_encoder(space: DictSpace, backend: Backend, path: str) -> Encoder:
    keys, check_keys = space.spaces.keys(), space.check_keys
    encoders = [
        (key, compile_encoder(part, backend, f"{path}[{key!r}]"))
        for key, part in space.spaces.items()
    ]

    def encode(value: Any, parts: Parts) -> Any:
        if type(value) is not dict or value.keys() != keys:
            check_keys(value, path)
        return [encode_part(value[key], parts) for key, encode_part in encoders]

    return encode


def _tuple_encoder(space: TupleSpace, backend: Backend, path: str) -> Encoder:
    check_length = space.check_length
    encoders = [
        compile_encoder(part, backend, f"{path}[{i}]") for i, part in enumerate(space.spaces)
    ]

    def encode(value: Any, parts: Parts) -> Any:
        check_length(value, path)
        return [encode_part(part, parts) for encode_part, part in zip(encoders, value)]

    return encode


def _variable_encoder(space: Any, backend: Backend, path: str) -> Encoder:
    """Return an encoder for a space whose values vary in size."""
    conform, check, encode_native = space.conform, bounds_check(space, path), _native(space)
    to_tensors = _importer(backend, path)

    def encode(value: Any, parts: Parts) -> Any:
        native = conform(to_tensors(value), path)
        if check is not None:
            check(native)
        return encode_native(native, parts)

    return encode


def _importer(backend: Backend, path: str) -> Callable[[Any], Any]:
    """Return a function that turns the framework's arrays in a value into tensors."""

    def to_tensors(value: Any) -> Any:
        try:
            return map_arrays(value, backend.is_array, backend.to_tensor)
        except InvalidValue as exc:
            raise InvalidValue(f"{path}.{exc}") from None

    return to_tensors


def _native(space: Space[Any]) -> Encoder:
    """Return an encoder for values that are conformed already."""
    if isinstance(space, ARRAY_SPACES):
        return _encode_tensor
    if isinstance(space, (Discrete, Text)):
        return lambda value, parts: value
    if isinstance(space, (DictSpace, TupleSpace)):
        spaces: Any = space.spaces
        keyed: List[Tuple[Any, Encoder]] = [
            (key, _native(spaces[key]))
            for key in (spaces if isinstance(space, DictSpace) else range(len(spaces)))
        ]
        return lambda value, parts: [encode(value[key], parts) for key, encode in keyed]
    if isinstance(space, OneOf):
        choices = [_native(part) for part in space.spaces]
        return lambda value, parts: [value[0], choices[value[0]](value[1], parts)]
    if isinstance(space, Graph):
        return _native_graph(space)
    assert isinstance(space, Sequence)
    if space.stack:
        return _native_stack(space.feature_space)
    feature = _native(space.feature_space)
    return lambda value, parts: [feature(part, parts) for part in value]


def _native_stack(feature: Space[Any]) -> Encoder:
    encode_stacked = _native(feature.batched(1))
    return lambda value, parts: [feature.stacked_length(value), encode_stacked(value, parts)]


def _native_graph(space: Graph) -> Encoder:
    encode_nodes = _native_stack(space.node_space)
    encode_edges = _native_stack(space.edge_space or space.node_space)

    def encode(value: Any, parts: Parts) -> Any:
        nodes = encode_nodes(value.nodes, parts)
        if value.edges is None:
            return [nodes, None, None]
        edges = encode_edges(value.edges, parts)
        return [nodes, edges, _encode_tensor(value.edge_links, parts)]

    return encode


def _encode_tensor(tensor: Tensor, parts: Parts) -> Any:
    if tensor.nbytes <= INLINE_BYTES:
        return bytes(tensor.data)
    parts.append(tensor.data)
    return None
