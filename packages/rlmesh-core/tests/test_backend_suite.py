"""The suite that backends inherit finds what is wrong with one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

BROKEN = Path(__file__).with_name("broken_backends.py")
FOUND_BY = {
    "TestLosesBits": "test_a_tensor_becomes_an_array_and_the_same_tensor_again",
    "TestTakesNumbers": "test_only_the_frameworks_own_arrays_are_arrays",
    "TestNeedsWritable": "test_read_only_memory_will_do_and_causes_no_warning",
    "TestSharesBuffers": "test_imported_arrays_do_not_share_memory",
    "TestExportsAnyDtype": "test_an_exporter_gives_nothing_for_any_other_value",
    "TestStacksFloats": "test_numbers_stack_to_an_array_of_their_kind",
    "TestUnstacksNumbers": "test_unstacking_gives_the_arrays_along_the_first_axis",
    "TestTakesAnyDevice": "test_an_unknown_device_is_refused_by_name",
}


@pytest.fixture(scope="module")
def failed():
    """The (class, test) pairs that fail among those above."""
    tests = [f"{BROKEN}::{backend}::{test}" for backend, test in FOUND_BY.items()]
    pytest_command = [sys.executable, "-m", "pytest", "--quiet", "-rf", "--tb=no"]
    done = subprocess.run([*pytest_command, *tests], stdout=subprocess.PIPE, text=True)
    assert done.returncode == 1, done.stdout
    return set(re.findall(r"^FAILED \S+::(\w+)::(\w+)", done.stdout, re.MULTILINE))


@pytest.mark.parametrize("backend", FOUND_BY)
def test_a_broken_backend_is_found(failed, backend):
    assert (backend, FOUND_BY[backend]) in failed


def test_without_pytest_the_suite_says_what_it_needs():
    code = "import sys; sys.modules['pytest'] = None; import rlmesh.testing"
    done = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    assert done.stderr.splitlines()[-1] == (
        "ImportError: rlmesh.testing needs pytest: pip install pytest"
    )
