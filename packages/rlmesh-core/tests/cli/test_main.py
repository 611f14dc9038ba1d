"""The command as a whole."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rlmesh import __version__


def test_the_version_is_that_of_the_package(rlmesh):
    assert rlmesh.run("--version") == (0, f"rlmesh {__version__}\n", "")


@pytest.mark.parametrize("arguments", [[], ["serve"], ["serve-model"], ["run"], ["ping"]])
def test_help_names_what_can_be_said(rlmesh, arguments):
    status, out, err = rlmesh.run(*arguments, "--help")
    assert (status, err) == (0, "")
    expected = {
        "": ["serve", "serve-model", "run", "ping", "--version"],
        "serve": ["ENV", "--address", "--kwargs", "--max-sessions"],
        "serve-model": ["MODULE:NAME", "--address", "--backend"],
        "run": [
            *("MODULE:NAME|ADDRESS", "0:20 (0 to 19)", "--max-episodes", "--execution-horizon"),
            *("--instruction", "--backend"),
        ],
        "ping": ["ADDRESS", "--timeout"],
    }["".join(arguments)]
    assert [word for word in expected if word not in out] == []
    assert "RLMESH_TOKEN" in out


@pytest.mark.parametrize("module", ["typer", "rich"])
def test_without_the_extra_a_sentence_says_how_to_get_it(rlmesh, module):
    status, out, err = rlmesh.run_without(module, "--version")
    assert (status, out) == (1, "")
    assert err == (
        f"rlmesh: the command needs {module}, which is not installed:"
        ' pip install "./packages/rlmesh-core[cli]" (in a checkout of RLMesh)\n'
    )


def test_the_package_does_not_import_its_command():
    code = (
        "import sys, rlmesh; rlmesh.Model, rlmesh.EnvServer;"
        " print({'rlmesh._cli', 'typer', 'rich'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["dance"],
        ["serve"],
        ["serve-model"],
        ["run", "policies:one"],
        ["run", "policies:one", "127.0.0.1:1", "--execution-horizon", "0"],
        ["run", "policies:one", "127.0.0.1:1", "--max-episodes", "0"],
        ["ping", "127.0.0.1:1", "--timeout", "soon"],
    ],
)
def test_what_cannot_be_said_is_a_usage_error(rlmesh, arguments):
    status, out, err = rlmesh.run(*arguments)
    assert (status, out) == (2, "")
    assert "Usage: rlmesh" in err
    assert "Traceback" not in err
