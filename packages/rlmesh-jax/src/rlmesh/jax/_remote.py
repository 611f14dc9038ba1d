"""Served envs and models with JAX values."""

from __future__ import annotations

import jax
from rlmesh.bases import RemoteEnvBase, RemoteModelBase, RemoteVectorEnvBase
from rlmesh.jax._backend import BACKEND, JaxValue


class RemoteEnv(RemoteEnvBase[JaxValue, JaxValue]):
    """A served env whose observations hold JAX arrays.

    They are copies. They are committed to the device that was asked for; by default they are
    uncommitted, on JAX's default device. Unless 64-bit numbers are switched on, float64, int64 and
    uint64 arrive as 32 bit: a warning says so once, and integers that do not fit are an error.
    """

    _backend = BACKEND


class RemoteVectorEnv(RemoteVectorEnvBase[JaxValue, JaxValue, jax.Array]):
    """A served vector env with JAX arrays, as those of `RemoteEnv`."""

    _backend = BACKEND


class RemoteModel(RemoteModelBase[JaxValue, JaxValue]):
    """A served model whose sessions have JAX values, as those of `RemoteEnv` and `Model`."""

    _backend = BACKEND
