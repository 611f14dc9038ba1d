"""Reading the plain data that describes a space; it comes from the other side of a wire."""

from __future__ import annotations

import itertools
import typing as t
from typing import Any

from rlmesh.errors import UnsupportedSpace

from ._describe import describe
from .box import Box
from .dict import Dict
from .discrete import Discrete
from .graph import Graph
from .multi_binary import MultiBinary
from .multi_discrete import MultiDiscrete
from .one_of import OneOf
from .sequence import Sequence
from .space import Space
from .text import Text
from .tuple import Tuple

MAX_DEPTH = 64
MAX_SPACES = 4096
"""Spaces in one, itself included; more would take too long to make."""
_KINDS: t.Dict[str, t.Type[Space[Any]]] = {
    kind.__name__: kind
    for kind in (
        Box,
        Discrete,
        MultiBinary,
        MultiDiscrete,
        Text,
        Dict,
        Tuple,
        Sequence,
        OneOf,
        Graph,
    )
}


def space_from_spec(spec: Any) -> Space[Any]:
    """Return the space that `Space.to_spec` described.

    Args:
        spec: Plain data; it may come from anyone.

    Raises:
        UnsupportedSpace: It describes no space, one nested deeper than 64 levels, or one of more
            than 4096 spaces.
    """
    return _read(spec, 1, itertools.count(1))


def _read(spec: Any, depth: int, counter: t.Iterator[int]) -> Space[Any]:
    """Read the spec of a space that lies this many levels deep."""
    if next(counter) > MAX_SPACES:
        raise UnsupportedSpace(f"space: expected at most {MAX_SPACES} spaces in it, got more")
    if depth > MAX_DEPTH:
        raise UnsupportedSpace(f"space: expected at most {MAX_DEPTH} levels of spaces, got more")
    if not isinstance(spec, dict):
        raise UnsupportedSpace(f"space: expected a dict, got {describe(spec)}")
    name = spec.get("type")
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        known = ", ".join(_KINDS)
        raise UnsupportedSpace(f"space: expected one of the types {known}, got {describe(name)}")
    if spec.keys() != {"type", *kind.spec_fields}:
        fields = ["type", *kind.spec_fields]
        raise UnsupportedSpace(f"{name}: expected the fields {fields}, got {describe(list(spec))}")
    for field, types in kind.spec_fields.items():
        # Python takes a bool for an int, which only the bounds of a Box of bools may be.
        is_number = isinstance(spec[field], bool) and spec.get("dtype") != "bool"
        if not isinstance(spec[field], types) or (is_number and bool not in types):
            expected = " or ".join(each.__name__ for each in types)
            raise UnsupportedSpace(
                f"{name}.{field}: expected {expected}, got {describe(spec[field])}"
            )
    return kind.from_spec(spec, lambda part: _read(part, depth + 1, counter))
