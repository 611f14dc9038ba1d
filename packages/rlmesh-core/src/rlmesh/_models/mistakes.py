"""Objects that are often passed to `Model` in place of a policy, and what to write instead.

Frameworks are told by the names of their modules: none is imported for this.
"""

from __future__ import annotations

import inspect
import os
import warnings
from typing import Any, Callable

_RETURNS_STATE = ("stable_baselines3", "sb3_contrib")
"""Packages whose `predict` returns an action and a state."""


def refuse(source: Any) -> None:
    """Refuse a policy of another library whose `predict` is known to return something else.

    Raises:
        TypeError: The source is one.
    """
    owner: Any = source
    predict = getattr(type(source), "predict", None)
    if inspect.ismethod(source) and source.__name__ == "predict":
        predict, owner = source.__func__, source.__self__
    package = str(getattr(predict, "__module__", "")).partition(".")[0]
    if package not in _RETURNS_STATE:
        return
    name = type(owner).__name__
    if "Recurrent" in name:
        raise TypeError(
            f"source: {name}.predict takes and returns its state besides the action; expected an"
            " object with reset() and predict(observation) that keeps that state, made by"
            " Model(factory=...)"
        )
    raise TypeError(
        f"source: {name}.predict returns an action and a state; expected the action alone:"
        " Model(lambda observation: agent.predict(observation, deterministic=True)[0])"
    )


def what_it_is(source: Any) -> str:
    """Return the end of a sentence about an object that cannot predict; empty for most."""
    if isinstance(source, (str, bytes, os.PathLike)):
        return (
            "; this is a path or a text: load the policy from it, and pass what predicts, or write"
            " a subclass of Model with load(self, artifacts) and predict(self, observation)"
        )
    if callable(getattr(source, "step", None)) and callable(getattr(source, "reset", None)):
        return "; this is an env, which goes to run: Model(policy).run(env)"
    if inspect.isawaitable(source):
        if inspect.iscoroutine(source):
            source.close()
        return "; RLMesh does not await: pass the function itself, which must be a plain def"
    if isinstance(source, dict):
        return "; this is a dict: load its weights into a network, and pass what predicts"
    return ""


def is_torch_module(source: Any) -> bool:
    """Whether an object is a `torch.nn.Module`."""
    return any(
        cls.__module__ == "torch.nn.modules.module" and cls.__name__ == "Module"
        for cls in type(source).__mro__
    )


def with_torch_values(
    function: Callable[[Any, Any], Any], name: str, backend: str
) -> Callable[[Any, Any], Any]:
    """Return a module's predict function which says what to do if it wants torch tensors.

    Args:
        function: The function.
        name: The module's name.
        backend: The name of the backend whose values it gets.
    """

    def predict(values: Any, context: Any) -> Any:
        try:
            return function(values, context)
        except (TypeError, AttributeError) as exc:
            raise TypeError(
                f"source: {name} is a torch.nn.Module, which got {backend} values; expected"
                f" rlmesh.torch.Model, if it takes torch tensors: {exc}"
            ) from exc

    return predict


def warn_of_training(module: Any) -> None:
    """Warn of a `torch.nn.Module` whose dropout or batch norm is as in training."""
    found = {
        type(part).__name__
        for part in module.modules()
        if part.training
        and ("Dropout" in type(part).__name__ or "BatchNorm" in type(part).__name__)
    }
    if found:
        warnings.warn(
            f"source: {type(module).__name__} is in training mode, in which its"
            f" {' and '.join(sorted(found))} act differently; call its eval() before",
            RuntimeWarning,
            stacklevel=4,
        )
