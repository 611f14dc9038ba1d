"""RLMesh for array-api-strict, the reference implementation of the array API standard."""

from __future__ import annotations

from typing import Any

from rlmesh.bases import ModelBase, RemoteEnvBase, RemoteModelBase, RemoteVectorEnvBase
from strict_backend._backend import BACKEND, StrictValue

__all__ = ["BACKEND", "Model", "RemoteEnv", "RemoteModel", "RemoteVectorEnv", "StrictValue"]


class Model(ModelBase[StrictValue, StrictValue]):
    """A model whose predict takes and gives array-api-strict arrays."""

    _backend = BACKEND


class RemoteEnv(RemoteEnvBase[StrictValue, StrictValue]):
    """A served env whose observations hold array-api-strict arrays."""

    _backend = BACKEND


class RemoteVectorEnv(RemoteVectorEnvBase[StrictValue, StrictValue, Any]):
    """A served vector env with array-api-strict arrays."""

    _backend = BACKEND


class RemoteModel(RemoteModelBase[StrictValue, StrictValue]):
    """A served model whose sessions have array-api-strict arrays."""

    _backend = BACKEND
