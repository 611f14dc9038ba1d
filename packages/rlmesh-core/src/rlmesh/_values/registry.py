"""The backends that `rlmesh.<name>` and the command line know: ours, and any that is installed."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Dict, List

from rlmesh.errors import BackendNotInstalled, RLMeshError

GROUP = "rlmesh.backends"
"""The entry points of this group name backends; each one's value is the backend's module."""

OURS = ("numpy", "torch", "jax")
"""The backends of this project: known, whether installed or not."""


def backend_names() -> List[str]:
    """Return the names of all backends: ours, then others that are installed."""
    return [*OURS, *sorted(set(_claims()) - set(OURS))]


def import_backend(name: str) -> ModuleType:
    """Return a backend's module, which has its `Model` and its `Remote...` classes.

    A framework that is installed but broken raises its own error.

    Args:
        name: One of `backend_names`.

    Raises:
        BackendNotInstalled: It is one of ours, and missing; the message has the command.
        RLMeshError: Two installed packages claim the name, for different modules.
    """
    claims = _claims().get(name, {})
    if name in OURS:
        claims = {f"rlmesh.{name}": f"rlmesh-{name}", **claims}
    if len(claims) > 1:
        told = " and ".join(f"{package} (for {module})" for module, package in claims.items())
        raise RLMeshError(f"backend {name!r}: claimed by {told}; only one of them may be installed")
    (module,) = claims
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as exc:
        if name not in OURS or exc.name != module:
            raise
        raise BackendNotInstalled(
            f"rlmesh.{name} is not installed: pip install ./packages/rlmesh-{name}"
            " (in a checkout of RLMesh)"
        ) from exc


def _claims() -> Dict[str, Dict[str, str]]:
    """Return, for each name among the installed entry points, its modules and whose they are.

    Read anew each time, so that what a notebook installs is found.
    """
    # Imported late, as it takes longer than all of `import rlmesh`.
    from importlib.metadata import distributions

    claims: Dict[str, Dict[str, str]] = {}
    # Not metadata.entry_points(), which differs between Pythons and may not tell whose they are.
    for distribution in distributions():
        if GROUP not in (distribution.read_text("entry_points.txt") or ""):
            continue
        for entry in distribution.entry_points:
            if entry.group == GROUP:
                packages = claims.setdefault(entry.name, {})
                packages.setdefault(entry.value, distribution.metadata["Name"])
    return claims
