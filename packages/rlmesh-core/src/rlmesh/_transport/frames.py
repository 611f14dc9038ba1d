"""A message as ZeroMQ frames: control, then payload."""

from __future__ import annotations

from typing import Any, List, Optional, Sequence

import zmq

from .carrier import MAX_PARTS


def send_frames(
    socket: Any,
    control: bytes,
    payload: Sequence[memoryview],
    copy: bool = False,
    track: bool = False,
) -> Optional[zmq.MessageTracker]:
    """Queue a message; return what tells when it is on its way, if it has a payload.

    Args:
        socket: A ZeroMQ socket.
        control: The control frame.
        payload: The payload frames.
        copy: Whether to copy them first: for a receiver in this process, which would otherwise
            share memory that the sender uses again.
        track: Whether to return something.
    """
    if not payload:
        socket.send(control)
        return None
    socket.send(control, zmq.SNDMORE)
    for part in payload[:-1]:
        socket.send(part, zmq.SNDMORE, copy=copy)
    tracker: Optional[zmq.MessageTracker] = socket.send(payload[-1], copy=copy, track=track)
    return tracker


def receive_parts(socket: Any) -> List[memoryview]:
    """Return the payload of a message whose control frame was received.

    Of more frames than a message may have, all but one too many are dropped.
    """
    parts: List[memoryview] = []
    more = True
    while more:
        frame = socket.recv(copy=False)
        more = frame.more
        if len(parts) <= MAX_PARTS:
            parts.append(frame.buffer)
    return parts
