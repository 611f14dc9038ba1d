"""Conversion to dtypes that cannot hold every number: what is too large becomes the nearest."""

from __future__ import annotations

from typing import Any, Tuple

from rlmesh._values.dtypes import DTYPES, DType
from rlmesh._values.ops import Ops

from ._steps import Step, astype, dtype_name

_HALF = 65504.0
"""The largest float16."""


def cast(dtype: str) -> Step:
    """Return the step to a dtype, clamped where it is an integer's or float16."""
    target = DTYPES[dtype]
    if not target.is_integer and dtype != "float16":
        return astype(dtype)

    def apply(ops: Ops, value: Any) -> Any:
        return ops.astype(_clamped(ops, value, target), dtype)

    return Step(f"as {dtype}", apply)


def inside(low: int, high: int, dtype: str) -> Tuple[float, float]:
    """Return the lowest and the highest integer of a float dtype within bounds.

    Args:
        low: The lower bound.
        high: The upper bound.
        dtype: `"float64"`, or one that has no more precision than float32.
    """
    bits = 53 if dtype == "float64" else 24
    return float(-_rounded_down(-low, bits)), float(_rounded_down(high, bits))


def _rounded_down(value: int, bits: int) -> int:
    shift = max(value.bit_length() - bits, 0)
    return (value >> shift) << shift


def _clamped(ops: Ops, value: Any, target: DType) -> Any:
    source = DTYPES[dtype_name(value)]
    if source.kind == "b":
        return value
    if source.is_integer and target.is_integer:
        low = max(source.limits[0], target.limits[0])
        high = min(source.limits[1], target.limits[1])
        if (low, high) == source.limits:
            return value
        if source.kind == "i" or source.itemsize == 1:
            return ops.xp.clip(value, low, high)
    # Not every framework clamps unsigned integers, and float16 has no room for most bounds.
    if dtype_name(value) not in ("float32", "float64"):
        value = ops.astype(value, "float64" if source.itemsize > 2 else "float32")
    if target.is_integer:
        return ops.xp.clip(value, *inside(*target.limits, dtype_name(value)))
    return ops.xp.clip(value, -_HALF, _HALF)
