"""Connections that break all the time are invisible in the results; `full.py` tries more."""

from __future__ import annotations

from pathlib import Path

import pytest
from disturbed import IMAGES, SMALL, Case, check, make_impatient
from proxies import Faults
from servers import Servers

CASES = [
    Case("instances", "served", 8, SMALL),
    Case("relayed", "local", 8, IMAGES),
    Case("direct", "served", 1, SMALL),
    Case("instances", "local", 1, IMAGES),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_fault_of_a_connection_is_seen_in_a_result(
    case: Case, serve: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_impatient(monkeypatch)
    check(case, Faults(0, case.every, 25), serve, tmp_path, monkeypatch, grace=3.0)
