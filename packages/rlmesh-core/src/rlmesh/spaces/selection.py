"""A part of a space: only some of its leaves."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Sequence, Tuple

from rlmesh.errors import InvalidValue

from .dict import Dict as DictSpace
from .space import Space
from .tuple import Tuple as TupleSpace

Path = Tuple[Any, ...]


def selected(space: Space[Any], paths: Sequence[Path]) -> Space[Any]:
    """Return the space with only the leaves at these paths, and what lies below them.

    A tuple becomes a dict by index where not all of it is selected.

    Args:
        space: The whole space.
        paths: Keys of dicts and indices of tuples, from the outside in.

    Raises:
        InvalidValue: There is nothing at a path, or no path at all.
    """
    if () in [tuple(path) for path in paths]:
        return space
    parts = _parts(space)
    if not paths or parts is None:
        raise InvalidValue(f"selection: expected paths to leaves of {space}, got {list(paths)}")
    below: Dict[Any, List[Path]] = {}
    for key, *rest in paths:
        if key not in parts:
            raise InvalidValue(f"selection: expected one of {list(parts)} in {space}, got {key!r}")
        below.setdefault(key, []).append(tuple(rest))
    return DictSpace({key: selected(parts[key], below[key]) for key in parts if key in below})


def selector(space: Space[Any], paths: Sequence[Path]) -> Callable[[Any], Any]:
    """Return a function from a value of the space to the one of `selected(space, paths)`."""
    if () in [tuple(path) for path in paths]:
        return lambda value: value
    parts = _parts(space) or {}
    below: Dict[Any, List[Path]] = {}
    for key, *rest in paths:
        below.setdefault(key, []).append(tuple(rest))
    choose = {key: selector(parts[key], below[key]) for key in parts if key in below}
    return lambda value: {key: pick(value[key]) for key, pick in choose.items()}


def _parts(space: Space[Any]) -> Any:
    """Return the spaces in a space, by key or index; None where there are none."""
    if isinstance(space, DictSpace):
        return dict(space.spaces)
    if isinstance(space, TupleSpace):
        return dict(enumerate(space.spaces))
    return None
