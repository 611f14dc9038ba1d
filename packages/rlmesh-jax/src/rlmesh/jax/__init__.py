"""RLMesh for JAX: observations arrive as arrays, actions may be arrays."""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("rlmesh.backends") is None:
    raise ImportError(
        "rlmesh.jax needs rlmesh-core, which is not installed:"
        " pip install ./packages/rlmesh-core ./packages/rlmesh-jax (in a checkout of RLMesh)"
    )

from rlmesh.jax._backend import JaxValue, asarray, from_array
from rlmesh.jax._model import Model
from rlmesh.jax._remote import RemoteEnv, RemoteModel, RemoteVectorEnv

__all__ = [
    "Model",
    "RemoteEnv",
    "RemoteModel",
    "RemoteVectorEnv",
    "JaxValue",
    "asarray",
    "from_array",
]
