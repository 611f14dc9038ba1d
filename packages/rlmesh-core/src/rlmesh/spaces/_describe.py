"""How errors show what they did not expect."""

from __future__ import annotations

import reprlib
from typing import Any


def describe(value: Any) -> str:
    """Return a short text about a value that was not expected, e.g. `'left' (str)`."""
    if value is None:
        return "None"
    if isinstance(value, int) and value.bit_length() > 128:
        return f"an integer of {value.bit_length()} bits"
    return f"{' '.join(reprlib.repr(value).split())} ({type(value).__name__})"
