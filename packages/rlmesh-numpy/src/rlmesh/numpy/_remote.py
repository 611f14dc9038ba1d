"""A served env with NumPy values."""

from __future__ import annotations

from rlmesh._envs.remote import RemoteEnvBase
from rlmesh.numpy._backend import BACKEND, NumpyValue


class RemoteEnv(RemoteEnvBase[NumpyValue, NumpyValue]):
    """A served env whose observations hold NumPy arrays, which are writable."""

    _backend = BACKEND
