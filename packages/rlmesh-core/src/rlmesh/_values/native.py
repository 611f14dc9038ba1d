"""The backend of a model without a framework: tensors stay tensors."""

from __future__ import annotations

from typing import Any, List, Optional, Sequence

from .backend import Backend
from .tensor import Tensor


class NativeBackend(Backend):
    """Leaves every `Tensor` as it is."""

    name = "native"

    def is_array(self, value: Any) -> bool:
        """Whether the value is a `Tensor`."""
        return isinstance(value, Tensor)

    def from_tensor(self, tensor: Tensor, device: Optional[Any] = None) -> Tensor:
        """Return the tensor itself."""
        return tensor

    def to_tensor(self, array: Any) -> Tensor:
        """Return the tensor itself."""
        tensor: Tensor = array
        return tensor

    def stack(self, values: Sequence[Any], device: Optional[Any] = None) -> Tensor:
        """Return tensors, or numbers as bool, int64 or float64, along a new first axis."""
        first = values[0]
        if isinstance(first, Tensor):
            data = b"".join(value.data for value in values)
            return Tensor(data, first.dtype, (len(values), *first.shape))
        return Tensor.from_values(list(values), _DTYPES[type(first)])

    def unstack(self, array: Any) -> List[Tensor]:
        """Return the tensors along the first axis, which share the tensor's memory."""
        shape = array.shape[1:]
        size = array.nbytes // (array.shape[0] or 1)
        return [
            Tensor.trusted(array.data[i * size : (i + 1) * size], array.dtype, shape)
            for i in range(array.shape[0])
        ]


_DTYPES = {bool: "bool", int: "int64", float: "float64"}
