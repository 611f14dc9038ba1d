"""RLMesh connects a policy to an environment that lives somewhere else."""

from __future__ import annotations

__path__ = __import__("pkgutil").extend_path(__path__, __name__)

import importlib
from typing import TYPE_CHECKING, Any, List

from rlmesh._version import __version__

if TYPE_CHECKING:
    from rlmesh import errors, spaces, specs, types
    from rlmesh._contract.contract import EnvContract
    from rlmesh._envs.remote import RemoteEnv
    from rlmesh._envs.server import EnvServer
    from rlmesh._models.base import Model
    from rlmesh._rpc.options import ServeOptions
    from rlmesh._runtime.results import EpisodeResult, RunResult
    from rlmesh._values.tensor import Tensor
    from rlmesh.errors import RLMeshError

__all__ = [
    # Evaluating a policy
    "Model",
    "RunResult",
    "EpisodeResult",
    # Serving and using envs
    "EnvServer",
    "RemoteEnv",
    "ServeOptions",
    "EnvContract",
    # Values and errors
    "Tensor",
    "RLMeshError",
    # About this package
    "__version__",
    # Modules
    "errors",
    "spaces",
    "specs",
    "types",
]

# Everything is imported when it is first used, so that `import rlmesh` costs next to nothing.
_HOMES = {
    "Model": "rlmesh._models.base",
    "RunResult": "rlmesh._runtime.results",
    "EpisodeResult": "rlmesh._runtime.results",
    "EnvServer": "rlmesh._envs.server",
    "RemoteEnv": "rlmesh._envs.remote",
    "ServeOptions": "rlmesh._rpc.options",
    "EnvContract": "rlmesh._contract.contract",
    "Tensor": "rlmesh._values.tensor",
    "RLMeshError": "rlmesh.errors",
}
_MODULES = ("errors", "spaces", "specs", "types")
_BACKENDS = ("numpy",)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    elif name in _MODULES:
        value = importlib.import_module(f"rlmesh.{name}")
    elif name in _BACKENDS:
        value = _import_backend(name)
    else:
        raise AttributeError(f"module 'rlmesh' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> List[str]:
    return sorted({*globals(), *__all__, *_BACKENDS})


def _import_backend(name: str) -> Any:
    """Import `rlmesh.<name>`; a framework that is installed but broken raises its own error."""
    try:
        return importlib.import_module(f"rlmesh.{name}")
    except ModuleNotFoundError as exc:
        if exc.name != f"rlmesh.{name}":
            raise
        from rlmesh.errors import BackendNotInstalled

        raise BackendNotInstalled(
            f"rlmesh.{name} is not installed: pip install ./packages/rlmesh-{name}"
            " (in a checkout of RLMesh)"
        ) from exc
