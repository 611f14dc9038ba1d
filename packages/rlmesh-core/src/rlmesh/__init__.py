"""RLMesh connects a policy to an environment that lives somewhere else."""

from __future__ import annotations

__path__ = __import__("pkgutil").extend_path(__path__, __name__)

import importlib
from typing import TYPE_CHECKING, Any, List

import rlmesh._rlmesh  # noqa: F401 - first: raises where another project is mixed with this one
from rlmesh._version import __version__

if TYPE_CHECKING:
    from rlmesh import backends, errors, spaces, specs, types
    from rlmesh._contract.contract import EnvContract
    from rlmesh._envs.remote import RemoteEnv
    from rlmesh._envs.remote_vector import RemoteVectorEnv
    from rlmesh._envs.server import EnvServer
    from rlmesh._models.adaptation import DELEGATED
    from rlmesh._models.base import Model
    from rlmesh._models.blending import Ensemble
    from rlmesh._models.entry import run, run_async, session
    from rlmesh._models.remote import RemoteModel
    from rlmesh._models.server import ModelServer
    from rlmesh._rpc.health import Latency, Ping, Stats, ping, stats
    from rlmesh._rpc.options import ServeOptions
    from rlmesh._runtime.context import PredictContext
    from rlmesh._runtime.hooks import EpisodeEvent, RunEvent, RunHooks, StepEvent
    from rlmesh._runtime.progress import Progress
    from rlmesh._runtime.results import EpisodeError, EpisodeResult, RunResult
    from rlmesh._runtime.session import Session
    from rlmesh._runtime.timing import Timing
    from rlmesh._values.tensor import Tensor
    from rlmesh.errors import RLMeshError

__all__ = [
    # Evaluating a policy
    "Model",
    "run",
    "run_async",
    "session",
    "Session",
    "Ensemble",
    "PredictContext",
    "RunResult",
    "EpisodeResult",
    "EpisodeError",
    "Timing",
    "Progress",
    "RunHooks",
    "RunEvent",
    "EpisodeEvent",
    "StepEvent",
    "DELEGATED",
    # Serving envs and models, and using them from elsewhere
    "EnvServer",
    "RemoteEnv",
    "RemoteVectorEnv",
    "ModelServer",
    "RemoteModel",
    "ServeOptions",
    "EnvContract",
    # Watching servers
    "ping",
    "Ping",
    "stats",
    "Stats",
    "Latency",
    # Values and errors
    "Tensor",
    "RLMeshError",
    # About this package
    "__version__",
    # Modules
    "backends",
    "errors",
    "spaces",
    "specs",
    "types",
]

# Everything is imported when it is first used, so that `import rlmesh` costs next to nothing.
_HOMES = {
    "Model": "rlmesh._models.base",
    "run": "rlmesh._models.entry",
    "run_async": "rlmesh._models.entry",
    "session": "rlmesh._models.entry",
    "Session": "rlmesh._runtime.session",
    "PredictContext": "rlmesh._runtime.context",
    "Ensemble": "rlmesh._models.blending",
    "RunResult": "rlmesh._runtime.results",
    "EpisodeResult": "rlmesh._runtime.results",
    "EpisodeError": "rlmesh._runtime.results",
    "Progress": "rlmesh._runtime.progress",
    "RunHooks": "rlmesh._runtime.hooks",
    "RunEvent": "rlmesh._runtime.hooks",
    "EpisodeEvent": "rlmesh._runtime.hooks",
    "StepEvent": "rlmesh._runtime.hooks",
    "Timing": "rlmesh._runtime.timing",
    "DELEGATED": "rlmesh._models.adaptation",
    "EnvServer": "rlmesh._envs.server",
    "RemoteEnv": "rlmesh._envs.remote",
    "RemoteVectorEnv": "rlmesh._envs.remote_vector",
    "ModelServer": "rlmesh._models.server",
    "RemoteModel": "rlmesh._models.remote",
    "ServeOptions": "rlmesh._rpc.options",
    "EnvContract": "rlmesh._contract.contract",
    "ping": "rlmesh._rpc.health",
    "Ping": "rlmesh._rpc.health",
    "stats": "rlmesh._rpc.health",
    "Stats": "rlmesh._rpc.health",
    "Latency": "rlmesh._rpc.health",
    "Tensor": "rlmesh._values.tensor",
    "RLMeshError": "rlmesh.errors",
}
# `testing` needs pytest, so it is not in `__all__`.
_MODULES = ("backends", "errors", "spaces", "specs", "testing", "types")


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    elif name in _MODULES:
        value = importlib.import_module(f"rlmesh.{name}")
    else:
        value = _backend(name)
    globals()[name] = value
    return value


def __dir__() -> List[str]:
    from rlmesh._values.registry import backend_names

    return sorted({*globals(), *__all__, *backend_names()})


def _backend(name: str) -> Any:
    # Python itself asks for names such as `__wrapped__`, which nobody's backend has.
    if not name.startswith("_"):
        from rlmesh._values.registry import backend_names, import_backend

        if name in backend_names():
            return import_backend(name)
    raise AttributeError(f"module 'rlmesh' has no attribute {name!r}")
