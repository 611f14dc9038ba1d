"""The array functions of JAX; all of them may be called inside of `jax.jit`."""

from __future__ import annotations

from functools import lru_cache, partial
from importlib import import_module
from typing import Any, Callable, Optional, Tuple

import numpy as np

import jax
import jax.numpy as jnp
from jax.core import Tracer
from rlmesh.backends import NumpyBridge, Ops, resampling

_x64: Any = getattr(jax, "enable_x64", None)
if _x64 is None:  # before JAX 0.8
    _x64 = import_module("jax.experimental").enable_x64

_BAND = 16
"""Rows of a band: with more, more products by 0 are made; with less, each is too little work."""


class JaxOps(Ops):
    """JAX's functions. 64-bit dtypes mean those of 32 bit where JAX has the wide ones off."""

    xp = jnp
    traces = True

    def constant(self, values: Any, dtype: str, device: Optional[Any]) -> jax.Array:
        """Return an array of nested sequences of numbers."""
        array: jax.Array = jax.device_put(np.array(values, _dtype(dtype)), device)
        return array

    def astype(self, array: jax.Array, dtype: str) -> jax.Array:
        """Return the array in another dtype, itself where it has it."""
        kind = _dtype(dtype)
        if kind == jnp.uint8 and jnp.issubdtype(array.dtype, jnp.floating):
            # As C does; the direct way, which limits each number to 0..255, takes longer.
            array = array.astype(jnp.int32)
        return array if array.dtype == kind else array.astype(kind)

    def resize_image(
        self,
        image: jax.Array,
        size: Tuple[int, int],
        method: str,
        box: Optional[resampling.Box] = None,
        dtype: str = "uint8",
    ) -> jax.Array:
        """Return images in another size, by tables; the array itself where nothing changes.

        Those of JAX itself multiply by a whole matrix, which takes longer, and round once only.
        """
        steps = resampling.passes(image.shape, size, method, box)
        return self.astype(_resized(image, tuple(steps)) if steps else image, dtype)

    def round_trip_jpeg(self, image: jax.Array, quality: int) -> jax.Array:
        """Return images after a round trip through Pillow's JPEG, outside of what is compiled."""
        ops = NumpyBridge().ops

        def on_host(array: Any) -> Any:
            return ops.round_trip_jpeg(np.asarray(array), quality)

        struct: Any = jax.ShapeDtypeStruct
        result = struct(image.shape, image.dtype)
        changed: jax.Array = jax.pure_callback(on_host, result, image)
        return changed

    def contiguous_copy(self, array: jax.Array) -> jax.Array:
        """Return the array itself, which nobody can write into."""
        return array

    def shares_memory(self, array: jax.Array, other: jax.Array) -> bool:
        """Return False: nobody can write into an array."""
        return False

    def jit(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, compiled by `jax.jit` when it is first called."""
        compiled: Callable[..., Any] = jax.jit(function)
        return compiled

    def device_of(self, array: jax.Array) -> Optional[Any]:
        """Return the array's device, or its sharding if it has several; None if it is traced."""
        if isinstance(array, Tracer):
            return None
        devices = array.devices()
        return next(iter(devices)) if len(devices) == 1 else array.sharding


_OPS = JaxOps()


def _dtype(name: str) -> Any:
    return jax.dtypes.canonicalize_dtype(name)


# Compiled for calls outside of a compiled function; inside of one this becomes part of it.
@partial(jax.jit, static_argnums=1)
def _resized(image: jax.Array, steps: Tuple[Tuple[int, resampling.Pass], ...]) -> jax.Array:
    if not resampling.is_antialiased(steps[0][1].method):
        with _x64(True):  # else there is no double precision
            resized: jax.Array = resampling.resize_by_tables(_OPS, _take, _arrays, image, steps)
        return resized
    for axis, step in steps:
        image = _banded(image, axis, step)
    return image


def _take(array: jax.Array, indices: Any, axis: int) -> jax.Array:
    return jnp.take(array, indices, axis, mode="clip")


# Tables stay NumPy's: an array that is made while JAX compiles belongs to that compilation.
@lru_cache(maxsize=64)
def _arrays(step: resampling.Pass, channels: int) -> Tuple[Any, Any]:
    indices, weights = resampling.table(step)
    kind = resampling.weight_dtype(step.method)
    return np.array(indices, np.int32), np.array(weights, kind)[..., None]


def _banded(image: jax.Array, axis: int, step: resampling.Pass) -> jax.Array:
    """Return one pass of an `_aa` method, by small matrices along the diagonal of a large one.

    Their floats give exact integers: weights are taken apart into bytes, so that neither factor
    needs more than the 8 bits that even bfloat16 has, and no sum more than the 24 of float32.
    """
    lines, matrices = _bands(step)
    moved = jnp.moveaxis(image, axis, 0)
    rows = moved.reshape((step.in_size, -1)).astype(jnp.float32)
    sums = jnp.matmul(matrices, rows[lines]).astype(jnp.int32)
    high, middle, low = (sums[:, i * _BAND : (i + 1) * _BAND] for i in range(3))
    total = (high * 256 + middle) * 256 + low
    rounded = jnp.clip(
        (total + (1 << (resampling.PRECISION - 1))) >> resampling.PRECISION, 0, 255
    ).astype(jnp.uint8)
    joined = rounded.reshape((len(lines) * _BAND, *moved.shape[1:]))[: step.out_size]
    return jnp.moveaxis(joined, 0, axis)


@lru_cache(maxsize=64)
def _bands(step: resampling.Pass) -> Tuple[Any, Any]:
    """Return the input rows of each band of output rows, and the matrix from these to those.

    The shapes are `(bands, width)` and `(bands, 3 * _BAND, width)`: a matrix for the high bytes of
    the weights, one for those in the middle, and one for the low ones, below each other.
    """
    indices, weights = (np.array(part) for part in resampling.table(step))
    bands = -(-step.out_size // _BAND)
    # The last band may have more rows than there are; they are all 0.
    starts = [indices[0, i * _BAND : (i + 1) * _BAND].min() for i in range(bands)]
    ends = [indices[-1, i * _BAND : (i + 1) * _BAND].max() + 1 for i in range(bands)]
    width = max(end - start for start, end in zip(starts, ends))
    starts = [min(start, step.in_size - width) for start in starts]
    whole = np.zeros((bands, _BAND, width), np.int64)
    for row in range(step.out_size):
        band = row // _BAND
        np.add.at(whole[band, row % _BAND], indices[:, row] - starts[band], weights[:, row])
    parts = np.concatenate([whole >> 16, (whole >> 8) & 255, whole & 255], 1)
    lines = np.array(starts)[:, None] + np.arange(width)
    return lines.astype(np.int32), parts.astype(np.float32)
