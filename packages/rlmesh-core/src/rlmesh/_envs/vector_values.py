"""Values of a batched space: one sub-env's out of them, and one of all sub-envs' together."""

from __future__ import annotations

from typing import Any, Callable, List, Optional, Sequence

from rlmesh._values.tensor import Tensor
from rlmesh._values.trees import map_arrays
from rlmesh._wire.bounds import ARRAY_SPACES
from rlmesh.backends import Backend
from rlmesh.errors import InvalidValue, UnsupportedSpace
from rlmesh.spaces import Dict, Discrete, Space, Tuple

Splitter = Callable[[Any], Sequence[Any]]
"""Takes a native value of a batched space; returns the value of each sub-env."""

Joiner = Callable[[Sequence[Any]], Any]
"""Takes a value of each sub-env; returns a native value of the batched space."""


def splitter(
    single: Space[Any],
    batched: Space[Any],
    count: int,
    backend: Backend,
    device: Optional[Any],
    path: str,
) -> Splitter:
    """Return a function that takes values apart. Arrays go to the device as a whole.

    Args:
        single: The space of one sub-env's values.
        batched: The space of values of all of them.
        count: How many there are.
        backend: Whose arrays come out.
        device: Where these live.
        path: What errors call the value, e.g. `"observation"`.

    Raises:
        UnsupportedSpace: The one space is no batch of the other.
    """

    def inner(part: Space[Any], of: Space[Any], at: Any) -> Splitter:
        return splitter(part, of, count, backend, device, f"{path}[{at!r}]")

    if isinstance(batched, ARRAY_SPACES):
        shape = (count, *(single.shape or ()))
        if (batched.dtype, batched.shape) == (single.dtype, shape):
            if isinstance(single, Discrete):
                return lambda value: value.flat()
            if isinstance(single, ARRAY_SPACES):
                array_of = backend.importer(batched.dtype, shape, device)
                return lambda value: backend.unstack(array_of(value.data))
    elif isinstance(batched, Dict) and isinstance(single, Dict):
        if batched.spaces.keys() == single.spaces.keys():
            parts = {k: inner(part, batched.spaces[k], k) for k, part in single.spaces.items()}
            return lambda value: [
                dict(zip(parts, row))
                for row in _rows([split(value[k]) for k, split in parts.items()], count)
            ]
    elif isinstance(batched, Tuple) and isinstance(single, Tuple):
        if len(batched.spaces) == len(single.spaces):
            pairs = enumerate(zip(single.spaces, batched.spaces))
            splits = [inner(part, of, i) for i, (part, of) in pairs]
            return lambda value: _rows([split(v) for split, v in zip(splits, value)], count)
    elif isinstance(batched, Tuple) and len(batched.spaces) == count:
        return lambda value: list(to_arrays(value, backend, device))
    raise UnsupportedSpace(
        f"{path}: expected the space of {count} sub-envs with {single}, got {batched}"
    )


def to_arrays(value: Any, backend: Backend, device: Optional[Any]) -> Any:
    """Return a native value with arrays of a backend."""
    return map_arrays(
        value,
        lambda part: isinstance(part, Tensor),
        lambda tensor: backend.from_tensor(tensor, device),
    )


def joiner(single: Space[Any], backend: Backend, path: str) -> Joiner:
    """Return a function that puts values together. Arrays leave their device as a whole.

    Args:
        single: The space of one value.
        backend: Whose arrays the values may hold, besides native ones.
        path: What errors call a value, e.g. `"action"`.
    """
    if isinstance(single, (Discrete, *ARRAY_SPACES)):
        return _array_joiner(single, backend, path)
    if isinstance(single, Dict):
        spaces, check_keys = single.spaces, single.check_keys
        parts = {k: joiner(part, backend, f"{path}[{k!r}]") for k, part in spaces.items()}

        def join_dicts(values: Sequence[Any]) -> Any:
            for value in values:
                check_keys(value, path)
            return {k: join([value[k] for value in values]) for k, join in parts.items()}

        return join_dicts
    if isinstance(single, Tuple):
        check_length = single.check_length
        joins = [joiner(part, backend, f"{path}[{i}]") for i, part in enumerate(single.spaces)]

        def join_tuples(values: Sequence[Any]) -> Any:
            for value in values:
                check_length(value, path)
            return tuple(join([value[i] for value in values]) for i, join in enumerate(joins))

        return join_tuples
    return lambda values: tuple(_to_native(value, backend, path) for value in values)


def _array_joiner(single: Any, backend: Backend, path: str) -> Joiner:
    shape, is_discrete = tuple(single.shape), isinstance(single, Discrete)

    def join(values: Sequence[Any]) -> Any:
        first = values[0]
        if all(map(backend.is_array, values)) and all(
            value.dtype == first.dtype and tuple(value.shape) == shape for value in values
        ):
            tensor = _to_native(backend.stack(values), backend, path)
            if not is_discrete:
                return tensor
            # A bool array is no integer; what it holds would pass for one.
            if tensor.dtype != "bool":
                values = tensor.flat()
        natives = [single.conform(_to_native(value, backend, path), path) for value in values]
        return single.stack_values(natives)

    return join


def _to_native(value: Any, backend: Backend, path: str) -> Any:
    """Return a value with tensors for the backend's arrays."""
    try:
        return map_arrays(value, backend.is_array, backend.to_tensor)
    except InvalidValue as exc:
        raise InvalidValue(f"{path}.{exc}") from None


def _rows(columns: List[Sequence[Any]], count: int) -> List[Any]:
    """Return the first of each column as a tuple, the second of each, and so on."""
    return list(zip(*columns)) if columns else [()] * count
