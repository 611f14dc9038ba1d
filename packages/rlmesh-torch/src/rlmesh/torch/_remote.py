"""Served envs and models with torch values."""

from __future__ import annotations

import torch
from rlmesh.bases import RemoteEnvBase, RemoteModelBase, RemoteVectorEnvBase
from rlmesh.torch._backend import BACKEND, TorchValue


class RemoteEnv(RemoteEnvBase[TorchValue, TorchValue]):
    """A served env whose observations hold torch tensors.

    They are writable and nobody else's, views of received memory on the CPU and copies on any
    other device. By default that is torch's default device at the time the env is made.
    """

    _backend = BACKEND


class RemoteVectorEnv(RemoteVectorEnvBase[TorchValue, TorchValue, torch.Tensor]):
    """A served vector env with torch tensors, as those of `RemoteEnv`."""

    _backend = BACKEND


class RemoteModel(RemoteModelBase[TorchValue, TorchValue]):
    """A served model whose sessions have torch values, as those of `RemoteEnv` and `Model`."""

    _backend = BACKEND
