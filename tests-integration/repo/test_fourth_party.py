"""A backend of somebody else works with core as it is: here one for array-api-strict."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 10), reason="array-api-strict needs Python 3.10"
)

POLICY = """
import array_api_strict as xp

def act(observation):
    return int(xp.sum(observation)) % 2
"""
RUN = """
import subprocess, sys
from rlmesh import EnvServer, Tensor
from rlmesh.spaces import Box, Discrete

class Countdown:
    observation_space, action_space = Box(0, 100, (1,), "int64"), Discrete(2)

    def reset(self, *, seed=None, options=None):
        self.count = seed
        return Tensor.from_values([self.count], "int64"), {}

    def step(self, action):
        self.count -= 1
        return Tensor.from_values([self.count], "int64"), float(action), self.count == 0, False, {}

with EnvServer(Countdown()) as server:
    run = [sys.argv[1], "run", "policy:act", server.address, "--seeds", "3,4"]
    sys.exit(subprocess.run([*run, "--backend", "strict"]).returncode)
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """A copy of its package, outside of the repository and its settings."""
    folder = tmp_path_factory.mktemp("fourth") / "strict-backend"
    shutil.copytree(root / "tests-integration" / "fourth_party", folder)
    return folder


@pytest.fixture(scope="module")
def outsider(module_venv: Any, noxfile: Any, package: Path) -> Any:
    """A venv that holds core's wheel, their package, and nothing else of ours."""
    # Core comes first, so that its name, which the package depends on, is not left to the index.
    module_venv.install(*noxfile.ours("rlmesh-core[cli]"), "pytest")
    module_venv.install(str(package))
    assert module_venv.ours() == ["rlmesh-core"]
    return module_venv


def test_its_own_tests_inherit_the_suite_and_pass(outsider: Any, package: Path) -> None:
    done = outsider.run(outsider.python, "-m", "pytest", "--quiet", str(package / "tests"))
    assert done.returncode == 0, done.stdout
    assert re.fullmatch(r"\d{3,} passed in .*", done.stdout.splitlines()[-1])


def test_it_is_an_attribute_of_rlmesh(outsider: Any) -> None:
    assert outsider.evaluate("rlmesh.strict.Model.__module__") == "strict_backend"
    assert outsider.evaluate("'strict' in dir(rlmesh)") is True


def test_the_command_takes_it(outsider: Any, tmp_path: Path) -> None:
    (tmp_path / "policy.py").write_text(POLICY, encoding="utf-8")
    command = (outsider.python, "-c", RUN, str(outsider.bin / "rlmesh"))
    done = outsider.run(*command, PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    totals, shares = done.stdout.splitlines()[-2:]
    assert totals.split()[:2] == ["2", "2"]
    assert " in episodes: env " in shares
