"""RLMesh for torch: observations arrive as tensors, actions may be tensors."""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("rlmesh.backends") is None:
    raise ImportError(
        "rlmesh.torch needs rlmesh-core, which is not installed:"
        " pip install ./packages/rlmesh-core ./packages/rlmesh-torch (in a checkout of RLMesh)"
    )

from rlmesh.torch._backend import TorchValue, as_tensor, from_tensor
from rlmesh.torch._model import Model
from rlmesh.torch._remote import RemoteEnv, RemoteModel, RemoteVectorEnv

__all__ = [
    "Model",
    "RemoteEnv",
    "RemoteModel",
    "RemoteVectorEnv",
    "TorchValue",
    "as_tensor",
    "from_tensor",
]
