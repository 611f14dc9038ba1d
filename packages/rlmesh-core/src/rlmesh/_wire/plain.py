"""Any object as plain data that msgpack carries, at a cost that is counted."""

from __future__ import annotations

import array
import collections
import collections.abc
import functools
import sys
import types
from typing import Any, Callable, Dict, Iterable, List, Mapping, Tuple

import msgpack

from rlmesh._contract.peer import Limits
from rlmesh._values.tensor import Tensor
from rlmesh._values.trees import OBJECT_KINDS
from rlmesh.errors import InvalidValue

from .messages import pack
from .payload import INLINE_BYTES, Parts

INLINE_TENSOR, PAYLOAD_TENSOR, OBJECTS = 1, 2, 3
"""The extension types of msgpack that stand for arrays."""

CUT = "..."
"""Stands where a value would go on."""

VALUE = 128
"""What each value costs, so that there are at most 65,536; msgpack needs less for a number."""
SHORT = 64
"""Text up to this length costs no more than a number."""
_ARRAY = 2**13
"""What an array of its own frame costs, so that there are at most 1,000 ..."""
_SHRINK = 128
"""... and, with each of its bytes divided by this, no more than the payload may have."""
_MAX_ARRAYS = 1000
"""Frames of a message, those of the observation included."""

_MAX_DEPTH = 32
_MAX_REPR = 1000
_MAX_CALLS = 2000
"""Calls that a `__repr__` may make; a dataclass that refers to others makes some for each path."""
_CALL = 64
"""What each of these calls costs."""
_GROWTH = 2
"""How many times more a container costs that is met again, for each such container around it.
Objects that refer to each other have a path for every order of them."""
_MAX_BITS = 10_000
"""Integers with more bits take too long to print."""

_AS_IS = frozenset((type(None), bool, float))
LISTS = (list, tuple, set, frozenset)
MORE_LISTS = (
    collections.deque,
    collections.abc.KeysView,
    collections.abc.ValuesView,
    collections.abc.ItemsView,
)
CONTAINERS = (dict, Mapping, *LISTS, *MORE_LISTS, types.SimpleNamespace)
_FUNCTIONS = (types.FunctionType, types.MethodType)


class OverBudget(Exception):
    """A value does not fit into what is left of the budget."""


class Reduction:
    """Makes plain data of one value, and raises `OverBudget` where it would become too much.

    Args:
        parts: Takes the large arrays.
        budget: What the value may cost.
    """

    __slots__ = ("_around", "_left", "_met", "_parts", "_payload", "_repeats")

    def __init__(self, parts: Parts, budget: int) -> None:
        self._parts = parts
        self._left = budget
        self._around: List[int] = []
        # By identity; held, so that no other object can get the same one.
        self._met: Dict[int, Any] = {}
        self._payload = -1
        self._repeats = 0

    def plain(self, value: Any) -> Any:
        """Return a value as something that msgpack carries.

        Its container has paid for it already; more is only paid for what is longer than a number.
        """
        kind = type(value)
        if kind in _AS_IS:
            return value
        if kind is str:
            return value if len(value) <= SHORT else self._string(value)
        if kind is int and -(2**63) <= value < 2**64:
            return value
        if isinstance(value, float):
            return value
        return self._again(value) if id(value) in self._met else self.look_into(value)

    def _again(self, value: Any) -> Any:
        """Return what was met before."""
        if id(value) in self._around:
            return CUT
        if not isinstance(value, CONTAINERS):
            return self.look_into(value)
        if self._repeats:
            self._spend(VALUE * _GROWTH**self._repeats)
        self._repeats += 1
        try:
            return self.look_into(value)
        finally:
            self._repeats -= 1

    def look_into(self, value: Any) -> Any:
        """Return a container, an array, or another object as plain data."""
        if len(self._around) >= _MAX_DEPTH:
            return self._too_deep(value)
        self._met[id(value)] = value
        self._around.append(id(value))
        try:
            return self._other(value)
        except OverBudget:
            raise
        except Exception as exc:
            # Whatever a foreign object raises when it is looked into, the step goes on.
            if isinstance(value, (dict, *LISTS)):
                return f"<{type(value).__name__} that raised {type(exc).__name__}>"
            return self._text(value)
        finally:
            self._around.pop()

    def _too_deep(self, value: Any) -> Any:
        if isinstance(value, (bool, int, float, str, bytes)):
            return self._other(value)
        return CUT

    def _other(self, value: Any) -> Any:
        if isinstance(value, dict):
            return self._mapping(value)
        if isinstance(value, LISTS):
            return self._list(value)
        if hasattr(value, "dtype") and hasattr(value, "shape"):
            return self._array(value)
        if isinstance(value, str):
            return self._string(str.__str__(value))
        if isinstance(value, int):
            return self._integer(int(value))
        if isinstance(value, (bytes, bytearray)):
            self._spend(len(value))
            return value
        if isinstance(value, Mapping):
            return self._mapping(value)
        if isinstance(value, MORE_LISTS):
            return self._list(value)
        if isinstance(value, types.SimpleNamespace):
            return self._mapping(vars(value))
        if isinstance(value, array.array) and value.typecode != "u":
            return self._tensor(Tensor.from_buffer(value))
        return self._text(value)

    def _spend(self, cost: int) -> None:
        if cost > self._left:
            raise OverBudget
        self._left -= cost

    def _string(self, text: str) -> str:
        if len(text) > SHORT:
            self._spend(len(text) if text.isascii() else 4 * len(text))
        return text

    def _integer(self, value: int) -> Any:
        if -(2**63) <= value < 2**64:
            return value
        bits = value.bit_length()
        return f"<int of {bits} bits>" if bits > _MAX_BITS else self._text(value)

    def _mapping(self, value: Any) -> Any:
        plain, key = self.plain, self._key
        if type(value) is dict:
            self._spend(len(value) * VALUE)
            # Most keys and values are plain already, and need no call.
            return {
                k if type(k) is str and len(k) <= SHORT else key(k): (
                    v if type(v) in _AS_IS else plain(v)
                )
                for k, v in value.items()
            }
        found = {}
        for k, v in pairs_of(value):
            self._spend(VALUE)
            found[key(k)] = plain(v)
        return found

    def _list(self, value: Iterable[Any]) -> List[Any]:
        plain = self.plain
        if type(value) is list or type(value) is tuple:
            self._spend(len(value) * VALUE)
            return [v if type(v) in _AS_IS else plain(v) for v in value]
        found = []
        for item in value:
            self._spend(VALUE)
            found.append(plain(item))
        return found

    def _array(self, value: Any) -> Any:
        """Return an array or array scalar of any framework as an extension, number or list."""
        if _is_masked(value.__class__):
            self._spend(2 * VALUE)
            return {"data": self.plain(value.data), "mask": self.plain(value.mask)}
        if not value.shape and not isinstance(value, Tensor):
            return self.plain(value.item()) if hasattr(value, "item") else self._text(value)
        try:
            if not isinstance(value, Tensor):
                cpu = value.detach().cpu().numpy() if hasattr(value, "detach") else value
                value = Tensor.from_buffer(cpu)
        except (InvalidValue, TypeError, ValueError, RuntimeError, BufferError):
            # Object and string arrays, and exotic dtypes.
            return self._objects(value)
        return self._tensor(value)

    def _tensor(self, value: Tensor) -> Any:
        shape, nbytes = list(value.shape), value.nbytes
        if nbytes <= INLINE_BYTES:
            self._spend(nbytes)
            return msgpack.ExtType(INLINE_TENSOR, pack([value.dtype, shape, bytes(value.data)]))
        parts = self._parts
        if self._payload < 0:
            self._payload = sum(len(part) for part in parts)
        if len(parts) >= _MAX_ARRAYS or self._payload + nbytes > Limits.payload:
            raise OverBudget
        self._spend(_ARRAY + nbytes // _SHRINK)
        self._payload += nbytes
        place = [len(parts), nbytes]
        parts.append(value.data)
        return msgpack.ExtType(PAYLOAD_TENSOR, pack([value.dtype, shape, place]))

    def _objects(self, value: Any) -> Any:
        if not hasattr(value, "tolist") or not hasattr(value, "reshape"):
            listed = value.tolist() if hasattr(value, "tolist") else None
            return self.plain(listed) if isinstance(listed, list) else self._text(value)
        shape = list(value.shape)
        kind = getattr(value.dtype, "kind", "")
        flat = value.reshape(-1)
        fitting = self._left // VALUE
        if len(flat) > fitting:
            # Not all of them become Python objects first.
            return self._list(flat[: fitting + 1].tolist())
        if kind not in OBJECT_KINDS:
            return self.plain(value.tolist())
        items = self._list(flat.tolist())
        return msgpack.ExtType(OBJECTS, pack([kind, shape, items]))

    def _key(self, key: Any) -> Any:
        if isinstance(key, str):
            return self._string(str.__str__(key))
        if isinstance(key, int) and not isinstance(key, bool) and -(2**63) <= key < 2**64:
            return int(key)
        if isinstance(key, bytes):
            self._spend(len(key))
            return key
        return self._text(key, str)

    def _text(self, value: Any, convert: Callable[[Any], str] = repr) -> str:
        try:
            text, calls = _bounded(convert, value)
        except Exception as exc:
            calls = _MAX_CALLS if isinstance(exc, RecursionError) else 0
            text = f"<{type(value).__name__} whose {convert.__name__} raised {type(exc).__name__}>"
        self._spend(calls * _CALL)
        return self._string(text if len(text) <= _MAX_REPR else text[:_MAX_REPR] + CUT)


def pairs_of(value: Any) -> Iterable[Tuple[Any, Any]]:
    if isinstance(value, dict):
        return value.items()
    return ((key, value[key]) for key in value)


@functools.lru_cache(maxsize=256)
def _is_masked(kind: type) -> bool:
    """Return whether arrays of a type are NumPy's masked ones."""
    return any(base.__name__ == "MaskedArray" for base in kind.__mro__)


class _EnoughCalls(BaseException):
    """Ends a `__repr__` that would go on and on."""


def _bounded(convert: Callable[[Any], str], value: Any) -> Tuple[str, int]:
    """Return `repr` or `str` of an object, and how many calls it made if it is written in Python.

    Raises:
        RecursionError: It makes too many, as that of a dataclass does which refers to others.
    """
    if not isinstance(type(value).__repr__, _FUNCTIONS) or sys.getprofile() is not None:
        return convert(value), 0
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event.endswith("call")
        if calls > _MAX_CALLS:
            raise _EnoughCalls

    sys.setprofile(count)
    try:
        return convert(value), calls
    except _EnoughCalls:
        raise RecursionError(f"more than {_MAX_CALLS} calls") from None
    finally:
        sys.setprofile(None)
