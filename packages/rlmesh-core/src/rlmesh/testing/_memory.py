"""The hot path: memory that becomes an array, and an array's memory."""

from __future__ import annotations

import gc
import warnings
from typing import Any, List, Tuple

from rlmesh._values.tensor import Tensor

from ._samples import samples
from ._subject import BackendSubject


class MemoryPromises(BackendSubject):
    """`importer` and `exporter`."""

    def test_an_importer_makes_arrays_of_plain_bytes(
        self, exact_dtype: str, array_shape: Tuple[int, ...]
    ) -> None:
        """Both of a buffer of its own, and of a part of a larger one."""
        make = self.backend.importer(exact_dtype, array_shape)
        for tensor in samples(exact_dtype, array_shape):
            larger = bytearray(64) + tensor.data
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                arrays = [make(bytearray(tensor.data)), make(memoryview(larger)[64:])]
            assert all(map(self.backend.is_array, arrays))
            assert [self.backend.to_tensor(array) for array in arrays] == [tensor, tensor]

    def test_imported_arrays_do_not_share_memory(self, exact_dtype: str) -> None:
        """Each keeps its elements, whatever the same importer makes afterwards."""
        tensors = samples(exact_dtype, (2, 3, 4))
        tensors += [Tensor(bytes(one.data)[::-1], exact_dtype, (2, 3, 4)) for one in tensors]
        make = self.backend.importer(exact_dtype, (2, 3, 4))
        arrays = [make(bytearray(tensor.data)) for tensor in tensors]
        gc.collect()
        assert [self.backend.to_tensor(array) for array in arrays] == tensors

    def test_an_exporter_gives_the_memory_of_exactly_its_dtype_and_shape(
        self, exact_dtype: str, array_shape: Tuple[int, ...]
    ) -> None:
        """Scalars and bfloat16 may be left to `to_tensor`, with None."""
        export = self.backend.exporter(exact_dtype, array_shape)
        for tensor in samples(exact_dtype, array_shape):
            memory = export(self.backend.from_tensor(tensor))
            if memory is None:
                assert array_shape == () or exact_dtype == "bfloat16"
            else:
                assert memory.c_contiguous
                assert memory.tobytes() == bytes(tensor.data)

    def test_an_exporter_gives_nothing_for_any_other_value(
        self, exact_dtype: str, array_shape: Tuple[int, ...]
    ) -> None:
        """That is what `to_tensor` and the space's own check are for."""
        export = self.backend.exporter(exact_dtype, array_shape)
        tensor = samples(exact_dtype, array_shape)[0]
        shapes = [(1, *array_shape), (*array_shape, 1), (5,)]
        others: List[Any] = [
            self.backend.from_tensor(samples(exact_dtype, shape)[0]) for shape in shapes
        ]
        others += [
            self.backend.from_tensor(samples(dtype, array_shape)[0])
            for dtype in self.exact_dtypes()
            if dtype != exact_dtype
        ]
        others += [0, 1.5, True, "text", None, bytes(tensor.data), [self.array(0, exact_dtype)]]
        assert [other for other in others if export(other) is not None] == []

    def test_an_exporter_of_a_dtype_that_the_framework_changes_gives_nothing(self) -> None:
        """No array of the framework has such a dtype."""
        for dtype in (*self.unsupported, *self.narrowed):
            export = self.backend.exporter(dtype, (2,))
            arrays = [self.array([0, 1], other) for other in self.exact_dtypes()]
            assert [array for array in arrays if export(array) is not None] == []
            if dtype in self.narrowed:
                tensor = Tensor.from_values([0, 1], dtype)
                assert export(self.backend.from_tensor(tensor)) is None
