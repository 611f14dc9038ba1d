"""What the tests about the repository use: its metadata, its noxfile, throwaway environments."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
CONSTRAINTS = ROOT / ".ci" / "constraints.txt"


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def constraints() -> Path:
    """The file that whatever pip installs is held to."""
    return CONSTRAINTS


@pytest.fixture(scope="session")
def projects() -> Dict[str, Dict[str, Any]]:
    """The `[project]` table of each folder in packages/."""
    return {
        path.parent.name: tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        for path in sorted(ROOT.glob("packages/*/pyproject.toml"))
    }


@pytest.fixture(scope="session")
def noxfile() -> Any:
    """The noxfile as a module: `WHEELS`, and `ours`, which makes pip's arguments from them."""
    spec = importlib.util.spec_from_file_location("noxfile", ROOT / "noxfile.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Venv:
    """A throwaway virtual environment."""

    def __init__(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "virtualenv", "--quiet", str(folder)], check=True)
        self.bin = folder / "bin"
        self.python = str(self.bin / "python")

    def install(self, *arguments: str) -> None:
        """Have pip install these; relative paths are those of the repository."""
        pip = [self.python, "-m", "pip", "install", "--quiet", f"--constraint={CONSTRAINTS}"]
        subprocess.run([*pip, *arguments], cwd=ROOT, check=True)

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command outside of the repository, with these environment variables added."""
        env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        env.update(variables)
        return subprocess.run(command, cwd=self.bin, env=env, text=True, capture_output=True)

    def evaluate(self, expression: str, module: str = "rlmesh", **variables: str) -> Any:
        """Return the value of an expression after importing one module; it must be a literal."""
        code = f"import {module}; print(ascii({expression}))"
        done = self.run(self.python, "-c", code, **variables)
        assert done.returncode == 0, done.stderr
        return ast.literal_eval(done.stdout)

    def has(self, name: str) -> bool:
        """Whether a top-level module can be imported."""
        found = self.evaluate(f"bool(importlib.util.find_spec({name!r}))", "importlib.util")
        return bool(found)

    def ours(self) -> List[str]:
        """Return the names of our distributions that are installed."""
        names = "[d.metadata['Name'] for d in importlib.metadata.distributions()]"
        installed = self.evaluate(names, "importlib.metadata")
        return sorted(name for name in installed if name.startswith("rlmesh"))


@pytest.fixture
def venv(tmp_path: Path) -> Venv:
    return Venv(tmp_path / "venv")


@pytest.fixture(scope="module")
def module_venv(tmp_path_factory: pytest.TempPathFactory) -> Venv:
    """As `venv`, for a whole module."""
    return Venv(tmp_path_factory.mktemp("module") / "venv")
