"""The page of fields says what the declarations say."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import adapter_reference


def test_the_page_has_every_field_with_its_default() -> None:
    assert adapter_reference.PAGE.read_text(encoding="utf-8") == adapter_reference.page()
