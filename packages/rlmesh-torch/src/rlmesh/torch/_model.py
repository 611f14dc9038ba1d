"""A model on torch tensors."""

from __future__ import annotations

from rlmesh.bases import ModelBase
from rlmesh.torch._backend import BACKEND, TorchValue


class Model(ModelBase[TorchValue, TorchValue]):
    """A model whose predict takes and gives torch tensors, numbers, text and containers.

    Observations are writable and nobody else's, views of received memory on the CPU and copies on
    any other device. By default that is torch's default device at the time the model is made.
    Actions may be on any device and require gradients; of one on the CPU, in C order and of the
    action space's dtype, the memory is read in place.
    """

    _backend = BACKEND
