"""The codec of values: compiled once per space, so that a step carries no shapes or dtypes.

A value's body, in the control frame, is by space:

    Box, MultiBinary, MultiDiscrete   bytes; None where the array rides in the payload
    Discrete, Text                    int, str
    Dict, Tuple, Sequence             list of bodies
    Sequence(stack=True)              [length, body of the stacked value]
    OneOf                             [index, body]
    Graph                             [nodes, edges, edge links]: two stacked values and an array
"""

from __future__ import annotations

from typing import Any, Callable

from rlmesh.backends import Backend
from rlmesh.errors import ProtocolError, RLMeshError
from rlmesh.spaces import GraphInstance, Space

from .decode import compile_decoder
from .encode import compile_encoder
from .payload import PayloadReader, PayloadWriter


class Codec:
    """Turns the values of one space into bodies, and back into one framework's values.

    Args:
        space: The space of the values.
        backend: Whose arrays come out of `decode`; `encode` takes those and native values.
        name: What errors call the value, e.g. `"observation"`.
        graph_type: What a Graph decodes to; called with nodes, edges and edge links.
    """

    def __init__(
        self,
        space: Space[Any],
        backend: Backend,
        name: str,
        graph_type: Callable[[Any, Any, Any], Any] = GraphInstance,
    ) -> None:
        self._name = name
        self._encode = compile_encoder(space, backend, name)
        self._decode = compile_decoder(space, backend, graph_type)

    def encode(self, value: Any, writer: PayloadWriter) -> Any:
        """Return the value's body; its large arrays go to the writer.

        Raises:
            InvalidValue: The value does not fit the space; the message names the path.
        """
        return self._encode(value, writer)

    def decode(self, body: Any, reader: PayloadReader) -> Any:
        """Return the value of a received body.

        Raises:
            ProtocolError: The body is not one of this space.
        """
        try:
            return self._decode(body, reader)
        except ProtocolError:
            raise
        except (RLMeshError, TypeError, ValueError, LookupError) as exc:
            raise ProtocolError(f"{self._name}: the received body does not decode: {exc}") from exc
