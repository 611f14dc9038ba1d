"""Nothing in our packages can make code of what it receives."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Iterator, Tuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(ROOT.glob("packages/*/src/**/*.py"))

MODULES = {
    *("pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"),
    *("copyreg", "code", "codeop", "runpy", "jsonpickle", "multiprocessing", "yaml", "xmlrpc"),
}
CALLS = {"eval", "exec", "compile", "__import__", "execfile", "input"}
METHODS = {
    ("numpy", "load"),
    ("np", "load"),
    ("torch", "load"),
    ("torch", "jit"),
    ("yaml", "load"),
    ("pickle", "loads"),
    ("zmq", "recv_pyobj"),
    ("importlib", "reload"),
}

# What is allowed, and why.
ALLOWED = {
    # The factory's own main file, which the user runs anyway, is loaded as multiprocessing's spawn
    # does it; its path comes from the server process, by the worker's stdin.
    ("packages/rlmesh-core/src/rlmesh/_envs/factory.py", "multiprocessing"),
    # Compiles arithmetic for two names of a closed list of rotations; none of it is data.
    ("packages/rlmesh-core/src/rlmesh/adapters/_singles.py", "exec"),
    ("packages/rlmesh-core/src/rlmesh/adapters/_singles.py", "compile"),
    # `__path__ = __import__("pkgutil")...`: a constant.
    ("packages/rlmesh-core/src/rlmesh/__init__.py", "__import__"),
}


def suspects(tree: ast.AST) -> Iterator[Tuple[int, str]]:
    """Yield what could make code of data: the line, and its name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] in MODULES:
                    yield node.lineno, alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            if (node.module or "").partition(".")[0] in MODULES:
                yield node.lineno, (node.module or "").partition(".")[0]
        elif isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name) and function.id in CALLS:
                yield node.lineno, function.id
            elif isinstance(function, ast.Attribute):
                owner = function.value.id if isinstance(function.value, ast.Name) else ""
                pairs = (owner, function.attr) in METHODS
                if pairs or function.attr in ("recv_pyobj", "recv_json", "send_pyobj"):
                    yield node.lineno, f"{owner}.{function.attr}"
            for keyword in node.keywords:
                if keyword.arg in ("allow_pickle", "weights_only"):
                    yield node.lineno, keyword.arg


def test_the_sources_are_found() -> None:
    assert len(SOURCES) > 100


@pytest.mark.parametrize("path", SOURCES, ids=[str(p.relative_to(ROOT)) for p in SOURCES])
def test_no_source_can_make_code_of_data(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    found = [
        (line, what)
        for line, what in suspects(ast.parse(path.read_text(encoding="utf-8")))
        if (name, what) not in ALLOWED
    ]
    assert not found, f"{name}: {found}"


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from cloudpickle import loads",
        "import multiprocessing.connection",
        "eval(data)",
        "np.load(path)",
        "torch.load(path)",
        "socket.recv_pyobj()",
        "load(path, allow_pickle=True)",
    ],
)
def test_what_could_is_noticed(source: str) -> None:
    assert list(suspects(ast.parse(source)))
