"""Whether the episodes of a policy can run at the same time, or would share its state."""

from __future__ import annotations

import functools
import inspect
from typing import Any, Mapping, Optional

from rlmesh.types import LifecycleCallback


def owner_of(source: Any) -> Any:
    """Return the object that a bound method belongs to; for anything else, that itself.

    Looks through `functools.partial` and decorators such as `jax.jit` and `torch.no_grad()`.
    """
    function = source
    for _ in range(8):
        wrapped = getattr(function, "__wrapped__", None)
        if inspect.ismethod(function):
            return source if inspect.isclass(function.__self__) else function.__self__
        if isinstance(function, functools.partial):
            function = function.func
        elif callable(wrapped):
            function = wrapped
        else:
            break
    return source


def state_of_given(callbacks: Mapping[str, Optional[LifecycleCallback]]) -> str:
    """Return why episodes would share the state of callbacks; empty if they would not.

    Args:
        callbacks: What a model was given beside its source, by the names of the methods that it
            replaces.
    """
    for name, callback in callbacks.items():
        if callback is not None and not _is_told_the_episode(callback):
            argument = "on_reset" if name == "reset" else name
            return _sentence(argument, f"...), whose object has a {name}() of its own")
    return ""


def state_of_methods(owner: Any, methods: Mapping[str, Optional[LifecycleCallback]]) -> str:
    """Return why episodes would share the state of an object; empty if they would not.

    Args:
        owner: The object.
        methods: Those of its callbacks that nothing replaces, by name.
    """
    for name, method in methods.items():
        if callable(method) and not _is_told_the_episode(method):
            made = type(owner).__name__
            return _sentence(f"{made}.{name}()", f"lambda: {made}(...))")
    return ""


def _sentence(callback: str, factory: str) -> str:
    return (
        f"{callback} takes no episode id, so episodes that run at the same time would share its"
        f" state; expected Model(factory={factory}, which makes one instance for each lane or"
        " client; or reset(self, episode_id) and predict(self, observation, context) that keep the"
        " state by episode id; or, if there is no state, Model(..., stateless=True)"
    )


def _is_told_the_episode(callback: LifecycleCallback) -> bool:
    """Whether a callback has a use for the episode's id, so that it can tell episodes apart."""
    try:
        parameters = inspect.signature(callback).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    # An optional argument of another name, or `*args`, is there for something else.
    return any(p.default is p.empty or p.name == "episode_id" for p in positional)
