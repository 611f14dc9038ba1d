"""The payload frame: all large arrays of one message, each at an aligned offset."""

from __future__ import annotations

from typing import Any, List, Optional

from rlmesh.errors import ProtocolError

INLINE_BYTES = 16 * 1024
"""Arrays up to this size ride in the control frame."""

ALIGNMENT = 64
_PADDING = bytes(ALIGNMENT)


class PayloadWriter:
    """Collects buffers, and copies each exactly once, into one frame."""

    __slots__ = ("_parts", "_size")

    def __init__(self) -> None:
        self._parts: List[Any] = []
        self._size = 0

    def add(self, data: memoryview) -> int:
        """Append a buffer; return the offset at which it will lie.

        Its memory must stay unchanged until `finish`.
        """
        offset = self._size
        pad = -offset % ALIGNMENT
        if pad:
            self._parts.append(_PADDING[:pad])
        self._parts.append(data)
        self._size = offset + pad + data.nbytes
        return offset + pad

    def finish(self) -> Optional[bytearray]:
        """Return the frame, which shares no memory with what was added; None without any.

        It is a bytearray because a receiver in this process may write into what it gets.
        """
        return bytearray().join(self._parts) if self._parts else None


class PayloadReader:
    """Gives back views of a received frame, in the order in which they were added."""

    __slots__ = ("_data", "_position")

    def __init__(self, data: Optional[memoryview]) -> None:
        self._data = data
        self._position = 0

    def take(self, nbytes: int) -> memoryview:
        """Return the next buffer, of this many bytes.

        Raises:
            ProtocolError: The frame is shorter than that.
        """
        start = self._position + -self._position % ALIGNMENT
        self._position = start + nbytes
        return self.at(start, nbytes)

    def at(self, offset: int, nbytes: int) -> memoryview:
        """Return the buffer at an offset.

        Raises:
            ProtocolError: The frame has no such part.
        """
        size = 0 if self._data is None else self._data.nbytes
        if self._data is None or offset < 0 or nbytes < 0 or offset + nbytes > size:
            raise ProtocolError(
                f"payload: expected {nbytes} bytes at {offset}, got a frame of {size} bytes"
            )
        return self._data[offset : offset + nbytes]
