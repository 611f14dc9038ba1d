"""Names and plain forms of objects, which are the same in every process."""

from __future__ import annotations

import enum
import functools
import hashlib
import inspect
import json
import os
import sys
from typing import Any, Dict, List, Mapping

_MAX_DEPTH = 8
_MAX_NODES = 10_000
_MAX_TEXT = 1000
"""Characters of a text that is kept; of a longer one, there is a digest."""
_MAX_JSON = 4000
"""Characters of JSON that one argument may have; of a longer one, there is a digest."""
_MAX_ARRAY = 2**20
"""Bytes of an array of which there is a digest; of a larger one, there is only the shape."""


def name_of(thing: Any) -> str:
    """Return `module:qualname` of a class, a function or a method; otherwise that of its class.

    A module that runs as a script has the name by which it would be imported.
    """
    if isinstance(thing, functools.partial):
        return name_of(thing.func)
    if inspect.ismethod(thing):
        owner = thing.__self__
        return f"{name_of(owner if isinstance(owner, type) else type(owner))}.{thing.__name__}"
    qualname, module = getattr(thing, "__qualname__", None), getattr(thing, "__module__", None)
    if not isinstance(qualname, str) or not isinstance(module, str):
        thing = thing if isinstance(thing, type) else type(thing)
        qualname, module = thing.__qualname__, thing.__module__
    return f"{imported_as(module)}:{qualname}"


def imported_as(module: str) -> str:
    """Return a module's name; for the main one, that by which it would be imported."""
    if module not in ("__main__", "__mp_main__"):
        return module
    main = sys.modules.get("__main__")
    name = getattr(getattr(main, "__spec__", None), "name", None)
    if isinstance(name, str):
        return name
    path = getattr(main, "__file__", None)
    return "__main__" if path is None else os.path.splitext(os.path.basename(path))[0]


def plain_kwargs(kwargs: Any) -> Dict[str, Any]:
    """Return keyword arguments as plain data; an empty dict for what is no mapping.

    See `plain`. An argument of thousands of characters is replaced by a digest.
    """
    if not isinstance(kwargs, Mapping):
        return {}
    return {_key(key): _shortened(plain(value)) for key, value in kwargs.items()}


def plain(value: Any) -> Any:
    """Return a value as JSON and msgpack have it, with a text for what they do not have.

    Functions, classes and other objects become `<callable module:qualname>` and so on. Arrays and
    bytes become a text with their digest. No text depends on where an object lies in memory.
    """
    return _Plain().of(value, 0)


class _Plain:
    """Makes values plain, up to a number of them: they may refer to each other."""

    def __init__(self) -> None:
        self._left = _MAX_NODES

    def of(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if self._left < 0 or depth > _MAX_DEPTH:
            return "..."
        if isinstance(value, enum.Enum):
            return f"<{name_of(type(value))}.{value.name}>"
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, float):
            # NaN as a text, because it is not equal to itself.
            return "nan" if value != value else float(value)
        if isinstance(value, int):
            return int(value) if -(2**63) <= value < 2**64 else str(int(value))
        if isinstance(value, str):
            return _shortened_text(str.__str__(value))
        if isinstance(value, (bytes, bytearray, memoryview)):
            return f"{len(value)} bytes, sha256 {_digest(bytes(value))}"
        try:
            return self._of_object(value, depth + 1)
        except Exception:  # of an object that does not like to be looked at
            return f"<{name_of(type(value))}>"

    def _of_object(self, value: Any, depth: int) -> Any:
        if isinstance(value, Mapping):
            return {_key(key): self.of(part, depth) for key, part in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.of(part, depth) for part in value]
        if isinstance(value, (set, frozenset)):
            return sorted((self.of(part, depth) for part in value), key=json.dumps)
        if isinstance(value, os.PathLike):
            return _shortened_text(os.fsdecode(value))
        if isinstance(value, functools.partial):
            return {
                "callable": name_of(value),
                "args": self.of(value.args, depth),
                "kwargs": self.of(value.keywords, depth),
            }
        if not isinstance(value, type) and hasattr(value, "dtype") and hasattr(value, "shape"):
            return self._of_array(value, depth)
        if callable(value) and isinstance(getattr(value, "__qualname__", None), str):
            return f"<callable {name_of(value)}>"
        return f"<{name_of(type(value))}>"

    def _of_array(self, value: Any, depth: int) -> Any:
        shape = tuple(int(size) for size in value.shape)
        if not shape and hasattr(value, "item"):
            return self.of(value.item(), depth)
        text = f"array of {value.dtype}, shape {list(shape)}"
        # Only memory that can be read as it is: no array is brought here from another device.
        if hasattr(value, "__array_interface__") and 0 < value.nbytes <= _MAX_ARRAY:
            text += f", sha256 {_digest(value.tobytes())}"
        return f"<{text}>"


def _key(key: Any) -> str:
    return _shortened_text(key) if isinstance(key, str) else _shortened_text(str(plain(key)))


def _shortened(value: Any) -> Any:
    text = json.dumps(value, sort_keys=True)
    if len(text) <= _MAX_JSON:
        return value
    return f"<{len(text)} characters of JSON, sha256 {_digest(text.encode())}>"


def _shortened_text(text: str) -> str:
    if len(text) <= _MAX_TEXT:
        return text
    digest = _digest(text.encode("utf-8", "surrogatepass"))
    return f"{text[:50]}... ({len(text)} characters, sha256 {digest})"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def unclear(description: Any, path: str = "") -> List[str]:
    """Return where a description names a lambda, or something that a function defines.

    Two of these may have the same name.
    """
    if isinstance(description, Mapping):
        parts = [(f"{path}.{key}" if path else str(key), part) for key, part in description.items()]
    elif isinstance(description, (list, tuple)):
        parts = [(f"{path}[{i}]", part) for i, part in enumerate(description)]
    else:
        is_unclear = isinstance(description, str) and (
            "<lambda>" in description or "<locals>" in description
        )
        return [f"{path} {description}"] if is_unclear else []
    return [line for below, part in parts for line in unclear(part, below)]
