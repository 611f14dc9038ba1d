"""The array functions of torch, on whatever device a tensor is."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any, Callable, Optional, Tuple

import torch
from rlmesh.backends import Ops, resampling
from torch.nn.functional import interpolate


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
    ) -> torch.Tensor:
        """Return images in another size, on their own device; the tensor itself if it has it.

        torch's own routine does both bilinear methods, tables do the rest: torch's bicubic is up to
        30 levels away from Pillow's, its area up to 72 from boxes that overlap.
        """
        steps = resampling.passes(image.shape, size, method, box)
        if not steps:
            return image
        if box is None and method == "bilinear":
            return _interpolated(image, size, antialias=False)
        if box is None and method == "bilinear_aa" and _takes_bytes(image, size):
            return _interpolated(image, size, antialias=True)
        arrays = partial(_arrays, device=image.device)
        resized: torch.Tensor = resampling.resize_by_tables(self, _take, arrays, image, steps)
        return resized

    def jit(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function itself."""
        return function

    def device_of(self, array: torch.Tensor) -> torch.device:
        """Return the tensor's device."""
        return array.device


def _interpolated(image: torch.Tensor, size: Tuple[int, int], antialias: bool) -> torch.Tensor:
    # This is no copy: torch has the layout under the name channels_last.
    planes = image.reshape((-1, *image.shape[-3:])).movedim(-1, 1)
    if not len(planes):
        return image.new_empty((*image.shape[:-3], *size, image.shape[-1]))
    as_bytes = _takes_bytes(image, size)
    if not as_bytes:
        planes = planes.float()
    resized = interpolate(planes, size, mode="bilinear", antialias=antialias)
    if not as_bytes:
        resized = resized.round_().to(torch.uint8)
    return resized.movedim(1, -1).reshape((*image.shape[:-3], *size, image.shape[-1]))


def _takes_bytes(image: torch.Tensor, size: Tuple[int, int]) -> bool:
    """Whether torch resizes these images as uint8.

    It does so on CPUs only, and on some of them wrongly where one column is left: by up to 255.
    """
    return image.is_cpu and size[1] > 1


def _take(array: torch.Tensor, indices: torch.Tensor, axis: int) -> torch.Tensor:
    return array.index_select(axis, indices)


@lru_cache(maxsize=64)
def _arrays(
    step: resampling.Pass, channels: int, device: torch.device
) -> Tuple[torch.Tensor, torch.Tensor]:
    indices, weights = resampling.table(step)
    kind = torch.int32 if resampling.is_antialiased(step.method) else torch.float32
    rows = torch.tensor(weights, dtype=kind, device=device)[..., None]
    return torch.tensor(indices, device=device), rows.repeat(1, 1, channels)
