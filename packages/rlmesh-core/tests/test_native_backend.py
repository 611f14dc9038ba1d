"""The native backend keeps what every backend promises, and makes no copies."""

from __future__ import annotations

import pytest

import rlmesh
from rlmesh._cli.load import load_model
from rlmesh.backends import NativeBackend
from rlmesh.errors import InvalidValue
from rlmesh.testing import BackendSuite


class TestNative(BackendSuite):
    backend = NativeBackend()
    module = rlmesh

    def test_its_module_is_found_by_its_name(self):
        assert type(load_model("math:floor", self.backend.name)) is rlmesh.Model

    def test_a_tensor_is_its_own_array(self):
        tensor = rlmesh.Tensor.from_values([[1, 2], [3, 4]], "int8")
        assert self.backend.from_tensor(tensor) is tensor
        assert self.backend.to_tensor(tensor) is tensor

    def test_rows_share_the_memory_of_the_array(self):
        memory = bytearray(4)
        rows = self.backend.unstack(rlmesh.Tensor(memory, "int8", (2, 2)))
        memory[3] = 7
        assert rows[1].tolist() == [0, 7]


def test_native_values_have_no_array_functions_for_adapters():
    with pytest.raises(InvalidValue, match="adapter: native values have no array functions"):
        _ = NativeBackend().ops
