"""Which machine this is, and whether a socket on it is ours to use."""

from __future__ import annotations

import os
import stat
import uuid
from functools import lru_cache
from pathlib import Path
from typing import Any

from rlmesh._transport.address import parse_address
from rlmesh.errors import AddressError


@lru_cache(maxsize=1)
def host_id() -> str:
    """Return what differs between any two machines, and after each of their starts."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return f"{uuid.getnode():x}"


def is_reachable(worker: Any) -> bool:
    """Return whether the unix socket of a worker is on this machine, and of this user.

    Containers share a machine, but not its files.

    Args:
        worker: Its `address`, `host` and `key`, as received. What is there has to prove yet that it
            is that server's.
    """
    try:
        if worker["host"] != host_id():
            return False
        address = parse_address(worker["address"])
        if address.scheme != "unix" or not isinstance(worker["key"], bytes):
            return False
        status = os.stat(address.path)
    except (KeyError, TypeError, AddressError, OSError):
        return False
    return stat.S_ISSOCK(status.st_mode) and status.st_uid == os.geteuid()
