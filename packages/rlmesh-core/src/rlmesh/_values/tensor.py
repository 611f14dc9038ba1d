"""`Tensor`: an array as bytes, dtype and shape, without any array library."""

from __future__ import annotations

import math
import struct
from array import array
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple, Union

from rlmesh.errors import InvalidValue

from .dtypes import DType, dtype_of, dtype_of_buffer, widens
from .trees import nested

Scalar = Union[bool, int, float]


class Tensor:
    """A C-contiguous, native-endian array: memory, dtype and shape.

    It gives its memory as `.data`, through `__array_interface__` (all dtypes that NumPy knows)
    and, from Python 3.12, through the buffer protocol. Framework packages turn it into their own
    arrays without copying. Two tensors are equal when dtype, shape and bytes are equal, so NaNs
    with the same bits are equal.

    Args:
        data: The elements' bytes in C order; any contiguous buffer. It is not copied.
        dtype: A dtype name such as `"float32"`; see the table in the docs.
        shape: The size of each axis; `()` for a scalar.

    Raises:
        InvalidValue: Unknown dtype, or the buffer's size is not that of the shape.

    Examples:
        >>> import rlmesh
        >>> t = rlmesh.Tensor.from_values([[1, 2], [3, 4]], "int32")
        >>> t.shape, t[1].tolist(), t[0, 1]
        ((2, 2), [3, 4], 2)
    """

    __slots__ = ("data", "dtype", "shape")

    data: memoryview
    dtype: str
    shape: Tuple[int, ...]

    def __init__(
        self, data: Union[bytes, bytearray, memoryview], dtype: str, shape: Sequence[int]
    ) -> None:
        view = memoryview(data)
        if view.format != "B" or view.ndim != 1:
            if not view.c_contiguous:
                raise InvalidValue("data: expected a C-contiguous buffer, got a strided one")
            view = view.cast("B") if view.nbytes else memoryview(b"")
        shape = tuple(shape)
        expected = math.prod(shape) * dtype_of(dtype).itemsize
        if view.nbytes != expected or (shape and min(shape) < 0):
            raise InvalidValue(
                f"data: expected {expected} bytes for {dtype}{list(shape)}, got {view.nbytes}"
            )
        self.data = view
        self.dtype = dtype
        self.shape = shape

    @classmethod
    def trusted(cls, data: memoryview, dtype: str, shape: Tuple[int, ...]) -> Tensor:
        """Build a tensor of bytes whose number is already known to be right."""
        tensor = cls.__new__(cls)
        tensor.data = data
        tensor.dtype = dtype
        tensor.shape = shape
        return tensor

    @classmethod
    def from_values(
        cls, values: object, dtype: str, shape: Optional[Sequence[int]] = None
    ) -> Tensor:
        """Build a tensor from a number or nested sequences of numbers.

        Args:
            values: A number, or lists and tuples of numbers, nested to any depth.
            dtype: The dtype to store them as.
            shape: The shape to require; by default whatever the nesting gives.

        Raises:
            InvalidValue: Ragged nesting, another shape, no number, or a number outside the dtype.
        """
        found, flat = _flatten(values)
        if shape is not None and found != tuple(shape):
            # An empty list cannot say how long its rows would be.
            if flat or 0 not in shape or found != tuple(shape)[: len(found)]:
                raise InvalidValue(f"shape: expected {tuple(shape)}, got {found}")
            found = tuple(shape)
        return cls(_pack(flat, dtype_of(dtype)), dtype, found)

    @classmethod
    def from_buffer(cls, source: Any) -> Tensor:
        """View (or, where its memory is strided or byte-swapped, copy) an object's buffer.

        Args:
            source: Any object with the buffer protocol: a NumPy array, `array.array`, and so on.

        Raises:
            InvalidValue: The elements are no plain numbers.
            TypeError: The object exports no buffer.
        """
        view = memoryview(source)
        dtype, swapped = dtype_of_buffer(view)
        raw: Union[bytes, memoryview] = view
        if swapped:
            words = array("BHIQ"[dtype.itemsize.bit_length() - 1])
            words.frombytes(view.tobytes())
            words.byteswap()
            raw = words.tobytes()
        elif not view.c_contiguous or view.ndim == 0:
            raw = view.tobytes()
        return cls(raw, dtype.name, view.shape or ())

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The number of bytes."""
        return self.data.nbytes

    @property
    def __array_interface__(self) -> Dict[str, Any]:
        dtype = dtype_of(self.dtype)
        if dtype.kind == "V":
            raise AttributeError("bfloat16 has no __array_interface__")
        order = "|" if dtype.itemsize == 1 else ("<" if struct.pack("=H", 1)[0] else ">")
        return {
            "version": 3,
            "typestr": f"{order}{dtype.kind}{dtype.itemsize}",
            "shape": self.shape,
            "data": self.data,
        }

    def __buffer__(self, flags: int, /) -> memoryview:
        code: Any = dtype_of(self.dtype).code
        if not code or not self.data.nbytes:
            # NumPy then turns to __array_interface__, instead of taking them for plain bytes.
            raise BufferError("bfloat16 and empty tensors have no buffer; see Tensor.data")
        view: memoryview = self.data.cast(code, self.shape)
        return view

    def flat(self) -> List[Scalar]:
        """Return the elements in C order as Python numbers."""
        dtype = dtype_of(self.dtype)
        if dtype.kind == "V":
            words = self.data.cast("H") if self.nbytes else ()
            return [struct.unpack("=f", struct.pack("=I", word << 16))[0] for word in words]
        if dtype.code == "e":
            return list(struct.unpack(f"={self.size}e", self.data))
        code: Any = dtype.code
        numbers: List[Any] = self.data.cast(code).tolist() if self.nbytes else []
        return numbers

    def tolist(self) -> Any:
        """Return the elements as nested lists of Python numbers; a number for shape `()`."""
        return nested(self.flat(), self.shape)

    def item(self) -> Scalar:
        """Return the only element as a Python number.

        Raises:
            InvalidValue: There is not exactly one.
        """
        if self.size != 1:
            raise InvalidValue(f"item: expected exactly one element, got {self.size}")
        return self.flat()[0]

    def astype(self, dtype: str) -> Tensor:
        """Return a tensor of another dtype with exactly the same values.

        Raises:
            InvalidValue: The dtype cannot hold every value of this one.
        """
        if dtype == self.dtype:
            return self
        if not widens(dtype_of(self.dtype), dtype_of(dtype)):
            raise InvalidValue(f"dtype: expected {dtype}, got {self.dtype}")
        return Tensor(_pack(self.flat(), dtype_of(dtype)), dtype, self.shape)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a tensor of shape () has no len()")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: Union[int, Tuple[int, ...]]) -> Any:
        """Return the number, or the sub-tensor (a view), at one index per leading axis."""
        indices = index if isinstance(index, tuple) else (index,)
        if len(indices) > self.ndim:
            raise IndexError(f"expected at most {self.ndim} indices, got {len(indices)}")
        offset = 0
        stride = self.size
        for axis, i in zip(self.shape, indices):
            if not -axis <= i < axis:
                raise IndexError(f"index {i} is out of range for an axis of {axis}")
            stride //= axis
            offset += stride * (i % axis)
        itemsize = dtype_of(self.dtype).itemsize
        view = self.data[offset * itemsize : (offset + stride) * itemsize]
        part = Tensor(view, self.dtype, self.shape[len(indices) :])
        return part if part.shape else part.item()

    def __bool__(self) -> bool:
        # Without this, `__len__` would make every array true.
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __index__(self) -> int:
        value = self.item()
        if self.shape or not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"expected an integer scalar, got {self!r}")
        return value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tensor):
            return NotImplemented
        return self.dtype == other.dtype and self.shape == other.shape and self.data == other.data

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> Any:
        return Tensor, (bytes(self.data), self.dtype, self.shape)

    def __repr__(self) -> str:
        if self.size > 16:
            return f"Tensor({self.dtype}{list(self.shape)})"
        return f"Tensor.from_values({self.tolist()!r}, {self.dtype!r})"


def _flatten(values: Any) -> Tuple[Tuple[int, ...], List[Any]]:
    """Return the shape of nested sequences, and their numbers in C order."""
    if isinstance(values, (int, float)):
        return (), [values]
    if isinstance(values, Tensor):
        return values.shape, list(values.flat())
    if hasattr(values, "tolist"):  # an array among lists, or a framework's scalar
        return _flatten(values.tolist())
    if not isinstance(values, (list, tuple)):
        return (), [values]
    parts = [_flatten(v) for v in values]
    shapes = {shape for shape, _ in parts}
    if len(shapes) > 1:
        raise InvalidValue(f"shape: expected equal rows, got rows of shapes {sorted(shapes)}")
    inner = shapes.pop() if shapes else ()
    return (len(parts), *inner), [number for _, flat in parts for number in flat]


def _pack(flat: List[Any], dtype: DType) -> bytes:
    """Return numbers as bytes of one dtype; never rounds a float to an integer."""
    for value in flat:
        if isinstance(value, bool) or hasattr(value, "__index__"):
            continue
        if dtype.kind in "fV" and hasattr(value, "__float__"):
            continue
        expected = "numbers" if dtype.kind in "fV" else "integers"
        raise InvalidValue(f"dtype: expected {expected} for {dtype.name}, got {value!r}")
    try:
        if dtype.kind == "V":
            return b"".join(_bfloat16(float(value)) for value in flat)
        if dtype.kind == "b" and any(int(value) not in (0, 1) for value in flat):
            raise InvalidValue("dtype: expected only True and False (or 1 and 0) for bool")
        return struct.pack(f"={len(flat)}{dtype.code}", *flat)
    except (struct.error, OverflowError, TypeError) as exc:
        raise InvalidValue(f"dtype: a value does not fit {dtype.name}: {exc}") from None


def _bfloat16(value: float) -> bytes:
    """Round a float to bfloat16, half to even."""
    bits = struct.unpack("=I", struct.pack("=f", value))[0]
    if value == value:
        bits += 0x7FFF + ((bits >> 16) & 1)
    else:
        bits |= 0x00400000
    return struct.pack("=H", bits >> 16)
