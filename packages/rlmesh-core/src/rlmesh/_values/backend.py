"""The Backend protocol: how a framework's arrays become tensors and back."""

from __future__ import annotations

from typing import Any, Callable, Optional, Protocol, Tuple

from .tensor import Tensor


class Backend(Protocol):
    """Converts between `Tensor` and one framework's arrays.

    A framework package derives its backend from this class, and defines the first four members;
    the other two have slower defaults.
    """

    name: str
    """The name in `rlmesh.<name>`, e.g. `"numpy"`."""

    def is_array(self, value: Any) -> bool:
        """Whether this is one of the framework's arrays."""
        ...

    def from_tensor(self, tensor: Tensor, device: Optional[Any] = None) -> Any:
        """Return the framework's array with the tensor's memory, dtype and shape.

        Args:
            tensor: Any dtype and shape, `()` included.
            device: Where the array should live; None is the framework's default.
        """
        ...

    def to_tensor(self, array: Any) -> Tensor:
        """Return a tensor of the array's elements, in C order.

        Args:
            array: An array for which `is_array` holds.

        Raises:
            InvalidValue: The array's dtype has no `Tensor` counterpart.
        """
        ...

    def importer(self, dtype: str, shape: Tuple[int, ...]) -> Callable[[Any], Any]:
        """Return a function from a buffer of exactly so many bytes to an array over it."""
        return lambda data: self.from_tensor(Tensor.trusted(memoryview(data), dtype, shape))

    def exporter(self, dtype: str, shape: Tuple[int, ...]) -> Callable[[Any], Optional[memoryview]]:
        """Return a function from a value to its memory, C-contiguous.

        It returns None for everything but an array of exactly this dtype and shape.
        """

        def export(value: Any) -> Optional[memoryview]:
            if not self.is_array(value):
                return None
            tensor = self.to_tensor(value)
            return tensor.data if (tensor.dtype, tensor.shape) == (dtype, shape) else None

        return export
