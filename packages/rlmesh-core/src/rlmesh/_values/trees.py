"""Nested dicts, lists and tuples of values."""

from __future__ import annotations

from typing import Any, Callable, Mapping


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
