"""The torch backend, and conversion by hand. Nothing here needs NumPy."""

from __future__ import annotations

import ctypes
import math
from functools import partial
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union

import torch
from rlmesh import Tensor
from rlmesh.backends import Backend
from rlmesh.errors import InvalidValue

from ._ops import TorchOps

TorchValue = Union[
    None,
    bool,
    int,
    float,
    str,
    bytes,
    "torch.Tensor",
    List[Any],
    Tuple[Any, ...],
    Dict[str, Any],
]
"""What a torch model sees and returns: tensors, numbers, text, and containers of these."""

_DTYPES = {
    name: getattr(torch, name)
    for name in (
        *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64", "bfloat16"),
    )
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


_OPS = TorchOps()


class TorchBackend(Backend):
    """Turns memory into torch tensors and back, without NumPy.

    On the CPU both ways share memory, except that read-only memory and tensors out of C order are
    copied. Other devices always mean a copy.
    """

    name = "torch"

    @property
    def ops(self) -> TorchOps:
        """Torch's array functions, which stay on a tensor's device."""
        return _OPS

    def is_array(self, value: Any) -> bool:
        """Whether the value is a `torch.Tensor`."""
        return isinstance(value, torch.Tensor)

    def from_tensor(self, tensor: Tensor, device: Optional[torch.device] = None) -> torch.Tensor:
        """Return a writable torch tensor over the memory, or over a copy if that is read-only."""
        make = self.importer(tensor.dtype, tensor.shape, device)
        # torch would warn of memory that it cannot protect from being written.
        array: torch.Tensor = make(bytearray(tensor.data) if tensor.data.readonly else tensor.data)
        return array

    def to_tensor(self, array: torch.Tensor) -> Tensor:
        """Return a tensor over the memory, or over a copy in C order in main memory.

        Raises:
            InvalidValue: A dtype that tensors lack, a layout other than dense, or no memory at all.
        """
        name = _NAMES.get(array.dtype)
        if name is None:
            raise InvalidValue(f"dtype: expected one of {', '.join(_DTYPES)}, got {array.dtype}")
        if array.layout is not torch.strided or array.is_nested:
            got = "a nested tensor" if array.is_nested else array.layout
            raise InvalidValue(f"layout: expected a dense tensor (torch.strided), got {got}")
        if array.is_meta:
            raise InvalidValue("device: expected one with memory, got meta")
        dense = array.detach().resolve_conj().resolve_neg().to("cpu").contiguous()
        return Tensor(_memory(dense), name, tuple(dense.shape))

    def stack(self, values: Sequence[Any], device: Optional[torch.device] = None) -> torch.Tensor:
        """Return tensors or numbers along a new first axis; a copy."""
        if isinstance(values[0], torch.Tensor):
            return torch.stack(tuple(values))
        return torch.tensor(list(values), device=device or torch.get_default_device())

    def unstack(self, array: torch.Tensor) -> Sequence[torch.Tensor]:
        """Return the tensors along the first axis, which share the tensor's memory."""
        return array.unbind(0)

    def as_device(self, requested: Optional[Any]) -> torch.device:
        """Return the `torch.device`, after making sure that tensors can be made there.

        Args:
            requested: A `torch.device`, its name or its index; None for torch's default device.
        """
        if requested is None:
            return torch.get_default_device()
        try:
            device = torch.device(requested)
            torch.empty(0, device=device)
        except (AssertionError, ImportError, RuntimeError, TypeError, ValueError) as exc:
            if _means_cuda(requested) and not torch.cuda.is_available():
                raise _no_device(requested, "torch finds no CUDA device here") from exc
            raise _no_device(requested, str(exc).partition("\n")[0]) from exc
        if device.type == "meta":
            raise _no_device(requested, "its tensors hold no values")
        return device

    def importer(
        self, dtype: str, shape: Tuple[int, ...], device: Optional[torch.device] = None
    ) -> Callable[[Any], torch.Tensor]:
        """Return `torch.frombuffer`, with dtype, shape and device already given."""
        kind = _DTYPES[dtype]
        device = device or torch.get_default_device()
        if not math.prod(shape):  # torch refuses buffers without bytes
            return lambda data: torch.empty(shape, dtype=kind, device=device)
        flat: Callable[[Any], torch.Tensor] = partial(torch.frombuffer, dtype=kind)
        if device.type != "cpu":
            return lambda data: flat(data).view(shape).to(device)
        return flat if len(shape) == 1 else lambda data: flat(data).view(shape)

    def exporter(self, dtype: str, shape: Tuple[int, ...]) -> Callable[[Any], Optional[memoryview]]:
        """Return a function that gives a tensor's own memory where that needs no change."""
        tensor, strided, kind = torch.Tensor, torch.strided, _DTYPES[dtype]
        size = math.prod(shape) * kind.itemsize
        block = ctypes.c_char * size

        def export(value: Any) -> Optional[memoryview]:
            if type(value) is not tensor or value.dtype is not kind:
                return None
            try:
                if (
                    value.shape == shape
                    and value.is_cpu
                    and value.layout is strided
                    and value.is_contiguous()
                    and not value.is_neg()
                ):
                    if not size:
                        return memoryview(b"")
                    # What `_memory` does, without the checks that are not needed here.
                    memory = block.from_address(value.data_ptr())
                    memory.owner = value
                    return memoryview(memory).cast("B")
            except RuntimeError:
                pass  # nested, or without memory: `to_tensor` says so
            return None

        return export


def _memory(dense: torch.Tensor) -> memoryview:
    """Return the memory of a contiguous tensor on the CPU, which it keeps alive."""
    size = dense.numel() * dense.element_size()
    if not size:
        return memoryview(bytearray())
    try:
        address = dense.data_ptr()
    except RuntimeError:
        address = 0
    if not address:
        raise InvalidValue(
            "data: expected a tensor with memory, got one without (inside of torch.vmap, say)"
        )
    memory: Any = (ctypes.c_char * size).from_address(address)
    memory.owner = dense
    return memoryview(memory).cast("B")


def _means_cuda(requested: Any) -> bool:
    return str(requested).partition(":")[0] == "cuda" or isinstance(requested, int)


def _no_device(requested: Any, reason: str) -> InvalidValue:
    known = ", ".join(_available())
    return InvalidValue(f"device: expected one of {known}, got {str(requested)!r}: {reason}")


def _available() -> List[str]:
    """Return the names of the devices that this torch can use."""
    names = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    names += [f"xpu:{i}" for i in range(torch.xpu.device_count())]
    return [*names, "mps"] if torch.backends.mps.is_available() else names


BACKEND = TorchBackend()


def as_tensor(tensor: Tensor, device: Union[torch.device, str, int, None] = None) -> torch.Tensor:
    """Return a torch tensor that shares the memory, if that is writable and on the device.

    Args:
        tensor: Any dtype and shape.
        device: Where it should live; None is torch's default device.

    Raises:
        InvalidValue: There is no such device.

    Examples:
        >>> import rlmesh.torch
        >>> rlmesh.torch.as_tensor(rlmesh.Tensor.from_values([[1, 2], [3, 4]], "int32"))
        tensor([[1, 2],
                [3, 4]], dtype=torch.int32)
    """
    return BACKEND.from_tensor(tensor, BACKEND.as_device(device))


def from_tensor(t: torch.Tensor) -> Tensor:
    """Return a tensor that shares the memory, or of a copy if that is not C-ordered on the CPU.

    Args:
        t: Any shape and device; it may require gradients, which are left behind.

    Raises:
        InvalidValue: A dtype that tensors lack, a layout other than dense, or no memory at all.
    """
    return BACKEND.to_tensor(t)
