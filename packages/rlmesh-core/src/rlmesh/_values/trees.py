"""Nested dicts, lists and tuples of values."""

from __future__ import annotations

import math
from typing import Any, Callable, List, Mapping, Sequence

OBJECT_KINDS = ("O", "U", "S")
"""NumPy's kinds of arrays that hold objects, text and bytes."""


def map_arrays(value: Any, is_array: Callable[[Any], bool], convert: Callable[[Any], Any]) -> Any:
    """Return a copy of a nested value in which every array is converted.

    Containers keep their type, except that every mapping becomes a dict.
    """
    if is_array(value):
        return convert(value)
    if isinstance(value, Mapping):
        return {key: map_arrays(part, is_array, convert) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        parts = [map_arrays(part, is_array, convert) for part in value]
        if hasattr(value, "_fields"):
            return type(value)(*parts)
        return parts if isinstance(value, list) else tuple(parts)
    return value


def nested(flat: List[Any], shape: Sequence[int]) -> Any:
    """Return elements in C order as nested lists; the only one for shape `()`.

    Raises:
        ValueError: The shape has another number of elements.
    """
    if math.prod(shape) != len(flat):
        raise ValueError(f"shape: expected {len(flat)} elements, got shape {tuple(shape)}")
    for axis in range(len(shape) - 1, 0, -1):
        count, size = math.prod(shape[:axis]), shape[axis]
        flat = [flat[i * size : (i + 1) * size] for i in range(count)]
    return flat if shape else flat[0]
