"""Tensors whose bits are easily lost: extremes, both zeros, NaNs with payloads."""

from __future__ import annotations

import math
import random
import sys
from typing import List, Tuple

from rlmesh._values.dtypes import DTYPES, DType
from rlmesh._values.tensor import Tensor

SHAPES: Tuple[Tuple[int, ...], ...] = ((), (0,), (0, 3), (3,), (2, 3, 4), (2, 130, 65))
"""One of each kind; the last is over 16 KiB in any dtype, which travels in a frame of its own."""

_MANTISSA_BITS = {"float16": 10, "bfloat16": 7, "float32": 23, "float64": 52}


def samples(dtype: str, shape: Tuple[int, ...], signalling: bool = True) -> List[Tensor]:
    """Return tensors that hold all special elements of a dtype between them, and random ones.

    Args:
        dtype: The dtype.
        shape: The shape.
        signalling: Whether some NaNs are signalling ones, which only a plain copy has to keep.
    """
    kind, size = DTYPES[dtype], math.prod(shape)
    if not size:
        return [Tensor(bytearray(), dtype, shape)]
    elements = _special_elements(kind)
    source = random.Random(0)
    bits = 1 if kind.kind == "b" else 8 * kind.itemsize
    elements += [source.getrandbits(bits) for _ in range(-len(elements) % size)]
    if not signalling and kind.name in _MANTISSA_BITS:
        elements = [_quiet(element, kind) for element in elements]
    data = b"".join(element.to_bytes(kind.itemsize, sys.byteorder) for element in elements)
    step = size * kind.itemsize
    return [Tensor(bytearray(data[i : i + step]), dtype, shape) for i in range(0, len(data), step)]


def _special_elements(kind: DType) -> List[int]:
    """Return the bits of a dtype's extremes, as unsigned integers."""
    if kind.kind == "b":
        return [0, 1]
    bits = 8 * kind.itemsize
    every, sign = 2**bits - 1, 2 ** (bits - 1)
    if kind.is_integer:
        return [0, 1, sign - 1, sign, every]
    infinity = _infinity(kind)
    nans = [infinity + 1, _quiet(infinity + 1, kind), _quiet(infinity + 5, kind)]
    positive = [0, 1, infinity - 1, infinity, *nans]
    return [*positive, *(sign | element for element in positive), every]


def _infinity(kind: DType) -> int:
    """Return the bits of positive infinity, which are the exponent's."""
    mantissa = _MANTISSA_BITS[kind.name]
    return ((1 << (8 * kind.itemsize - 1)) - 1) >> mantissa << mantissa


def _quiet(element: int, kind: DType) -> int:
    """Return an element, if it is a NaN as a quiet one."""
    infinity = _infinity(kind)
    is_nan = element & infinity == infinity and element & (1 << _MANTISSA_BITS[kind.name]) - 1
    return element | 1 << (_MANTISSA_BITS[kind.name] - 1) if is_nan else element
