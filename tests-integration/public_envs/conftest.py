"""Makes the helper modules importable, and chooses the group."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from public_table import GROUPS, QUICK


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "row" in metafunc.fixturenames:
        # Named by the nox session `envs`, which has installed what the group needs.
        group = os.environ.get("RLMESH_ENVS")
        chosen = GROUPS[group] if group else QUICK
        metafunc.parametrize("row", chosen, ids=[row.name for row in chosen])
