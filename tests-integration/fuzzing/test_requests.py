"""A server that is sent nonsense by many goes on serving a good client rightly; see fuzz.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz import fuzz
from targets import KINDS

FRAMES = 20_000
MOST_GROWTH = 80 * 2**20
"""Bytes; more than a library costs that is imported late, with what waits to be handled."""


@pytest.mark.parametrize("kind", list(KINDS))
def test_mutated_requests_harm_neither_a_server_nor_a_good_client(
    kind: str, tmp_path: Path
) -> None:
    report = fuzz(kind, FRAMES, 0, tmp_path)
    assert report.runs
    assert report.grown < MOST_GROWTH
    assert "Traceback" not in report.stderr
    assert {"ok 0", "ok 1", "ok 2", "ProtocolError", "SessionLost"} <= set(report.replies)
