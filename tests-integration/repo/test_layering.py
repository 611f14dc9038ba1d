"""Imports go downward only, and a backend needs little of core. Guarded imports count too."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

import pytest

PACKAGES = Path(__file__).resolve().parents[2] / "packages"
CORE = PACKAGES / "rlmesh-core" / "src"
FOURTH_PARTY = PACKAGES.parent / "tests-integration" / "fourth_party" / "src"

# What each top-level module or package of core may import, besides itself: the ones below it.
TEXT = {"_text", "_once", "_tracebacks"}
VALUES = {*TEXT, "errors", "_values", "types", "backends", "_version"}
CONTRACT = {*VALUES, "spaces", "adapters", "_contract", "specs"}
MESSAGES = {*CONTRACT, "_wire"}
REQUESTS = {*MESSAGES, "_transport", "_rpc", "_tasks", "_logs", "_forks", "_copies"}
MAY_IMPORT = {
    "_text": set(),
    "_once": set(),
    "_tracebacks": set(),
    "errors": TEXT,
    "_version": set(),
    "_rlmesh": set(),
    "_tasks": set(),
    "_copies": set(),
    "_logs": TEXT,
    "_forks": {*TEXT, "errors"},
    "_values": {*TEXT, "errors"},
    "types": {*TEXT, "errors", "_values"},
    "backends": {*TEXT, "errors", "_values", "types"},
    "spaces": VALUES,
    "adapters": {*VALUES, "spaces"},
    "_contract": {*VALUES, "spaces"},
    "specs": {*VALUES, "spaces", "_contract"},
    "_wire": CONTRACT,
    "_transport": {*TEXT, "errors", "_forks"},
    "_rpc": MESSAGES | {"_transport", "_tasks", "_logs", "_forks", "_copies"},
    "_runtime": CONTRACT | {"_tasks", "_logs", "_forks", "_copies"},
    "_envs": {*REQUESTS, "_runtime"},
    "_models": {*REQUESTS, "_runtime", "_envs"},
    "recorder": {*CONTRACT, "_runtime"},
    "bases": {"_envs", "_models"},
    "__init__": {*REQUESTS, "_rlmesh", "_runtime", "_envs", "_models", "recorder"},
    "testing": {*REQUESTS, "_runtime", "_envs", "_models", "recorder", "__init__"},
    "__main__": {"_cli"},
    "_cli": {*REQUESTS, "_runtime", "_envs", "_models", "recorder", "__init__"},
}

# What a framework package may import of core: public modules.
FOR_BACKENDS = (
    "rlmesh.Tensor",
    "rlmesh.backends",
    "rlmesh.bases",
    "rlmesh.errors",
    "rlmesh.spaces",
    "rlmesh.specs",
    "rlmesh.types",
)


def imports(source: Path, root: Path) -> Iterator[Tuple[int, str]]:
    """Yield (line, dotted name) of whatever a file below `root` imports, relative ones resolved."""
    package = source.relative_to(root).parent.parts
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            for alias in node.names:
                yield node.lineno, ".".join([*base, *filter(None, [node.module]), alias.name])
        elif isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in {"import_module", "__import__"} and isinstance(node.args[0], ast.Constant):
                yield node.lineno, str(node.args[0].value)


def part_of(name: str, root: Path) -> str:
    """Return the top-level part that `rlmesh.<part>...` names; `__init__` for anything else."""
    part = name.partition(".")[2].partition(".")[0]
    is_module = (root / "rlmesh" / part).is_dir() or (root / "rlmesh" / f"{part}.py").is_file()
    return part if part and is_module else "__init__"


def upward_imports(root: Path) -> List[str]:
    """Return a line for each import in `root`/rlmesh that `MAY_IMPORT` does not allow."""
    found = []
    for source in sorted((root / "rlmesh").rglob("*.py")):
        importer = source.relative_to(root / "rlmesh").parts[0].replace(".py", "")
        for line, name in imports(source, root):
            if name.split(".")[0] == "rlmesh":
                part = part_of(name, root)
                if part != importer and part not in MAY_IMPORT.get(importer, set()):
                    found.append(f"{source.relative_to(root)}:{line}: {importer} imports {part}")
    return found


def test_core_imports_downward_only() -> None:
    assert upward_imports(CORE) == []


def test_every_part_of_core_has_its_place_in_the_order() -> None:
    parts = {path.stem for path in (CORE / "rlmesh").iterdir() if path.suffix == ".py"}
    parts |= {path.name for path in (CORE / "rlmesh").iterdir() if any(path.rglob("*.py"))}
    assert parts - set(MAY_IMPORT) == set()


def test_a_backend_imports_little_of_core() -> None:
    found = []
    for root in [*sorted(PACKAGES.glob("rlmesh-*/src")), FOURTH_PARTY]:
        allowed = (*FOR_BACKENDS, f"rlmesh.{root.parent.name.replace('rlmesh-', '')}")
        for source in sorted(root.rglob("*.py")) if root != CORE else []:
            for line, name in imports(source, root):
                known = any(f"{name}.".startswith(f"{one}.") for one in allowed)
                if name.split(".")[0] == "rlmesh" and not known:
                    found.append(f"{source.relative_to(PACKAGES.parent)}:{line} imports {name}")
    assert found == []


SHOWN = [
    PACKAGES.parent / "README.md",
    *sorted(PACKAGES.glob("*/README.md")),
    *sorted((PACKAGES.parent / "docs").rglob("*.md")),
    *sorted((PACKAGES.parent / "docs").rglob("*.py")),
    *sorted(FOURTH_PARTY.parent.rglob("*.py")),
    *sorted(FOURTH_PARTY.parent.rglob("*.toml")),
]
PRIVATE = re.compile(r"\brlmesh(\.\w+)*\._[a-z]\w*|from rlmesh[\w.]* import .*\b_[a-z]")


def test_pages_and_examples_name_public_modules_only() -> None:
    assert len(SHOWN) > 20
    found = [
        f"{path.relative_to(PACKAGES.parent)}:{number}: {line}"
        for path in SHOWN
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if PRIVATE.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "import rlmesh._wire",
        "from rlmesh._envs.remote import RemoteEnvBase",
        "from rlmesh import Model, _models",
        "::: rlmesh._models.base.ModelBase",
        "rlmesh.numpy._backend.BACKEND",
    ],
)
def test_a_private_name_is_found_in_any_form(line: str) -> None:
    assert PRIVATE.search(line)
    assert not PRIVATE.search(line.replace("_", ""))


@pytest.mark.parametrize(
    "line",
    [
        "import rlmesh._wire",
        "import rlmesh._wire.codec as codec",
        "from rlmesh import _wire",
        "from rlmesh._wire import encode",
        "from rlmesh._wire.codec import encode",
        "from .. import _wire",
        "from .._wire import encode",
        "from .._wire.codec import encode",
        "if TYPE_CHECKING:\n    from rlmesh._wire import encode",
        "def late():\n    from rlmesh._wire import encode",
        "import importlib\nimportlib.import_module('rlmesh._wire')",
        "from rlmesh import Model",
        "import rlmesh",
    ],
)
def test_an_upward_import_is_found_in_any_form(tmp_path: Path, line: str) -> None:
    files: Dict[str, str] = {"_wire/codec.py": "", "_runtime/ports.py": "", "_runtime/loop.py": ""}
    for name, text in {**files, "_runtime/loop.py": f"from .ports import Env\n{line}\n"}.items():
        path = tmp_path / "rlmesh" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (found,) = upward_imports(tmp_path)
    assert "_runtime imports" in found
