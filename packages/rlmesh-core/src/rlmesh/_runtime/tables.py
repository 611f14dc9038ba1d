"""Results as tables of HTML, for notebooks."""

from __future__ import annotations

import html
from dataclasses import fields
from typing import Any, List, Mapping, Sequence

from rlmesh._text import printable

_MOST = 100
"""How many rows are shown."""


def html_of(caption: str, *tables: str) -> str:
    """Return tables under a caption, which is escaped."""
    return f"<div><p>{_escaped(caption)}</p>{''.join(tables)}</div>"


def html_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a table with the keys of the first row as its header; nothing where there is no row.

    Args:
        rows: Of the same keys. Text is escaped; of a number, some digits are shown; None is empty.
    """
    if not rows:
        return ""
    lines = [_row("th", list(rows[0])), *(_row("td", list(row.values())) for row in rows[:_MOST])]
    more = f"<p>and {len(rows) - _MOST} more</p>" if len(rows) > _MOST else ""
    return f"<table>{''.join(lines)}</table>{more}"


def rows_of(records: Sequence[Any]) -> List[Mapping[str, Any]]:
    """Return a row for each of several dataclasses, without the columns that are empty in all."""
    rows = [{field.name: getattr(one, field.name) for field in fields(one)} for one in records]
    used = {name for row in rows for name, value in row.items() if value is not None}
    return [{name: value for name, value in row.items() if name in used} for row in rows]


def html_of_record(record: Any) -> str:
    """Return a dataclass as a table with a row for each of its fields."""
    rows = [{"": field.name, "value": getattr(record, field.name)} for field in fields(record)]
    return html_of(type(record).__name__, html_table(rows))


def _row(tag: str, values: Sequence[Any]) -> str:
    return f"<tr>{''.join(f'<{tag}>{_escaped(_text(value))}</{tag}>' for value in values)}</tr>"


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _escaped(text: str) -> str:
    return html.escape(printable(text, 1000))
