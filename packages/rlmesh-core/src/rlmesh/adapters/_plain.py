"""What users write in declarations, as the plain Python values that data consist of."""

from __future__ import annotations

import numbers
from typing import Any, Sequence

LARGEST = 3.4028234663852886e38
"""Of float32, in which most values are computed."""

_TINIEST = 2.0**-126
"""The smallest float32 by which can be divided without loss."""

_PLAIN = (bool, int, float, str, type(None))
_DEEPEST = 4


def as_python(value: Any, depth: int = 0) -> Any:
    """Return numbers, arrays and sequences of any library as Python's numbers and tuples.

    Args:
        value: Anything; what is no number, array, list or tuple returns as it is.
        depth: How many sequences it is in.
    """
    if type(value) in _PLAIN or depth > _DEEPEST:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    to_list = getattr(value, "tolist", None)
    if to_list is not None and not isinstance(value, type):
        return as_python(to_list(), depth + 1)
    if isinstance(value, (list, tuple)):
        return tuple(as_python(one, depth + 1) for one in value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    return value


def is_number(value: Any) -> bool:
    """Whether a value is a number that float32 can hold, and no bool."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return -LARGEST <= value <= LARGEST


def is_divisor(value: float) -> bool:
    """Whether float32 can divide by a number."""
    return abs(value) >= _TINIEST


def either(choices: Sequence[Any]) -> str:
    """Return choices as a sentence lists them."""
    texts = [repr(choice) for choice in choices]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} or {texts[-1]}"


def sum_text(widths: Sequence[int]) -> str:
    """Return a sum as errors show it."""
    parts = " + ".join(map(str, widths))
    return parts if len(widths) == 1 else f"{parts} = {sum(widths)}"


def shown(value: Any) -> str:
    """Return a value as errors show it: short, and whatever it is."""
    if hasattr(value, "to_json"):
        return value.__name__ if isinstance(value, type) else f"{type(value).__name__}(...)"
    if callable(value):
        return getattr(value, "__qualname__", None) or type(value).__name__
    try:
        text = repr(value)
    except Exception:  # one that contains itself too deeply, or whose class is broken
        return f"a {type(value).__name__}"
    return text if len(text) <= 200 else f"{text[:197]}..."
