"""Finding what the command line names."""

from __future__ import annotations

import functools
import inspect
import json
from typing import Any, Dict, Optional, Type, cast

import rlmesh
from rlmesh._envs.factory import import_named
from rlmesh._models.base import ModelBase
from rlmesh._values.registry import backend_names, import_backend
from rlmesh.errors import BackendNotInstalled


def load_model(
    name: str, backend: Optional[str], factory: bool = False, stateless: bool = False
) -> ModelBase[Any, Any]:
    """Return the model that `module:name` stands for.

    Args:
        name: Names a `Model`, or what becomes one: a callable, or an object with `predict`. A
            class of either is instantiated: once for all lanes or clients, or once for each of
            them, if they cannot share an instance.
        backend: What the observations of a new `Model` are: `"native"` or a backend's name. None
            is numpy where that is installed, else native.
        factory: Whether the name is that of a callable that makes any of these, or of a class, for
            each lane or client.
        stateless: See `ModelBase`.

    Raises:
        ValueError: There is nothing of that name, it is no policy, or there is no such backend.
        BackendNotInstalled: The backend that was asked for is not installed.
        RLMeshError: There is no such module, or two installed packages claim the backend's name.
    """
    module_name, colon, attribute = name.partition(":")
    if not (colon and attribute):
        raise ValueError(f"policy: expected MODULE:NAME, such as my_policy:act, got {name!r}")
    module = import_named("policy", module_name)
    if not hasattr(module, attribute):
        raise ValueError(f"policy: {module_name!r} has no {attribute!r}")
    source = getattr(module, attribute)
    makes = factory or inspect.isclass(source)
    if makes and not callable(source):
        raise ValueError(f"--factory: expected {name!r} to be callable, got {source!r}")
    made = [source() if makes else source]
    model = _model_of(made[0], name, backend, stateless)
    can_share = model._sources.shared is None or not (factory or model._sources.shared_state)
    if not makes or can_share:
        return model
    # The class whose framework it is: a subclass that predicts itself takes no factory.
    kind = next(cls for cls in type(model).__mro__ if "_backend" in vars(cls))

    # With the name of the source, by which journals tell it from others.
    @functools.partial(functools.update_wrapper, wrapped=source, updated=())
    def make() -> Any:
        return made.pop() if made else source()  # the first one is there already

    return cast("ModelBase[Any, Any]", kind(factory=make))


def _model_of(
    source: Any, name: str, backend: Optional[str], stateless: bool
) -> ModelBase[Any, Any]:
    """Return a policy, or what predicts, as a model."""
    if isinstance(source, ModelBase):
        for option, given in (("--backend", backend), ("--stateless", stateless or None)):
            if given is not None:
                raise ValueError(
                    f"{option}: {name!r} is a Model, which has its own; got {given!r} besides"
                )
        return source
    model = _model_class(backend)
    try:
        return model(source, stateless=stateless)
    except TypeError as exc:
        raise ValueError(f"policy: {name!r} is no policy: {exc}") from exc


def _model_class(backend: Optional[str]) -> Type[ModelBase[Any, Any]]:
    if backend is None:
        try:
            return _model_class("numpy")
        except BackendNotInstalled:
            return rlmesh.Model
    names = ["native", *backend_names()]
    if backend not in names:
        known = f"{', '.join(names[:-1])} or {names[-1]}"
        raise ValueError(f"--backend: expected {known}, got {backend!r}")
    if backend == "native":
        return rlmesh.Model
    model: Type[ModelBase[Any, Any]] = import_backend(backend).Model
    return model


def keyword_arguments(text: str) -> Dict[str, Any]:
    """Parse a JSON object.

    Raises:
        ValueError: The text is none.
    """
    try:
        kwargs = json.loads(text)
    except ValueError as exc:
        raise ValueError(f"--kwargs: expected a JSON object, got {text!r} ({exc})") from exc
    if not isinstance(kwargs, dict):
        raise ValueError(f"--kwargs: expected a JSON object, got {text!r}")
    return kwargs
