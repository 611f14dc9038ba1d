"""Files that survive: read whole, replaced whole, and durable once a function returns."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from typing import Tuple, Union

from rlmesh.errors import JournalError

PathLike = Union[str, "os.PathLike[str]"]


def path_of(path: PathLike, name: str) -> str:
    """Return a path as text.

    Raises:
        TypeError: It is none.
    """
    try:
        return os.fsdecode(path)
    except TypeError:
        raise TypeError(f"{name}: expected a path, got {path!r}") from None


def read_file(path: PathLike) -> Tuple[str, bytes]:
    """Return the path of a file as text, and what is in it.

    Raises:
        JournalError: It cannot be read.
    """
    name = path_of(path, "path")
    try:
        with open(name, "rb") as file:
            return name, file.read()
    except OSError as exc:
        raise JournalError(f"{name}: cannot be read: {exc.strerror}") from exc


def replace_file(path: PathLike, data: bytes) -> None:
    """Write a file, so that there is at all times the old one or the new one.

    Raises:
        JournalError: It cannot be written.
    """
    name = path_of(path, "path")
    beside = f"{name}.{secrets.token_hex(4)}.tmp"
    try:
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            try:
                write_at(fd, data, 0)
            finally:
                os.close(fd)
            os.replace(beside, name)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(beside)
            raise
        sync_folder(name)
    except OSError as exc:
        raise JournalError(f"{name}: cannot be written: {exc.strerror}") from exc


def write_at(fd: int, data: bytes, offset: int) -> None:
    """Write data at a place of an open file, and have the disk have it.

    Raises:
        OSError: Not all of it can be written.
    """
    rest = memoryview(data)
    while rest:
        written = os.pwrite(fd, rest, offset)
        rest, offset = rest[written:], offset + written
    os.fsync(fd)


def sync_folder(path: str) -> None:
    """Have the disk know of a new file's name.

    Raises:
        OSError: It cannot be done.
    """
    fd = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as exc:
        if exc.errno != errno.EINVAL:  # of a file system that knows no such thing
            raise
    finally:
        os.close(fd)
