"""What the spaces of arrays share: their arguments' checks, and any array as a tensor."""

from __future__ import annotations

import math
import operator
from functools import partial
from typing import Any, Optional, Tuple

from rlmesh._values.dtypes import DTYPES, dtype_of_kind
from rlmesh._values.tensor import Tensor
from rlmesh.errors import InvalidValue, UnsupportedSpace

from ._advice import for_array
from ._describe import describe

MAX_AXES = 64
MAX_ELEMENTS = 2**40
_SHORT_NAMES = {"bool_": "bool", "int": "int64", "float": "float64"}


def dtype_name(dtype: Any, where: str, kinds: str = "biufV") -> str:
    """Return the name of a dtype given as its name, a NumPy dtype or a scalar type.

    Raises:
        UnsupportedSpace: It is none of our dtypes, or not of these kinds.
    """
    for name in (dtype, getattr(dtype, "name", None), getattr(dtype, "__name__", None)):
        if isinstance(name, str):
            found = DTYPES.get(_SHORT_NAMES.get(name, name))
            if found is not None and found.kind in kinds:
                return found.name
    names = ", ".join(d.name for d in DTYPES.values() if d.kind in kinds)
    raise UnsupportedSpace(f"{where}: expected one of {names}, got {describe(dtype)}")


def checked_shape(shape: Any, where: str) -> Tuple[int, ...]:
    """Return the shape as a tuple of integers.

    Raises:
        UnsupportedSpace: It is no shape, or one beyond all memory.
    """
    try:
        sizes = tuple(operator.index(size) for size in shape)
    except TypeError:
        raise UnsupportedSpace(
            f"{where}: expected a sequence of integers, got {describe(shape)}"
        ) from None
    if any(size < 0 for size in sizes):
        raise UnsupportedSpace(f"{where}: expected non-negative sizes, got {describe(shape)}")
    if len(sizes) > MAX_AXES or math.prod(size or 1 for size in sizes) > MAX_ELEMENTS:
        raise UnsupportedSpace(
            f"{where}: expected at most {MAX_AXES} axes and 2**40 elements, got {describe(shape)}"
        )
    return sizes


def checked_int(value: Any, where: str, low: int, high: int = 2**63 - 1) -> int:
    """Return what must be an integer within these bounds.

    Raises:
        UnsupportedSpace: It is none, or out of bounds.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = low - 1
    if not low <= number <= high:
        raise UnsupportedSpace(
            f"{where}: expected an integer from {low} to {high}, got {describe(value)}"
        )
    return int(number)


def as_tensor(value: Any) -> Optional[Tensor]:
    """Return any kind of array as a tensor, without copying where possible; None for others.

    Raises:
        InvalidValue: The array's elements are no plain numbers.
    """
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (int, float, list, tuple, str)) or value is None:
        return None
    try:
        return Tensor.from_buffer(value)
    except InvalidValue:
        raise
    except (TypeError, ValueError, BufferError):
        pass  # no buffer, or one that Python's memoryview does not understand
    if hasattr(value, "__array__"):
        try:
            value = value.__array__()
            if value.dtype.name == "bfloat16":  # ml_dtypes gives it no buffer
                bits = Tensor.from_buffer(value.view("uint16"))
                return Tensor(bits.data, "bfloat16", bits.shape)
            return Tensor.from_buffer(value)
        except (TypeError, ValueError, BufferError, RuntimeError) as exc:
            if str(getattr(value, "dtype", "")) == "torch.bfloat16":
                raise InvalidValue(
                    "dtype: torch.bfloat16 cannot become NumPy's, which has none: convert it, with"
                    " .float()"
                ) from exc
            raise InvalidValue(f"dtype: expected numbers in main memory: {exc}") from exc
    interface = getattr(value, "__array_interface__", None)
    if isinstance(interface, dict) and isinstance(interface.get("data"), (bytes, memoryview)):
        name = dtype_of_kind(interface["typestr"][1], int(interface["typestr"][2:])).name
        return Tensor(interface["data"], name, interface["shape"])
    return None


def conform_array(value: Any, dtype: str, shape: Tuple[int, ...], path: str) -> Tensor:
    """Return an array, number or nested list as a tensor of exactly this dtype and shape.

    Raises:
        InvalidValue: The shape differs, or the dtype cannot hold the values.
    """
    try:
        tensor = as_tensor(value)
        if tensor is not None:
            if tensor.shape != shape:
                raise InvalidValue(f"shape: expected {shape}, got {tensor.shape}")
            return tensor.astype(dtype)
        if isinstance(value, (list, tuple)) or hasattr(value, "__float__"):
            return Tensor.from_values(value, dtype, shape)
    except InvalidValue as exc:
        problem = f"{path}.{exc}"
    else:
        problem = f"{path}: expected an array of {dtype} and shape {shape}, got {describe(value)}"

    conform = partial(_conform_as, dtype, shape)  # a nested function would slow down every call
    raise InvalidValue(problem + for_array(value, path, shape, dtype, conform))


def _conform_as(dtype: str, shape: Tuple[int, ...], value: Any, path: str) -> Tensor:
    return conform_array(value, dtype, shape, path)
