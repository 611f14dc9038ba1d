"""The client's side of a served env's attributes and methods."""

from __future__ import annotations

from functools import partial
from typing import Any, Sequence

from rlmesh._wire.exact import decode_exact, encode_exact
from rlmesh._wire.messages import CALL, GET_ATTR, SET_ATTR
from rlmesh._wire.payload import PartReader, Parts
from rlmesh.backends import Backend
from rlmesh.errors import UnknownAttribute

from .attributes import not_exposed
from .client import EnvClient


class RemoteAttributes:
    """Gets, sets and calls what a served env exposes.

    Args:
        client: The session with the env.
        backend: Whose arrays values hold.
    """

    def __init__(self, client: EnvClient, backend: Backend) -> None:
        self._client = client
        self._backend = backend

    def __contains__(self, name: str) -> bool:
        """Whether the server exposes an attribute or method."""
        return name in self._client.exposed

    def get(self, name: str) -> Any:
        """Return an attribute; of a method, a function that calls it.

        Raises:
            UnknownAttribute: The server does not expose it, or there is none.
            RLMeshError: See `RemoteBase.get_attr`.
        """
        body, payload = self._ask(GET_ATTR, name, None, ())
        if body is None:
            return partial(self.call, name)
        return decode_exact(body, PartReader(payload), self._backend)

    def set(self, name: str, value: Any) -> None:
        """Set an attribute; raises what `get` does."""
        self._check(name)
        parts: Parts = []
        packed = encode_exact(value, name, parts, self._backend)
        self._client.changed.add(name)
        self._ask(SET_ATTR, name, packed, parts)

    def call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Return what a method returns; raises what `get` does."""
        self._check(name)
        parts: Parts = []
        packed = encode_exact({"args": args, "kwargs": kwargs}, f"{name}()", parts, self._backend)
        self._client.changed.add(name)
        body, payload = self._ask(CALL, name, packed, parts)
        return decode_exact(body, PartReader(payload), self._backend)

    def _check(self, name: str) -> None:
        if name not in self:
            raise UnknownAttribute(not_exposed(name))

    def _ask(self, op: int, name: str, packed: Any, parts: Sequence[memoryview]) -> Any:
        self._check(name)
        return self._client.call_now(op, (name, packed), parts)
