"""Random numbers within bounds, and random bytes."""

from __future__ import annotations

import math
import struct
from random import Random
from typing import Callable, Iterable, Tuple

from rlmesh._values.dtypes import DType, dtype_of
from rlmesh._values.tensor import Scalar, Tensor

_LOW_BITS = bytes(i & 1 for i in range(256))
_LARGEST = {
    "float16": 65504.0,
    "float32": (2 - 2**-23) * 2.0**127,
    "float64": (2 - 2**-52) * 2.0**1023,
    "bfloat16": (2 - 2**-7) * 2.0**127,
}


def random_bytes(random: Random, count: int) -> bytes:
    """Return bytes that are each equally likely."""
    return random.getrandbits(8 * count).to_bytes(count, "little") if count else b""


def random_bits(random: Random, count: int) -> bytes:
    """Return bytes that are each 0 or 1."""
    return random_bytes(random, count).translate(_LOW_BITS)


def drawer(random: Random, dtype: DType, low: Scalar, high: Scalar) -> Callable[[], Scalar]:
    """Return a function that draws a number from these bounds, which are included.

    Integers and bounded floats are uniform. Floats with one bound have an exponential
    distribution from there on, and those with none a normal one.
    """
    unit = random.random
    if dtype.kind in "biu":
        first, count = int(low), int(high) - int(low) + 1
        if count < 2**32:  # far from where the 53 bits of `unit` would favour some of them
            return lambda: first + int(unit() * count)
        return lambda: random.randrange(first, first + count)
    if low == high:
        return lambda: low
    if math.isinf(low) and math.isinf(high):
        return lambda: random.gauss(0.0, 1.0)
    largest = _LARGEST[dtype.name]
    if math.isinf(high):
        return lambda: min(low + random.expovariate(1.0), largest)
    if math.isinf(low):
        return lambda: max(high - random.expovariate(1.0), -largest)

    def uniform() -> float:
        u = unit()  # high - low may be beyond the largest float
        return min(max(low * (1.0 - u) + high * u, low), high)

    return uniform


def pack(numbers: Iterable[Scalar], dtype: str, shape: Tuple[int, ...]) -> Tensor:
    """Return numbers of the dtype as a tensor."""
    code, flat = dtype_of(dtype).code, list(numbers)
    if not code:
        return Tensor(Tensor.from_values(flat, dtype).data, dtype, shape)
    return Tensor(struct.pack(f"={len(flat)}{code}", *flat), dtype, shape)
