"""The page about the command has every option, as the command says it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import command_reference


def test_the_tables_have_every_option_of_every_command() -> None:
    text = command_reference.PAGE.read_text(encoding="utf-8")
    assert command_reference.page(text) == text


def test_a_page_that_lags_is_found() -> None:
    text = command_reference.PAGE.read_text(encoding="utf-8")
    assert "`--concurrency`" in text
    assert command_reference.page(text.replace("`--concurrency`", "`--old`")) == text
