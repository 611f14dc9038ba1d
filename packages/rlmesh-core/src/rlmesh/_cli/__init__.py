"""The `rlmesh` command; its parts need typer and rich, which the extra `cli` brings."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run the command that `sys.argv` names; failures are a line on stderr and exit status 1."""
    try:
        from .app import app
        from .failure import describe
        from .logs import show_warnings
    except ModuleNotFoundError as exc:
        if exc.name not in ("typer", "rich"):
            raise
        sys.exit(
            f"rlmesh: the command needs {exc.name}, which is not installed:"
            ' pip install "./packages/rlmesh-core[cli]" (in a checkout of RLMesh)'
        )
    # A terminated command gives back what it holds, as with Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    show_warnings()
    try:
        app()
    except Exception as exc:
        sys.exit(describe(exc))
