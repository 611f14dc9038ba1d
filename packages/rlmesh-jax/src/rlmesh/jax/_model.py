"""A model on JAX arrays."""

from __future__ import annotations

from rlmesh.bases import ModelBase
from rlmesh.jax._backend import BACKEND, JaxValue


class Model(ModelBase[JaxValue, JaxValue]):
    """A model whose predict takes and gives JAX arrays, numbers, text and containers.

    Observations are copies. They are committed to the device that was asked for; by default they
    are uncommitted, on JAX's default device. Unless 64-bit numbers are switched on, float64, int64
    and uint64 arrive as 32 bit: a warning says so once, and integers that do not fit are an error.
    Actions may be on any device; of one on the CPU, of the action space's dtype, the memory is read
    in place.
    """

    _backend = BACKEND
