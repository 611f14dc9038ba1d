"""Who is at a unix socket: whoever owns it could pose as the server."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from typing import Set

from rlmesh.errors import SecurityError

_ROOT = 0


def trusted_users() -> Set[int]:
    """Return the ids of the users that may be at the other end: this one, and root."""
    return {os.geteuid(), _ROOT}


def check_owner(path: str) -> None:
    """Check whose the socket at a path is, if there is one yet.

    Raises:
        SecurityError: It is another user's.
    """
    with contextlib.suppress(OSError):
        _check(os.stat(path).st_uid, path)


def check_listener(fd: int, path: str) -> None:
    """Check who listens at the other end of a connection, where the system tells.

    Args:
        fd: The connection's file descriptor, which stays its owner's.
        path: Where it leads to.

    Raises:
        SecurityError: It is another user.
        OSError: There is no such connection any more.
    """
    option = getattr(socket, "SO_PEERCRED", None)  # Linux has it
    if option is not None:
        with socket.socket(fileno=os.dup(fd)) as connection:
            credentials = connection.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("iII"))
        _check(struct.unpack("iII", credentials)[1], path)


def _check(owner: int, path: str) -> None:
    if owner not in trusted_users():
        raise SecurityError(
            f"address: unix://{path} belongs to {_name(owner)}, who could pose as the server;"
            f" expected a socket of {_name(os.geteuid())} or of root"
        )


def _name(user: int) -> str:
    import pwd

    try:
        return f"user {pwd.getpwuid(user).pw_name!r}"
    except KeyError:
        return f"user {user}"
