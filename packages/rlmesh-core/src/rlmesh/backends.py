"""The Backend protocol, and the backends that core brings.

A framework package implements this protocol, and derives its `Model` and `RemoteEnv` from ours.
"""

from __future__ import annotations

from rlmesh._values import resampling
from rlmesh._values.backend import Backend
from rlmesh._values.native import NativeBackend
from rlmesh._values.numpy_bridge import NumpyBridge
from rlmesh._values.ops import Ops

__all__ = ["Backend", "NativeBackend", "NumpyBridge", "Ops", "resampling"]
