"""What is worth a line in somebody's log: an event with a stable name, and fields.

Nothing is printed unless a program sets up `logging`. Fields are attributes of the record, so that
a formatter for JSON finds them. No record holds a token, and none belongs to a single step.
Messages are safe to print, whoever's words they quote; fields are data as they came.
"""

from __future__ import annotations

import logging
from typing import Any, Dict

from ._text import printable_lines

ROOT = logging.getLogger("rlmesh")
ROOT.addHandler(logging.NullHandler())

SERVER = logging.getLogger("rlmesh.server")
"""Sessions and workers, from a server's start to its end."""
CLIENT = logging.getLogger("rlmesh.client")
"""Connections that broke, and what became of them."""
RUN = logging.getLogger("rlmesh.run")
"""Episodes that are played again."""

_STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime"}


def info(logger: logging.Logger, event: str, message: str, **fields: Any) -> None:
    """Log what belongs to the usual course of things."""
    logger.info(printable_lines(message), extra={"event": event, **fields}, stacklevel=2)


def warning(logger: logging.Logger, event: str, message: str, **fields: Any) -> None:
    """Log trouble."""
    logger.warning(printable_lines(message), extra={"event": event, **fields}, stacklevel=2)


def fields_of(record: logging.LogRecord) -> Dict[str, Any]:
    """Return the fields of a record, its event's name among them."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def short(session_id: bytes) -> str:
    """Return how a session is called in records."""
    return session_id[:4].hex()


def to_plain(record: logging.LogRecord) -> Dict[str, Any]:
    """Return a record as plain data, for another process."""
    text = logging.Formatter().format(record)
    fields = {name: _plain(value) for name, value in fields_of(record).items()}
    return {"logger": record.name, "level": record.levelno, "text": text, "fields": fields}


def relay(plain: Dict[str, Any], **fields: Any) -> None:
    """Log a record of another process, with more fields."""
    logger, level = logging.getLogger(plain["logger"]), plain["level"]
    if logger.isEnabledFor(level):
        text, extra = printable_lines(plain["text"]), {**plain["fields"], **fields}
        logger.handle(logger.makeRecord(logger.name, level, "", 0, text, (), None, None, extra))


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, int, float, type(None))) else str(value)
