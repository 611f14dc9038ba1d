"""The NumPy backend keeps what every backend promises, and copies only where it must."""

from __future__ import annotations

import numpy as np
import pytest

import rlmesh.numpy
from rlmesh import Tensor
from rlmesh.numpy._backend import BACKEND
from rlmesh.testing import BackendSuite


class TestNumpy(BackendSuite):
    backend = BACKEND
    module = rlmesh.numpy

    def test_an_array_shares_the_memory_of_its_tensor_and_is_writable(self):
        memory = bytearray(6)
        array = self.backend.from_tensor(Tensor(memory, "uint8", (2, 3)))
        array[1, 2] = 9
        assert memory[5] == 9

    def test_an_array_over_read_only_memory_cannot_be_written(self):
        array = self.backend.from_tensor(Tensor(bytes(6), "uint8", (2, 3)))
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1

    def test_rows_share_the_memory_of_the_array(self):
        array = np.zeros((2, 3))
        assert all(np.shares_memory(row, array) for row in self.backend.unstack(array))

    @pytest.mark.parametrize("scalar", [np.float32(1.5), np.int64(-3), np.bool_(True)])
    def test_a_numpy_scalar_is_an_array(self, scalar):
        assert self.backend.is_array(scalar)
        assert self.backend.to_tensor(scalar) == Tensor(scalar.tobytes(), scalar.dtype.name, ())

    def test_an_exporter_gives_nothing_for_memory_that_is_not_in_order(self):
        array = np.zeros((3, 2), "float32")
        for strided in (array.T, np.zeros((2, 6), "float32")[:, ::2], array.astype(">f4")):
            assert self.backend.exporter("float32", strided.shape)(strided) is None
