"""The torch backend keeps what every backend promises."""

from __future__ import annotations

import torch

import rlmesh.torch
from rlmesh.testing import BackendSuite
from rlmesh.torch._backend import BACKEND


class TestTorch(BackendSuite):
    backend = BACKEND
    module = rlmesh.torch
    devices = (None, "cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count())))
