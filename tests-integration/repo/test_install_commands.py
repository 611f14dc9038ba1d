"""No command of ours can make pip fetch `rlmesh...` from an index, where that name is a stranger's.

What we install of our own is named by path or as a wheel file, together with everything of ours
that it depends on: pip would look for a missing one on the index.
"""

from __future__ import annotations

import ast
import io
import json
import os
import re
import subprocess
import sys
import tokenize
from pathlib import Path
from types import ModuleType
from typing import Any, Dict, Iterator, List, Optional, Set

import pytest
from packaging.requirements import Requirement

Projects = Dict[str, Dict[str, Any]]

UNKNOWN = "{}"  # stands for what an f-string fills in
INSTALLER = r"(?:pip3?|pipx|uv|conda|mamba|poetry|pdm)\s[^`\n]*?(?:\b(?:install|add)\b|--with\b)"
COMMAND = re.compile(rf"\b(?:{INSTALLER}|pip3? (?:download|wheel)\b|pipx run|uvx)([^`\n]*)")
BARE_NAME = re.compile(r"rlmesh([-_.][\w{}-]+)*(\[.*)?([=<>!~@].*)?$")
BY_PATH = re.compile(r".*/(?P<name>rlmesh(-\w+)?)/?(\[(?P<extras>[^]]*)\])?$")
BY_FILE = re.compile(r"(.*/)?(?P<name>rlmesh\w*)-[^/]*\.whl(\[(?P<extras>[^]]*)\])?$")


def commands(path: Path, text: str) -> Iterator[List[str]]:
    """Yield the targets of each install command in a file: code, strings, comments and prose."""
    pieces = [text]
    if path.suffix == ".py":
        nodes = list(ast.walk(ast.parse(text)))
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        inner = {part for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
        pieces = [value for value in map(string, set(nodes) - inner) if value]
        pieces += [token.string for token in tokens if token.type == tokenize.COMMENT]
        yield from filter(None, map(argument_list, nodes))
    for piece in pieces:
        for match in COMMAND.finditer(piece.replace("\\\n", " ")):
            line = re.split(r"\s#|&&|\|\||[;|]\s", match[1])[0]
            yield [word.strip("\"'").rstrip("\"',.:;)") for word in line.split()]


def string(node: ast.AST) -> Optional[str]:
    """Return the value of a string or f-string, None for other nodes."""
    if isinstance(node, ast.JoinedStr):
        return "".join(string(part) or UNKNOWN for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def argument_list(node: ast.AST) -> List[str]:
    """Return the strings given to a call or list that installs: run("pip", "install", ...)."""
    called, elements = "", getattr(node, "elts", getattr(node, "args", None))
    if isinstance(node, ast.Call):
        called = getattr(node.func, "attr", getattr(node.func, "id", ""))
    words = [string(one) for one in elements] if isinstance(elements, list) else []
    installs = "install" in called or {"install", "download", "wheel"} & set(words)
    return [word for word in words if word] if installs else []


def bare_names(targets: List[str]) -> List[str]:
    """Return the targets that an index would be asked for, although the name is ours."""
    named = [word for word in targets if not word.startswith("-")]
    # Further words can be the prose after the command, where RLMesh is the project's name.
    words = [word.lower() if word is named[0] else word for word in named]
    return [word for word in words if BARE_NAME.match(word)]


def ours_by_path(targets: List[str]) -> List[Requirement]:
    """Return our distributions that the targets name by folder or wheel file."""
    found = [BY_FILE.match(word) or BY_PATH.match(word) for word in targets]
    names = [(one["name"].replace("_", "-"), one["extras"] or "") for one in found if one]
    return [Requirement(f"{name}[{extras}]" if extras else name) for name, extras in names]


def closure(wanted: List[Requirement], projects: Projects) -> Set[str]:
    """Return the names of all of ours that pip needs for these."""
    names: Set[str] = set()
    for one in wanted:
        if one.name in projects:
            project = projects[one.name]
            lines = list(project["dependencies"])
            lines += [
                line for extra in one.extras for line in project["optional-dependencies"][extra]
            ]
            names |= {one.name} | closure([Requirement(line) for line in lines], projects)
    return names


def offences(path: Path, text: str, projects: Projects) -> List[str]:
    """Return a sentence for each command in a file that could reach the index for one of ours."""
    found = []
    # A message in our source is read by somebody who has installed the distribution it is in.
    owner = path.parts[1] if path.parts[0] == "packages" and "src" in path.parts else ""
    present = closure([Requirement(owner)], projects) if owner else set()
    for targets in commands(path, text):
        found += [f"{path}: {name} is named, not its path" for name in bare_names(targets)]
        wanted = ours_by_path(targets)
        missing = closure(wanted, projects) - {one.name for one in wanted} - present
        found += [f"{path}: {name} is missing in {targets}" for name in sorted(missing)]
    return found


def texts(root: Path) -> Iterator[Path]:
    """Yield every text file of the repository but this one, relative to its root."""
    for folder, folders, files in os.walk(root):
        hidden = {name for name in folders if name.startswith(".")} - {".ci", ".github"}
        folders[:] = sorted(set(folders) - hidden - {"__pycache__", "shared"})
        for name in sorted(files):
            path = Path(folder, name)
            if path != Path(__file__).resolve() and b"\0" not in path.read_bytes():
                yield path.relative_to(root)


def test_nothing_we_say_or_run_installs_ours_by_name(root: Path, projects: Projects) -> None:
    found = [
        offence
        for path in texts(root)
        for offence in offences(path, (root / path).read_text(encoding="utf-8"), projects)
    ]
    assert found == []


def test_the_public_peer_is_named_once_and_only_its_own_venv_gets_it(
    root: Path, noxfile: ModuleType
) -> None:
    said = [path for path in texts(root) if noxfile.PEER in (root / path).read_text("utf-8")]
    assert said == [Path("noxfile.py")]
    tree = ast.parse((root / "noxfile.py").read_text(encoding="utf-8"))
    users = [
        function.name
        for function in tree.body
        if isinstance(function, ast.FunctionDef)
        and any(isinstance(node, ast.Name) and node.id == "PEER" for node in ast.walk(function))
    ]
    assert users == ["peer"]
    # Any other constant of requirements could be passed to an install.
    constants = {name: value for name, value in vars(noxfile).items() if name.isupper()}
    lists = {
        name: value if isinstance(value, list) else [value] for name, value in constants.items()
    }
    naming = [
        name
        for name, value in lists.items()
        if bare_names([v for v in value if isinstance(v, str)])
    ]
    assert sorted(naming) == ["OURS", "PEER"]


def origins(arguments: List[str], cwd: Path, report: Path, constraints: Path) -> Dict[str, str]:
    """Return the URL that pip would install each of our distributions from."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
    options = [f"--report={report}", f"--constraint={constraints}"]
    subprocess.run([*pip, *options, *arguments], cwd=cwd, check=True)
    items = json.loads(report.read_text(encoding="utf-8"))["install"]
    urls = {item["metadata"]["name"]: item["download_info"]["url"] for item in items}
    return {name: url for name, url in urls.items() if name.lower().startswith("rlmesh")}


def test_with_every_extra_ours_come_from_the_wheel_folder(
    noxfile: ModuleType, projects: Projects, constraints: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    for name, project in projects.items():
        everything = f"{name}[{','.join(project['optional-dependencies'])}]"
        found = origins(noxfile.ours(everything), tmp_path, report, constraints)
        assert set(found) == closure([Requirement(everything)], projects)
        for url in found.values():
            assert url.startswith(noxfile.WHEELS.as_uri() + "/")


def test_every_documented_command_installs_ours_from_the_checkout(
    root: Path, constraints: Path, tmp_path: Path
) -> None:
    said = {
        tuple(targets)
        for path in texts(root)
        if path.suffix == ".md"
        for targets in commands(path, (root / path).read_text(encoding="utf-8"))
        if ours_by_path(targets)
    }
    assert said
    for targets in sorted(said):
        found = origins(list(targets), root, tmp_path / "report.json", constraints)
        assert {one.name for one in ours_by_path(list(targets))} == set(found)
        for url in found.values():
            assert url.startswith((root / "packages").as_uri() + "/")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("README.md", "Run `pip install rlmesh`."),
        ("README.md", "    $ python -m pip install --upgrade RLMesh\n"),
        ("README.md", "pip install 'rlmesh[numpy]'"),
        ("README.md", "pip3 install -U pip \\\n    rlmesh-core==0.2.0"),
        ("README.md", "uv pip install rlmesh_numpy"),
        ("README.md", "uvx rlmesh ping"),
        ("README.md", "pip install ./packages/rlmesh-numpy"),
        ("README.md", "pip install ./packages/rlmesh-core './packages/rlmesh[numpy]'"),
        ("README.md", "pip install rlmesh-0.2.0-py3-none-any.whl"),
        (".ci/run", "python3 -m pip install rlmesh\n"),
        ("packages/rlmesh-core/src/rlmesh/x.py", "raise E(f'try: pip install rlmesh-{name}')"),
        ("packages/rlmesh-core/src/rlmesh/x.py", "raise E('try: pip install ' 'rlmesh-numpy')"),
        ("noxfile.py", "session.install('rlmesh[numpy]')"),
        ("noxfile.py", "session.install(f'rlmesh-{backend}')"),
        ("noxfile.py", "session.run('pip', 'install', 'rlmesh')"),
        ("tests/x.py", "subprocess.run([python, '-m', 'pip', 'install', 'rlmesh'])"),
    ],
)
def test_a_command_that_reaches_the_index_is_found(
    name: str, text: str, projects: Projects
) -> None:
    assert offences(Path(name), text, projects)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("README.md", "pip install ./packages/rlmesh-core ./packages/rlmesh-numpy[images]"),
        ("README.md", "`pip install pyzmq` suffices for the tests of rlmesh-core."),
        ("packages/rlmesh-core/src/rlmesh/x.py", "'pip install ./packages/rlmesh-numpy of RLMesh'"),
        ("noxfile.py", "session.install(*ours('rlmesh[numpy]'), 'pytest')"),
    ],
)
def test_a_command_that_names_paths_is_not(name: str, text: str, projects: Projects) -> None:
    assert offences(Path(name), text, projects) == []
