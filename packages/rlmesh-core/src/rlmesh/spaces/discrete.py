"""`Discrete`: one of `n` consecutive integers."""

from __future__ import annotations

import operator
from typing import Any, Callable, ClassVar, Dict, Mapping, Optional, Sequence, Tuple

from rlmesh._values.dtypes import DTYPES
from rlmesh._values.tensor import Tensor
from rlmesh.errors import InvalidValue, UnsupportedSpace

from ._advice import for_integer
from ._arrays import checked_int, checked_shape, dtype_name
from ._describe import describe
from .multi_discrete import MultiDiscrete
from .space import Space


class Discrete(Space[int]):
    """The integers from `start` to `start + n - 1`.

    Args:
        n: How many there are; at least 1.
        seed: See `seed`.
        start: The smallest.
        dtype: The integer dtype that Gymnasium's samples have, and batches of values.

    Raises:
        UnsupportedSpace: The arguments describe no such space; the message names the one.
    """

    n: int
    start: int
    shape: Tuple[int, ...] = ()
    dtype: str
    spec_fields: ClassVar[Mapping[str, Tuple[type, ...]]] = {
        "n": (int,),
        "start": (int,),
        "dtype": (str,),
    }

    def __init__(
        self, n: int, seed: Optional[int] = None, start: int = 0, dtype: Any = "int64"
    ) -> None:
        self.dtype = dtype_name(dtype, "Discrete.dtype", "iu")
        self._limits = DTYPES[self.dtype].limits
        self.start = checked_int(start, "Discrete.start", *self._limits)
        self.n = checked_int(n, "Discrete.n", 1, self._limits[1])
        if self.start + self.n - 1 > self._limits[1]:
            raise UnsupportedSpace(
                f"Discrete: expected start + n - 1 within {self.dtype}, "
                f"got start={self.start} and n={self.n}"
            )
        if seed is not None:
            self.seed(seed)

    def sample(self) -> int:
        """Return one of the integers, each equally likely."""
        return self.start + self.random.randrange(self.n)

    def conform(self, value: Any, path: str = "value") -> int:
        """Return the value as an `int`; integer arrays of shape `()` are taken, too."""
        if type(value) is not int:
            number: Optional[int]
            try:
                number = int(operator.index(value))
            except (TypeError, ValueError, RuntimeError):  # an array of several, or without memory
                number = None
            if number is None or _is_loose(value):
                advice = for_integer(value, path, self.conform)
                raise InvalidValue(f"{path}: expected an integer, got {describe(value)}{advice}")
            value = number
        low, high = self._limits
        if not low <= value <= high:
            raise InvalidValue(
                f"{path}: expected an integer that fits {self.dtype}, got {describe(value)}"
            )
        return int(value)

    def violation(self, value: int, path: str = "value") -> Optional[str]:
        """Return a sentence about a value that is none of the integers."""
        last = self.start + self.n - 1
        if self.start <= value <= last:
            return None
        return f"{path}: expected within [{self.start}, {last}], got {value}"

    def batched(self, n: int) -> MultiDiscrete:
        """Return the MultiDiscrete of shape `(n,)` with these integers in every place."""
        shape = checked_shape((n,), "Discrete.batched")
        return MultiDiscrete.uniform(self.n, self.start, shape, self.dtype)

    def stack_values(self, values: Sequence[int]) -> Tensor:
        """Return the values as a tensor of the space's dtype and shape `(len(values),)`."""
        return Tensor.from_values(list(values), self.dtype)

    def to_spec(self) -> Dict[str, Any]:
        """Return the space as plain data."""
        return {"type": "Discrete", "n": self.n, "start": self.start, "dtype": self.dtype}

    @classmethod
    def from_spec(cls, fields: Mapping[str, Any], read: Callable[[Any], Space[Any]]) -> Discrete:
        """Build the space from the fields of its spec."""
        return cls(fields["n"], start=fields["start"], dtype=fields["dtype"])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Discrete):
            return NotImplemented
        return (self.n, self.start, self.dtype) == (other.n, other.start, other.dtype)

    def __repr__(self) -> str:
        start = f", start={self.start}" if self.start else ""
        dtype = f", dtype={self.dtype}" if self.dtype != "int64" else ""
        return f"Discrete({self.n}{start}{dtype})"


def _is_loose(value: Any) -> bool:
    """Whether an array passes for an integer although it is none of shape `()`, as in torch."""
    dtype = getattr(value, "dtype", None)
    is_bool = getattr(dtype, "itemsize", 0) == 1 and str(dtype).endswith("bool")
    return is_bool or bool(getattr(value, "shape", ()))
