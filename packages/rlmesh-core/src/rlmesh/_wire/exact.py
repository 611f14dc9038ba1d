"""The codec of attributes, arguments and results: they arrive as they are, or not at all."""

from __future__ import annotations

import sys
from collections import OrderedDict
from typing import Any, Callable, Dict, List, Sequence

import msgpack

from rlmesh._values.tensor import Tensor
from rlmesh._values.trees import OBJECT_KINDS
from rlmesh.backends import Backend
from rlmesh.errors import InvalidValue, ProtocolError

from .counting import UNCOUNTED_BYTES, count_values
from .info import check_objects, check_shape
from .messages import pack, unpack
from .payload import INLINE_BYTES, PartReader, Parts

_MAX_DEPTH = 32
_MAX_VALUES = 2**20
"""Numbers, texts and containers in one value; an array counts once, whatever its size."""
_MOST_RECEIVED = 3 * _MAX_VALUES
"""The same as it arrives: with a key, and what tells a tuple from a list."""
_MAX_CELLS = 2**24
"""Characters of an array of text, which has equally many for each element."""
_INLINE, _PAYLOAD, _SCALAR, _OBJECTS = 1, 2, 3, 4
_TUPLE, _SET, _FROZENSET, _INTEGER, _COMPLEX = 5, 6, 7, 8, 9
_PLAIN_TYPES = (type(None), bool, float, str, bytes)
_COLLECTIONS: Dict[Any, int] = {tuple: _TUPLE, set: _SET, frozenset: _FROZENSET}
_BUILDERS: Dict[int, Callable[[Any], Any]] = {code: kind for kind, code in _COLLECTIONS.items()}
EXPECTED = "None, numbers, text, bytes, arrays, and lists, tuples, sets and dicts of these"
"""What can be carried, for sentences."""


def encode_exact(value: Any, path: str, parts: Parts, backend: Backend) -> bytes:
    """Return a value as msgpack from which `decode_exact` makes an equal one.

    Args:
        value: None, a number, text, bytes, an array or array scalar of any framework, or a list,
            tuple, set or dict of these.
        path: What errors call the value.
        parts: Takes the large arrays.
        backend: Whose arrays the value holds, most likely.

    Raises:
        InvalidValue: Something in it cannot be carried; the error says what, and where.
    """
    return pack(_Encoder(parts, backend).plain(value, path, []))


def decode_exact(data: Any, reader: PartReader, backend: Backend) -> Any:
    """Return the value that `encode_exact` packed, with arrays of a framework.

    Args:
        data: What `encode_exact` returned.
        reader: Gives the large arrays.
        backend: The framework.

    Raises:
        ProtocolError: The bytes are no packed value.
        LimitExceeded: They have too many values.
    """
    depth = count = 0

    def content(packed: bytes) -> Any:
        nonlocal depth, count
        count += count_values(packed, _MOST_RECEIVED - count, "value")
        depth += 1
        if depth > _MAX_DEPTH:
            raise ValueError(f"more than {_MAX_DEPTH} levels")
        value = unpack(packed, extension)
        depth -= 1
        return value

    def extension(code: int, packed: bytes) -> Any:
        try:
            if code in _BUILDERS:
                return _BUILDERS[code](content(packed))
            if code == _INTEGER:
                return int.from_bytes(packed, "little", signed=True)
            if code == _COMPLEX:
                return complex(*content(packed))
            if code == _OBJECTS:
                kind, width, shape, items = content(packed)
                return _objects(kind, width, shape, items, backend)
            dtype, shape, memory = content(packed)
            check_shape(shape)
            if code == _PAYLOAD:
                memory = reader.at(*memory)
            elif code in (_INLINE, _SCALAR):
                memory = bytearray(memoryview(memory))
            else:
                raise ValueError(f"extension type {code}")
            tensor = Tensor(memory, dtype, shape)
            if code == _SCALAR:
                return _scalar(tensor, backend)
            return backend.from_tensor(tensor)
        except (TypeError, ValueError) as exc:
            raise ProtocolError(f"a value does not parse: {exc}") from exc

    if not isinstance(data, bytes):
        raise ProtocolError(f"a value does not parse: expected bytes, got {type(data).__name__}")
    if len(data) > UNCOUNTED_BYTES:
        count = count_values(data, _MOST_RECEIVED, "value")
    return unpack(data, extension)


class _Encoder:
    """Makes something that msgpack carries of one value.

    Args:
        parts: Takes the large arrays.
        backend: Whose arrays the value holds, most likely.
    """

    def __init__(self, parts: Parts, backend: Backend) -> None:
        self._parts = parts
        self._backend = backend
        self._left = _MAX_VALUES

    def plain(self, value: Any, path: str, around: List[int]) -> Any:
        """Return a value as something that msgpack carries.

        Args:
            value: The value.
            path: Where it is.
            around: The identities of the containers that it is in.
        """
        self._left -= 1
        if self._left < 0:
            raise InvalidValue(f"{path}: expected at most {_MAX_VALUES} values in all, got more")
        kind = type(value)
        if kind in _PLAIN_TYPES:
            return value
        if kind is int:
            return value if -(2**63) <= value < 2**64 else _integer(value)
        if kind is complex:
            return msgpack.ExtType(_COMPLEX, pack([value.real, value.imag]))
        if self._backend.is_array(value) or (hasattr(value, "dtype") and hasattr(value, "shape")):
            return self._array(value, path, around)
        if kind not in (list, dict, OrderedDict, *_COLLECTIONS):
            raise InvalidValue(
                f"{path}: expected {EXPECTED}, got {_name(kind)}, which cannot be carried"
            )
        if id(value) in around:
            raise InvalidValue(f"{path}: expected a value that ends, got one that contains itself")
        if len(around) >= _MAX_DEPTH:
            raise InvalidValue(f"{path}: expected at most {_MAX_DEPTH} levels, got more")
        around.append(id(value))
        try:
            if kind in (dict, OrderedDict):
                return {
                    self.plain(key, f"{path}, key {_shown(key)}", around): self.plain(
                        part, f"{path}[{_shown(key)}]", around
                    )
                    for key, part in value.items()
                }
            items = [self.plain(part, f"{path}[{i}]", around) for i, part in enumerate(value)]
        finally:
            around.pop()
        return items if kind is list else msgpack.ExtType(_COLLECTIONS[kind], pack(items))

    def _array(self, value: Any, path: str, around: List[int]) -> Any:
        if hasattr(value, "mask") and hasattr(value, "filled"):
            raise InvalidValue(f"{path}: a masked array would lose its mask: fill it, or send both")
        dtype_kind = getattr(value.dtype, "kind", "")
        is_scalar = _is_numpy_scalar(value)
        if is_scalar and dtype_kind in ("U", "S"):
            return value.item()
        if dtype_kind in OBJECT_KINDS and hasattr(value, "reshape"):
            return self._object_array(value, path, around)
        tensor = self._tensor(value, path)
        shape = list(tensor.shape)
        if is_scalar or tensor.nbytes <= INLINE_BYTES:
            code = _SCALAR if is_scalar else _INLINE
            return msgpack.ExtType(code, pack([tensor.dtype, shape, bytes(tensor.data)]))
        place = [len(self._parts), tensor.nbytes]
        self._parts.append(tensor.data)
        return msgpack.ExtType(_PAYLOAD, pack([tensor.dtype, shape, place]))

    def _tensor(self, value: Any, path: str) -> Tensor:
        if isinstance(value, Tensor):
            return value
        try:
            if self._backend.is_array(value):
                return self._backend.to_tensor(value)
            here = value.detach().cpu().numpy() if hasattr(value, "detach") else value
            return Tensor.from_buffer(here)
        except (TypeError, ValueError, RuntimeError, BufferError) as exc:
            name = f"{_name(type(value))} of dtype {value.dtype}"
            raise InvalidValue(f"{path}: {name} cannot be carried: {exc}") from exc

    def _object_array(self, value: Any, path: str, around: List[int]) -> Any:
        kind: str = value.dtype.kind
        # Text that is longer than the array's width is cut off where it is assigned to an element.
        width = value.dtype.itemsize // (4 if kind == "U" else 1)
        flat = value.reshape(-1).tolist()
        items = [self.plain(item, f"{path}.flat[{i}]", around) for i, item in enumerate(flat)]
        return msgpack.ExtType(_OBJECTS, pack([kind, width, list(value.shape), items]))


def _integer(value: int) -> Any:
    size = value.bit_length() // 8 + 1
    return msgpack.ExtType(_INTEGER, value.to_bytes(size, "little", signed=True))


def _is_numpy_scalar(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.generic)


def _scalar(tensor: Tensor, backend: Backend) -> Any:
    """Return NumPy's scalar, an array of shape `()` of another framework, or a Python number."""
    array = backend.from_tensor(tensor)
    return array.item() if isinstance(array, Tensor) else array[()]


def _objects(
    kind: Any, width: Any, shape: Sequence[int], items: List[Any], backend: Backend
) -> Any:
    check_objects(kind, shape, items)
    if kind == "O":
        return backend.object_array(kind, shape, items)
    if type(width) is not int or not 0 <= len(items) * width <= _MAX_CELLS:
        raise ValueError(f"an array of {len(items)} texts of {width!r} characters each")
    return backend.object_array(f"{kind}{width}", shape, items)


def _shown(key: Any) -> str:
    try:
        return f"{key!r:.80}"
    except Exception:  # of a huge integer, say
        return f"<{type(key).__name__}>"


def _name(kind: type) -> str:
    return f"a {kind.__module__}.{kind.__qualname__}".replace("a builtins.", "a ")
