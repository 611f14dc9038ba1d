"""The script of the long run works; what it says of memory takes longer than a test may."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path


def test_a_short_soak_leaves_no_descriptor_and_no_thread() -> None:
    script = Path(__file__).with_name("soak.py")
    done = subprocess.run(
        [sys.executable, str(script), "0.1", "--any-memory"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"^(\w+) +[\d.]+ +[\d.]+ +-?[\d.]+% +\d+ +\d+$", done.stdout, re.M)
    assert rows == ["env", "factory", "model", "evaluator"]
