"""Waiting for several connections at once."""

from __future__ import annotations

from typing import Any, List, Sequence

import zmq


def wait_readable(sockets: Sequence[Any], timeout: float) -> List[Any]:
    """Return those of some ZeroMQ sockets, or file descriptors, from which there is to read.

    Args:
        sockets: What to wait for.
        timeout: Seconds until an empty list is returned; rounded to milliseconds.
    """
    # Not rounded up: half a millisecond too early costs less than one too late.
    found = zmq.zmq_poll([(one, zmq.POLLIN) for one in sockets], round(timeout * 1000))
    return [one for one, _ in found]
