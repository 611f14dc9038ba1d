"""Large arrays: each is a frame of its own, so that neither side copies it in Python."""

from __future__ import annotations

from typing import List, Sequence

from rlmesh.errors import ProtocolError

INLINE_BYTES = 16 * 1024
"""Arrays up to this size ride in the control frame."""

Parts = List[memoryview]
"""The large arrays of a message that is being encoded, in the order in which they are decoded."""


def as_bytes(memory: memoryview) -> memoryview:
    """Return C-contiguous memory as one row of bytes."""
    return memory if memory.format == "B" and memory.ndim == 1 else memory.cast("B")


class PartReader:
    """Gives back the large arrays of a received message, in their order.

    Args:
        parts: The payload frames.
    """

    __slots__ = ("_lowest", "_next", "_parts")

    def __init__(self, parts: Sequence[memoryview]) -> None:
        self._parts = parts
        self._next = 0
        self._lowest = len(parts)

    def take(self, nbytes: int) -> memoryview:
        """Return the next array's memory, of this many bytes.

        Raises:
            ProtocolError: There is none, or it is of another size.
        """
        index = self._next
        self._next = index + 1
        return self.at(index, nbytes)

    def at(self, index: int, nbytes: int) -> memoryview:
        """Return the memory of one array.

        Raises:
            ProtocolError: There is none, or it is of another size.
        """
        parts = self._parts
        if 0 <= index < len(parts) and len(parts[index]) == nbytes:
            if index < self._lowest:
                self._lowest = index
            return parts[index]
        sizes = [len(part) for part in parts[:8]]
        raise ProtocolError(
            f"payload: expected {nbytes} bytes in frame {index}, got frames of {sizes} bytes"
        )

    def next(self, count: int) -> Sequence[memoryview]:
        """Return the memory of the next arrays, whatever their sizes.

        Raises:
            ProtocolError: There are fewer.
        """
        index = self._next
        self._next = index + count
        if not 0 <= count <= len(self._parts) - index:
            raise ProtocolError(
                f"payload: expected {count} frames from {index} on, got {len(self._parts)} in all"
            )
        return self._parts[index : self._next]

    def before(self) -> Sequence[memoryview]:
        """Return the memory of all arrays before the first that was read."""
        return self._parts[: self._lowest]
