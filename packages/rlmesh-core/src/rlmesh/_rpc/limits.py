"""The check that a sender makes before it sends."""

from __future__ import annotations

from typing import Optional

from rlmesh._contract.peer import Limits
from rlmesh.errors import LimitExceeded


def check_size(control: bytes, payload: Optional[bytearray], limits: Limits, name: str) -> None:
    """Check a message against what the other side accepts.

    Raises:
        LimitExceeded: A frame is too large; the other side would cut the connection.
    """
    size = 0 if payload is None else len(payload)
    if len(control) > limits.control or size > limits.payload:
        raise LimitExceeded(
            f"{name}: the other side accepts a control frame of {limits.control} and a payload of"
            f" {limits.payload} bytes; this message has {len(control)} and {size}"
        )
