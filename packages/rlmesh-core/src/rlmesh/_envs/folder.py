"""The private folder of a server's workers, with the sockets that they serve at."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from typing import Iterator, Optional

from rlmesh._forks import leave_to_parent

_PREFIX = "rlmesh-"
_LOCK = "owner.lock"
"""Locked for as long as the folder's server runs; the lock ends with the process, however that
ends."""
_LONGEST = 80
"""Bytes of the temporary folder's path that leave room for a socket's name."""


class WorkerFolder:
    """A new folder for this user alone; those of servers that were killed are removed first.

    Attributes:
        path: Where it is, short enough for the paths of sockets.
    """

    def __init__(self) -> None:
        parent = tempfile.gettempdir()
        if len(os.fsencode(parent)) > _LONGEST:
            parent = "/tmp"
        for abandoned in _abandoned(parent):
            shutil.rmtree(abandoned, ignore_errors=True)
        self.path = tempfile.mkdtemp(prefix=_PREFIX, dir=parent)
        self._lock: Optional[int] = None
        self._closed = False
        # Where nothing can be locked, nobody removes it if this process is killed.
        with contextlib.suppress(OSError):
            self._lock = _new_lock(self.path)
        leave_to_parent(self)

    def close(self) -> None:
        """Remove the folder; calling it again does nothing."""
        if not self._closed:
            shutil.rmtree(self.path, ignore_errors=True)
            self.disown()

    def disown(self) -> None:
        """Let go of the lock, in a forked process that may outlive the server, say."""
        self._closed = True
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _new_lock(folder: str) -> int:
    """Return the descriptor of a folder's lock, which nobody ever sees without its owner."""
    import fcntl

    path = os.path.join(folder, _LOCK)
    fd = os.open(path + ".new", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.rename(path + ".new", path)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _abandoned(parent: str) -> Iterator[str]:
    """Yield the folders of this user's servers that are gone, each locked until the next one."""
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if entry.name.startswith(_PREFIX):
                with contextlib.suppress(OSError), _owner_gone(entry.path) as is_gone:
                    if is_gone:
                        yield entry.path


@contextlib.contextmanager
def _owner_gone(folder: str) -> Iterator[bool]:
    """Tell, by its lock, whether a folder's server is gone; no link is followed to find out.

    Raises:
        OSError: It is no such folder, has no lock, or its server runs.
    """
    import fcntl

    with contextlib.ExitStack() as descriptors:

        def opened(path: str, flags: int, within: Optional[int] = None) -> int:
            fd = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=within)
            descriptors.callback(os.close, fd)
            return fd

        inside = opened(folder, os.O_RDONLY | os.O_DIRECTORY)
        lock = opened(_LOCK, os.O_RDWR | os.O_NONBLOCK, inside)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        user = os.geteuid()
        is_ours = all(os.fstat(fd).st_uid == user for fd in (inside, lock))
        yield is_ours and stat.S_ISREG(os.fstat(lock).st_mode)
