"""RLMesh for NumPy: observations arrive as arrays, actions may be arrays."""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("rlmesh.backends") is None:
    raise ImportError(
        "rlmesh.numpy needs rlmesh-core, which is not installed:"
        " pip install ./packages/rlmesh-core ./packages/rlmesh-numpy (in a checkout of RLMesh)"
    )

from rlmesh.numpy._backend import NumpyValue, asarray, from_array
from rlmesh.numpy._model import Model
from rlmesh.numpy._remote import RemoteEnv, RemoteModel, RemoteVectorEnv

__all__ = [
    "Model",
    "NumpyValue",
    "RemoteEnv",
    "RemoteModel",
    "RemoteVectorEnv",
    "asarray",
    "from_array",
]
