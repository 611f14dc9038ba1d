"""Telling whoever started a server that it answers now."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Iterator, NamedTuple, Optional

from .options import ServeOptions


class _Identity(NamedTuple):
    """What tells a file from one that took its place; the time, because numbers are used again."""

    device: int
    number: int
    modified: int


class Readiness:
    """A file, a file descriptor, both or neither, which are given a server's address.

    Args:
        options: The server's.

    Raises:
        ValueError: The file's folder does not exist, or one cannot write there; or the descriptor
            is not open for writing.
    """

    def __init__(self, options: ServeOptions) -> None:
        self._file = None if options.ready_file is None else Path(options.ready_file).absolute()
        self._fd = options.ready_fd
        if self._file is not None:
            _check_folder(self._file)
        if self._fd is not None:
            _check_descriptor(self._fd)

    def clear(self) -> None:
        """Remove the file of a server that was killed, so that nobody takes it for this one's."""
        if self._file is not None:
            with suppress(FileNotFoundError):
                self._file.unlink()

    @contextmanager
    def announced(self, address: str) -> Iterator[None]:
        """Tell the address; at the end of the `with` block, remove the file if it is still ours.

        Raises:
            OSError: It cannot be written.
        """
        ours: Optional[_Identity] = None
        pid = os.getpid()
        if self._file is not None:
            ours = _write_file(self._file, f"{address}\n")
        try:
            if self._fd is not None:
                # Whoever listened may have gone, and does not keep others from being served.
                with suppress(BrokenPipeError), open(self._fd, "w") as pipe:
                    pipe.write(f"{address}\n")
            yield
        finally:
            is_here = os.getpid() == pid  # and not in a process that was forked meanwhile
            if is_here and self._file is not None and _identity(self._file) == ours:
                self._file.unlink()


def _check_folder(file: Path) -> None:
    if not file.parent.is_dir():
        raise ValueError(f"ready_file: {str(file.parent)!r} is no folder")
    if file.is_dir():
        raise ValueError(f"ready_file: expected a file, got the folder {str(file)!r}")
    if not os.access(file.parent, os.W_OK | os.X_OK):
        raise ValueError(f"ready_file: no permission to write in {str(file.parent)!r}")


def _check_descriptor(fd: int) -> None:
    import fcntl  # which Windows does not have

    try:
        mode = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE
    except OSError:
        raise ValueError(f"ready_fd: {fd} is no open file descriptor") from None
    if mode == os.O_RDONLY:
        raise ValueError(f"ready_fd: {fd} is not open for writing")
    # No process that an env starts keeps it open.
    os.set_inheritable(fd, False)


def _write_file(file: Path, text: str) -> Optional[_Identity]:
    """Write a file as a whole; return its identity."""
    # Of a name that nobody can know, so that nobody can have put a link there.
    new = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with open(fd, "w") as out:
            out.write(text)
        written = _identity(new)
        os.replace(new, file)
    finally:
        with suppress(FileNotFoundError):
            new.unlink()
    return written


def _identity(file: Path) -> Optional[_Identity]:
    with suppress(FileNotFoundError):
        status = os.lstat(file)
        return _Identity(status.st_dev, status.st_ino, status.st_mtime_ns)
    return None
