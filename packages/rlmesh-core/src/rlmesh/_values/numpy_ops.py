"""The array functions of NumPy, which resize with OpenCV and Pillow where those are installed."""

from __future__ import annotations

import io
from functools import lru_cache, partial
from importlib import import_module
from typing import Any, Callable, Optional, Sequence, Tuple

from .ops import Ops
from .resampling import (
    Box,
    Pass,
    is_antialiased,
    passes,
    resize_by_tables,
    table,
    weight_dtype,
)

_WORTH_OPENCV = 64 * 64
"""With fewer pixels in the result, tables take little time, too."""


class NumpyOps(Ops):
    """NumPy's functions; imports NumPy when it is built.

    The `_aa` methods are Pillow's, `"bilinear"` is OpenCV's where that proves to be exact. Each is
    imported when it is first needed. Without them, and for what neither knows, tables do the same
    more slowly: `pip install "./packages/rlmesh-numpy[images]"` brings both.

    Args:
        dtype: A function from a dtype's name to NumPy's dtype.
    """

    traces = False

    def __init__(self, dtype: Callable[[str], Any]) -> None:
        import numpy as np

        self.xp = np
        self._dtype = dtype

    def constant(self, values: Any, dtype: str, device: Optional[Any]) -> Any:
        """Return an array of nested sequences of numbers."""
        return self.xp.array(values, self._dtype(dtype))

    def astype(self, array: Any, dtype: str) -> Any:
        """Return the array in another dtype, itself where it has it."""
        return array.astype(self._dtype(dtype), copy=False)

    def resize_image(
        self,
        image: Any,
        size: Tuple[int, int],
        method: str,
        box: Optional[Box] = None,
        dtype: str = "uint8",
    ) -> Any:
        """Return images in another size; the image itself where nothing changes."""
        steps = passes(image.shape, size, method, box)
        if not steps:
            return self.astype(image, dtype)
        channels = image.shape[-1]
        resize_one: Optional[Callable[[Any], Any]] = None
        if is_antialiased(method):
            pillow = _module("PIL.Image")
            if pillow is not None:
                along = [(axis == image.ndim - 2, step) for axis, step in steps]
                resize_one = _with_pillow(self.xp, pillow, along, channels)
        elif method == "bilinear" and box is None and size[0] * size[1] >= _WORTH_OPENCV:
            cv2 = _module("cv2")
            if cv2 is not None and _is_exact(self, cv2, tuple(image.shape[-3:]), size):
                resize_one = partial(_with_opencv, self.xp, cv2, size)
        if resize_one is None:
            # `take` would copy other memory once for each of its calls.
            image = self.xp.ascontiguousarray(image)
            return resize_by_tables(self, self.xp.take, _arrays, image, steps, dtype)
        return self._each(resize_one, image, (*size, channels), dtype)

    def _each(
        self,
        change_one: Callable[[Any], Any],
        image: Any,
        shape: Tuple[int, int, int],
        dtype: str = "uint8",
    ) -> Any:
        """Return the images changed one by one, as an array of all of them."""
        np = self.xp
        if image.ndim == 3:
            changed = change_one(np.ascontiguousarray(image))
            return changed.astype(self._dtype(dtype), copy=False).reshape(shape)
        images = image.reshape((-1, *image.shape[-3:]))
        result = np.empty((len(images), *shape), self._dtype(dtype))
        for i, one in enumerate(images):
            result[i] = change_one(np.ascontiguousarray(one)).reshape(shape)
        return result.reshape((*image.shape[:-3], *shape))

    def round_trip_jpeg(self, image: Any, quality: int) -> Any:
        """Return images as they are after a round trip through Pillow's JPEG."""
        pillow = import_module("PIL.Image")
        one = partial(_through_jpeg, self.xp, pillow, quality)
        return self._each(one, image, image.shape[-3:])

    def contiguous_copy(self, array: Any) -> Any:
        """Return a copy whose elements lie in memory in order."""
        return array.copy()

    def shares_memory(self, array: Any, other: Any) -> bool:
        """Whether writing into one of two arrays may change the other."""
        return bool(self.xp.may_share_memory(array, other))

    def jit(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function itself."""
        return function

    def device_of(self, array: Any) -> Optional[Any]:
        """Return None: arrays live in main memory."""
        return None


@lru_cache(maxsize=256)
def _is_exact(ops: NumpyOps, cv2: Any, shape: Tuple[int, int, int], size: Tuple[int, int]) -> bool:
    """Whether OpenCV does this resize as it is defined, which depends on how it was built.

    In 16 bits it shows: levels have 8, so that there are 8 more behind the point.
    """
    np = ops.xp
    probe = np.random.default_rng(0).integers(0, 1 << 16, shape, np.uint16)
    found = cv2.resize(probe, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    steps = passes(shape, size, "bilinear", None)
    wanted = resize_by_tables(ops, np.take, _arrays, probe, steps, "uint16")
    return bool((found.reshape(wanted.shape) == wanted).all())


def _with_opencv(np: Any, cv2: Any, size: Tuple[int, int], image: Any) -> Any:
    """Return one image of 16 bits in another size, and drop a channel axis of 1.

    OpenCV's 8-bit arithmetic is coarse; that for 16 bits is no slower.
    """
    wide = image.astype(np.uint16)
    return cv2.resize(wide, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)


_FILTERS = {"bilinear_aa": "BILINEAR", "bicubic_aa": "BICUBIC", "lanczos3_aa": "LANCZOS"}


def _with_pillow(
    np: Any, pillow: Any, steps: Sequence[Tuple[bool, Pass]], channels: int
) -> Callable[[Any], Any]:
    """Return a function that resizes one image, and drops a channel axis of 1."""
    # Before Pillow 9.1, the filters are named in the module itself.
    filters = getattr(pillow, "Resampling", pillow)
    kind = getattr(filters, _FILTERS[steps[0][1].method])
    # Pillow would multiply colours by an alpha channel first, which CMYK has none of.
    mode = {1: "L", 3: "RGB", 4: "CMYK"}.get(channels)

    def resize(image: Any) -> Any:
        if mode is None:
            one_by_one = _with_pillow(np, pillow, steps, 1)
            planes = [np.ascontiguousarray(image[..., i : i + 1]) for i in range(channels)]
            return np.stack([one_by_one(plane) for plane in planes], -1)
        picture = pillow.frombuffer(mode, image.shape[1::-1], image, "raw", mode, 0, 1)
        # One call for each pass: in a call for both, the order depends on Pillow's version.
        for along_width, step in steps:
            width, height = picture.size
            # The sum of a start and an extent may be off by a rounding error.
            low, high = step.start, min(step.start + step.extent, step.in_size)
            if along_width:
                picture = picture.resize((step.out_size, height), kind, (low, 0, high, height))
            else:
                picture = picture.resize((width, step.out_size), kind, (0, low, width, high))
        return np.array(picture)

    return resize


def _through_jpeg(np: Any, pillow: Any, quality: int, image: Any) -> Any:
    """Return one image after the round trip, and drop a channel axis of 1."""
    file = io.BytesIO()
    pillow.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(
        file, "JPEG", quality=quality
    )
    return np.array(pillow.open(file))


@lru_cache(maxsize=None)
def _module(name: str) -> Optional[Any]:
    """Return a module, or None where it is not installed or cannot be loaded."""
    try:
        return import_module(name)
    except ImportError:
        return None


@lru_cache(maxsize=64)
def _arrays(step: Pass, channels: int) -> Tuple[Any, Any]:
    import numpy as np

    indices, weights = table(step)
    rows = np.array(weights, weight_dtype(step.method))[..., None]
    return np.array(indices), rows.repeat(channels, -1)
