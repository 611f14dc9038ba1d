"""The NumPy backend, and conversion by hand."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple, Union

import numpy as np
from numpy.typing import NDArray
from rlmesh import Tensor
from rlmesh.backends import NumpyBridge

NumpyValue = Union[
    None,
    bool,
    int,
    float,
    str,
    bytes,
    "NDArray[Any]",
    "np.generic",
    List[Any],
    Tuple[Any, ...],
    Dict[str, Any],
]
"""What a NumPy model sees and returns: arrays, numbers, text, and containers of these."""

BACKEND = NumpyBridge()


def asarray(tensor: Tensor) -> NDArray[Any]:
    """Return an array that shares the tensor's memory.

    Args:
        tensor: Any dtype and shape.

    Raises:
        ImportError: The tensor is bfloat16, and `ml_dtypes` is not installed.
    """
    array: NDArray[Any] = BACKEND.from_tensor(tensor)
    return array


def from_array(array: NDArray[Any]) -> Tensor:
    """Return a tensor that shares the array's memory, or of a copy where that is not C-ordered.

    Args:
        array: Any shape; of a dtype that tensors have.

    Raises:
        InvalidValue: The dtype is none of them.
    """
    return BACKEND.to_tensor(array)
