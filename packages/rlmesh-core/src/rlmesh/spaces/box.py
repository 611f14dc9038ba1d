"""`Box`: arrays of numbers within bounds."""

from __future__ import annotations

import math
from typing import Any, Callable, ClassVar, Dict, Mapping, Optional, Sequence, Tuple

from rlmesh._values.dtypes import DTYPES
from rlmesh._values.tensor import Tensor
from rlmesh.errors import UnsupportedSpace

from ._arrays import checked_shape, conform_array, dtype_name
from ._sampling import drawer, pack, random_bits, random_bytes
from ._tables import (
    bounds_violation,
    element,
    first_outside,
    numbers_repr,
    same_tables,
    shortest,
    table,
    table_from_spec,
    table_shape,
    table_to_spec,
    tiled,
)
from .space import Space


class Box(Space[Tensor]):
    """Arrays of one shape and dtype, each element within its bounds.

    Args:
        low: The lower bounds, included: a number, or an array of the space's shape. `-inf` in a
            signed integer dtype is its smallest number.
        high: The upper bounds, likewise.
        shape: The shape of the values. By default that of the bounds, `(1,)` for two numbers.
        dtype: Any dtype of `Tensor`, by name or as NumPy's. Bounds are rounded to it.
        seed: See `seed`.

    Raises:
        UnsupportedSpace: The arguments describe no such space; the message names the one.

    Attributes:
        shape: The shape of the values.
        dtype: The name of their dtype.
        bounded: False if no value of this shape and dtype is out of bounds, save for NaN.
    """

    shape: Tuple[int, ...]
    dtype: str
    spec_fields: ClassVar[Mapping[str, Tuple[type, ...]]] = {
        "low": (int, float, bytes),
        "high": (int, float, bytes),
        "shape": (list, tuple),
        "dtype": (str,),
    }

    def __init__(
        self,
        low: Any,
        high: Any,
        shape: Optional[Sequence[int]] = None,
        dtype: Any = "float32",
        seed: Optional[int] = None,
    ) -> None:
        self.dtype = dtype_name(dtype, "Box.dtype")
        kind = DTYPES[self.dtype]
        if shape is None:
            found = [part for part in map(table_shape, (low, high)) if part is not None]
            shape = max(found, key=len) if found else (1,)
        self.shape = checked_shape(shape, "Box.shape")
        self._low = table(low, kind, self.shape, "Box.low", infinite=True)
        self._high = table(high, kind, self.shape, "Box.high", infinite=True)
        self._low_full: Optional[Tensor] = None
        self._high_full: Optional[Tensor] = None
        self._check_order()
        limits = (-math.inf, math.inf) if kind.kind in "fV" else kind.limits
        uniform = not self._low.shape and not self._high.shape
        self.bounded = not uniform or (self._low.item(), self._high.item()) != limits
        if seed is not None:
            self.seed(seed)

    @property
    def low(self) -> Tensor:
        """The lower bounds, in the shape and dtype of the values."""
        if self._low_full is None:
            self._low_full = tiled(self._low, self.shape)
        return self._low_full

    @property
    def high(self) -> Tensor:
        """The upper bounds, in the shape and dtype of the values."""
        if self._high_full is None:
            self._high_full = tiled(self._high, self.shape)
        return self._high_full

    def sample(self) -> Tensor:
        """Return a random array of the space.

        Elements with two bounds, and integers, are uniform; floats with one bound have an
        exponential distribution from there on, and those with none a normal one.
        """
        random, kind, size = self.random, DTYPES[self.dtype], math.prod(self.shape)
        if not self.bounded and kind.is_integer:
            return Tensor(random_bytes(random, size * kind.itemsize), self.dtype, self.shape)
        if not self.bounded and kind.kind == "b":
            return Tensor(random_bits(random, size), self.dtype, self.shape)
        if not self._low.shape and not self._high.shape:
            draw = drawer(random, kind, self._low.item(), self._high.item())
            return pack([draw() for _ in range(size)], self.dtype, self.shape)
        bounds = zip(self.low.flat(), self.high.flat())
        return pack([drawer(random, kind, *pair)() for pair in bounds], self.dtype, self.shape)

    def conform(self, value: Any, path: str = "value") -> Tensor:
        """Return the value as a tensor of this shape and dtype."""
        if type(value) is Tensor and value.shape == self.shape and value.dtype == self.dtype:
            return value
        return conform_array(value, self.dtype, self.shape, path)

    def violation(self, value: Tensor, path: str = "value") -> Optional[str]:
        """Return a sentence about the first element out of its bounds; NaN is out of any."""
        if not self.bounded and DTYPES[self.dtype].kind in "biu":
            return None
        return bounds_violation(value, self._low, self._high, path)

    def batched(self, n: int) -> Box:
        """Return the Box of shape `(n, *shape)` with the same bounds along the first axis."""
        return Box(self._low, self._high, (n, *self.shape), self.dtype)

    def stack_values(self, values: Sequence[Tensor]) -> Tensor:
        """Return the values along a new first axis."""
        data = b"".join(value.data for value in values)
        return Tensor(data, self.dtype, (len(values), *self.shape))

    def to_spec(self) -> Dict[str, Any]:
        """Return the space as plain data."""
        return {
            "type": "Box",
            "low": table_to_spec(self._low, self.shape),
            "high": table_to_spec(self._high, self.shape),
            "shape": list(self.shape),
            "dtype": self.dtype,
        }

    @classmethod
    def from_spec(cls, fields: Mapping[str, Any], read: Callable[[Any], Space[Any]]) -> Box:
        """Build the space from the fields of its spec."""
        dtype = dtype_name(fields["dtype"], "Box.dtype")
        shape = checked_shape(fields["shape"], "Box.shape")
        low = table_from_spec(fields["low"], dtype, shape, "Box.low")
        high = table_from_spec(fields["high"], dtype, shape, "Box.high")
        return cls(low, high, shape, dtype)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Box):
            return NotImplemented
        return (
            (self.shape, self.dtype) == (other.shape, other.dtype)
            and same_tables(self._low, other._low, self.shape)
            and same_tables(self._high, other._high, self.shape)
        )

    def __repr__(self) -> str:
        low, high = (numbers_repr(part, self.shape) for part in (self._low, self._high))
        return f"Box({low}, {high}, {self.shape}, {self.dtype})"

    def _check_order(self) -> None:
        """Raise UnsupportedSpace where a bound is NaN, or low above high."""
        longest = max(self._low, self._high, key=lambda part: part.size)
        i = first_outside(tiled(self._high, longest.shape), self._low, self._high)
        if i is not None:
            low, high = (
                shortest(part.flat()[i % part.size], self.dtype) for part in (self._low, self._high)
            )
            at = element(i, longest.shape)
            raise UnsupportedSpace(f"Box: expected low{at} <= high{at}, got {low} and {high}")
