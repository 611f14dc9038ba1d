"""Backends with one fault each, under the suite that has to find it; see `test_backend_suite`."""

from __future__ import annotations

from types import SimpleNamespace

from rlmesh import Tensor
from rlmesh._envs.remote import RemoteEnvBase
from rlmesh._models.base import ModelBase
from rlmesh.backends import NativeBackend
from rlmesh.testing import BackendSuite


def suite_of(faulty):
    """Return the suite of a backend class."""
    backend = faulty()
    bases = {"Model": ModelBase, "RemoteEnv": RemoteEnvBase}
    module = SimpleNamespace(
        **{name: type(name, (base,), {"_backend": backend}) for name, base in bases.items()}
    )
    return type("Suite", (BackendSuite,), {"backend": backend, "module": module})


class LosesBits(NativeBackend):
    def to_tensor(self, array):
        return Tensor.from_values(array.tolist(), array.dtype, array.shape)


class TestLosesBits(suite_of(LosesBits)):
    pass


class TakesNumbers(NativeBackend):
    def is_array(self, value):
        return isinstance(value, (Tensor, float))


class TestTakesNumbers(suite_of(TakesNumbers)):
    pass


class NeedsWritable(NativeBackend):
    def from_tensor(self, tensor, device=None):
        assert not tensor.data.readonly
        return tensor


class TestNeedsWritable(suite_of(NeedsWritable)):
    pass


class SharesBuffers(NativeBackend):
    def importer(self, dtype, shape, device=None):
        buffers = {}

        def make(data):
            buffer = buffers.setdefault(len(data), bytearray(data))
            buffer[:] = data
            return Tensor(buffer, dtype, shape)

        return make


class TestSharesBuffers(suite_of(SharesBuffers)):
    pass


class ExportsAnyDtype(NativeBackend):
    def exporter(self, dtype, shape):
        return lambda value: value.data if getattr(value, "shape", None) == shape else None


class TestExportsAnyDtype(suite_of(ExportsAnyDtype)):
    pass


class StacksFloats(NativeBackend):
    def stack(self, values, device=None):
        if isinstance(values[0], int):
            values = [float(value) for value in values]
        return super().stack(values)


class TestStacksFloats(suite_of(StacksFloats)):
    pass


class UnstacksNumbers(NativeBackend):
    def unstack(self, array):
        return list(array)


class TestUnstacksNumbers(suite_of(UnstacksNumbers)):
    pass


class TakesAnyDevice(NativeBackend):
    def as_device(self, requested):
        return requested


class TestTakesAnyDevice(suite_of(TakesAnyDevice)):
    pass
