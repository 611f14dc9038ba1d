"""The check that a sender makes before it sends."""

from __future__ import annotations

from typing import Sequence

from rlmesh._contract.peer import Limits
from rlmesh._transport.carrier import MAX_PARTS
from rlmesh.errors import LimitExceeded


def check_size(control: bytes, payload: Sequence[memoryview], limits: Limits, name: str) -> None:
    """Check a message against what the other side accepts.

    Raises:
        LimitExceeded: A frame is too large; the other side would cut the connection.
    """
    size = sum(len(part) for part in payload)
    if len(control) > limits.control or size > limits.payload or len(payload) > MAX_PARTS:
        raise LimitExceeded(
            f"{name}: the other side accepts a control frame of {limits.control} and a payload of"
            f" {limits.payload} bytes in up to {MAX_PARTS} arrays; this message has {len(control)},"
            f" and {size} in {len(payload)}"
        )
