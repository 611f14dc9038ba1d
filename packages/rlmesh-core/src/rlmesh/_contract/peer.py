"""What two peers tell each other in `hello`."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from typing import Any, Dict

from rlmesh._version import __version__
from rlmesh.errors import ProtocolError

from .fields import field

PROTOCOL_VERSION = 1
"""Changes whenever an older peer would misread a message."""


@dataclass(frozen=True)
class Limits:
    """The largest messages that a peer accepts, in bytes; the other side checks before sending.

    Attributes:
        control: Size of the control frame: headers, small arrays, text and info.
        payload: Size of the large arrays of one message, all together.
    """

    control: int = 16 * 2**20
    payload: int = 2**30


@dataclass(frozen=True)
class PeerInfo:
    """Who a peer is.

    Attributes:
        role: `"env"` or `"model"` for servers, `"client"` otherwise.
        limits: The largest messages it accepts.
        version: Its RLMesh version.
        python: Its Python version.
    """

    role: str
    limits: Limits
    version: str = __version__
    python: str = ".".join(map(str, sys.version_info[:3]))

    def to_dict(self) -> Dict[str, Any]:
        """Return plain data, the protocol version included."""
        return {"protocol": PROTOCOL_VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, data: Any) -> PeerInfo:
        """Build from received data.

        Raises:
            ProtocolError: The peer speaks another version, or the data is no peer info.
        """
        known = data if isinstance(data, dict) else {}
        theirs, version = known.get("protocol"), known.get("version", "of unknown version")
        if type(theirs) is not int or theirs != PROTOCOL_VERSION:
            raise ProtocolError(
                f"protocol version: expected {PROTOCOL_VERSION} (rlmesh {__version__}),"
                f" got {theirs!r}"
                f" (rlmesh {version});"
                " install the same rlmesh version on both sides"
            )
        try:
            sizes = field(data, "limits", dict)
            limits = Limits(*(field(sizes, name, int) for name in ("control", "payload")))
            return cls(
                field(data, "role", str),
                limits,
                field(data, "version", str),
                field(data, "python", str),
            )
        except (KeyError, TypeError, ValueError) as exc:
            raise ProtocolError(f"the peer's introduction does not parse: {exc!r}") from exc
