"""The lock beside a unix socket: ZeroMQ itself would silently steal a live address."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from typing import Optional

from rlmesh._forks import leave_to_parent
from rlmesh.errors import AddressError, AddressInUse

from .unix_peer import trusted_users


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
        self._socket: Optional[os.stat_result] = None
        while self._fd is None:
            fd = _open_lock(path)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                raise AddressInUse(f"address: unix://{path} is in use by another server") from None
            except OSError as exc:
                os.close(fd)
                raise _unusable(path, exc) from exc
            # The former holder may have removed the file between our open and our lock.
            if _is_at(path + ".lock", os.fstat(fd)):
                self._fd = fd
            else:
                os.close(fd)
        try:
            if _is_live(path):
                raise AddressInUse(f"address: unix://{path} is in use by another program")
            _unlink(path)
        except OSError as exc:
            self._unlock()
            raise _unusable(path, exc) from exc
        except AddressError:
            self._unlock()
            raise
        leave_to_parent(self)

    def note_socket(self) -> None:
        """Take the socket that is at the path now for this server's."""
        self._socket = os.lstat(self._path)

    def disown(self) -> None:
        """Give the lock up in a forked process, where it would outlive the server's."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def release(self) -> None:
        """Remove the socket and the lock; calling it again does nothing.

        Whatever has taken the place of one of them is another server's, and stays.
        """
        if self._fd is not None:
            if self._socket is not None and _is_at(self._path, self._socket):
                _unlink(self._path)
            self._unlock()

    def _unlock(self) -> None:
        if self._fd is not None:
            if _is_at(self._path + ".lock", os.fstat(self._fd)):
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


def _open_lock(path: str) -> int:
    """Return the descriptor of a socket's lock, which others may have left in a shared folder.

    Raises:
        AddressError: It cannot be made, is no file, or is another user's.
    """
    lock = path + ".lock"
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        fd = os.open(lock, flags, 0o600)
    except OSError as exc:
        if os.path.islink(lock):
            raise AddressError(
                f"address: cannot serve unix://{path}: its lock, {lock!r}, is a symbolic link"
            ) from None
        raise _unusable(path, exc) from exc
    status = os.fstat(fd)
    if stat.S_ISREG(status.st_mode) and status.st_uid in trusted_users():
        return fd
    os.close(fd)
    raise AddressError(
        f"address: cannot serve unix://{path}: expected its lock, {lock!r}, to be a file of this"
        f" user's; it is {stat.filemode(status.st_mode)} of user {status.st_uid}"
    )


def _unusable(path: str, exc: OSError) -> AddressError:
    return AddressError(f"address: cannot serve unix://{path}: {exc.strerror}")


def _is_at(path: str, status: os.stat_result) -> bool:
    """Whether a path leads to this very file, and not to one that took its place."""
    try:
        return os.path.samestat(status, os.lstat(path))
    except FileNotFoundError:
        return False


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
