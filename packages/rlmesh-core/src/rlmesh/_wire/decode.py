"""Compiled decoders: from received bodies to values of one framework."""

from __future__ import annotations

from typing import Any, Callable, Optional

from rlmesh.backends import Backend
from rlmesh.spaces import (
    Box,
    Discrete,
    Graph,
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
from rlmesh.spaces.graph import LINK_DTYPE

from .bounds import ARRAY_SPACES
from .encode import nbytes_of
from .payload import INLINE_BYTES, PartReader

Decoder = Callable[[Any, PartReader], Any]
"""Takes a body and a reader of large arrays; returns the value."""


def compile_decoder(
    space: Space[Any],
    backend: Backend,
    graph_type: Callable[[Any, Any, Any], Any],
    device: Optional[Any] = None,
) -> Decoder:
    """Return the decoder of a space's values.

    A body that is not one of the space makes it raise some LookupError, TypeError, ValueError or
    error of ours.

    Args:
        space: The space.
        backend: The framework whose arrays come out.
        graph_type: What a Graph becomes; called with nodes, edges and edge links.
        device: Where the arrays live; see `Backend.as_device`.
    """

    def compiled(part: Space[Any]) -> Decoder:
        return compile_decoder(part, backend, graph_type, device)

    if isinstance(space, ARRAY_SPACES):
        return _array_decoder(space, backend, device)
    if isinstance(space, Discrete):
        return _decode_int
    if isinstance(space, Text):
        return _decode_str
    if isinstance(space, DictSpace):
        return _dict_decoder(space, compiled)
    if isinstance(space, TupleSpace):
        return _tuple_decoder(space, compiled)
    if isinstance(space, OneOf):
        return _one_of_decoder(space, compiled)
    if isinstance(space, Graph):
        return _graph_decoder(space, compiled, graph_type)
    assert isinstance(space, Sequence)
    return _sequence_decoder(space, compiled)


def _array_decoder(space: Any, backend: Backend, device: Optional[Any]) -> Decoder:
    dtype, shape, nbytes = str(space.dtype), tuple(space.shape), nbytes_of(space)
    array_of = backend.importer(dtype, shape, device)

    def decode_inline(body: Any, reader: PartReader) -> Any:
        if type(body) is not bytes or len(body) != nbytes:
            raise ValueError(f"expected {nbytes} bytes, got {body!r:.40}")
        # A bytearray, so that users may write into what they get.
        return array_of(bytearray(body))

    def decode_large(body: Any, reader: PartReader) -> Any:
        return array_of(reader.take(nbytes))

    return decode_inline if nbytes <= INLINE_BYTES else decode_large


def _dict_decoder(space: DictSpace, compiled: Callable[[Space[Any]], Decoder]) -> Decoder:
    decoders = [(key, compiled(part)) for key, part in space.spaces.items()]

    def decode(body: Any, reader: PartReader) -> Any:
        _check_length(body, len(decoders))
        return {key: decode_part(part, reader) for (key, decode_part), part in zip(decoders, body)}

    return decode


def _tuple_decoder(space: TupleSpace, compiled: Callable[[Space[Any]], Decoder]) -> Decoder:
    decoders = [compiled(part) for part in space.spaces]

    def decode(body: Any, reader: PartReader) -> Any:
        _check_length(body, len(decoders))
        return tuple([decode_part(part, reader) for decode_part, part in zip(decoders, body)])

    return decode


def _one_of_decoder(space: OneOf, compiled: Callable[[Space[Any]], Decoder]) -> Decoder:
    decoders = [compiled(part) for part in space.spaces]

    def decode(body: Any, reader: PartReader) -> Any:
        index, part = body
        if not 0 <= index < len(decoders):
            raise ValueError(f"expected an index below {len(decoders)}, got {index}")
        return index, decoders[index](part, reader)

    return decode


def _graph_decoder(
    space: Graph,
    compiled: Callable[[Space[Any]], Decoder],
    graph_type: Callable[[Any, Any, Any], Any],
) -> Decoder:
    decode_nodes = _stack_decoder(space.node_space, compiled)
    decode_edges = _stack_decoder(space.edge_space or space.node_space, compiled)

    def decode(body: Any, reader: PartReader) -> Any:
        nodes_body, edges_body, links_body = body
        nodes = decode_nodes(nodes_body, reader)
        if edges_body is None:
            return graph_type(nodes, None, None)
        edges = decode_edges(edges_body, reader)
        links = Box(-(2**31), 2**31 - 1, (edges_body[0], 2), LINK_DTYPE)
        return graph_type(nodes, edges, compiled(links)(links_body, reader))

    return decode


def _stack_decoder(feature: Space[Any], compiled: Callable[[Space[Any]], Decoder]) -> Decoder:
    def decode(body: Any, reader: PartReader) -> Any:
        length, part = body
        return compiled(feature.batched(length))(part, reader)

    return decode


def _sequence_decoder(space: Sequence, compiled: Callable[[Space[Any]], Decoder]) -> Decoder:
    feature = space.feature_space
    if space.stack:
        return _stack_decoder(feature, compiled)
    decode_part = compiled(feature)
    return lambda body, reader: tuple([decode_part(part, reader) for part in _typed(body, list)])


def _decode_int(body: Any, reader: PartReader) -> Any:
    return _typed(body, int)


def _decode_str(body: Any, reader: PartReader) -> Any:
    return _typed(body, str)


def _typed(body: Any, kind: type) -> Any:
    if type(body) is not kind:
        raise ValueError(f"expected {kind.__name__}, got {type(body).__name__}")
    return body


def _check_length(body: Any, length: int) -> None:
    if type(body) is not list or len(body) != length:
        raise ValueError(f"expected {length} bodies")
