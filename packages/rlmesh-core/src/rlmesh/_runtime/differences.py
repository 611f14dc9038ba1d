"""In what the descriptions of two runs differ."""

from __future__ import annotations

from itertools import chain, groupby
from typing import Any, Iterator, List, Tuple

from rlmesh._text import printable, printable_json

_MOST = 10
"""How many differences are told."""

_LONGEST = 80
"""How many characters of a value are shown."""

_ABSENT = object()


def completed(run: Any) -> Any:
    """Return the description of a run with the defaults of options that it is too old to know."""
    options = run.get("options") if isinstance(run, dict) else None
    if not isinstance(options, dict):
        return run
    return {**run, "options": {"success": "last", "chunk_blend": None, **options}}


def tell_differences(first: Any, second: Any, whose: Tuple[str, str]) -> List[str]:
    """Return a line for each path at which plain data differ; none where they are the same.

    Args:
        first: Dicts, lists, and what JSON has.
        second: Likewise.
        whose: How a line calls them, e.g. `("the journal has", "this run")`.
    """
    found = list(_differences(first, second, ""))
    lines = [
        f"{printable(path)}: {whose[0]} {text}, {whose[1]} {other}"
        for path, (text, other) in ((path, _shown(*values)) for path, values in found[:_MOST])
    ]
    return lines + [f"and {len(found) - _MOST} more"] * (len(found) > _MOST)


def compare_runs(first: Any, second: Any, whose: Tuple[str, str]) -> Tuple[List[str], List[str]]:
    """Return a line for each path at which the descriptions of two runs differ.

    What only one of them says about a model or an env is left out, as earlier versions said less.
    So is what made them, where one was made by somebody else.

    Returns:
        The lines, and the paths that were left out.
    """
    left_out: List[str] = []
    if isinstance(first, dict) and isinstance(second, dict):
        first, second = dict(first), dict(second)
        for part in ("model", "env"):
            if part in first and part in second:
                pair = _comparable(first[part], second[part], part, left_out)
                first[part], second[part] = pair
    return tell_differences(first, second, whose), list(dict.fromkeys(left_out))


def _comparable(first: Any, second: Any, path: str, left_out: List[str]) -> Tuple[Any, Any]:
    """Return two descriptions with what both of them say."""
    if _has_parts(first) and _has_parts(second) and len(first) == len(second):
        pairs = [_comparable(*pair, path, left_out) for pair in zip(first, second)]
        return [one for one, _ in pairs], [other for _, other in pairs]
    if not (isinstance(first, dict) and isinstance(second, dict)):
        return first, second
    first, second = dict(first), dict(second)
    for key in list(dict.fromkeys(chain(first, second))):
        values = first.get(key, _ABSENT), second.get(key, _ABSENT)
        if _ABSENT in values or (key == "factory" and values.count(None) == 1):
            left_out.append(f"{path}.{key}")
            first.pop(key, None)
            second.pop(key, None)
    return first, second


def _differences(first: Any, second: Any, path: str) -> Iterator[Tuple[str, Tuple[Any, Any]]]:
    if isinstance(first, dict) and isinstance(second, dict):
        for key in dict.fromkeys(chain(first, second)):
            below = f"{path}.{key}" if path else str(key)
            yield from _differences(first.get(key, _ABSENT), second.get(key, _ABSENT), below)
    elif _has_parts(first) and _has_parts(second) and len(first) == len(second):
        for i, pair in enumerate(zip(first, second)):
            yield from _differences(*pair, f"{path}[{i}]")
    elif _text(first) != _text(second):  # as text, because NaN is not equal to itself
        yield path, (first, second)


def _has_parts(value: Any) -> bool:
    """Whether a value is a list of more than numbers and texts."""
    return isinstance(value, list) and any(isinstance(part, (dict, list)) for part in value)


def _text(value: Any) -> str:
    return "nothing" if value is _ABSENT else printable_json(value)


def _shown(first: Any, second: Any) -> Tuple[str, str]:
    """Return two values as texts, short, but not the same."""
    texts = (abbreviated(first), abbreviated(second))
    if texts[0] != texts[1]:
        return texts
    whole, other = _text(first), _text(second)
    start = next((i for i, pair in enumerate(zip(whole, other)) if pair[0] != pair[1]), 0)
    start = max(start - _LONGEST // 4, 0)
    return f"...{_cut(whole[start:])}", f"...{_cut(other[start:])}"


def abbreviated(value: Any) -> str:
    """Return a value as a short text; a list of integers as ranges and a count."""
    if not isinstance(value, list) or not all(type(one) in (int, type(None)) for one in value):
        return _cut(_text(value))
    # Consecutive numbers are as far from their places; None goes with None.
    groups = groupby(enumerate(value), lambda item: None if item[1] is None else item[1] - item[0])
    texts = [_range_text([one for _, one in group]) for _, group in groups]
    return f"{_cut(', '.join(texts))} ({len(value)})"


def _range_text(run: List[Any]) -> str:
    if len(run) == 1:
        return str(run[0])
    return f"{len(run)} x None" if run[0] is None else f"{run[0]}..{run[-1]}"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
