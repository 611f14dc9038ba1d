"""The Backend protocol: how a framework's arrays become tensors and back.

A framework package implements this protocol, and derives its `Model` and `RemoteEnv` from ours.
"""

from __future__ import annotations

from typing import Any, Optional, Protocol

from rlmesh._values.native import NativeBackend
from rlmesh._values.numpy_bridge import NumpyBridge
from rlmesh._values.tensor import Tensor

__all__ = ["Backend", "NativeBackend", "NumpyBridge"]


class Backend(Protocol):
    """Converts between `Tensor` and one framework's arrays."""

    @property
    def name(self) -> str:
        """The name in `rlmesh.<name>`, e.g. `"numpy"`."""

    def is_array(self, value: Any) -> bool:
        """Whether this is one of the framework's arrays."""

    def from_tensor(self, tensor: Tensor, device: Optional[Any] = None) -> Any:
        """Return the framework's array with the tensor's memory, dtype and shape.

        Args:
            tensor: Any dtype and shape, `()` included.
            device: Where the array should live; None is the framework's default.
        """

    def to_tensor(self, array: Any) -> Tensor:
        """Return a tensor of the array's elements, in C order.

        Args:
            array: An array for which `is_array` holds.

        Raises:
            InvalidValue: The array's dtype has no `Tensor` counterpart.
        """
