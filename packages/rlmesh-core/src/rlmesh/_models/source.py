"""A model's source: its predict functions, and the callbacks around an episode."""

from __future__ import annotations

import functools
import inspect
import warnings
import weakref
from typing import Any, Callable, Dict, Optional

from rlmesh._contract.plain import name_of, plain_kwargs
from rlmesh._runtime.awaitables import refuse_async, refuse_awaitable
from rlmesh.types import LifecycleCallback

from .mistakes import is_torch_module, refuse, warn_of_training, what_it_is, with_torch_values
from .sharing import owner_of, state_of_given, state_of_methods

CORNERS = ("predict", "predict_chunk", "predict_batch", "predict_chunk_batch")
"""The methods that predict, each more general than the ones before it."""


class Source:
    """What a user gave a model to predict with.

    Args:
        source: A callable, which is a `predict`, or an object with one of `CORNERS`.
        on_reset: Replaces the source's `reset`.
        on_episode_end: Replaces the source's `on_episode_end`.
        on_close: Replaces the source's `close`.
        stateless: Whether several of its episodes may run at the same time, whatever its callbacks
            look like.
        backend: The name of the backend of its values.

    Raises:
        TypeError: The source is neither, or something in it cannot be called as it would be.

    Attributes:
        name: What a reader may call it.
        identity: What tells it from other sources, as plain data.
        owner: The object whose state it uses: the source, or the object whose method it is.
        given_state: Why episodes that run at the same time would share the state of `on_reset` or
            `on_episode_end`; empty where they would not.
        shared_state: The same for all callbacks, the source's own included.
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
        stateless: bool = False,
        backend: str = "",
    ) -> None:
        self.name = str(getattr(source, "__qualname__", type(source).__qualname__))
        self.identity = _identity(source)
        self.corners: Dict[str, Callable[[Any, Any], Any]] = {}
        functions = _functions_of(source)
        for name, function in functions.items():
            self.corners[name] = _with_context(function, name)
        self.owner = owner_of(source)
        if is_torch_module(self.owner):
            warn_of_training(self.owner)
            if backend not in ("", "torch") and functions.get("predict") in (source, self.owner):
                act, name = self.corners["predict"], type(self.owner).__name__
                self.corners["predict"] = with_torch_values(act, name, backend)
        is_function = functions.get("predict") is source
        given = {"reset": on_reset, "on_episode_end": on_episode_end, "close": on_close}
        methods = {name: _method(source, name, is_function) for name in given}
        callbacks = {n: methods[n] if given[n] is None else given[n] for n in given}
        self.start_episode = as_callback("on_reset", callbacks["reset"])
        self.end_episode = as_callback("on_episode_end", callbacks["on_episode_end"])
        self.close = as_callback("on_close", callbacks["close"])
        self.given_state = self.shared_state = ""
        if not (stateless or getattr(self.owner, "stateless", False) is True):
            del given["close"], methods["close"]
            if self.owner is not source:
                methods = {name: _method(self.owner, name, False) for name in given}
                self._warn_of_lost_reset(on_reset, methods["reset"])
            self.given_state = state_of_given(given)
            own = {name: method for name, method in methods.items() if given[name] is None}
            self.shared_state = self.given_state or state_of_methods(self.owner, own)
        self._holder: Dict[str, weakref.ref[Any]] = {}

    def occupy(self, player: object) -> None:
        """Start an episode; it is an error beside another one that would share its state.

        Args:
            player: What plays it. When it is gone, so is its episode.

        Raises:
            ValueError: Another episode is running.
        """
        if not self.shared_state:
            return
        mine = weakref.ref(player)
        # One operation, as players may be on different threads.
        held = self._holder.setdefault("holder", mine)
        if held is not mine and held() is not None:
            raise ValueError(f"source: another episode of it is running; {self.shared_state}")
        self._holder["holder"] = mine

    def vacate(self, player: object) -> bool:
        """End the episode of a player; return whether it had one."""
        if not self.shared_state:
            return True
        held = self._holder.get("holder")
        if held is None or held() is not player:
            return False
        del self._holder["holder"]
        return True

    def _warn_of_lost_reset(self, on_reset: Optional[LifecycleCallback], reset: Any) -> None:
        """Warn of a policy that is given as a method, whose reset nobody calls."""
        if on_reset is None and callable(reset):
            warnings.warn(
                f"source: {self.name} is given without its object, so"
                f" {type(self.owner).__name__}.reset() is not called when an episode starts;"
                " expected the object itself, or its reset as on_reset",
                RuntimeWarning,
                stacklevel=4,
            )


def _identity(source: Any) -> Dict[str, Any]:
    """Return the name of a source, or of its class, and the arguments that a partial gives it."""
    module, _, name = name_of(source).partition(":")
    is_partial = isinstance(source, functools.partial)
    arguments = plain_kwargs({"args": source.args, **source.keywords}) if is_partial else {}
    return {"name": name, "module": module, "arguments": arguments}


def _functions_of(source: Any) -> Dict[str, Callable[..., Any]]:
    """Return the predict functions of a source, by name."""
    if inspect.isclass(source):
        raise TypeError(
            "source: expected a callable that takes an observation, or an object with"
            f" predict(observation), got a class: {source.__name__}; pass an instance of it, or"
            f" factory={source.__name__}"
        )
    refuse(source)
    found = {name: getattr(source, name, None) for name in CORNERS}
    functions = {name: function for name, function in found.items() if callable(function)}
    for name, function in functions.items():
        refuse_async(name, function)
    if functions:
        return functions
    refuse_async("source", source)
    if callable(source):
        return {"predict": source}
    raise TypeError(
        "source: expected a callable that takes an observation, or an object with"
        f" predict(observation), got {source!r}; it may have predict_chunk, predict_batch or"
        f" predict_chunk_batch instead{what_it_is(source)}"
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


def _method(source: Any, name: str, is_function: bool) -> Any:
    """Return a callback of a source; None if it has none.

    Args:
        source: The source.
        name: The method's name.
        is_function: Whether the source is only called. Then its class says what its methods are: a
            function's attributes are nobody's methods.
    """
    holder = type(source) if is_function else source
    return None if getattr(holder, name, None) is None else getattr(source, name)


def as_callback(name: str, callback: Optional[LifecycleCallback]) -> LifecycleCallback:
    """Return the callback to use, made to accept (and perhaps ignore) the episode's id."""
    if callback is None:
        return lambda *episode_id: None
    if not callable(callback):
        raise TypeError(f"{name}: expected a callable, got {callback!r}")
    refuse_async(name, callback)
    takes_id = _takes_argument(callback)

    def call(*episode_id: str) -> None:
        refuse_awaitable(name, callback(*episode_id) if takes_id else callback())

    return call


def _takes_argument(callback: LifecycleCallback) -> bool:
    try:
        parameters = inspect.signature(callback).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(
        p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL) for p in parameters
    )
