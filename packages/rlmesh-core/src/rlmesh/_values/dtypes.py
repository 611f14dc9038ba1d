"""The element types that a `Tensor` may have."""

from __future__ import annotations

import struct
from typing import Dict, NamedTuple, Tuple

from rlmesh.errors import InvalidValue


class DType(NamedTuple):
    """One element type.

    Attributes:
        name: NumPy's name of it, e.g. `"float32"`.
        itemsize: Bytes per element.
        kind: `"b"` bool, `"i"` signed, `"u"` unsigned, `"f"` float, `"V"` bfloat16.
        code: The `struct` code; empty for bfloat16, which `struct` lacks.
    """

    name: str
    itemsize: int
    kind: str
    code: str

    @property
    def is_integer(self) -> bool:
        """Whether the elements are integers (bool is not)."""
        return self.kind in "iu"

    @property
    def limits(self) -> Tuple[int, int]:
        """The smallest and largest value of an integer dtype (0 and 1 for bool)."""
        if self.kind == "b":
            return 0, 1
        bits = 8 * self.itemsize
        return (0, 2**bits - 1) if self.kind == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


DTYPES: Dict[str, DType] = {
    d.name: d
    for d in (
        DType("bool", 1, "b", "?"),
        DType("int8", 1, "i", "b"),
        DType("int16", 2, "i", "h"),
        DType("int32", 4, "i", "i"),
        DType("int64", 8, "i", "q"),
        DType("uint8", 1, "u", "B"),
        DType("uint16", 2, "u", "H"),
        DType("uint32", 4, "u", "I"),
        DType("uint64", 8, "u", "Q"),
        DType("float16", 2, "f", "e"),
        DType("float32", 4, "f", "f"),
        DType("float64", 8, "f", "d"),
        DType("bfloat16", 2, "V", ""),
    )
}

_BY_KIND = {(d.kind, d.itemsize): d for d in DTYPES.values() if d.kind != "V"}
_BUFFER_KINDS = {"?": "b", **dict.fromkeys("bhilqn", "i"), **dict.fromkeys("BHILQN", "u")}
_BUFFER_KINDS.update(dict.fromkeys("efd", "f"))


def dtype_of(name: str) -> DType:
    """Return the dtype with this name.

    Raises:
        InvalidValue: There is no such dtype.
    """
    found = DTYPES.get(name)
    if found is None:
        raise InvalidValue(f"dtype: expected one of {', '.join(DTYPES)}, got {name!r}")
    return found


def dtype_of_kind(kind: str, itemsize: int) -> DType:
    """Return the dtype of an array-interface kind (`b`, `i`, `u`, `f`) and item size in bytes.

    Raises:
        InvalidValue: No dtype has this kind and size.
    """
    found = _BY_KIND.get((kind, itemsize))
    if found is None:
        raise InvalidValue(
            f"dtype: expected one of {', '.join(DTYPES)}, got kind {kind!r} of {itemsize} bytes"
        )
    return found


def dtype_of_buffer(view: memoryview) -> Tuple[DType, bool]:
    """Return the dtype of a buffer's elements, and whether they are byte-swapped.

    Raises:
        InvalidValue: The buffer's format is no plain number.
    """
    order, code = ("@", view.format) if len(view.format) == 1 else (view.format[0], view.format[1:])
    kind = _BUFFER_KINDS.get(code)
    if kind is None or order not in "@=<>!":  # "Zf" is complex
        raise InvalidValue(f"dtype: expected plain numbers, got buffer format {view.format!r}")
    swapped = view.itemsize > 1 and order in "<>!" and (order == "<") != _LITTLE
    return dtype_of_kind(kind, view.itemsize), swapped


def widens(source: DType, target: DType) -> bool:
    """Whether every value of `source` is a value of `target`, exactly, within one kind.

    Unsigned integers may become wider signed ones; integers never become floats.
    """
    if source == target:
        return True
    if target.kind == source.kind and source.kind in "iuf":
        return target.itemsize > source.itemsize
    if source.kind == "V":
        return target.kind == "f" and target.itemsize >= 4
    return source.kind == "u" and target.kind == "i" and target.itemsize > source.itemsize


_LITTLE = struct.pack("=H", 1) == struct.pack("<H", 1)
