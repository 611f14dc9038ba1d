"""As `test_chaos.py`, but with every kind of run, more than a thousand faults, and also with the
times that users have: `nox -s chaos`.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from disturbed import IMAGES, SMALL, Case, check, make_impatient
from proxies import Faults
from servers import Servers

ENVS, MODELS, LANES = ("instances", "direct", "relayed"), ("local", "served"), (1, 8)
CASES = [Case(*case) for case in product(ENVS, MODELS, LANES, (SMALL, IMAGES))]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_fault_of_a_connection_is_seen_in_a_result(
    case: Case, seed: int, serve: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_impatient(monkeypatch)
    check(case, Faults(seed, case.every, 25), serve, tmp_path, monkeypatch, grace=3.0)


@pytest.mark.parametrize("case", [case for case in CASES if case.lanes == 8], ids=str)
def test_nor_is_it_with_a_users_patience(
    case: Case, serve: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(case, Faults(2, case.every, 8, longest=1.0), serve, tmp_path, monkeypatch)
