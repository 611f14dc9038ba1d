"""Tensors to array-api-strict arrays and back, through the NumPy arrays that these wrap."""

from __future__ import annotations

from typing import Any, List, Optional, Sequence

import array_api_strict as xp
import numpy as np

from rlmesh import Tensor
from rlmesh.backends import Backend, NumpyBridge
from rlmesh.errors import InvalidValue

StrictValue = Any
"""What such a model sees and returns: arrays, numbers, text, and containers of these."""

_ARRAY = type(xp.asarray(0))
_DEVICES = {str(device): device for device in xp.__array_namespace_info__().devices()}
_CPU = xp.Device("CPU_DEVICE")
_LACKING = ("float16", "bfloat16")


class StrictBackend(Backend):
    """The array-api-strict backend; its devices are pretended ones, which keeps code honest."""

    name = "strict"

    def __init__(self) -> None:
        self._numpy = NumpyBridge()

    def is_array(self, value: Any) -> bool:
        """Whether the value is an array of array-api-strict."""
        return isinstance(value, _ARRAY)

    def from_tensor(self, tensor: Tensor, device: Optional[Any] = None) -> Any:
        """Return an array over the tensor's memory.

        Raises:
            InvalidValue: The standard has no such dtype.
        """
        if tensor.dtype in _LACKING:
            raise InvalidValue(f"dtype: the array API standard has no {tensor.dtype}")
        return xp.asarray(self._numpy.from_tensor(tensor), device=device)

    def to_tensor(self, array: Any) -> Tensor:
        """Return a tensor over the array's memory, or over a C-contiguous copy of it.

        Raises:
            InvalidValue: The array is complex.
        """
        # Only arrays on this device show their memory.
        return self._numpy.to_tensor(np.asarray(array.to_device(_CPU)))

    def stack(self, values: Sequence[Any], device: Optional[Any] = None) -> Any:
        """Return arrays or numbers along a new first axis; a copy."""
        if self.is_array(values[0]):
            return xp.stack(list(values))
        return xp.asarray(list(values), device=device)

    def unstack(self, array: Any) -> List[Any]:
        """Return the arrays along the first axis, which share the array's memory."""
        return [array[i, ...] for i in range(array.shape[0])]

    def as_device(self, requested: Optional[Any]) -> Optional[Any]:
        """Return the device of a name such as `"device1"`.

        Raises:
            InvalidValue: There is none.
        """
        if requested is None or requested in _DEVICES.values():
            return requested
        for name, device in _DEVICES.items():
            if f"'{requested}'" in name:
                return device
        raise InvalidValue(f"device: expected one of {', '.join(_DEVICES)}, got {requested!r}")


BACKEND = StrictBackend()
