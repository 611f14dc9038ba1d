"""The backend of a model without a framework: tensors stay tensors."""

from __future__ import annotations

from typing import Any, Optional

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
