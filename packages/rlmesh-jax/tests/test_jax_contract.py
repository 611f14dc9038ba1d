"""The JAX backend keeps what every backend promises."""

from __future__ import annotations

import jax

import rlmesh.jax
from rlmesh.jax._backend import BACKEND
from rlmesh.testing import BackendSuite

NARROWED = {"int64": "int32", "uint64": "uint32", "float64": "float32"}


class TestJax(BackendSuite):
    backend = BACKEND
    module = rlmesh.jax
    narrowed = {} if jax.config.jax_enable_x64 else NARROWED
    devices = (None, *jax.devices("cpu"))
