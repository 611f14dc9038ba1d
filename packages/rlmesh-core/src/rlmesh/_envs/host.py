"""Which machine this is, and whether a socket on it is ours to use."""

from __future__ import annotations

import os
import stat
import uuid
from functools import lru_cache
from pathlib import Path

from rlmesh._transport.address import parse_address


@lru_cache(maxsize=1)
def host_id() -> str:
    """Return what differs between any two machines, and after each of their starts."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return f"{uuid.getnode():x}"


def is_reachable(address: str, host: str) -> bool:
    """Return whether a unix socket of a machine is here, and of this user.

    Containers share a machine, but not its files.

    Args:
        address: Of the socket.
        host: The machine's id.
    """
    if host != host_id():
        return False
    try:
        status = os.stat(parse_address(address).path)
    except OSError:
        return False
    return stat.S_ISSOCK(status.st_mode) and status.st_uid == os.geteuid()
