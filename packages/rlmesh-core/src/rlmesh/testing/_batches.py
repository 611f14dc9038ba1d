"""Values to batches, and batches to values."""

from __future__ import annotations

from typing import Any, List, Tuple

import pytest

from rlmesh._values.dtypes import DTYPES
from rlmesh.backends import NativeBackend

from ._samples import samples
from ._subject import BackendSubject

NATIVE = NativeBackend()


class BatchPromises(BackendSubject):
    """`stack` and `unstack`."""

    def test_arrays_stack_along_a_new_first_axis(
        self, exact_dtype: str, array_shape: Tuple[int, ...]
    ) -> None:
        """Some of them, and a single one."""
        tensors = (samples(exact_dtype, array_shape, signalling=False) * 3)[:3]
        for some in (tensors, tensors[:1]):
            stacked = self.backend.stack([self.backend.from_tensor(one) for one in some])
            assert self.backend.is_array(stacked)
            assert self.backend.to_tensor(stacked) == NATIVE.stack(some)

    @pytest.mark.parametrize(
        ("numbers", "kinds"),
        [([1, 2, 3], "iu"), ([-5], "i"), ([0.5, -1.5], "fV"), ([True, False], "b")],
        ids=str,
    )
    def test_numbers_stack_to_an_array_of_their_kind(self, numbers: List[Any], kinds: str) -> None:
        """The framework chooses how wide it is."""
        stacked = self.backend.stack(numbers)
        assert self.backend.is_array(stacked)
        tensor = self.backend.to_tensor(stacked)
        assert DTYPES[tensor.dtype].kind in kinds
        assert tensor.tolist() == numbers

    def test_unstacking_gives_the_arrays_along_the_first_axis(
        self, exact_dtype: str, array_shape: Tuple[int, ...]
    ) -> None:
        """Arrays also where each holds a single number; none where the axis is empty."""
        tensors = samples(exact_dtype, array_shape, signalling=False) if array_shape else []
        for tensor in tensors:
            rows = self.backend.unstack(self.backend.from_tensor(tensor))
            assert len(rows) == array_shape[0]
            assert all(map(self.backend.is_array, rows))
            assert [self.backend.to_tensor(row) for row in rows] == NATIVE.unstack(tensor)

    def test_unstacking_undoes_stacking(
        self, exact_dtype: str, array_shape: Tuple[int, ...]
    ) -> None:
        """Whatever is batched comes out as it went in."""
        tensors = samples(exact_dtype, array_shape, signalling=False)
        stacked = self.backend.stack([self.backend.from_tensor(one) for one in tensors])
        assert [self.backend.to_tensor(row) for row in self.backend.unstack(stacked)] == tensors
