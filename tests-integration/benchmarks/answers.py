"""What a process of a benchmark prints for the one that started it: JSON, a line each."""

from __future__ import annotations

import contextlib
import json
import platform
from importlib import metadata
from typing import Any, Dict

_LIBRARIES = (
    *("rlmesh-core", "rlmesh", "vla-eval", "pyzmq", "msgpack", "websockets", "numpy", "gymnasium"),
    *("opencv-python-headless", "opencv-python", "torch", "jax", "mujoco", "ale-py"),
)


def answer(data: Any) -> None:
    """Print it."""
    print(json.dumps(data), flush=True)


def versions() -> Dict[str, str]:
    """Return the versions of Python, and of the libraries that are installed."""
    found = {"Python": platform.python_version()}
    for library in _LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[library] = metadata.version(library)
    return found
