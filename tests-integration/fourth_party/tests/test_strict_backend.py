from __future__ import annotations

import strict_backend

from rlmesh.testing import BackendSuite


class TestStrict(BackendSuite):
    backend = strict_backend.BACKEND
    module = strict_backend
    unsupported = ("float16", "bfloat16")
    devices = (None, "device1")
