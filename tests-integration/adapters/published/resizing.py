"""The resizing routines of Pillow, TensorFlow and PyTorch that public pipelines call.

TensorFlow's are restated from their definitions, and were compared with TensorFlow 2.21 once: apart
from rounding at exact halves they give the same levels.
"""

from __future__ import annotations

import io
import math
from typing import Any, Callable, Tuple

import numpy as np
import torch
from PIL import Image as Pillow

BILINEAR = Pillow.Resampling.BILINEAR
BICUBIC = Pillow.Resampling.BICUBIC


def pillow(picture: Any, size: Tuple[int, int], method: Any) -> Any:
    """Return a uint8 picture as Pillow resizes it to (height, width)."""
    return np.asarray(Pillow.fromarray(picture).resize(size[::-1], method))


def pillow_padded(picture: Any, size: int, method: Any = BILINEAR) -> Any:
    """Return it as large as fits into a square of zeros, in whose middle it is."""
    height, width = picture.shape[:2]
    ratio = max(height, width) / size
    rows, columns = int(height / ratio), int(width / ratio)
    found = np.zeros((size, size, 3), np.uint8)
    top, left = (size - rows) // 2, (size - columns) // 2
    found[top : top + rows, left : left + columns] = pillow(picture, (rows, columns), method)
    return found


def jpeg(picture: Any, quality: int = 95) -> Any:
    """Return a uint8 picture after a round trip through Pillow's JPEG."""
    stream = io.BytesIO()
    Pillow.fromarray(picture).save(stream, "JPEG", quality=quality)
    return np.asarray(Pillow.open(stream))


def lanczos3(x: Any) -> Any:
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)


def triangle(x: Any) -> Any:
    return np.maximum(1 - np.abs(x), 0.0)


def antialiased(picture: Any, size: Tuple[int, int], kernel: Callable[[Any], Any]) -> Any:
    """Return it in double precision, by a kernel that is widened where pixels are left out.

    That is `tf.image.resize(antialias=True)`, and torchvision's of floats: unlike Pillow's, nothing
    is rounded or clamped between the two axes.
    """
    found = picture.astype(np.float64)
    for axis, count in enumerate(size):
        scale = picture.shape[axis] / count
        places = np.arange(picture.shape[axis])
        centres = (np.arange(count)[:, None] + 0.5) * scale - 0.5
        weights = kernel((places - centres) / max(scale, 1.0))
        weights /= weights.sum(1, keepdims=True)
        found = np.moveaxis(np.tensordot(weights, found, (1, axis)), 0, axis)
    return found


def box_of_corners(picture: Any, area: float, size: int) -> Any:
    """Return the middle of a picture as `tf.image.crop_and_resize` does: corner on corner."""
    found = picture.astype(np.float64)
    side = math.sqrt(area)
    for axis in (0, 1):
        last = picture.shape[axis] - 1
        places = (1 - side) / 2 * last + np.arange(size) * side * last / (size - 1)
        low = np.floor(places).astype(int)
        high = np.minimum(low + 1, last)
        share = (places - low).reshape([-1 if i == axis else 1 for i in range(3)])
        found = np.take(found, low, axis) * (1 - share) + np.take(found, high, axis) * share
    return found


def bilinear(picture: Any, size: Tuple[int, int]) -> Any:
    """Return it in single precision, as PyTorch's `interpolate` does without antialiasing."""
    batch = torch.from_numpy(picture.astype(np.float32)).permute(2, 0, 1)[None]
    found = torch.nn.functional.interpolate(batch, size, mode="bilinear", align_corners=False)
    return found[0].permute(1, 2, 0).numpy()


def to_uint8(levels: Any) -> Any:
    """Return levels rounded half to even, and clamped."""
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)
