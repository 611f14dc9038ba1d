"""Pythons that have everything that this one has, but some modules."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import List

# Runs a script with some modules missing.
RUN = (
    "import runpy, sys; sys.modules.update(dict.fromkeys({missing!r}));"
    " sys.argv = sys.argv[1:]; sys.path[0] = '';"
    " runpy.run_path(sys.argv[0], run_name='__main__')"
)


def command_without(*modules: str) -> List[str]:
    """Return the start of a command that runs a script without these modules."""
    return [sys.executable, "-c", RUN.format(missing=modules)]


def python_without(folder: Path, *modules: str) -> str:
    """Return the path of a Python without these modules, made in an existing folder."""
    python = folder / "python"
    python.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -c "{RUN.format(missing=modules)}" "$@"\n'
    )
    python.chmod(0o755)
    return str(python)
