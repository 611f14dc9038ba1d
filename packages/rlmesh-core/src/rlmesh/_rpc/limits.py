"""What a message may have at most: checked by its sender, and again by a server."""

from __future__ import annotations

from typing import Sequence

from rlmesh._contract.peer import Limits
from rlmesh._transport.carrier import MAX_PARTS
from rlmesh.errors import LimitExceeded

MAX_WAITING = 1024
"""Clients that may wait in line for a session."""


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


def check_received(control: bytes, payload: Sequence[memoryview], limits: Limits) -> None:
    """Check a message that has arrived against what this side accepts.

    Raises:
        LimitExceeded: It is larger.
    """
    if len(control) > limits.control:
        raise LimitExceeded(
            f"control frame: expected at most {limits.control} bytes, got {len(control)}"
        )
    if len(payload) > MAX_PARTS:
        raise LimitExceeded(f"payload: expected at most {MAX_PARTS} arrays, got more")
    size = sum(len(part) for part in payload)
    if size > limits.payload:
        raise LimitExceeded(f"payload: expected at most {limits.payload} bytes, got {size}")
