"""Suites of tests to inherit: what RLMesh promises of every backend, also of yours. Needs pytest.

```python
import my_framework_backend
from rlmesh.testing import BackendSuite

class TestMyFramework(BackendSuite):
    backend = my_framework_backend.BACKEND
    module = my_framework_backend
```
"""

from __future__ import annotations

try:
    import pytest
except ModuleNotFoundError as exc:
    if exc.name != "pytest":
        raise
    raise ImportError("rlmesh.testing needs pytest: pip install pytest") from exc

# So that a test that fails shows the values that it compared, as tests of one's own do.
for _part in ("batches", "conversion", "devices", "memory", "served"):
    pytest.register_assert_rewrite(f"rlmesh.testing._{_part}")

from rlmesh.testing._backend_suite import BackendSuite  # noqa: E402

__all__ = ["BackendSuite"]
