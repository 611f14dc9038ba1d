"""What a backend's suite is told of the backend."""

from __future__ import annotations

from types import ModuleType
from typing import Any, ClassVar, Collection, List, Mapping, Sequence

import pytest

from rlmesh._values.dtypes import DTYPES
from rlmesh._values.tensor import Tensor
from rlmesh._values.trees import map_arrays
from rlmesh.backends import Backend

from ._samples import SHAPES


class BackendSubject:
    """The attributes that a suite's tests read, and what they share."""

    backend: ClassVar[Backend]
    """The backend under test."""

    module: ClassVar[ModuleType]
    """The module with its `Model` and `Remote...` classes: what its entry point names."""

    unsupported: ClassVar[Collection[str]] = ()
    """Dtypes that the framework lacks: tensors of them are refused with an `InvalidValue`."""

    narrowed: ClassVar[Mapping[str, str]] = {}
    """Dtypes that become another one, and which: `{"int64": "int32"}`, say."""

    devices: ClassVar[Sequence[Any]] = (None,)
    """Devices that the machine has, as a user names them; None is the framework's default."""

    @classmethod
    def exact_dtypes(cls) -> List[str]:
        """Return the dtypes that the framework holds as they are."""
        return [name for name in DTYPES if name not in cls.unsupported and name not in cls.narrowed]

    @classmethod
    def pytest_generate_tests(cls, metafunc: pytest.Metafunc) -> None:
        """Run a test with these arguments for every dtype, shape or device of this backend."""
        if "exact_dtype" in metafunc.fixturenames:
            metafunc.parametrize("exact_dtype", cls.exact_dtypes())
        if "array_shape" in metafunc.fixturenames:
            metafunc.parametrize("array_shape", SHAPES, ids=str)
        if "device_name" in metafunc.fixturenames:
            metafunc.parametrize("device_name", cls.devices, ids=str)

    def native(self, value: Any) -> Any:
        """Return a value with its arrays as tensors."""
        return map_arrays(value, self.backend.is_array, self.backend.to_tensor)

    def array(self, values: Any, dtype: str) -> Any:
        """Return the framework's array of a number, or of nested lists of numbers."""
        return self.backend.from_tensor(Tensor.from_values(values, dtype))
