"""A model on NumPy arrays."""

from __future__ import annotations

from rlmesh.bases import ModelBase
from rlmesh.numpy._backend import BACKEND, NumpyValue


class Model(ModelBase[NumpyValue, NumpyValue]):
    """A model whose predict takes and gives NumPy arrays, numbers, text and containers."""

    _backend = BACKEND
