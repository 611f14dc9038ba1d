"""The check that a value lies within its space's bounds, at the least cost per step."""

from __future__ import annotations

import math
from struct import Struct
from typing import Any, Callable, List, Optional, Tuple

from rlmesh._once import warn_once
from rlmesh._values.dtypes import dtype_of
from rlmesh._values.tensor import Tensor
from rlmesh.spaces import Box, Discrete, MultiBinary, MultiDiscrete, Space, Text

ARRAY_SPACES = (Box, MultiBinary, MultiDiscrete)

_SMALL = 1024
"""Arrays up to this many elements are checked at every step."""
_LARGE_CHECKS = 16
"""Larger arrays are checked only this many times."""
_QUICK = 32
"""Arrays up to this many elements are checked in a loop of their own."""


def bounds_check(space: Space[Any], path: str) -> Optional[Callable[[Any], None]]:
    """Return a function that warns about the first value out of the space's bounds.

    It takes the memory of an array, or any other value as `conform` returns it. None stands for a
    space without bounds.

    Args:
        space: The space.
        path: What the warning calls the value.
    """
    if isinstance(space, Box) and not space.bounded:
        return None
    is_array = isinstance(space, ARRAY_SPACES)
    size = math.prod(space.shape or ()) if is_array else 0
    remaining = math.inf if size <= _SMALL else _LARGE_CHECKS
    is_inside = _quick_check(space, size)

    def check(value: Any) -> None:
        nonlocal remaining
        if remaining <= 0 or is_inside(value):
            return
        remaining -= 1
        if is_array:
            value = Tensor(value, str(space.dtype), space.shape or ())
        violation = space.violation(value, path)
        if violation is not None:
            remaining = 0
            warn_once(
                f"{path}: {space!r}",
                f"{violation}; it is passed on unchanged, and this warning is given once",
                RuntimeWarning,
            )

    return check


def _quick_check(space: Any, size: int) -> Callable[[Any], bool]:
    """Return a cheap test, true only for values within bounds."""
    if isinstance(space, Discrete):
        first, last = space.start, space.start + space.n - 1
        return lambda value: first <= value <= last
    if isinstance(space, Text):
        shortest, longest, characters = space.min_length, space.max_length, set(space.characters)
        return lambda text: shortest <= len(text) <= longest and characters.issuperset(text)
    code = dtype_of(str(space.dtype)).code if isinstance(space, ARRAY_SPACES) else ""
    if not code or size > _QUICK:
        return lambda value: False
    unpack, bounds = Struct(f"={size}{code}").unpack, _bounds_of(space)

    def is_inside(memory: Any) -> bool:
        for number, (low, high) in zip(unpack(memory), bounds):
            if not low <= number <= high:
                return False
        return True

    return is_inside


def _bounds_of(space: Any) -> List[Tuple[Any, Any]]:
    """Return the lowest and highest value of each element, in C order."""
    if isinstance(space, Box):
        return list(zip(space.low.flat(), space.high.flat()))
    if isinstance(space, MultiBinary):
        return [(0, 1)] * math.prod(space.shape)
    pairs = zip(space.start.flat(), space.nvec.flat())
    return [(start, start + n - 1) for start, n in pairs]
