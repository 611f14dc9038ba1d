"""The array functions of torch, on whatever device a tensor is."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any, Callable, Optional, Tuple

import torch
from rlmesh.backends import NumpyBridge, Ops, resampling


class TorchOps(Ops):
    """torch's functions. Nothing leaves the device that a tensor is on."""

    xp = torch
    traces = False

    def constant(self, values: Any, dtype: str, device: Optional[torch.device]) -> torch.Tensor:
        """Return a tensor of nested sequences of numbers."""
        return torch.tensor(values, dtype=getattr(torch, dtype), device=device)

    def astype(self, array: torch.Tensor, dtype: str) -> torch.Tensor:
        """Return the tensor in another dtype, itself where it has it."""
        kind: torch.dtype = getattr(torch, dtype)
        return array.to(kind)

    def resize_image(
        self,
        image: torch.Tensor,
        size: Tuple[int, int],
        method: str,
        box: Optional[resampling.Box] = None,
        dtype: str = "uint8",
    ) -> torch.Tensor:
        """Return images in another size, on their own device; the tensor itself if it has it.

        torch's own routines round otherwise, so that tables do it; in main memory, where NumPy is
        installed, its adapters' functions do.
        """
        steps = resampling.passes(image.shape, size, method, box)
        if not steps:
            return self.astype(image, dtype)
        of_numpy = _of_numpy() if image.is_cpu else None
        if of_numpy is not None:
            return torch.from_numpy(of_numpy.resize_image(image.numpy(), size, method, box, dtype))
        arrays = partial(_arrays, device=image.device)
        resized: torch.Tensor = resampling.resize_by_tables(
            self, _take, arrays, image, steps, dtype
        )
        return resized

    def round_trip_jpeg(self, image: torch.Tensor, quality: int) -> torch.Tensor:
        """Return images after a round trip through Pillow's JPEG, which takes main memory."""
        result = NumpyBridge().ops.round_trip_jpeg(image.cpu().numpy(), quality)
        return torch.from_numpy(result).to(image.device)

    def contiguous_copy(self, array: torch.Tensor) -> torch.Tensor:
        """Return a copy whose elements lie in memory in order."""
        return array.clone(memory_format=torch.contiguous_format)

    def shares_memory(self, array: torch.Tensor, other: torch.Tensor) -> bool:
        """Whether writing into one of two tensors may change the other."""
        return array.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()

    def jit(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function itself."""
        return function

    def device_of(self, array: torch.Tensor) -> torch.device:
        """Return the tensor's device."""
        return array.device


@lru_cache(maxsize=None)
def _of_numpy() -> Optional[Ops]:
    """Return NumPy's functions, on whose arrays and torch's memory is the same; None without it."""
    try:
        return NumpyBridge().ops
    except ImportError:
        return None


def _take(array: torch.Tensor, indices: torch.Tensor, axis: int) -> torch.Tensor:
    return array.index_select(axis, indices)


@lru_cache(maxsize=64)
def _arrays(
    step: resampling.Pass, channels: int, device: torch.device
) -> Tuple[torch.Tensor, torch.Tensor]:
    indices, weights = resampling.table(step)
    kind = getattr(torch, resampling.weight_dtype(step.method))
    rows = torch.tensor(weights, dtype=kind, device=device)[..., None]
    return torch.tensor(indices, device=device), rows.repeat(1, 1, channels)
