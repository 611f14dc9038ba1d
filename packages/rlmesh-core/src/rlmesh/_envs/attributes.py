"""The attributes and methods of a served env that its owner lets clients use."""

from __future__ import annotations

import inspect
from collections import abc
from typing import Any, Dict, Iterable, Iterator, Mapping, Sequence, Tuple

from rlmesh.errors import InvalidValue, UnknownAttribute

from .local_vector import LocalVectorEnv

_ELSEWHERE = {
    **dict.fromkeys(("reset", "step", "render"), "it is a method of every client"),
    "close": "the env belongs to whoever serves it",
    **dict.fromkeys(
        (
            "observation_space",
            "action_space",
            "single_observation_space",
            "single_action_space",
            "num_envs",
            "metadata",
            "render_mode",
            "spec",
        ),
        "clients know it from the start, and it must not change under them",
    ),
    **dict.fromkeys(
        ("np_random", "np_random_seed", "seed"), "clients seed the env with reset(seed=...)"
    ),
    **dict.fromkeys(
        (
            "env",
            "envs",
            "unwrapped",
            "call",
            "call_async",
            "get_attr",
            "set_attr",
            "env_method",
            "get_wrapper_attr",
            "set_wrapper_attr",
            "has_wrapper_attr",
        ),
        "it would give clients the whole env",
    ),
}
"""What cannot be exposed, and why."""

_MAX_LAYERS = 100


def checked_names(expose: Iterable[str]) -> Tuple[str, ...]:
    """Return the names of attributes and methods that clients may use.

    Raises:
        TypeError: It is no sequence of texts.
        ValueError: A name is not public, or is one that cannot be exposed.
    """
    if isinstance(expose, str) or not isinstance(expose, abc.Iterable):
        raise TypeError(
            f"expose: expected a list of names, such as ['level'], got {expose!r}"
            f" ({type(expose).__name__})"
        )
    names = tuple(expose)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"expose: expected names, got {name!r} ({type(name).__name__})")
        if not name.isidentifier() or name.startswith("_"):
            raise ValueError(
                f"expose: expected names of public attributes or methods of the env, got {name!r}"
            )
        if name in _ELSEWHERE:
            raise ValueError(f"expose: {name!r} cannot be exposed: {_ELSEWHERE[name]}")
    return tuple(dict.fromkeys(names))


class Attributes:
    """Gets, sets and calls what an env exposes.

    Args:
        env: The env, within its wrappers.
        names: What it exposes.
    """

    def __init__(self, env: Any, names: Sequence[str]) -> None:
        self._env = env
        self.names = names

    def get(self, name: str) -> Any:
        """Return an attribute, of the outermost wrapper that has it.

        Raises:
            UnknownAttribute: It is not exposed, or there is none.
        """
        return getattr(self._owner(name), name)

    def set(self, name: str, value: Any) -> None:
        """Set an attribute, of the outermost wrapper that has it.

        Raises:
            UnknownAttribute: It is not exposed, or there is none.
        """
        setattr(self._owner(name), name, value)

    def call(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Return what a method returns.

        Raises:
            UnknownAttribute: It is not exposed, or there is none.
            InvalidValue: It is no method.
        """
        method = self.get(name)
        if not callable(method):
            raise InvalidValue(f"call: expected the name of a method, got {name!r}, an attribute")
        return method(*args, **kwargs)

    def check(self, name: Any) -> None:
        """Check that a name is exposed.

        Raises:
            UnknownAttribute: It is not.
        """
        if name not in self.names:
            raise UnknownAttribute(not_exposed(name))

    def _owner(self, name: str) -> Any:
        """Return the outermost layer of the env that has an attribute of its own.

        Wrappers of old versions pass on what they do not have, with a warning; those of new
        versions do not.
        """
        self.check(name)
        layer = self._env
        for layer in _layers(self._env):
            if inspect.getattr_static(layer, name, self) is not self:
                return layer
        if hasattr(layer, name):  # by a `__getattr__` of its own
            return layer
        raise UnknownAttribute(f"the served env has no attribute {name!r}")


class VectorAttributes(Attributes):
    """Gets, sets and calls what the sub-envs of a vector env expose."""

    def get(self, name: str) -> Any:
        """Return the attribute of each sub-env; of a method, what it returns."""
        return tuple(self._method("get_attr", name)(name))

    def set(self, name: str, value: Any) -> None:
        """Set the attribute of each sub-env: to one of a list of values, or all to one value."""
        self._method("set_attr", name)(name, value)

    def call(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Return what the method of each sub-env returns."""
        return tuple(self._method("call", name)(name, *args, **kwargs))

    def _method(self, method: str, name: str) -> Any:
        self.check(name)
        found = getattr(self._env, method, None)
        if not callable(found):
            kind = type(self._env).__name__
            raise UnknownAttribute(
                f"{name!r} cannot be reached: the served vector env, a {kind}, has no {method}()"
            )
        return found


def attributes_of(env: Any, names: Sequence[str]) -> Attributes:
    """Return what an env, or a vector env, exposes.

    Args:
        env: A `LocalEnv` or `LocalVectorEnv`.
        names: The names; see `checked_names`.
    """
    kind = VectorAttributes if isinstance(env, LocalVectorEnv) else Attributes
    return kind(env.env, names)


def not_exposed(name: Any) -> str:
    """Return the sentence about a name that is not exposed."""
    if name in _ELSEWHERE:
        return f"{name!r} of the served env cannot be reached: {_ELSEWHERE[name]}"
    return f"the server does not expose {name!r}; serve with expose=[{name!r}]"


def _layers(env: Any) -> Iterator[Any]:
    """Yield an env, the one that it wraps, and so on."""
    for _ in range(_MAX_LAYERS):
        yield env
        inside: Dict[str, Any] = getattr(env, "__dict__", {})
        if inside.get("env") is None:
            return
        env = inside["env"]
