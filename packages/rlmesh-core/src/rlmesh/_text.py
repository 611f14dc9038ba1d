"""Text that came from outside, made safe to print.

A peer, an env, a journal or an environment variable can hold terminal escapes, line breaks that
forge a line of ours, and characters that reorder or hide what stands next to them. Data keeps such
text as it came; whatever prints it, logs it or composes a message of it uses these functions.
"""

from __future__ import annotations

import json
from typing import Any, List, Optional

MAX_CHARACTERS = 10_000
"""How much of one text is shown."""

MARGIN = "  | "
"""What stands before each line of somebody else's text; no line of ours begins with it."""

_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printable(value: object, limit: int = MAX_CHARACTERS) -> str:
    r"""Return a text as one line without anything that a terminal acts on.

    Control characters, line breaks, bidirectional overrides, invisible format characters,
    surrogates, and whatever else `str.isprintable` refuses are shown as escapes such as `\x1b` and
    `\u202e`. Giving the result to this function again does not change it.

    Args:
        value: The text; of anything else, its `str`.
        limit: Characters of the text to show; `...` stands for the rest.
    """
    return _escaped(_beginning(value, limit))


def printable_lines(value: object, limit: int = MAX_CHARACTERS, margin: str = MARGIN) -> str:
    """Return a text of several lines, of which only the first can begin at the left.

    Giving the result to this function again does not change it.

    Args:
        value: The text; of anything else, its `str`.
        limit: Characters of the text to show; `...` stands for the rest.
        margin: What stands before each line but the first, unless it stands there already.
    """
    first, *others = _lines(_beginning(value, limit))
    placed = (line if line.startswith(margin) else margin + line for line in others)
    return "\n".join([first, *placed])


def printable_block(value: object, limit: int = MAX_CHARACTERS) -> str:
    """Return the end of a text of several lines, such as a traceback, each behind `MARGIN`.

    Args:
        value: The text; of anything else, its `str`.
        limit: Characters of the text to show; `...` stands for what came before.
    """
    text = str(value).rstrip()
    if len(text) > limit:
        text = "..." + text[-limit:]
    return "\n".join(MARGIN + line for line in _lines(text))


def printable_json(data: Any, indent: Optional[int] = None) -> str:
    """Return plain data as JSON in printable ASCII; what is no plain data becomes its `str`."""
    # JSON in ASCII escapes every control character but one.
    return json.dumps(data, indent=indent, default=str).replace("\x7f", "\\u007f")


def _beginning(value: object, limit: int) -> str:
    text = str(value)
    return text if len(text) <= limit else text[:limit] + "..."


def _lines(text: str) -> List[str]:
    lines = text.replace("\r\n", "\n").split("\n")
    return [_escaped(line.expandtabs(4)) for line in lines]


def _escaped(text: str) -> str:
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    short = _ESCAPES.get(character)
    if short is not None:
        return short
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
