"""`rlmesh.<name>`: our own backends, and those of whatever else is installed."""

from __future__ import annotations

import subprocess
import sys

import pytest
from distributions import write_distribution

import rlmesh
from rlmesh._values.registry import OURS, backend_names, import_backend
from rlmesh.errors import BackendNotInstalled, RLMeshError


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A folder on `sys.path`; what is imported from it is forgotten at the end."""
    before = dict(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in set(sys.modules) - set(before):
        del sys.modules[name]
    for name in ("abacus", *OURS):
        vars(rlmesh).pop(name, None)


def test_an_installed_package_adds_a_backend_from_wherever_its_module_lives(packages):
    assert not hasattr(rlmesh, "abacus")
    (packages / "abacus_for_rlmesh.py").write_text("Model = 'a model'\n")
    write_distribution(packages, "abacus-dist", abacus="abacus_for_rlmesh")
    assert backend_names()[:3] == list(OURS)
    assert "abacus" in backend_names()
    assert "abacus" in dir(rlmesh)
    assert rlmesh.abacus.Model == "a model"
    assert rlmesh.abacus is sys.modules["abacus_for_rlmesh"]


def test_a_backend_is_imported_when_it_is_used_and_not_before(packages):
    (packages / "abacus_for_rlmesh.py").write_text("1 / 0\n")
    write_distribution(packages, "abacus-dist", abacus="abacus_for_rlmesh")
    assert "abacus" in dir(rlmesh)
    with pytest.raises(ZeroDivisionError):
        _ = rlmesh.abacus


def test_one_of_ours_needs_no_entry_point(packages, monkeypatch):
    ours = packages / "rlmesh" / "torch"
    ours.mkdir(parents=True)
    (ours / "__init__.py").write_text("Model = 'ours'\n")
    monkeypatch.setattr(rlmesh, "__path__", [str(ours.parent)])
    monkeypatch.delitem(sys.modules, "rlmesh.torch", raising=False)
    assert rlmesh.torch.Model == "ours"


@pytest.mark.parametrize("name", OURS)
def test_one_of_ours_that_is_missing_says_how_to_install_it(name, packages, monkeypatch):
    monkeypatch.setitem(sys.modules, f"rlmesh.{name}", None)
    assert name in dir(rlmesh)
    with pytest.raises(BackendNotInstalled) as caught:
        getattr(rlmesh, name)
    assert f"rlmesh.{name} is not installed: pip install ./packages/rlmesh-{name}" in str(
        caught.value
    )


@pytest.mark.parametrize("body", ["import a_framework_that_is_gone", "raise OSError('no libgomp')"])
def test_a_framework_that_is_broken_raises_its_own_error(packages, monkeypatch, body):
    ours = packages / "rlmesh" / "jax"
    ours.mkdir(parents=True)
    (ours / "__init__.py").write_text(f"{body}\n")
    (packages / "abacus_for_rlmesh.py").write_text(f"{body}\n")
    write_distribution(packages, "abacus-dist", abacus="abacus_for_rlmesh")
    monkeypatch.setattr(rlmesh, "__path__", [str(ours.parent)])
    monkeypatch.delitem(sys.modules, "rlmesh.jax", raising=False)
    for name in ("jax", "abacus"):
        with pytest.raises((ModuleNotFoundError, OSError), match="a_framework|no libgomp") as found:
            getattr(rlmesh, name)
        assert not isinstance(found.value, RLMeshError)


def test_two_packages_that_claim_one_name_are_named(packages):
    write_distribution(packages, "abacus-dist", abacus="abacus_one")
    write_distribution(packages, "counting-frame", abacus="frame")
    with pytest.raises(RLMeshError) as caught:
        import_backend("abacus")
    message = str(caught.value)
    assert message.startswith("backend 'abacus': claimed by ")
    assert "abacus-dist (for abacus_one)" in message
    assert "counting-frame (for frame)" in message


def test_nobody_else_may_claim_a_name_of_ours(packages):
    write_distribution(packages, "their-torch", torch="their_torch")
    assert backend_names().count("torch") == 1
    with pytest.raises(RLMeshError, match=r"rlmesh-torch \(for rlmesh.torch\) and their-torch"):
        _ = rlmesh.torch


def test_one_package_that_is_found_twice_is_one(packages, tmp_path_factory, monkeypatch):
    (packages / "abacus_for_rlmesh.py").write_text("")
    for folder in (packages, tmp_path_factory.mktemp("older")):
        write_distribution(folder, "abacus-dist", abacus="abacus_for_rlmesh")
        monkeypatch.syspath_prepend(str(folder))
    assert import_backend("abacus").__name__ == "abacus_for_rlmesh"


def test_an_unknown_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'rlmesh' has no attribute 'abacus'"):
        _ = rlmesh.abacus


def test_neither_the_import_nor_a_public_name_reads_what_is_installed():
    code = (
        "import sys; before = set(sys.modules); import rlmesh; rlmesh.Tensor, rlmesh.errors;"
        " hasattr(rlmesh, '__wrapped__'); print('importlib.metadata' in set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"False\n"
