"""`Ops`: the few array functions that an adapter needs of a framework."""

from __future__ import annotations

from typing import Any, Callable, Optional, Protocol, Tuple


class Ops(Protocol):
    """Array functions of one framework, on arrays of any leading axes and any device.

    Attributes:
        xp: A module with the framework's functions `stack`, `concatenate`, `where`, `sqrt`, `sin`,
            `cos`, `arctan2`, `clip`, `abs`, `sum`, `round` (half to even), `isfinite`, `all`,
            `flip`, `moveaxis`, `broadcast_to`, `zeros_like`, `ones_like`, `matmul`. They are called
            with positional arguments only, which mean the same in NumPy, torch and JAX: `flip`
            takes a tuple of axes, `stack` and `concatenate` an axis, `sum` and `all` an axis.
        traces: Whether `jit` compiles, so that constants made meanwhile belong to what is compiled.
    """

    xp: Any
    traces: bool = False

    def constant(self, values: Any, dtype: str, device: Optional[Any]) -> Any:
        """Return an array of nested sequences of numbers.

        Args:
            values: A number, or lists and tuples of numbers, nested to any depth.
            dtype: A dtype name, e.g. `"float32"`.
            device: As for `Backend.from_tensor`.
        """
        ...

    def astype(self, array: Any, dtype: str) -> Any:
        """Return the array in another dtype, converted as C does; itself where it has it."""
        ...

    def resize_image(
        self,
        image: Any,
        size: Tuple[int, int],
        method: str,
        box: Optional[Tuple[float, float, float, float]] = None,
        dtype: str = "uint8",
    ) -> Any:
        """Return images in another size.

        Args:
            image: uint8, shape `(..., height, width, channels)`.
            size: Height and width of the result.
            method: `"bilinear"`, `"bilinear_aa"`, `"bicubic_aa"`, `"lanczos3_aa"`,
                `"lanczos3_tf"` or `"area"`.
            box: The part of the image to resize: top, left, height and width, in pixels, which
                need not be whole. None is all of it.
            dtype: `"uint8"`, or another in which the levels are wanted.

        Returns:
            Levels, shape `(..., *size, channels)`; see `resampling` for how they are rounded. The
            image itself where nothing changes.
        """
        ...

    def round_trip_jpeg(self, image: Any, quality: int) -> Any:
        """Return images as they are after a round trip through Pillow's JPEG.

        Args:
            image: uint8, shape `(..., height, width, channels)`, gray or RGB.
            quality: 1 to 100.

        Raises:
            ImportError: Pillow or NumPy is not installed.
        """
        ...

    def contiguous_copy(self, array: Any) -> Any:
        """Return a copy whose elements lie in memory in order."""
        ...

    def shares_memory(self, array: Any, other: Any) -> bool:
        """Whether writing into one of two arrays may change the other."""
        ...

    def jit(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function compiled, where the framework does that, else the function."""
        ...

    def device_of(self, array: Any) -> Any:
        """Return where an array lives, as `Backend.from_tensor` takes it."""
        ...
