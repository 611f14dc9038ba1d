"""Rewards, flags and counts that an env returns: checked, and as Python's own numbers."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Optional, Sequence, Union

from rlmesh._values.tensor import Tensor
from rlmesh.errors import InvalidValue
from rlmesh.spaces._arrays import as_tensor
from rlmesh.spaces._describe import describe

_FLOATS = ("float16", "float32", "float64")


def as_reward(value: Any, name: str) -> float:
    """Return any real number, or an array of a single one, as a float; NaN stays NaN.

    Args:
        value: What the env returned.
        name: What errors call it, e.g. `"reward"`.

    Raises:
        InvalidValue: It is no number, or too large for a float.
    """
    try:
        number = _number(value)
    except OverflowError:
        raise InvalidValue(
            f"{name}: expected a number that fits a float, got {describe(value)}"
        ) from None
    if number is None:
        raise InvalidValue(f"{name}: expected a number, got {describe(value)}")
    return number


def as_flag(value: Any, name: str) -> bool:
    """Return a bool, or 0 or 1 of any numeric type, or an array of a single one, as a bool.

    Args:
        value: What the env returned.
        name: What errors call it, e.g. `"terminated"`.

    Raises:
        InvalidValue: It is anything else; NaN, None and text are no flags.
    """
    with suppress(OverflowError):
        number = _number(value)
        if number in (0.0, 1.0):
            return number == 1.0
    raise InvalidValue(f"{name}: expected a bool, 0 or 1, got {describe(value)}")


def as_count(value: Any, name: str) -> int:
    """Return a whole number from 1 on, of any numeric type.

    Args:
        value: What the env says.
        name: What errors call it, e.g. `"num_envs"`.

    Raises:
        InvalidValue: It is anything else.
    """
    number = as_reward(value, name)
    if not (number >= 1 and number.is_integer()):
        raise InvalidValue(f"{name}: expected a whole number from 1 on, got {describe(value)}")
    return int(number)


def as_rewards(values: Any, count: int, name: str) -> Tensor:
    """Return the rewards of a vector env: float64, or the floats that the env has.

    Args:
        values: An array of any real dtype, or a list of what `as_reward` takes.
        count: Number of sub-envs.
        name: What errors call them.

    Raises:
        InvalidValue: There are more or fewer, or one is no number.
    """
    column = _column(values, count, name)
    if isinstance(column, Tensor) and column.dtype in _FLOATS:
        return column
    elements = column.flat() if isinstance(column, Tensor) else column
    rewards = [as_reward(one, f"{name}[{i}]") for i, one in enumerate(elements)]
    return Tensor.from_values(rewards, "float64")


def as_flags(values: Any, count: int, name: str) -> Tensor:
    """Return the flags of a vector env as bools.

    Args:
        values: An array of bools, or of 0 and 1 of any real dtype, or a list of what `as_flag`
            takes.
        count: Number of sub-envs.
        name: What errors call them.

    Raises:
        InvalidValue: There are more or fewer, or one is no flag.
    """
    column = _column(values, count, name)
    if isinstance(column, Tensor) and column.dtype == "bool":
        return column
    elements = column.flat() if isinstance(column, Tensor) else column
    flags = [as_flag(one, f"{name}[{i}]") for i, one in enumerate(elements)]
    return Tensor.from_values(flags, "bool")


def _column(values: Any, count: int, name: str) -> Union[Tensor, Sequence[Any]]:
    """Return an array of numbers as a tensor, and any other array or list as its elements."""
    try:
        tensor = as_tensor(values)
    except InvalidValue:  # an array of objects, or of a dtype that no tensor has
        tensor = None
    shape = tuple(getattr(values if tensor is None else tensor, "shape", ()))
    if shape not in ((), (count,)):
        raise InvalidValue(f"{name}.shape: expected ({count},), got {shape}")
    if tensor is not None and shape:
        return tensor
    elements = values.tolist() if hasattr(values, "tolist") else values
    if isinstance(elements, (list, tuple)) and len(elements) == count:
        return elements
    raise InvalidValue(f"{name}: expected one for each of {count} sub-envs, got {describe(values)}")


def _number(value: Any) -> Optional[float]:
    """Return a number, or the only element of an array, as a float; None for what is none.

    Raises:
        OverflowError: It is too large.
    """
    try:
        single = value.item() if hasattr(value, "item") else value
        is_number = hasattr(single, "__float__") or hasattr(single, "__index__")
        return float(single) if is_number else None
    except OverflowError:
        raise
    except Exception:
        return None
