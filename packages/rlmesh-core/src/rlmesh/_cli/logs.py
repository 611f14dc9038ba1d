"""What a command logs: one line on stderr for each record."""

from __future__ import annotations

import logging
import os
import warnings
from typing import Any, Dict

import typer

from rlmesh._logs import ROOT, fields_of
from rlmesh._text import printable, printable_json, printable_lines

_PACKAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")

LEVELS = ("debug", "info", "warning", "error")


def log_to_stderr(level: str, as_json: bool = False) -> None:
    """Log to stderr from now on.

    Args:
        level: One of `LEVELS`, and nothing below it.
        as_json: Whether a line is a JSON object.

    Raises:
        ValueError: There is no such level.
    """
    if level.lower() not in LEVELS:
        raise ValueError(f"--log-level: expected {', '.join(LEVELS[:-1])} or error, got {level!r}")
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if as_json else _Line())
    ROOT.addHandler(handler)
    # Not a second time, by what a policy's module may have set up.
    ROOT.propagate = False
    ROOT.setLevel(level.upper())


def show_warnings() -> None:
    """Show warnings of RLMesh as a line on stderr, without a place in its source."""
    others = warnings.showwarning

    def show(message: Any, category: Any, filename: str, *arguments: Any, **named: Any) -> None:
        if filename.startswith(_PACKAGE):
            typer.echo(f"rlmesh: warning: {printable_lines(message)}", err=True)
        else:
            others(message, category, filename, *arguments, **named)

    warnings.showwarning = show


class _Line(logging.Formatter):
    """`TIME LEVEL LOGGER: MESSAGE KEY=VALUE...`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields = _fields(self, record).items()
        known = "".join(f" {printable(key)}={_value(value)}" for key, value in fields)
        text = printable(record.getMessage())
        return (
            f"{self.formatTime(record)} {record.levelname} {printable(record.name)}: {text}{known}"
        )


class _Json(logging.Formatter):
    """An object with `time`, `level`, `logger`, `message`, and the fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        known = {
            "time": record.created,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        return printable_json({**known, **_fields(self, record)})


def _fields(formatter: logging.Formatter, record: logging.LogRecord) -> Dict[str, Any]:
    fields = fields_of(record)
    if record.exc_info:
        fields["traceback"] = formatter.formatException(record.exc_info)
    return fields


def _value(value: object) -> str:
    text = str(value)
    is_plain = text.isprintable() and not set(' "=') & set(text)
    return text if text and is_plain else printable_json(text)
