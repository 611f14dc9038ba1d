"""NumPy arrays to tensors and back, with whatever NumPy the process already has.

Core never imports NumPy by itself: an env server builds this for an env that uses NumPy, and
`rlmesh.numpy` builds it because it depends on NumPy.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, List, Optional, Sequence, Tuple

from rlmesh.errors import InvalidValue

from .backend import Backend
from .dtypes import DTYPES
from .numpy_ops import NumpyOps
from .tensor import Tensor


class NumpyBridge(Backend):
    """The NumPy backend; imports NumPy when it is built.

    Decoding is a view of the received bytes; arrays are writable. Encoding copies only arrays
    whose memory is strided or byte-swapped.

    Raises:
        ImportError: NumPy is not installed.
    """

    name = "numpy"

    def __init__(self) -> None:
        import numpy as np

        self._np = np
        self._ndarray = np.ndarray
        self._arrays = (np.ndarray, np.generic)
        self._dtypes = {name: np.dtype(name) for name in DTYPES if name != "bfloat16"}
        self._names = {dtype: name for name, dtype in self._dtypes.items()}
        self._ops = NumpyOps(self._dtype)

    @property
    def ops(self) -> NumpyOps:
        """NumPy's array functions; images are resized with OpenCV and Pillow, if installed."""
        return self._ops

    def is_array(self, value: Any) -> bool:
        """Whether the value is an `ndarray` or a NumPy scalar."""
        return isinstance(value, self._arrays)

    def from_tensor(self, tensor: Tensor, device: Optional[Any] = None) -> Any:
        """Return an `ndarray` over the tensor's memory; `device` has no meaning here.

        Raises:
            ImportError: A bfloat16 tensor, and `ml_dtypes` is not installed.
        """
        return self._ndarray(tensor.shape, self._dtype(tensor.dtype), tensor.data)

    def to_tensor(self, array: Any) -> Tensor:
        """Return a tensor over the array's memory, or over a C-contiguous native copy of it.

        Raises:
            InvalidValue: The array's dtype is none of those a tensor may have.
        """
        name = self._names.get(array.dtype)
        if name is None:
            array, name = self._unusual(array)
        if array.ndim and array.flags.c_contiguous:
            return Tensor(array.data, name, array.shape)
        return Tensor(array.tobytes(), name, array.shape)

    def _unusual(self, array: Any) -> Any:
        """Return an array in native byte order (bfloat16 as its bits), and its dtype's name."""
        if array.dtype.name == "bfloat16":
            return self._np.asarray(array).view("uint16"), "bfloat16"
        native = array.dtype.newbyteorder("=")
        if native in self._names:
            return array.astype(native), self._names[native]
        raise InvalidValue(f"dtype: expected one of {', '.join(DTYPES)}, got {array.dtype}")

    def stack(self, values: Sequence[Any], device: Optional[Any] = None) -> Any:
        """Return arrays or numbers along a new first axis; a copy."""
        return self._np.stack(values)

    def unstack(self, array: Any) -> List[Any]:
        """Return the arrays along the first axis, which share the array's memory."""
        # An index with an ellipsis gives arrays even where a row has no axes.
        return [array[i, ...] for i in range(array.shape[0])]

    def object_array(self, kind: str, shape: Sequence[int], items: List[Any]) -> Any:
        """Return an `ndarray` of objects, text or bytes."""
        array = self._np.empty(len(items), object)
        for i, item in enumerate(items):  # one by one, so that arrays within stay elements
            array[i] = item
        return array.astype(kind).reshape(shape)

    def importer(
        self, dtype: str, shape: Tuple[int, ...], device: Optional[Any] = None
    ) -> Callable[[Any], Any]:
        """Return `ndarray` itself, with shape and dtype already given."""
        make: Callable[..., Any] = self._ndarray
        return partial(make, shape, self._dtype(dtype))

    def exporter(self, dtype: str, shape: Tuple[int, ...]) -> Callable[[Any], Optional[memoryview]]:
        """Return a function that gives an array's own memory where that needs no change."""
        ndarray, wanted = self._ndarray, self._dtypes.get(dtype)

        def export(value: Any) -> Optional[memoryview]:
            if (
                type(value) is ndarray
                and value.dtype == wanted
                and value.shape == shape
                and value.flags.c_contiguous
            ):
                memory: memoryview = value.data
                return memory
            return None

        # Neither memory without axes nor that of bfloat16 can be told from plain bytes.
        return export if shape and wanted is not None and dtype != "bfloat16" else _nothing

    def _dtype(self, name: str) -> Any:
        """Return NumPy's dtype of a name; that of bfloat16 is imported when it is first needed."""
        if name in self._dtypes:
            return self._dtypes[name]
        try:
            from ml_dtypes import bfloat16
        except ImportError as exc:
            raise ImportError("bfloat16 in NumPy needs ml_dtypes: pip install ml_dtypes") from exc
        self._dtypes["bfloat16"] = self._np.dtype(bfloat16)
        return self._dtypes["bfloat16"]


def _nothing(value: Any) -> None:
    """Give no memory, so that the value is converted."""
