"""A part of a space: only some of its leaves, and some of these changed."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

from rlmesh.errors import InvalidValue

from .dict import Dict as DictSpace
from .space import Space
from .tuple import Tuple as TupleSpace

Path = Tuple[Any, ...]


def at(space: Space[Any], path: Path) -> Space[Any]:
    """Return what lies at a path in a space.

    Args:
        space: The whole space.
        path: Keys of dicts and indices of tuples, from the outside in.

    Raises:
        InvalidValue: There is nothing.
    """
    for key in path:
        space = _part(space, key)
    return space


def changed(space: Space[Any], changes: Mapping[Path, Space[Any]], path: Path = ()) -> Space[Any]:
    """Return the space with other spaces at some paths."""
    if path in changes:
        return changes[path]
    if isinstance(space, DictSpace):
        items = space.spaces.items()
        return DictSpace([(key, changed(part, changes, (*path, key))) for key, part in items])
    if isinstance(space, TupleSpace):
        parts = [changed(part, changes, (*path, i)) for i, part in enumerate(space.spaces)]
        return TupleSpace(parts)
    return space


def selected(space: Space[Any], paths: Sequence[Path]) -> Space[Any]:
    """Return the space with only the leaves at these paths, and what lies below them.

    A tuple becomes a dict by index where not all of it is selected.

    Args:
        space: The whole space.
        paths: See `at`.

    Raises:
        InvalidValue: There is nothing at a path.
    """
    below = _split(space, paths)
    if below is None:
        return space
    return DictSpace([(key, selected(_part(space, key), rest)) for key, rest in below.items()])


def selector(
    space: Space[Any],
    paths: Sequence[Path],
    changes: Mapping[Path, Callable[[Any], Any]],
    path: Path = (),
) -> Callable[[Any], Any]:
    """Return a function from a value of the space to one of `selected(space, paths)`.

    Args:
        space: The whole space.
        paths: See `at`.
        changes: What becomes of the values at some paths.
        path: Where the space is in the one that `changes` speaks of.
    """
    below = _split(space, paths)
    if below is None:
        return changes.get(path, _same)
    parts = [
        (key, selector(_part(space, key), rest, changes, (*path, key)))
        for key, rest in below.items()
    ]
    return lambda value: {key: pick(value[key]) for key, pick in parts}


def _same(value: Any) -> Any:
    return value


def _split(space: Space[Any], paths: Sequence[Path]) -> Any:
    """Return the rests of the paths by their first key, in the space's order; None for all."""
    if () in paths:
        return None
    below: Dict[Any, List[Path]] = {}
    for key, *rest in paths:
        _part(space, key)
        below.setdefault(key, []).append(tuple(rest))
    order = list(space.spaces) if isinstance(space, DictSpace) else sorted(below)
    return {key: below[key] for key in order if key in below}


def _part(space: Space[Any], key: Any) -> Space[Any]:
    if isinstance(space, DictSpace) and key in space.spaces:
        return space.spaces[key]
    if isinstance(space, TupleSpace) and type(key) is int and 0 <= key < len(space.spaces):
        return space.spaces[key]
    raise InvalidValue(f"selection: expected a part of {space}, got {key!r}")
