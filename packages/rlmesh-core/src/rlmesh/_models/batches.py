"""Many observations as one value, and many actions out of one."""

from __future__ import annotations

from typing import Any, Callable, List, Mapping, Optional, Sequence

from rlmesh._values.tensor import Tensor
from rlmesh.backends import Backend, NativeBackend
from rlmesh.errors import InvalidValue
from rlmesh.spaces import Box, Discrete, MultiBinary, MultiDiscrete, Space
from rlmesh.spaces import Dict as DictSpace
from rlmesh.spaces import Tuple as TupleSpace
from rlmesh.spaces._advice import for_tree

Stacker = Callable[[Sequence[Any]], Any]
"""Takes values of one space; returns them as one."""

_NATIVE = NativeBackend()


def stacker(space: Space[Any], backend: Backend, device: Optional[Any]) -> Stacker:
    """Return a function that puts values of a space together.

    Arrays get a new first axis, and so do the integers of a Discrete space. Dicts and tuples keep
    their structure. Text, and whatever varies in size, becomes a list of the values.

    Args:
        space: The space.
        backend: The framework of its arrays.
        device: Where they live.
    """
    if isinstance(space, (Box, MultiBinary, MultiDiscrete, Discrete)):
        return lambda values: backend.stack(values, device)
    if isinstance(space, DictSpace):
        parts = {key: stacker(part, backend, device) for key, part in space.spaces.items()}
        return lambda values: {
            key: stack([value[key] for value in values]) for key, stack in parts.items()
        }
    if isinstance(space, TupleSpace):
        stacks = [stacker(part, backend, device) for part in space.spaces]
        return lambda values: tuple(
            stack([value[i] for value in values]) for i, stack in enumerate(stacks)
        )
    return list


def stack_any(values: Sequence[Any], backend: Backend, device: Optional[Any]) -> Any:
    """Put values of any one structure together, as `stacker` does for those of a space."""
    first = values[0]
    if backend.is_array(first):
        if all(value.shape == first.shape for value in values):
            return backend.stack(values, device)
        return list(values)
    if isinstance(first, dict):
        return {key: stack_any([value[key] for value in values], backend, device) for key in first}
    if isinstance(first, tuple):
        columns = zip(*values)
        return tuple(stack_any(list(column), backend, device) for column in columns)
    return list(values)


def rows(value: Any, backend: Backend, name: str, count: Optional[int] = None) -> Sequence[Any]:
    """Return the actions in what a batched or chunked predict returned.

    Args:
        value: A list of actions; or one action whose arrays have a further first axis.
        backend: The framework of its arrays.
        name: Of the predict function, for errors.
        count: How many there must be; by default at least one.

    Raises:
        InvalidValue: There are not as many, or the value has no such form.
    """
    found = _rows(value, backend)
    if found is None:

        def check(part: Any, path: str) -> None:
            if _rows(part, backend) is None:
                raise ValueError

        raise InvalidValue(
            f"{name}: expected a list of actions, or arrays with one along their first axis,"
            f" got {value!r:.200} ({type(value).__name__}){for_tree(value, 'action', check)}"
        )
    if not found or count not in (None, len(found)):
        expected = {None: "at least one action", 1: "1 action"}.get(count, f"{count} actions")
        raise InvalidValue(f"{name}: expected {expected}, got {len(found)}")
    return found


def _rows(value: Any, backend: Backend) -> Optional[Sequence[Any]]:
    """Return the actions; None if the value has none."""
    if isinstance(value, list):
        return value
    for framework in (backend, _NATIVE):
        if framework.is_array(value):
            return framework.unstack(value) if value.shape else None
    if isinstance(value, Mapping):
        keyed = [_rows(part, backend) for part in value.values()]
        columns = _columns(keyed)
        return columns and [dict(zip(value, column)) for column in columns]
    if isinstance(value, tuple):
        return _columns([_rows(part, backend) for part in value])
    return None


def _columns(parts: List[Optional[Sequence[Any]]]) -> Optional[List[Any]]:
    """Return the first of all parts, the second of all, and so on; None if they do not match."""
    if not parts or None in parts or len({len(part or ()) for part in parts}) != 1:
        return None
    return list(zip(*(part or () for part in parts)))


def signature(value: Any, path: str) -> Mapping[str, Any]:
    """Return the dtype and shape of each array in a value by its path; see `ModelError`."""
    if isinstance(value, Mapping):
        parts = [(f"{path}[{key!r}]", part) for key, part in value.items()]
    elif isinstance(value, (list, tuple)):
        parts = [(f"{path}[{i}]", part) for i, part in enumerate(value)]
    elif isinstance(value, Tensor) or (hasattr(value, "dtype") and hasattr(value, "shape")):
        # torch.float32, numpy's dtype('float32'), "float32"
        dtype = str(value.dtype).rpartition(".")[2]
        return {path: (dtype, tuple(int(size) for size in value.shape))}
    else:
        return {path: (type(value).__name__, ())}
    return {name: kind for p, part in parts for name, kind in signature(part, p).items()}
