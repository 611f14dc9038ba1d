from __future__ import annotations

import pytest

from rlmesh._rpc import client


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have clients send again, and look again, after moments instead of seconds."""
    monkeypatch.setattr(client, "RESEND_INTERVAL", 0.05)
    monkeypatch.setattr(client, "_GLANCE", 0.01)
    monkeypatch.setattr(client, "_GOODBYE_PATIENCE", 0.05)
