"""Served envs and models with NumPy values."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from rlmesh.bases import RemoteEnvBase, RemoteModelBase, RemoteVectorEnvBase
from rlmesh.numpy._backend import BACKEND, NumpyValue


class RemoteEnv(RemoteEnvBase[NumpyValue, NumpyValue]):
    """A served env whose observations hold NumPy arrays, which are writable."""

    _backend = BACKEND


class RemoteVectorEnv(RemoteVectorEnvBase[NumpyValue, NumpyValue, NDArray[Any]]):
    """A served vector env whose observations, rewards and so on are NumPy arrays."""

    _backend = BACKEND


class RemoteModel(RemoteModelBase[NumpyValue, NumpyValue]):
    """A served model whose sessions have NumPy values."""

    _backend = BACKEND
