"""How many values a message may have: counted in its bytes, before anything is made of them.

A value takes at least one byte of msgpack, but much more as an object of Python, and the header of
a list makes room for as many values as it claims. So a small message could cost a lot of time.
"""

from __future__ import annotations

from typing import Any, List

from rlmesh.errors import LimitExceeded

MAX_VALUES = 2**16
"""Values in a control frame: numbers, texts, lists, dicts, and the keys of these."""
MAX_INFO_VALUES = 2**20
"""Values in an info, in the options of a reset or in what is rendered, with all that is packed in
it; what is sent whole may have half as many, and a key each."""
UNCOUNTED_BYTES = 512
"""Messages up to this size cost little whatever they claim."""

_CONTAINERS = {0xDC: 1, 0xDD: 1, 0xDE: 2, 0xDF: 2}
"""How many values a list and a dict have for each that their header claims."""
_EXTENSIONS = {0xC7: 1, 0xC8: 2, 0xC9: 4}
_FIXED = {
    0xCA: 5,
    0xCB: 9,
    0xCC: 2,
    0xCD: 3,
    0xCE: 5,
    0xCF: 9,
    0xD0: 2,
    0xD1: 3,
    0xD2: 5,
    0xD3: 9,
    0xD4: 3,
    0xD5: 4,
    0xD6: 6,
    0xD7: 10,
    0xD8: 18,
}
_HEADERS = {
    **_EXTENSIONS,
    0xC4: 1,
    0xC5: 2,
    0xC6: 4,
    0xD9: 1,
    0xDA: 2,
    0xDB: 4,
    0xDC: 2,
    0xDD: 4,
    0xDE: 2,
    0xDF: 4,
}
"""By first byte, of how many bytes the length is that follows it."""


def _size(byte: int) -> int:
    if byte in _HEADERS:
        return 0
    return byte - 0x9F if 0xA0 <= byte < 0xC0 else _FIXED.get(byte, 1)


SIZES: List[int] = [_size(byte) for byte in range(256)]
"""By first byte, how long a value is without those that are in it; 0 where its length is said."""


def count_values(data: Any, limit: int, name: str) -> int:
    """Return how many values msgpack bytes have or claim to have, whichever is more.

    Args:
        data: The bytes; they may be none of msgpack.
        limit: How many there may be.
        name: What the error calls the message.

    Raises:
        LimitExceeded: There are more.
    """
    sizes, position, end = SIZES, 0, len(data)
    values = claimed = 0
    while position < end and values <= limit >= claimed:
        # Up to here, there cannot be too many: each takes a byte at least.
        stop = min(end, position + limit - values + 1)
        while position < stop:
            byte = data[position]
            size = sizes[byte]
            values += 1
            if size:
                position += size
                continue
            width = _HEADERS[byte]
            position += 1 + width
            length = int.from_bytes(data[position - width : position], "big")
            if byte not in _CONTAINERS:
                position += length + (byte in _EXTENSIONS)
                continue
            claimed += _CONTAINERS[byte] * length
            if claimed > limit:
                break
    count = max(values, claimed)
    if count > limit:
        raise LimitExceeded(f"{name}: expected at most {limit:,} values, got more")
    return count
