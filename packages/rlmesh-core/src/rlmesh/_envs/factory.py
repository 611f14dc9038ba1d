"""Factories: what makes an env in another process, and how it is found there."""

from __future__ import annotations

import functools
import importlib
import os
import re
import sys
from dataclasses import asdict, dataclass, field
from types import ModuleType
from typing import Any, Dict, Mapping, Optional

from rlmesh._contract.contract import EnvContract
from rlmesh._contract.plain import imported_as, plain_kwargs
from rlmesh.errors import RLMeshError

MAIN = "__main__"
_VERSION = re.compile(r"-v\d+$")
_NO = object()

_loading_main = False


@dataclass(frozen=True)
class EnvFactory:
    """Something that makes envs, as plain data.

    Attributes:
        name: What it is called: a Gymnasium id, with or without `module:`, or `module:callable`.
        kwargs: Keyword arguments for the id or the callable.
        main: How multiprocessing's spawn finds the main module again, if the callable is from
            there; empty otherwise.
    """

    name: str
    kwargs: Dict[str, Any] = field(default_factory=dict)
    main: Dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> Dict[str, Any]:
        """Return plain data, from which `EnvFactory(**data)` builds an equal factory."""
        return asdict(self)

    def origin(self, contract: EnvContract) -> Dict[str, Any]:
        """Return what tells the env that this has made from others; see `EnvContract.origin`.

        Args:
            contract: The env's. What it says already is not said again, so that the env is the
                same as one that was made in another way.
        """
        origin, spec, kwargs = dict(contract.origin), contract.spec, plain_kwargs(self.kwargs)
        module, colon, attribute = self.name.partition(":")
        if spec is not None and (attribute or module) in (spec.id, _VERSION.sub("", spec.id)):
            told = spec.kwargs
        elif colon and f"{imported_as(module)}:{attribute}" == origin.get("class"):
            told = {}
        else:
            name = f"{imported_as(module)}:{attribute}" if colon else module
            return {**origin, "factory": name, "factory_kwargs": kwargs}
        rest = {name: value for name, value in kwargs.items() if told.get(name, _NO) != value}
        return {**origin, "factory_kwargs": rest} if rest else origin

    def make(self) -> Any:
        """Return a new env.

        Raises:
            RLMeshError: There is nothing of that name.
            Exception: Whatever the id or the callable raises.
        """
        if self.main:
            _load_main(self.main)
        module_name, colon, attribute = self.name.partition(":")
        if not colon:
            return _make(self.name, self.kwargs, "env")
        found: Any = import_named("env", module_name)
        for part in attribute.split("."):
            found = getattr(found, part, None)
        if callable(found):
            return found(**self.kwargs)
        failed = f"env: {module_name!r} has no callable {attribute!r}"
        return _make(self.name, self.kwargs, failed)


def factory_of(source: Any, kwargs: Optional[Mapping[str, Any]]) -> Optional[EnvFactory]:
    """Return the factory that something stands for; None if it is no factory.

    Args:
        source: A name, or a function or class that another process can import.
        kwargs: Keyword arguments for it, as plain data.

    Raises:
        TypeError: It is a callable that no other process can find, the arguments are no plain
            data, or there are arguments for what is no factory.
    """
    is_env = hasattr(source, "reset") and not isinstance(source, type)
    if is_env or not (isinstance(source, str) or callable(source)):
        if kwargs is not None:
            raise TypeError(f"env_kwargs: only a factory takes them, got {source!r} as the env")
        return None
    plain = _plain("env_kwargs", dict(kwargs or {}))
    if isinstance(source, str):
        return EnvFactory(source, plain)
    name, main = _importable_name(source), {}
    if name.startswith(f"{MAIN}:"):
        main = _main(source)
    return EnvFactory(name, plain, main)


def import_named(what: str, name: str) -> ModuleType:
    """Import a module that may lie in the current directory.

    Args:
        what: What is looked for there, for sentences.
        name: The module's dotted name.

    Raises:
        RLMeshError: There is none.
    """
    if not all(part.isidentifier() for part in name.split(".")):
        raise RLMeshError(f"{what}: expected the name of a module before the colon, got {name!r}")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        if exc.name is None or not f"{name}.".startswith(f"{exc.name}."):
            raise
        raise RLMeshError(
            f"{what}: there is no module {exc.name!r}, neither installed nor in {os.getcwd()}"
        ) from exc


def check_not_loading_main() -> None:
    """Check that this is no worker that has come to the end of the main file.

    Raises:
        RLMeshError: It is, and would start workers of its own.
    """
    if _loading_main:
        raise RLMeshError(
            "a worker process loads the main file to find the factory, and came upon a server that"
            ' is started there: put what starts it under `if __name__ == "__main__":`'
        )


def _make(env_id: str, kwargs: Dict[str, Any], failed: str) -> Any:
    """Return the env of a Gymnasium id, or of one of old `gym` where there is no Gymnasium.

    Args:
        env_id: The id.
        kwargs: Keyword arguments for the env.
        failed: Begins the sentence that says that there is none.
    """
    library: Any = _installed("gymnasium") or _installed("gym")
    if library is None:
        raise RLMeshError(
            f"{failed}: {env_id!r} may be the id of a Gymnasium env, but neither gymnasium nor gym"
            " is installed here: pip install gymnasium"
        )
    try:
        return library.make(env_id, **kwargs)
    except library.error.Error as exc:
        if library.__name__ == "gym":
            failed = f"{failed}: gym {library.__version__}, as there is no gymnasium here, says"
        raise RLMeshError(f"{failed}: {exc}") from exc


def _installed(name: str) -> Optional[ModuleType]:
    """Return a module; None if there is none. What it raises itself is raised."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        if exc.name != name:
            raise
        return None


def _importable_name(source: Any) -> str:
    """Return `module:qualname`, by which another process finds a callable."""
    advice = (
        "each env is made in a process of its own, which imports the factory by its name:"
        " define a function at the top level of a module, and give what varies as env_kwargs"
    )
    if isinstance(source, functools.partial):
        raise TypeError(f"env: a partial cannot be imported, got {source!r}; {advice}")
    module, qualname = getattr(source, "__module__", None), getattr(source, "__qualname__", None)
    if not (isinstance(module, str) and isinstance(qualname, str)):
        kind = type(source).__name__
        raise TypeError(f"env: a callable object cannot be imported, got a {kind}; {advice}")
    if getattr(source, "__self__", None) is not None:
        raise TypeError(f"env: a bound method cannot be imported, got {qualname}; {advice}")
    if "<lambda>" in qualname:
        raise TypeError(f"env: a lambda cannot be imported; {advice}")
    if "<locals>" in qualname:
        raise TypeError(f"env: {qualname} cannot be imported, which a function defines; {advice}")
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    if found is not source:
        raise TypeError(f"env: {module} has something else as {qualname}; {advice}")
    return f"{module}:{qualname}"


def _main(source: Any) -> Dict[str, str]:
    """Return how the main module is found again."""
    module = sys.modules[MAIN]
    spec_name = getattr(getattr(module, "__spec__", None), "name", None)
    if spec_name is not None:
        return {"init_main_from_name": spec_name}
    path = getattr(module, "__file__", None)
    if path is None or not os.path.exists(path):
        raise TypeError(
            f"env: {source.__qualname__} was defined in an interactive session, where no other"
            " process finds it; put it into a module, and import it from there"
        )
    return {"init_main_from_path": os.path.abspath(path)}


def _load_main(main: Dict[str, str]) -> None:
    """Load the main module of the process that serves, as multiprocessing's spawn does."""
    from multiprocessing import spawn

    global _loading_main
    _loading_main = True
    try:
        spawn.prepare(main)
    finally:
        _loading_main = False


def _plain(path: str, value: Any) -> Any:
    """Return plain data as it arrives in another process: tuples as lists.

    Raises:
        TypeError: Something in it is no plain data.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(f"{path}[{i}]", item) for i, item in enumerate(value)]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _plain(f"{path}[{key!r}]", item) for key, item in value.items()}
    raise TypeError(
        f"{path}: expected numbers, text, True, False, None, lists, or dicts with text keys, which"
        f" reach another process, got {value!r} ({type(value).__name__})"
    )
