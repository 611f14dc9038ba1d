"""The codec of `info`: free-form, and never a reason to abort a step."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

import msgpack

from rlmesh._values.tensor import Tensor
from rlmesh._values.trees import OBJECT_KINDS, nested
from rlmesh.errors import InvalidValue, ProtocolError

from .messages import pack, unpack
from .payload import INLINE_BYTES, PartReader, Parts

_MAX_DEPTH = 32
_MAX_REPR = 1000
_MAX_AXES = 64
_MAX_CELLS = 2**24
"""Characters of an array of text, which has equally many for each; a larger one holds objects."""
_INLINE_TENSOR, _PAYLOAD_TENSOR, _OBJECTS = 1, 2, 3


def encode_info(info: Any, parts: Parts) -> Optional[bytes]:
    """Return an info dict as msgpack; None for an empty one.

    Arrays stay arrays, also those of objects and of text, and NumPy scalars become numbers. Tuples
    and sets become lists, keys that are neither strings nor integers become strings, and what has
    no plain form becomes its `repr`. A container within itself becomes `"..."`.

    Args:
        info: What the env returned; anything but a mapping is put under the key `"info"`.
        parts: Takes the large arrays.
    """
    if info is None:
        return None
    if not isinstance(info, dict):
        info = dict(info) if isinstance(info, Mapping) else {"info": info}
    return pack(_plain(info, parts, [])) if info else None


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
    """
    if data is None:
        return {}

    depth = 0

    def array(code: int, packed: bytes) -> Any:
        nonlocal depth
        try:
            if code == _OBJECTS:
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
            if code == _PAYLOAD_TENSOR:
                content = reader.at(*content)
            elif code != _INLINE_TENSOR:
                raise ValueError(f"extension type {code}")
            if code == _INLINE_TENSOR:
                content = bytearray(memoryview(content))
            return from_tensor(Tensor(content, dtype, shape))
        except (TypeError, ValueError) as exc:
            raise ProtocolError(f"info: an array does not parse: {exc}") from exc

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
    data = encode_info(mapping, parts)
    return decode_info(data, PartReader(parts), lambda tensor: tensor.tolist())


def _plain(value: Any, parts: Parts, around: List[int]) -> Any:
    """Return a value as something that msgpack carries.

    Args:
        value: Any object.
        parts: Takes the large arrays.
        around: The identities of the containers that the value is in.
    """
    if value is None or isinstance(value, (bool, float, bytes, bytearray)):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**64 else _text(value)
    if id(value) in around:
        return "..."
    if len(around) >= _MAX_DEPTH:
        return _text(value)
    around.append(id(value))
    try:
        return _plain_container(value, parts, around)
    except Exception:
        # Whatever a foreign object raises when it is looked into, the step goes on.
        return _text(value)
    finally:
        around.pop()


def _plain_container(value: Any, parts: Parts, around: List[int]) -> Any:
    if isinstance(value, dict):
        return {_key(k): _plain(v, parts, around) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(v, parts, around) for v in value]
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return _plain_array(value, parts, around)
    if isinstance(value, Mapping):
        return {_key(k): _plain(value[k], parts, around) for k in value}
    return _text(value)


def _plain_array(value: Any, parts: Parts, around: List[int]) -> Any:
    """Return an array or array scalar of any framework as an extension, number or list."""
    if not value.shape and not isinstance(value, Tensor):
        return _plain(value.item(), parts, around) if hasattr(value, "item") else _text(value)
    try:
        if not isinstance(value, Tensor):
            cpu = value.detach().cpu().numpy() if hasattr(value, "detach") else value
            value = Tensor.from_buffer(cpu)
    except (InvalidValue, TypeError, ValueError, RuntimeError, BufferError):
        # Object and string arrays, and exotic dtypes.
        return _plain_objects(value, parts, around)
    shape: List[int] = list(value.shape)
    if value.nbytes <= INLINE_BYTES:
        return msgpack.ExtType(_INLINE_TENSOR, pack([value.dtype, shape, bytes(value.data)]))
    place = [len(parts), value.nbytes]
    parts.append(value.data)
    return msgpack.ExtType(_PAYLOAD_TENSOR, pack([value.dtype, shape, place]))


def _plain_objects(value: Any, parts: Parts, around: List[int]) -> Any:
    listed = value.tolist() if hasattr(value, "tolist") else None
    if not isinstance(listed, list):
        return _text(value)
    kind = getattr(value.dtype, "kind", "")
    if kind not in OBJECT_KINDS:
        return _plain(listed, parts, around)
    items = [_plain(item, parts, around) for item in value.reshape(-1).tolist()]
    return msgpack.ExtType(_OBJECTS, pack([kind, list(value.shape), items]))


def _key(key: Any) -> Any:
    if isinstance(key, str):
        return str.__str__(key)
    if isinstance(key, int) and not isinstance(key, bool) and -(2**63) <= key < 2**64:
        return int(key)
    return key if isinstance(key, bytes) else _text(key, str)


def _text(value: Any, convert: Callable[[Any], str] = repr) -> str:
    try:
        text = convert(value)
    except Exception as exc:
        text = f"<{type(value).__name__} whose {convert.__name__} raised {type(exc).__name__}>"
    return text if len(text) <= _MAX_REPR else text[:_MAX_REPR] + "..."
