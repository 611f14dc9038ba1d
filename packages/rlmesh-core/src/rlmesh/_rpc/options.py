"""What a server's owner may set."""

from __future__ import annotations

from dataclasses import dataclass

from rlmesh._contract.peer import Limits


@dataclass(frozen=True)
class ServeOptions:
    """How a server behaves towards its clients.

    Attributes:
        session_grace: Seconds for which a client that cannot be reached keeps its env.
        max_control: Bytes that a received control frame may have (headers, small arrays, text).
        max_payload: Bytes that the large arrays of a received message may have, all together.
        allow_insecure: Allow an address that other machines reach, without a token.
    """

    session_grace: float = 30.0
    max_control: int = Limits.control
    max_payload: int = Limits.payload
    allow_insecure: bool = False

    @property
    def limits(self) -> Limits:
        """The limits that clients are told."""
        return Limits(self.max_control, self.max_payload)
