"""Warnings that are given once: per run whatever the number of its lanes, or per server."""

from __future__ import annotations

import contextlib
import hashlib
import os
import warnings
from contextvars import ContextVar
from typing import Iterator, Optional, Set, Type

_MOST = 1000
"""Warnings that are remembered; clients of a server can cause ever new ones."""


class _Given:
    """Which warnings were given.

    Args:
        folder: Where other processes note the same; None for nowhere.
    """

    def __init__(self, folder: Optional[str]) -> None:
        self._keys: Set[str] = set()
        self._folder = folder

    def is_new(self, key: str) -> bool:
        """Return whether a warning was not given before, and note that it is now."""
        if key in self._keys or len(self._keys) >= _MOST:
            return False
        self._keys.add(key)
        if self._folder is None:
            return True
        name = f"warned-{hashlib.sha256(key.encode()).hexdigest()[:32]}"
        try:
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0)
            os.close(os.open(os.path.join(self._folder, name), flags, 0o600))
        except FileExistsError:
            return False
        except OSError:
            pass
        return True


_given: ContextVar[Optional[_Given]] = ContextVar("rlmesh_warnings", default=None)


@contextlib.contextmanager
def warnings_once(folder: Optional[str] = None, *, inherit: bool = False) -> Iterator[None]:
    """Give each warning of `warn_once` once during a `with` block.

    Args:
        folder: A private folder in which several processes note what they have warned of.
        inherit: Whether a block around this one counts, if there is one.
    """
    if inherit and _given.get() is not None:
        yield
        return
    token = _given.set(_Given(folder))
    try:
        yield
    finally:
        _given.reset(token)


def warn_once(key: str, message: str, category: Type[Warning], stacklevel: int = 2) -> None:
    """Warn, unless that was done before in the `with` block of `warnings_once` around this.

    Args:
        key: What the warning is about, without what differs from lane to lane.
        message: What it says.
        category: Its class.
        stacklevel: See `warnings.warn`; 1 is the caller.
    """
    given = _given.get()
    if given is None or given.is_new(key):
        warnings.warn(message, category, stacklevel=stacklevel + 1)
