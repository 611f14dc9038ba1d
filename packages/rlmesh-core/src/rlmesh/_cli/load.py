"""Finding what the command line names: an env, or a policy."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import sys
from types import ModuleType
from typing import Any, Dict, Optional, Type

import rlmesh
from rlmesh._models.base import ModelBase
from rlmesh._values.registry import backend_names, import_backend
from rlmesh.errors import BackendNotInstalled


def load_env(name: str, arguments: str) -> Any:
    """Return a new env.

    Args:
        name: A Gymnasium id, with or without `module:`, or `module:callable`. A callable of that
            name comes before an id.
        arguments: Keyword arguments for either, as a JSON object.

    Raises:
        ValueError: There is no such env, or the arguments are no JSON object.
    """
    kwargs = _keyword_arguments(arguments)
    module_name, colon, attribute = name.partition(":")
    if not colon:
        return _make(name, kwargs, "env")
    factory = getattr(_import("env", module_name), attribute, None)
    if callable(factory):
        return factory(**kwargs)
    return _make(name, kwargs, f"env: {module_name!r} has no callable {attribute!r}")


def load_model(name: str, backend: Optional[str]) -> ModelBase[Any, Any]:
    """Return the model that `module:name` stands for.

    Args:
        name: Names a `Model`, or what becomes one: a callable, or an object with `predict`. A
            class of either is instantiated.
        backend: What the observations of a new `Model` are: `"native"` or a backend's name. None
            is numpy where that is installed, else native.

    Raises:
        ValueError: There is nothing of that name, it is no policy, or there is no such backend.
        BackendNotInstalled: The backend that was asked for is not installed.
        RLMeshError: Two installed packages claim its name.
    """
    module_name, colon, attribute = name.partition(":")
    if not (colon and attribute):
        raise ValueError(f"policy: expected MODULE:NAME, such as my_policy:act, got {name!r}")
    module = _import("policy", module_name)
    if not hasattr(module, attribute):
        raise ValueError(f"policy: {module_name!r} has no {attribute!r}")
    source = getattr(module, attribute)
    if inspect.isclass(source):
        source = source()
    if isinstance(source, ModelBase):
        if backend is not None:
            raise ValueError(
                f"--backend: {name!r} is a Model, which has its own; got {backend!r} besides"
            )
        return source
    model = _model_class(backend)
    try:
        return model(source)
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


def _import(what: str, name: str) -> ModuleType:
    """Import a module that may lie in the current directory."""
    if not all(part.isidentifier() for part in name.split(".")):
        raise ValueError(f"{what}: expected the name of a module before the colon, got {name!r}")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        if exc.name is None or not f"{name}.".startswith(f"{exc.name}."):
            raise
        raise ValueError(
            f"{what}: there is no module {exc.name!r}, neither installed nor in {os.getcwd()}"
        ) from exc


def _make(env_id: str, kwargs: Dict[str, Any], failed: str) -> Any:
    """Return the env of a Gymnasium id; `failed` begins the sentence that says there is none."""
    try:
        import gymnasium
    except ModuleNotFoundError as exc:
        if exc.name != "gymnasium":
            raise
        raise ValueError(
            f"{failed}; to take {env_id!r} for a Gymnasium id, gymnasium is needed:"
            " pip install gymnasium"
        ) from exc
    try:
        return gymnasium.make(env_id, **kwargs)
    except gymnasium.error.Error as exc:
        raise ValueError(f"{failed}: {exc}") from exc


def _keyword_arguments(text: str) -> Dict[str, Any]:
    try:
        kwargs = json.loads(text)
    except ValueError as exc:
        raise ValueError(f"--kwargs: expected a JSON object, got {text!r} ({exc})") from exc
    if not isinstance(kwargs, dict):
        raise ValueError(f"--kwargs: expected a JSON object, got {text!r}")
    return kwargs
