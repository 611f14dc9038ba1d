"""A model's source: its predict functions, and the callbacks around an episode."""

from __future__ import annotations

import inspect
from typing import Any, Callable, Dict, Optional

from rlmesh.types import LifecycleCallback

CORNERS = ("predict", "predict_chunk", "predict_batch", "predict_chunk_batch")
"""The methods that predict, each more general than the ones before it."""


class Source:
    """What a user gave a model to predict with.

    Args:
        source: A callable, which is a `predict`, or an object with one of `CORNERS`.
        on_reset: Replaces the source's `reset`.
        on_episode_end: Replaces the source's `on_episode_end`.
        on_close: Replaces the source's `close`.

    Raises:
        TypeError: The source is neither, or something in it cannot be called as it would be.

    Attributes:
        name: What a reader may call it.
        corners: The predict functions by name. All take (values, contexts), whether or not the
            user's own function takes a context.
        start_episode: Called with an episode's id after its reset.
        end_episode: Called with an episode's id at its end.
        close: Called at the end.
    """

    def __init__(
        self,
        source: Any,
        on_reset: Optional[LifecycleCallback],
        on_episode_end: Optional[LifecycleCallback],
        on_close: Optional[LifecycleCallback],
    ) -> None:
        self.name = str(getattr(source, "__qualname__", type(source).__qualname__))
        self.corners: Dict[str, Callable[[Any, Any], Any]] = {}
        functions = _functions_of(source)
        for name, function in functions.items():
            self.corners[name] = _with_context(function, name)
        # A function's attributes are nobody's methods.
        methods = None if functions.get("predict") is source else source
        self.start_episode = _callback("on_reset", on_reset, methods, "reset")
        self.end_episode = _callback("on_episode_end", on_episode_end, methods, "on_episode_end")
        self.close = _callback("on_close", on_close, methods, "close")


def _functions_of(source: Any) -> Dict[str, Callable[..., Any]]:
    """Return the predict functions of a source, by name."""
    if inspect.isclass(source):
        raise TypeError(
            "source: expected a callable that takes an observation, or an object with"
            f" predict(observation), got a class: {source.__name__}; pass an instance of it"
        )
    found = {name: getattr(source, name, None) for name in CORNERS}
    functions = {name: function for name, function in found.items() if callable(function)}
    if functions:
        return functions
    if callable(source):
        return {"predict": source}
    raise TypeError(
        "source: expected a callable that takes an observation, or an object with"
        f" predict(observation), got {source!r}; it may have predict_chunk, predict_batch or"
        " predict_chunk_batch instead"
    )


def _with_context(function: Callable[..., Any], name: str) -> Callable[[Any, Any], Any]:
    """Return a predict function made to accept, and perhaps ignore, the context."""
    wanted = "contexts" if name.endswith("_batch") else "context"
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some callables of compiled modules have none
        return lambda values, context: function(values)
    keywords: Dict[str, Any] = {wanted: None} if wanted in signature.parameters else {}
    try:
        signature.bind(None, **keywords)
    except TypeError as exc:
        values = "observations" if name.endswith("_batch") else "observation"
        raise TypeError(
            f"source: expected {name}({values}) or {name}({values}, {wanted}), got"
            f" {name}{signature}: {exc}"
        ) from None
    if keywords and wanted == "contexts":
        return lambda values, context: function(values, contexts=context)
    if keywords:
        return lambda values, context: function(values, context=context)
    return lambda values, context: function(values)


def _callback(
    name: str, given: Optional[LifecycleCallback], methods: Any, method: str
) -> LifecycleCallback:
    """Return the callback to use, made to accept (and perhaps ignore) the episode's id."""
    callback = given if given is not None else getattr(methods, method, None)
    if callback is None:
        return lambda *episode_id: None
    if not callable(callback):
        raise TypeError(f"{name}: expected a callable, got {callback!r}")
    if _takes_argument(callback):
        return callback
    return lambda *episode_id: callback()


def _takes_argument(callback: LifecycleCallback) -> bool:
    try:
        parameters = inspect.signature(callback).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(
        p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL) for p in parameters
    )
