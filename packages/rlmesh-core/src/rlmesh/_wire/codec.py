"""The codec of values: compiled once per space, so that a step carries no shapes or dtypes.

A value's body, in the control frame, is by space:

    Box, MultiBinary, MultiDiscrete   bytes; None where the array is a frame of its own
    Discrete, Text                    int, str
    Dict, Tuple, Sequence             list of bodies
    Sequence(stack=True)              [length, body of the stacked value]
    OneOf                             [index, body]
    Graph                             [nodes, edges, edge links]: two stacked values and an array
"""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, Optional, Sequence

from rlmesh.backends import Backend
from rlmesh.errors import InvalidValue, ProtocolError, RLMeshError
from rlmesh.spaces import GraphInstance, Space

from .decode import Decoder, compile_decoder
from .encode import Encoder, compile_encoder
from .payload import PartReader, Parts


class ValueCodec:
    """Turns values into bodies, and bodies into values.

    Attributes:
        encode: Takes a value and a list for its large arrays, and returns the body.
        decode: Takes a body and a reader of large arrays, and returns the value.
    """

    encode: Encoder
    decode: Decoder


class Encoded(NamedTuple):
    """A value that stays encoded.

    Attributes:
        body: What stands for it in the control frame.
        parts: Its large arrays.
    """

    body: Any
    parts: Sequence[memoryview]


class ForwardingCodec(ValueCodec):
    """Passes values on as they came, from one wire to another."""

    def __init__(self) -> None:
        self.encode = _forward
        self.decode = _keep


class Codec(ValueCodec):
    """Turns the values of one space into bodies, and back into one framework's values.

    Args:
        space: The space of the values.
        backend: Whose arrays come out of `decode`; `encode` takes those and native values.
        name: What errors call the value, e.g. `"observation"`.
        graph_type: What a Graph decodes to; called with nodes, edges and edge links.
        device: Where decoded arrays live; see `Backend.as_device`.

    Attributes:
        encode: Takes a value and a list for its large arrays, and returns the body. It raises
            InvalidValue, which names the path, where the value does not fit the space.
        decode: Takes a body and a reader of large arrays, and returns the value. It raises
            ProtocolError where the body is not one of the space, and InvalidValue where the
            framework cannot hold the value.
    """

    def __init__(
        self,
        space: Space[Any],
        backend: Backend,
        name: str,
        graph_type: Callable[[Any, Any, Any], Any] = GraphInstance,
        device: Optional[Any] = None,
    ) -> None:
        self.encode = compile_encoder(space, backend, name)
        self.decode = _guarded(compile_decoder(space, backend, graph_type, device), name)


def _guarded(decode: Decoder, name: str) -> Decoder:
    def guarded(body: Any, reader: PartReader) -> Any:
        try:
            return decode(body, reader)
        except ProtocolError:
            raise
        except InvalidValue as exc:
            raise InvalidValue(f"{name}.{exc}") from exc
        except (RLMeshError, TypeError, ValueError, LookupError) as exc:
            raise ProtocolError(f"{name}: the received body does not decode: {exc}") from exc

    return guarded


def _forward(value: Encoded, parts: Parts) -> Any:
    parts.extend(value.parts)
    return value.body


def _keep(body: Any, reader: PartReader) -> Encoded:
    return Encoded(body, reader.before())
