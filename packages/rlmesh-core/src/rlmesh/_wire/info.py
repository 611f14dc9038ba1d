"""The codec of `info`: free-form, and never a reason to abort a step."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

import msgpack

from rlmesh._values.tensor import Tensor
from rlmesh._values.trees import OBJECT_KINDS, nested
from rlmesh.errors import ProtocolError

from .counting import MAX_INFO_VALUES, UNCOUNTED_BYTES, count_values
from .messages import pack, unpack
from .payload import PartReader, Parts
from .plain import INLINE_TENSOR, OBJECTS, PAYLOAD_TENSOR
from .shorten import shortened, whole

_MAX_DEPTH = 32
_MAX_AXES = 64
_MAX_CELLS = 2**24
"""Characters of an array of text, which has equally many for each; a larger one holds objects."""


def encode_info(info: Any, parts: Parts, name: str = "info") -> Optional[bytes]:
    """Return an info dict as msgpack; None for an empty one.

    Arrays stay arrays, also those of objects and of text, and NumPy scalars become numbers. A
    masked array becomes a dict of its `data` and its `mask`. Tuples and sets become lists, keys
    that are neither strings nor integers become strings, and what has no plain form becomes its
    `repr`. A container within itself becomes `"..."`, and so does whatever goes beyond a budget of
    values and of bytes, with a warning.

    Args:
        info: What the env returned; anything but a mapping is put under the key `"info"`.
        parts: Takes the large arrays.
        name: What the warning calls it.
    """
    if info is None or (type(info) is dict and not info):
        return None
    if not isinstance(info, (dict, Mapping)):  # the check for a dict is much cheaper
        info = {"info": info}
    plain = shortened(info, parts, name)
    if not isinstance(plain, dict):  # a mapping that raised when it was looked into
        plain = {"info": plain}
    return pack(plain) if plain else None


def encode_whole(data: Mapping[str, Any], parts: Parts, name: str) -> Optional[bytes]:
    """Return a dict as `encode_info` does, with nothing left out.

    Args:
        data: The dict.
        parts: Takes the large arrays.
        name: What the error calls it.

    Raises:
        InvalidValue: It is too large.
    """
    return pack(whole(dict(data), parts, name)) if data else None


def _lists(kind: str, shape: Sequence[int], items: List[Any]) -> Any:
    return nested(items, shape) if items else []


def decode_info(
    data: Optional[bytes],
    reader: PartReader,
    from_tensor: Callable[[Tensor], Any],
    object_array: Callable[[str, Sequence[int], List[Any]], Any] = _lists,
) -> Dict[Any, Any]:
    """Return the info dict that `encode_info` packed, with arrays of the caller's framework.

    Args:
        data: What `encode_info` returned.
        reader: Gives the large arrays.
        from_tensor: Makes the caller's array of a tensor.
        object_array: Makes something of an array of text or objects; see `Backend.object_array`.

    Raises:
        ProtocolError: The bytes are no packed info.
        LimitExceeded: They have too many values.
    """
    if data is None:
        return {}
    if type(data) is not bytes:
        raise ProtocolError(f"info: expected bytes, got {type(data).__name__}")

    depth = count = 0

    def array(code: int, packed: bytes) -> Any:
        nonlocal depth, count
        count += count_values(packed, MAX_INFO_VALUES - count, "info")
        try:
            if code == OBJECTS:
                # Each level is packed on its own, so that msgpack does not see how deep they go.
                depth += 1
                if depth > _MAX_DEPTH:
                    raise ValueError(f"arrays of arrays, more than {_MAX_DEPTH} deep")
                kind, shape, items = unpack(packed, array)
                depth -= 1
                check_objects(kind, shape, items)
                if kind != "O" and len(items) * max(map(len, items), default=0) > _MAX_CELLS:
                    kind = "O"
                return object_array(kind, shape, items)
            dtype, shape, content = msgpack.unpackb(packed)
            check_shape(shape)
            if code == PAYLOAD_TENSOR:
                content = reader.at(*content)
            elif code != INLINE_TENSOR:
                raise ValueError(f"extension type {code}")
            if code == INLINE_TENSOR:
                content = bytearray(memoryview(content))
            return from_tensor(Tensor(content, dtype, shape))
        except (TypeError, ValueError) as exc:
            raise ProtocolError(f"info: an array does not parse: {exc}") from exc

    if len(data) > UNCOUNTED_BYTES:
        count = count_values(data, MAX_INFO_VALUES, "info")
    info = unpack(data, ext_hook=array)
    if not isinstance(info, dict):
        raise ProtocolError(f"info: expected a dict, got {type(info).__name__}")
    return info


def check_shape(shape: Any) -> None:
    """Check the shape of an array that was received.

    Raises:
        ValueError: It is none.
    """
    if type(shape) is not list or len(shape) > _MAX_AXES:
        raise ValueError(f"shape: expected a list of up to {_MAX_AXES} integers")
    if not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError("shape: expected integers from 0 on")


def check_objects(kind: Any, shape: Any, items: Any) -> None:
    """Check an array of objects or text that was received.

    Raises:
        ValueError: It is none.
    """
    check_shape(shape)
    if kind not in OBJECT_KINDS:
        raise ValueError(f"kind: expected one of {OBJECT_KINDS}, got {kind!r}")
    if type(items) is not list:
        raise ValueError(f"items: expected a list, got {type(items).__name__}")
    wanted = {"U": str, "S": bytes}.get(kind, object)
    if not all(isinstance(item, wanted) for item in items):
        raise ValueError(f"items: expected each of type {wanted.__name__}")


def plain_mapping(mapping: Any) -> Dict[Any, Any]:
    """Return a mapping as it would arrive on the other side, with nested lists for arrays."""
    parts: Parts = []
    data = encode_info(mapping, parts, "metadata")
    return decode_info(data, PartReader(parts), lambda tensor: tensor.tolist())
