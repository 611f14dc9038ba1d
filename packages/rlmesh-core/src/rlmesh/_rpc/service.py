"""What a server serves, as the layer of sessions sees it."""

from __future__ import annotations

from typing import Any, Protocol, Sequence, Tuple

from rlmesh._wire.payload import Parts

Result = Tuple[Any, Parts]
"""A reply's body, and its large arrays, which may change when the next request is executed."""


class Service(Protocol):
    """One thing that one session at a time may use."""

    @property
    def role(self) -> str:
        """`"env"` or `"model"`."""
        ...

    def describe(self) -> Any:
        """Return, as plain data, what a client learns when its session opens."""
        ...

    def call(self, op: int, body: Any, payload: Sequence[memoryview]) -> Result:
        """Execute one request; whatever it raises is sent to the client."""
        ...

    def release(self) -> None:
        """Forget the session that ended."""
        ...
