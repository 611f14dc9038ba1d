"""Tables: the numbers that define a space, such as the bounds of a Box.

A table is a tensor whose copies fill the shape of the space: of shape `()` where all numbers are
the same, so that the bounds of an image cost nothing, or of the last axes of that shape.
"""

from __future__ import annotations

import itertools
import math
import sys
from array import array
from typing import Any, Iterator, Optional, Tuple

from rlmesh._values.dtypes import DType, dtype_of
from rlmesh._values.tensor import Scalar, Tensor
from rlmesh.errors import InvalidValue, UnsupportedSpace

from ._arrays import as_tensor

_NUMPY_PAYS = 64
"""From this many elements on, NumPy checks bounds faster than a loop."""


def table_shape(value: Any) -> Optional[Tuple[int, ...]]:
    """Return the shape of an array or nested list; None for a number."""
    if isinstance(value, (list, tuple)):
        inner = table_shape(value[0]) if value else None
        return (len(value), *(inner or ()))
    tensor = as_tensor(value) if hasattr(value, "__len__") else None
    return None if tensor is None else tensor.shape


def table(
    value: Any, dtype: DType, shape: Tuple[int, ...], where: str, infinite: bool = False
) -> Tensor:
    """Return the numbers that define a space as a table of its own, cast as NumPy casts them.

    Args:
        value: A number, or an array or nested list whose copies fill the shape.
        dtype: What to cast to; floats lose their fraction in an integer dtype.
        shape: The shape to fill.
        where: What errors call the value.
        infinite: Whether infinities stand for the limits of a signed integer dtype.

    Raises:
        UnsupportedSpace: The value is no array, or does not fit the dtype or the shape.
    """
    try:
        tensor = as_tensor(value)
        if tensor is None:
            tensor = Tensor.from_values(_cast(value, dtype, infinite), dtype.name)
        elif tensor.dtype != dtype.name:
            flat = _cast(list(tensor.flat()), dtype, infinite)
            tensor = Tensor(Tensor.from_values(flat, dtype.name).data, dtype.name, tensor.shape)
    except (InvalidValue, ValueError, OverflowError) as exc:
        raise UnsupportedSpace(f"{where}: expected {dtype.name} numbers: {exc}") from None
    if tensor.shape != shape[len(shape) - tensor.ndim :]:
        raise UnsupportedSpace(f"{where}.shape: expected {shape}, got {tensor.shape}")
    data = bytes(dtype.itemsize) if 0 in shape else bytes(tensor.data)
    first = data[: dtype.itemsize]
    if data == first * (len(data) // dtype.itemsize):
        return Tensor(first, dtype.name, ())
    return Tensor(data, dtype.name, tensor.shape)


def _cast(part: Any, dtype: DType, infinite: bool) -> Any:
    if isinstance(part, (list, tuple)):
        return [_cast(each, dtype, infinite) for each in part]
    if hasattr(part, "__index__") or not hasattr(part, "__float__"):
        return part
    if dtype.kind in "fV":
        return float(part)
    if infinite and dtype.kind == "i" and math.isinf(part):
        return dtype.limits[part > 0]
    return int(part)


def tiled(part: Tensor, shape: Tuple[int, ...]) -> Tensor:
    """Return copies of a table that fill the shape."""
    if part.shape == shape:
        return part
    return Tensor(bytes(part.data) * (math.prod(shape) // part.size), part.dtype, shape)


def same_tables(one: Tensor, other: Tensor, shape: Tuple[int, ...]) -> bool:
    """Whether two tables for one shape hold exactly the same numbers."""
    if one.shape == other.shape:
        return one == other
    return tiled(one, shape) == tiled(other, shape)


def table_to_spec(part: Tensor, shape: Tuple[int, ...]) -> Any:
    """Return a table as plain data: a number where all are the same, else little-endian bytes."""
    return part.item() if not part.shape else little_endian(tiled(part, shape))


def table_from_spec(spec: Any, dtype: str, shape: Tuple[int, ...], where: str) -> Any:
    """Return the numbers that `table_to_spec` described.

    Raises:
        UnsupportedSpace: The bytes are not as many as the shape needs.
    """
    if not isinstance(spec, bytes):
        return spec
    try:
        return Tensor(little_endian(Tensor(spec, dtype, shape)), dtype, shape)
    except InvalidValue as exc:
        raise UnsupportedSpace(f"{where}.{exc}") from None


def little_endian(tensor: Tensor, byteorder: str = sys.byteorder) -> bytes:
    """Swap a tensor's bytes between this machine's order and little-endian."""
    itemsize = dtype_of(tensor.dtype).itemsize
    if byteorder == "little" or itemsize == 1:
        return bytes(tensor.data)
    words = array("BHIQ"[itemsize.bit_length() - 1], bytes(tensor.data))
    words.byteswap()
    return words.tobytes()


def first_outside(values: Tensor, low: Tensor, high: Tensor) -> Optional[int]:
    """Return the flat index of the first value that is not within its bounds; None if all are.

    NaN is within no bounds. The bounds may be smaller tables that tile the values.
    """
    numpy = sys.modules.get("numpy") if values.size > _NUMPY_PAYS else None
    if hasattr(numpy, "frombuffer") and values.dtype != "bfloat16":
        found: Any = numpy
        flat, lows, highs = (found.frombuffer(t.data, t.dtype) for t in (values, low, high))
        inside = (flat.reshape(-1, low.size) >= lows).ravel()
        inside &= (flat.reshape(-1, high.size) <= highs).ravel()
        return None if inside.all() else int(inside.argmin())
    bounds = zip(values.flat(), itertools.cycle(low.flat()), itertools.cycle(high.flat()))
    return next((i for i, (x, a, b) in enumerate(bounds) if not a <= x <= b), None)


def bounds_violation(value: Tensor, low: Tensor, high: Tensor, path: str) -> Optional[str]:
    """Return a sentence about the first element of an array that is out of bounds."""
    i = first_outside(value, low, high)
    if i is None:
        return None
    at = element(i, value.shape)
    bounds = [shortest(part.flat()[i % part.size], value.dtype) for part in (low, high)]
    got = shortest(value[unravel(i, value.shape)] if value.shape else value.item(), value.dtype)
    return f"{path}{at}: expected within [{bounds[0]}, {bounds[1]}], got {got}"


def unravel(index: int, shape: Tuple[int, ...]) -> Tuple[int, ...]:
    """Return a flat index as one index per axis."""
    indices = []
    for size in reversed(shape):
        index, i = divmod(index, size)
        indices.append(i)
    return tuple(reversed(indices))


def element(index: int, shape: Tuple[int, ...]) -> str:
    """Return the index of an element as text, e.g. `[2, 0]`; nothing for a scalar."""
    return str(list(unravel(index, shape))) if shape else ""


def shortest(number: Scalar, dtype: str) -> str:
    """Return the fewest digits that mean this number in its dtype."""
    if not isinstance(number, float) or not math.isfinite(number):
        return repr(number)
    exact = Tensor.from_values(number, dtype)
    for digits in range(1, 9):
        rounded = float(f"{number:.{digits}g}")
        try:
            if Tensor.from_values(rounded, dtype) == exact:
                return repr(rounded)
        except InvalidValue:
            continue  # rounded up beyond the largest number of the dtype
    return repr(number)


def numbers_repr(part: Tensor, shape: Tuple[int, ...]) -> str:
    """Return a table as NumPy prints it, in short: one number where all are the same."""
    if 0 in shape:
        return "[]"
    if not part.shape:
        return shortest(part.item(), part.dtype)

    def lines(values: Any) -> Iterator[str]:
        shown = values if len(values) <= 8 else [*values[:3], ..., *values[-3:]]
        for value in shown:
            yield "..." if value is ... else text(value)

    def text(value: Any) -> str:
        return f"[{' '.join(lines(value))}]" if isinstance(value, list) else digits(value)

    def digits(value: Scalar) -> str:
        return shortest(value, part.dtype)

    return text(part.tolist())
