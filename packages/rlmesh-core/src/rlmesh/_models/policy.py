"""A model's source and callbacks, as the policy that the runtime drives."""

from __future__ import annotations

import inspect
from typing import Any, Callable, Optional

from rlmesh.types import LifecycleCallback


class ModelPolicy:
    """Calls the source's predict, and the lifecycle callbacks.

    Args:
        source: A callable, or an object with `predict`; see `ModelBase`.
        on_reset: Replaces the source's `reset`.
        on_episode_end: Replaces the source's `on_episode_end`.
        on_close: Replaces the source's `close`.

    Raises:
        TypeError: The source is neither, or a callback cannot be called.
    """

    def __init__(
        self,
        source: Any,
        on_reset: Optional[LifecycleCallback],
        on_episode_end: Optional[LifecycleCallback],
        on_close: Optional[LifecycleCallback],
    ) -> None:
        methods: Any = None
        if callable(getattr(source, "predict", None)) and not inspect.isclass(source):
            methods, predict = source, source.predict
        elif callable(source) and not inspect.isclass(source):
            predict = source
        else:
            raise TypeError(
                "source: expected a callable that takes an observation, or an object with"
                f" predict(observation), got {source!r}"
            )
        self.predict: Callable[[Any], Any] = predict
        self._on_reset = _callback("on_reset", on_reset, methods, "reset")
        self._on_episode_end = _callback(
            "on_episode_end", on_episode_end, methods, "on_episode_end"
        )
        self._on_close = _callback("on_close", on_close, methods, "close")

    def start_episode(self, episode_id: str) -> None:
        """Call `on_reset`."""
        self._on_reset(episode_id)

    def end_episode(self, episode_id: str) -> None:
        """Call `on_episode_end`."""
        self._on_episode_end(episode_id)

    def close(self) -> None:
        """Call `on_close`."""
        self._on_close()


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
