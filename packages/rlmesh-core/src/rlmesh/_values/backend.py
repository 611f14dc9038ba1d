"""The Backend protocol: how a framework's arrays become tensors and back."""

from __future__ import annotations

from typing import Any, Callable, List, Optional, Protocol, Sequence, Tuple

from rlmesh.errors import InvalidValue

from .ops import Ops
from .tensor import Tensor
from .trees import nested


class Backend(Protocol):
    """Converts between `Tensor` and one framework's arrays.

    A framework package derives its backend from this class, and defines the members up to
    `unstack`, and `ops` if its arrays are more than memory. `as_device` suits frameworks that know
    main memory only; `importer` and `exporter` are the hot path, and have slower defaults.
    """

    name: str
    """The name in `rlmesh.<name>`, e.g. `"numpy"`."""

    @property
    def ops(self) -> Ops:
        """The array functions that adapters need.

        Raises:
            InvalidValue: The framework has none.
        """
        raise InvalidValue(
            f"adapter: {self.name} values have no array functions; expected a model of a framework"
            " with some, such as those of rlmesh.numpy"
        )

    def is_array(self, value: Any) -> bool:
        """Whether this is one of the framework's arrays, which have a `shape`."""
        ...

    def from_tensor(self, tensor: Tensor, device: Optional[Any] = None) -> Any:
        """Return the framework's array with the tensor's memory, dtype and shape.

        Args:
            tensor: Any dtype and shape, `()` included.
            device: Where the array should live, as `as_device` returned it; None is the
                framework's default.
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

    def stack(self, values: Sequence[Any], device: Optional[Any] = None) -> Any:
        """Return values along a new first axis.

        Args:
            values: One or more arrays of one dtype and shape on `device`, or Python numbers, whose
                dtype the framework chooses.
            device: As for `from_tensor`.
        """
        ...

    def unstack(self, array: Any) -> Sequence[Any]:
        """Return the parts of an array along its first axis: views where the framework has them.

        Args:
            array: An array of at least one axis.
        """
        ...

    def object_array(self, kind: str, shape: Sequence[int], items: List[Any]) -> Any:
        """Return objects or text as the framework's array of such, or else as nested lists.

        Args:
            kind: NumPy's letter: `"O"` for any objects, `"U"` for text, `"S"` for bytes; the latter
                two perhaps with a width, as in `"U8"`.
            shape: The size of each axis.
            items: The elements, in C order.

        Raises:
            ValueError: The shape has another number of elements.
        """
        return nested(items, shape)

    def as_device(self, requested: Optional[Any]) -> Optional[Any]:
        """Return the device that a user asked for, in the form that `from_tensor` takes.

        Args:
            requested: What the user gave, e.g. `"cuda:0"`; None for the framework's default.

        Raises:
            InvalidValue: The framework knows no such device.
        """
        if requested in (None, "cpu"):
            return None
        raise InvalidValue(
            f"device: {self.name} values live in main memory; expected None or 'cpu',"
            f" got {requested!r}"
        )

    def importer(
        self, dtype: str, shape: Tuple[int, ...], device: Optional[Any] = None
    ) -> Callable[[Any], Any]:
        """Return a function from a buffer of exactly so many bytes to an array over it.

        The buffer is writable, belongs to the array, and nobody else will change it.
        """
        return lambda data: self.from_tensor(Tensor.trusted(memoryview(data), dtype, shape), device)

    def exporter(self, dtype: str, shape: Tuple[int, ...]) -> Callable[[Any], Optional[memoryview]]:
        """Return a function from a value to its memory, C-contiguous.

        It returns None for everything but an array of exactly this dtype and shape. For scalars and
        bfloat16, it may do so always: None means that `to_tensor` is asked.
        """

        def export(value: Any) -> Optional[memoryview]:
            if not self.is_array(value):
                return None
            tensor = self.to_tensor(value)
            return tensor.data if (tensor.dtype, tensor.shape) == (dtype, shape) else None

        return export
