"""Every subset of our distributions installs, and works, in an environment of its own."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

ARRAY_LIBRARIES = ("numpy", "torch", "jax")


def test_core_alone_brings_no_array_library_and_says_what_is_missing(
    venv: Any, noxfile: Any
) -> None:
    venv.install(*noxfile.ours("rlmesh-core"))
    assert venv.ours() == ["rlmesh-core"]
    assert [name for name in ARRAY_LIBRARIES if venv.has(name)] == []
    assert venv.evaluate("rlmesh.Tensor.from_values([1, 2], 'int32').tolist()") == [1, 2]

    command = venv.run(str(venv.bin / "rlmesh"), "--help")
    assert command.returncode != 0
    assert "./packages/rlmesh-core[cli]" in command.stderr
    assert "Traceback" not in command.stderr

    backend = venv.run(venv.python, "-c", "import rlmesh; rlmesh.numpy")
    assert "BackendNotInstalled" in backend.stderr
    assert "./packages/rlmesh-numpy" in backend.stderr


def test_a_backend_brings_core_and_its_framework_only(venv: Any, noxfile: Any) -> None:
    venv.install(*noxfile.ours("rlmesh-numpy"))
    assert venv.ours() == ["rlmesh-core", "rlmesh-numpy"]
    assert [name for name in ARRAY_LIBRARIES if venv.has(name)] == ["numpy"]
    assert venv.evaluate("rlmesh.numpy.Model.__module__.split('.')[:2]") == ["rlmesh", "numpy"]


@pytest.fixture(scope="module")
def torch_venv(module_venv: Any, noxfile: Any) -> Any:
    """A venv with rlmesh-torch, by way of the metapackage: once, as torch is large."""
    module_venv.install(*noxfile.ours("rlmesh[torch]"))
    return module_venv


def test_torch_comes_without_numpy_and_jax(torch_venv: Any) -> None:
    assert torch_venv.ours() == ["rlmesh", "rlmesh-core", "rlmesh-torch"]
    assert [name for name in ARRAY_LIBRARIES if torch_venv.has(name)] == ["torch"]
    assert torch_venv.evaluate("rlmesh.torch.Model.__module__.split('.')[:2]") == [
        "rlmesh",
        "torch",
    ]


def test_torch_works_without_numpy(torch_venv: Any, root: Path) -> None:
    torch_venv.install("pytest>=8")
    assert not torch_venv.has("numpy")
    tests = root / "packages" / "rlmesh-torch" / "tests"
    files = [str(tests / f"test_torch_{name}.py") for name in ("backend", "contract")]
    config = ["-c", str(root / "pyproject.toml"), "-p", "no:cacheprovider", "--quiet"]
    # The one warning is torch's own, when it is imported.
    strict = ["-W", "error", "-W", "ignore:Failed to initialize NumPy:UserWarning"]
    done = torch_venv.run(torch_venv.python, "-m", "pytest", *config, *strict, *files)
    assert done.returncode == 0, done.stdout
    assert re.match(r"\d{3,} passed", done.stdout.splitlines()[-1])


def test_backends_share_an_environment_and_one_can_leave(venv: Any, noxfile: Any) -> None:
    venv.install(*noxfile.ours("rlmesh[jax]"))
    assert venv.ours() == ["rlmesh", "rlmesh-core", "rlmesh-jax"]
    assert [name for name in ARRAY_LIBRARIES if venv.has(name)] == ["numpy", "jax"]
    # Without torch itself, which takes long to install.
    venv.install("--no-deps", *(noxfile.wheel_of(f"rlmesh-{name}") for name in ("numpy", "torch")))
    missing = venv.run(venv.python, "-c", "import rlmesh; rlmesh.torch")
    assert missing.stderr.strip().splitlines()[-1] == "ModuleNotFoundError: No module named 'torch'"

    leave = venv.run(venv.python, "-m", "pip", "uninstall", "--yes", "rlmesh-torch")
    assert leave.returncode == 0, leave.stderr
    assert venv.ours() == ["rlmesh", "rlmesh-core", "rlmesh-jax", "rlmesh-numpy"]
    for name in ("numpy", "jax"):
        values = f"rlmesh.{name}.asarray(rlmesh.Tensor.from_values([1, 2], 'int32')).tolist()"
        assert venv.evaluate(values) == [1, 2]
    gone = venv.run(venv.python, "-c", "import rlmesh; rlmesh.torch")
    assert "BackendNotInstalled" in gone.stderr
    assert "./packages/rlmesh-torch" in gone.stderr


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
def test_a_backend_without_core_says_so(venv: Any, noxfile: Any, backend: str) -> None:
    venv.install("--no-deps", noxfile.wheel_of(f"rlmesh-{backend}"))
    done = venv.run(venv.python, "-c", f"import rlmesh.{backend}")
    assert done.returncode != 0
    assert "rlmesh-core" in done.stderr.strip().splitlines()[-1]
    assert f"./packages/rlmesh-core ./packages/rlmesh-{backend}" in done.stderr


@pytest.mark.parametrize(
    ("extra", "distributions", "modules"),
    [
        ("numpy", ["rlmesh", "rlmesh-core", "rlmesh-numpy"], {"numpy"}),
        ("gymnasium", ["rlmesh", "rlmesh-core"], {"gymnasium", "numpy"}),
        ("cli", ["rlmesh", "rlmesh-core"], {"rich", "typer"}),
    ],
)
def test_the_metapackage_brings_what_the_extra_names(
    venv: Any, noxfile: Any, extra: str, distributions: Any, modules: Any
) -> None:
    venv.install(*noxfile.ours(f"rlmesh[{extra}]"))
    assert venv.ours() == distributions
    optional = ["gymnasium", "rich", "typer", *ARRAY_LIBRARIES]
    assert {name for name in optional if venv.has(name)} == modules
    venv.evaluate("0")
    if extra == "cli":
        done = venv.run(str(venv.bin / "rlmesh"), "--help")
        assert done.returncode == 0
        assert "serve" in done.stdout


@pytest.mark.parametrize("editable", [("core",), ("numpy",), ("core", "numpy")])
def test_editable_installs_work_beside_wheels_and_in_any_order(
    venv: Any, noxfile: Any, root: Path, editable: Any
) -> None:
    venv.install(*noxfile.ours("rlmesh-numpy"))
    venv.install("--no-deps", *(f"--editable=packages/rlmesh-{name}" for name in editable))
    sources = [str(root / "packages" / f"rlmesh-{name}" / "src") for name in editable]
    for order in ([], sources, sources[::-1]):
        core, backend = venv.evaluate(
            "(rlmesh.__file__, rlmesh.numpy.__file__)",
            "rlmesh.numpy",
            PYTHONPATH=os.pathsep.join(order),
        )
        for name, file in (("core", core), ("numpy", backend)):
            home = root / "packages" / f"rlmesh-{name}" if name in editable else venv.bin.parent
            assert home in Path(file).parents


@pytest.mark.parametrize("ours_first", [True, False])
def test_the_public_distribution_of_the_same_name_is_refused_in_either_order(
    venv: Any, noxfile: Any, ours_first: bool
) -> None:
    steps = [noxfile.ours("rlmesh-numpy"), ["--no-deps", noxfile.PEER]]
    for arguments in steps if ours_first else steps[::-1]:
        venv.install(*arguments)
    for module in ("rlmesh", "rlmesh.numpy"):
        done = venv.run(venv.python, "-c", f"import {module}")
        assert done.returncode != 0
        last = done.stderr.strip().splitlines()[-1]
        assert last.startswith("ImportError: two distributions with the import name rlmesh")
        assert "./packages/rlmesh-core" in last
