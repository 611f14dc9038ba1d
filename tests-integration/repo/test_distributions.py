"""The distributions agree with each other."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any, Dict

import pytest
from packaging.requirements import Requirement

Projects = Dict[str, Dict[str, Any]]


@pytest.fixture
def version(projects: Projects) -> str:
    """Core's version, which all the others repeat."""
    return str(projects["rlmesh-core"]["version"])


def test_all_versions_agree(root: Path, projects: Projects, version: str) -> None:
    assert {project["version"] for project in projects.values()} == {version}
    assert [project["name"] for project in projects.values()] == list(projects)
    code = (root / "packages/rlmesh-core/src/rlmesh/_version.py").read_text(encoding="utf-8")
    assert f'__version__ = "{version}"' in code


def test_pins_between_our_own_distributions_are_exact(projects: Projects, version: str) -> None:
    for folder, project in projects.items():
        groups = [project["dependencies"], *project["optional-dependencies"].values()]
        needed = [Requirement(line) for group in groups for line in group]
        pins = {str(one.specifier) for one in needed if one.name.startswith("rlmesh")}
        assert pins == (set() if folder == "rlmesh-core" else {f"=={version}"}), folder


def test_the_metapackage_has_an_extra_for_every_backend(projects: Projects, version: str) -> None:
    extras = projects["rlmesh"]["optional-dependencies"]
    everything = {Requirement(line).name for line in extras["all"]}
    for backend in set(projects) - {"rlmesh", "rlmesh-core"}:
        assert extras[backend.replace("rlmesh-", "")] == [f"{backend}=={version}"]
        assert backend in everything


def test_the_noxfile_knows_every_distribution(projects: Projects, noxfile: Any) -> None:
    assert sorted(noxfile.OURS) == sorted(projects)


def test_every_distribution_carries_the_license(root: Path, projects: Projects) -> None:
    for folder in projects:
        copy = root / "packages" / folder / "LICENSE"
        assert copy.read_text() == (root / "LICENSE").read_text(), folder


def test_the_changelog_names_this_version(root: Path, version: str) -> None:
    assert f"## {version}" in (root / "CHANGELOG.md").read_text(encoding="utf-8")


def test_core_extends_its_path_before_anything_else(root: Path) -> None:
    init = (root / "packages/rlmesh-core/src/rlmesh/__init__.py").read_text(encoding="utf-8")
    statements = ast.parse(init).body
    first = 1 if ast.get_docstring(ast.parse(init)) else 0
    code = [ast.get_source_segment(init, node) for node in statements[first : first + 2]]
    # The language wants the __future__ import before anything else.
    assert code == [
        "from __future__ import annotations",
        '__path__ = __import__("pkgutil").extend_path(__path__, __name__)',
    ]
