"""What a forked process inherits, and must leave to its parent."""

from __future__ import annotations

import os
import weakref
from typing import Any, Protocol

from rlmesh.errors import RLMeshError


class Heirloom(Protocol):
    """Something that a fork copies, though only one process can use it."""

    def disown(self) -> None:
        """Give it up in the child: wait for nothing, and remove nothing that is the parent's."""
        ...


class Inherited:
    """Takes the place of a resource of the parent's; any use raises `RLMeshError`.

    Args:
        what: What was inherited, to begin a sentence with.
    """

    def __init__(self, what: str) -> None:
        self.__what = what

    def __getattr__(self, name: str) -> Any:
        raise inherited_error(self.__what)


def inherited_error(what: str) -> RLMeshError:
    """Return the error about the use of something in a fork of the process that made it."""
    return RLMeshError(
        f"{what} belongs to another process, of which this one is a fork; make one here instead"
    )


def leave_to_parent(owner: Heirloom) -> None:
    """Have `owner.disown()` called in every process that is forked from this one."""
    _owners.add(owner)


_owners: weakref.WeakSet[Heirloom] = weakref.WeakSet()


def _disown_all() -> None:
    for owner in list(_owners):
        owner.disown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown_all)
