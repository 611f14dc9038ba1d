"""The fields of received messages: each has the type that our side would have sent."""

from __future__ import annotations

from typing import Any

from rlmesh.spaces._describe import describe

ABSENT: Any = object()


def checked(value: Any, name: str, *kinds: type) -> Any:
    """Return a received value, which must be of one of these very types.

    A bool is no int here, and an int is no float: nothing is converted.

    Args:
        value: The value.
        name: What errors call it.
        kinds: The types; NoneType for a field that may be None.

    Raises:
        TypeError: It is of another one.
    """
    if type(value) in kinds:
        return value
    expected = " or ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)
    got = "nothing" if value is ABSENT else describe(value)
    raise TypeError(f"{name}: expected {expected}, got {got}")


def field(data: Any, name: str, *kinds: type, default: Any = ABSENT) -> Any:
    """Return a field of a received dict, of one of these types.

    Args:
        data: The dict.
        name: The field's key.
        kinds: See `checked`.
        default: What stands for a field that is not there; unless given, it must be.

    Raises:
        TypeError: It is no dict, the field is missing, or it is of another type.
    """
    value = checked(data, "body", dict).get(name, ABSENT)
    return default if value is ABSENT and default is not ABSENT else checked(value, name, *kinds)


def count(value: Any, name: str) -> int:
    """Return a received integer from 0 on.

    Raises:
        TypeError: It is none.
    """
    number: int = checked(value, name, int)
    if number < 0:
        raise TypeError(f"{name}: expected an integer from 0 on, got {number}")
    return number
