"""What came from outside is printed without anything that a terminal acts on."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlmesh._text import MARGIN, printable, printable_block, printable_json, printable_lines
from rlmesh.errors import EnvCrashed, EnvError, ModelError, ProtocolError, RLMeshError

TEXTS = st.text(st.characters())
"""Any text, lone surrogates included."""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("CartPole-v1", "CartPole-v1"),
        ("Grüße, 世界", "Grüße, 世界"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b2J", "\\x9b2J"),
        ("a\r\nb\tc\x7f", "a\\r\\nb\\tc\\x7f"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("user\u202egpj.exe", "user\\u202egpj.exe"),
        ("\u2066\u200b\ufeff", "\\u2066\\u200b\\ufeff"),
        ("\udcff", "\\udcff"),
        ("\ue000\U000e0041", "\\ue000\\U000e0041"),
    ],
)
def test_what_a_terminal_acts_on_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(TEXTS)
def test_a_line_has_no_character_that_cannot_be_printed(text: str) -> None:
    shown = printable(text)
    assert not {unicodedata.category(character)[0] for character in shown} & {"C"}
    assert shown.isprintable()
    shown.encode()
    assert printable(shown) == shown


@given(TEXTS)
def test_only_the_first_of_several_lines_begins_at_the_left(text: str) -> None:
    shown = printable_lines(text)
    first, *others = shown.split("\n")
    assert all(line.startswith(MARGIN) for line in others)
    assert all(line.isprintable() for line in [first, *others])
    assert printable_lines(shown) == shown


@given(TEXTS)
def test_no_line_of_a_block_begins_at_the_left(text: str) -> None:
    lines = printable_block(text).split("\n")
    assert all(line.startswith(MARGIN) and line.isprintable() for line in lines)


@given(st.text())
def test_json_is_printable_and_keeps_the_text(text: str) -> None:
    line = printable_json({text: text})
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line) == {text: text}


def test_a_long_text_is_cut() -> None:
    assert printable("a" * 50, limit=10) == "a" * 10 + "..."
    assert printable_block("a" * 50 + "end", limit=3) == MARGIN + "...end"


HOSTILE = "\x1b[2J\r\nrlmesh: all good\u202e"


@pytest.mark.parametrize(
    "error",
    [
        ProtocolError(HOSTILE),
        EnvCrashed(HOSTILE, stderr=[HOSTILE]),
        EnvError(HOSTILE, remote_type=HOSTILE, remote_traceback=HOSTILE),
        ModelError(HOSTILE, remote_traceback=HOSTILE, inputs={HOSTILE: (HOSTILE, ())}),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_safe_to_print(error: RLMeshError) -> None:
    lines = str(error).split("\n")
    assert all(line.isprintable() for line in lines)
    assert not any(line.startswith("rlmesh:") for line in lines)


def test_an_error_keeps_its_data_as_they_came() -> None:
    error = EnvError(HOSTILE, remote_message=HOSTILE, remote_traceback=HOSTILE)
    assert (error.args[0], error.remote_message, error.remote_traceback) == (HOSTILE,) * 3
