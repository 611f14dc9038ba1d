"""`MultiBinary`: arrays of zeros and ones."""

from __future__ import annotations

import math
from typing import Any, Callable, ClassVar, Dict, Mapping, Optional, Sequence, Tuple, Union

from rlmesh._values.tensor import Tensor
from rlmesh.errors import UnsupportedSpace

from ._arrays import checked_int, checked_shape, conform_array
from ._describe import describe
from ._sampling import random_bits
from ._tables import bounds_violation
from .box import Box
from .space import Space

_ZERO = Tensor(b"\0", "int8", ())
_ONE = Tensor(b"\1", "int8", ())


class MultiBinary(Space[Tensor]):
    """Arrays of zeros and ones, of dtype int8.

    Args:
        n: How many there are, or the shape of the array; every size at least 1.
        seed: See `seed`.

    Raises:
        UnsupportedSpace: `n` is no such number or shape.

    Attributes:
        n: As given: a number or a shape.
        shape: `(n,)`, or the shape given.
        dtype: `"int8"`.
    """

    n: Union[int, Tuple[int, ...]]
    shape: Tuple[int, ...]
    dtype: str = "int8"
    spec_fields: ClassVar[Mapping[str, Tuple[type, ...]]] = {"n": (int, list, tuple)}

    def __init__(self, n: Union[int, Sequence[int]], seed: Optional[int] = None) -> None:
        if hasattr(n, "__len__"):
            self.n = self.shape = checked_shape(n, "MultiBinary.n")
            if 0 in self.shape:
                raise UnsupportedSpace(
                    f"MultiBinary.n: expected positive sizes, got {describe(self.shape)}"
                )
        else:
            self.n = checked_int(n, "MultiBinary.n", 1)
            self.shape = checked_shape((self.n,), "MultiBinary.n")
        if seed is not None:
            self.seed(seed)

    def sample(self) -> Tensor:
        """Return an array of fair coin tosses."""
        return Tensor(random_bits(self.random, math.prod(self.shape)), "int8", self.shape)

    def conform(self, value: Any, path: str = "value") -> Tensor:
        """Return the value as an int8 tensor of this shape."""
        if type(value) is Tensor and value.shape == self.shape and value.dtype == "int8":
            return value
        return conform_array(value, "int8", self.shape, path)

    def violation(self, value: Tensor, path: str = "value") -> Optional[str]:
        """Return a sentence about the first element that is neither 0 nor 1."""
        return bounds_violation(value, _ZERO, _ONE, path)

    def batched(self, n: int) -> Box:
        """Return the Box of shape `(n, *shape)` from 0 to 1."""
        return Box(_ZERO, _ONE, (n, *self.shape), "int8")

    def stack_values(self, values: Sequence[Tensor]) -> Tensor:
        """Return the values along a new first axis."""
        data = b"".join(value.data for value in values)
        return Tensor(data, "int8", (len(values), *self.shape))

    def to_spec(self) -> Dict[str, Any]:
        """Return the space as plain data."""
        n = self.n if isinstance(self.n, int) else list(self.n)
        return {"type": "MultiBinary", "n": n}

    @classmethod
    def from_spec(cls, fields: Mapping[str, Any], read: Callable[[Any], Space[Any]]) -> MultiBinary:
        """Build the space from the fields of its spec."""
        return cls(fields["n"])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MultiBinary):
            return NotImplemented
        return self.n == other.n

    def __repr__(self) -> str:
        return f"MultiBinary({self.n})"
