"""`MultiDiscrete`: arrays of integers, each from a range of its own."""

from __future__ import annotations

import math
from typing import Any, Callable, ClassVar, Dict, Mapping, Optional, Sequence, Tuple

from rlmesh._values.dtypes import DTYPES
from rlmesh._values.tensor import Tensor
from rlmesh.errors import InvalidValue, UnsupportedSpace

from ._arrays import checked_shape, conform_array, dtype_name
from ._sampling import drawer, pack
from ._tables import (
    bounds_violation,
    numbers_repr,
    same_tables,
    table,
    table_from_spec,
    table_shape,
    table_to_spec,
    tiled,
)
from .box import Box
from .space import Space


class MultiDiscrete(Space[Tensor]):
    """Arrays of integers: the element `i` is one of `nvec[i]` integers from `start[i]` on.

    Args:
        nvec: How many integers each element may be: an array or nested list, of any shape.
        dtype: The integer dtype of the values.
        seed: See `seed`.
        start: The smallest of each element's integers, in the shape of `nvec`; 0 by default.

    Raises:
        UnsupportedSpace: The arguments describe no such space; the message names the one.

    Attributes:
        shape: The shape of `nvec`.
        dtype: The name of the dtype.
    """

    shape: Tuple[int, ...]
    dtype: str
    spec_fields: ClassVar[Mapping[str, Tuple[type, ...]]] = {
        "nvec": (int, bytes),
        "start": (int, bytes),
        "shape": (list, tuple),
        "dtype": (str,),
    }

    def __init__(
        self, nvec: Any, dtype: Any = "int64", seed: Optional[int] = None, start: Any = None
    ) -> None:
        shape = table_shape(nvec) or ()
        if start is not None and (table_shape(start) or ()) != shape:
            raise UnsupportedSpace(
                f"MultiDiscrete.start.shape: expected {shape}, got {table_shape(start)}"
            )
        self._define(nvec, 0 if start is None else start, shape, dtype)
        if seed is not None:
            self.seed(seed)

    @classmethod
    def uniform(cls, nvec: Any, start: Any, shape: Tuple[int, ...], dtype: str) -> MultiDiscrete:
        """Return the space whose `nvec` and `start` are copies of these, up to the shape."""
        space = cls.__new__(cls)
        space._define(nvec, start, shape, dtype)
        return space

    def _define(self, nvec: Any, start: Any, shape: Any, dtype: Any) -> None:
        self.dtype = dtype_name(dtype, "MultiDiscrete.dtype", "iu")
        self.shape = checked_shape(shape, "MultiDiscrete.shape")
        kind = DTYPES[self.dtype]
        self._nvec = table(nvec, kind, self.shape, "MultiDiscrete.nvec")
        self._start = table(start, kind, self.shape, "MultiDiscrete.start")
        self._last = self._last_integers()
        self._nvec_full: Optional[Tensor] = None
        self._start_full: Optional[Tensor] = None

    def _last_integers(self) -> Tensor:
        """Return the largest integer of every element, as a table."""
        longest = max(self._nvec, self._start, key=lambda part: part.size)
        counts, firsts = (tiled(t, longest.shape).flat() for t in (self._nvec, self._start))
        if 0 in self.shape:
            return self._start
        if min(counts) < 1:
            raise UnsupportedSpace(f"MultiDiscrete.nvec: expected at least 1, got {min(counts)}")
        last = [int(first) + int(n) - 1 for n, first in zip(counts, firsts)]
        try:
            return Tensor(Tensor.from_values(last, self.dtype).data, self.dtype, longest.shape)
        except InvalidValue:
            raise UnsupportedSpace(
                f"MultiDiscrete: expected start + nvec - 1 within {self.dtype}, got {max(last)}"
            ) from None

    @property
    def nvec(self) -> Tensor:
        """How many integers each element may be, in the shape and dtype of the values."""
        if self._nvec_full is None:
            self._nvec_full = tiled(self._nvec, self.shape)
        return self._nvec_full

    @property
    def start(self) -> Tensor:
        """The smallest integer of each element, in the shape and dtype of the values."""
        if self._start_full is None:
            self._start_full = tiled(self._start, self.shape)
        return self._start_full

    def sample(self) -> Tensor:
        """Return a random array; each element's integers are equally likely."""
        random, kind = self.random, DTYPES[self.dtype]
        if not self._start.shape and not self._last.shape:
            draw = drawer(random, kind, self._start.item(), self._last.item())
            return pack([draw() for _ in range(math.prod(self.shape))], self.dtype, self.shape)
        bounds = zip(self.start.flat(), tiled(self._last, self.shape).flat())
        return pack([drawer(random, kind, *pair)() for pair in bounds], self.dtype, self.shape)

    def conform(self, value: Any, path: str = "value") -> Tensor:
        """Return the value as a tensor of this shape and dtype."""
        if type(value) is Tensor and value.shape == self.shape and value.dtype == self.dtype:
            return value
        return conform_array(value, self.dtype, self.shape, path)

    def violation(self, value: Tensor, path: str = "value") -> Optional[str]:
        """Return a sentence about the first element that is none of its integers."""
        return bounds_violation(value, self._start, self._last, path)

    def batched(self, n: int) -> Box:
        """Return the Box of shape `(n, *shape)` with the same integers."""
        return Box(self._start, self._last, (n, *self.shape), self.dtype)

    def stack_values(self, values: Sequence[Tensor]) -> Tensor:
        """Return the values along a new first axis."""
        data = b"".join(value.data for value in values)
        return Tensor(data, self.dtype, (len(values), *self.shape))

    def to_spec(self) -> Dict[str, Any]:
        """Return the space as plain data."""
        return {
            "type": "MultiDiscrete",
            "nvec": table_to_spec(self._nvec, self.shape),
            "start": table_to_spec(self._start, self.shape),
            "shape": list(self.shape),
            "dtype": self.dtype,
        }

    @classmethod
    def from_spec(
        cls, fields: Mapping[str, Any], read: Callable[[Any], Space[Any]]
    ) -> MultiDiscrete:
        """Build the space from the fields of its spec."""
        dtype = dtype_name(fields["dtype"], "MultiDiscrete.dtype", "iu")
        shape = checked_shape(fields["shape"], "MultiDiscrete.shape")
        nvec = table_from_spec(fields["nvec"], dtype, shape, "MultiDiscrete.nvec")
        start = table_from_spec(fields["start"], dtype, shape, "MultiDiscrete.start")
        return cls.uniform(nvec, start, shape, dtype)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MultiDiscrete):
            return NotImplemented
        return (
            (self.shape, self.dtype) == (other.shape, other.dtype)
            and same_tables(self._nvec, other._nvec, self.shape)
            and same_tables(self._start, other._start, self.shape)
        )

    def __repr__(self) -> str:
        small = math.prod(self.shape) <= 1000
        nvec, start = (
            numbers_repr(tiled(part, self.shape) if small else part, self.shape)
            for part in (self._nvec, self._start)
        )
        shifted = any(self._start.flat())
        return f"MultiDiscrete({nvec}{f', start={start}' if shifted else ''})"
