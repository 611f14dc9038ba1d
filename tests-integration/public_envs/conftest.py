"""Makes the helper modules importable, and chooses the group."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from public_table import GROUPS, QUICK, Row

# There is no screen.
os.environ.setdefault("MUJOCO_GL", "egl")
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "row" in metafunc.fixturenames:
        # Named by the nox session `envs`, which has installed what the group needs.
        group = os.environ.get("RLMESH_ENVS")
        chosen = GROUPS[group] if group else QUICK
        metafunc.parametrize("row", chosen, ids=[row.name for row in chosen])


@functools.lru_cache(maxsize=None)
def why_mujoco_cannot_draw() -> str:
    """Return why there is no OpenGL for MuJoCo here; empty if there is."""
    code = "import mujoco; mujoco.GLContext(64, 64).make_current()"
    # It may end its process instead of raising.
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return "" if done.returncode == 0 else (done.stderr.strip() or "it crashes").splitlines()[-1]


@pytest.fixture
def draws(row: Row) -> bool:
    """Whether the env's frames are compared, too."""
    if row.render_mode is None:
        return False
    reason = why_mujoco_cannot_draw() if row.needs_gl else ""
    if reason:
        warnings.warn(f"{row.name}: frames are not compared: no OpenGL: {reason}", stacklevel=1)
    return not reason
