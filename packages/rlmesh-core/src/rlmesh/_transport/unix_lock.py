"""The lock beside a unix socket: ZeroMQ itself would silently steal a live address."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from typing import Optional

from rlmesh._forks import leave_to_parent
from rlmesh.errors import AddressError, AddressInUse


class UnixLock:
    """An exclusive lock on a socket path, held by this object until `release`.

    A killed server's lock ends with its process, and its stale socket file is removed here.

    Args:
        path: Absolute path of the socket; the lock is `path + ".lock"`.

    Raises:
        AddressInUse: A running server holds the path.
        AddressError: The folder is missing or read-only, or a file that is no socket is in the way.
    """

    def __init__(self, path: str) -> None:
        import fcntl

        if os.path.lexists(path) and not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise AddressError(f"address: {path} exists, and is not a socket")
        self._path = path
        self._fd: Optional[int] = None
        while self._fd is None:
            try:
                fd = os.open(path + ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as exc:
                raise AddressError(f"address: cannot serve unix://{path}: {exc.strerror}") from exc
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(fd)
                raise AddressInUse(f"address: unix://{path} is in use by another server") from None
            # The former holder may have removed the file between our open and our lock.
            if _same_file(fd, path + ".lock"):
                self._fd = fd
            else:
                os.close(fd)
        if _is_live(path):
            self._unlock()
            raise AddressInUse(f"address: unix://{path} is in use by another program")
        _unlink(path)
        leave_to_parent(self)

    def disown(self) -> None:
        """Give the lock up in a forked process, where it would outlive the server's."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def release(self) -> None:
        """Remove the socket and the lock; calling it again does nothing."""
        if self._fd is not None:
            _unlink(self._path)
            self._unlock()

    def _unlock(self) -> None:
        if self._fd is not None:
            _unlink(self._path + ".lock")
            os.close(self._fd)
            self._fd = None


def _is_live(path: str) -> bool:
    """Whether a program that knows nothing of our lock listens at a path."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True  # it is there, but will not have us
    return True


def _same_file(fd: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
