"""What becomes of a tensor, and of an array."""

from __future__ import annotations

import gc
import warnings
from typing import Any, List, Tuple

import pytest

from rlmesh._values.tensor import Tensor
from rlmesh.backends import NativeBackend
from rlmesh.errors import InvalidValue

from ._samples import samples
from ._subject import BackendSubject


class ConversionPromises(BackendSubject):
    """`is_array`, `from_tensor` and `to_tensor`."""

    def test_a_tensor_becomes_an_array_and_the_same_tensor_again(
        self, exact_dtype: str, array_shape: Tuple[int, ...]
    ) -> None:
        """Bit for bit, whatever the bits are."""
        for tensor in samples(exact_dtype, array_shape):
            array = self.backend.from_tensor(tensor)
            assert self.backend.is_array(array)
            assert tuple(array.shape) == array_shape
            assert self.backend.to_tensor(array) == tensor

    def test_read_only_memory_will_do_and_causes_no_warning(
        self, exact_dtype: str, array_shape: Tuple[int, ...]
    ) -> None:
        """A tensor of `bytes` is as good as one of a `bytearray`."""
        for tensor in samples(exact_dtype, array_shape):
            read_only = Tensor(bytes(tensor.data), exact_dtype, array_shape)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                array = self.backend.from_tensor(read_only)
                assert self.backend.to_tensor(array) == tensor

    def test_neither_an_array_nor_its_tensor_needs_what_it_was_made_of(
        self, exact_dtype: str
    ) -> None:
        """Nobody else has to keep the memory alive, or can change it by freeing it."""
        expected = [bytes(tensor.data) for tensor in samples(exact_dtype, (2, 3, 4))]
        made = [
            self.backend.to_tensor(self.backend.from_tensor(tensor))
            for tensor in samples(exact_dtype, (2, 3, 4))
        ]
        gc.collect()
        overwriting = [bytearray(b"\xa5" * len(expected[0])) for _ in range(100)]
        assert [bytes(one.data) for one in made] == expected
        del overwriting

    def test_a_narrowed_dtype_becomes_the_declared_one(self) -> None:
        """Its numbers stay the same where both dtypes can hold them."""
        for dtype, becomes in self.narrowed.items():
            tensor = Tensor.from_values([[0, 1], [2, 3]], dtype)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a backend may well tell
                array = self.backend.from_tensor(tensor)
                imported = self.backend.importer(dtype, (2, 2))(bytearray(tensor.data))
            for one in (array, imported):
                expected = Tensor.from_values([[0, 1], [2, 3]], becomes)
                assert self.backend.to_tensor(one) == expected

    def test_a_dtype_that_the_framework_lacks_is_refused_by_name(self) -> None:
        """The error is ours, and names the dtype."""
        for dtype in self.unsupported:
            tensor = Tensor.from_values([0, 1], dtype)
            with pytest.raises(InvalidValue, match=dtype):
                self.backend.from_tensor(tensor)
            with pytest.raises(InvalidValue, match=dtype):
                self.backend.importer(dtype, (2,))(bytearray(tensor.data))

    def test_only_the_frameworks_own_arrays_are_arrays(self) -> None:
        """Neither numbers, text and containers are, nor other people's arrays."""
        array = self.array([0, 1], self.exact_dtypes()[0])
        others: List[Any] = [0, 1.5, True, "text", b"bytes", None, object(), memoryview(b"bytes")]
        others += [[array], (array,), {"key": array}, type(array)]
        if not isinstance(self.backend, NativeBackend):
            others.append(Tensor.from_values([0, 1], "uint8"))
        assert [other for other in others if self.backend.is_array(other)] == []
