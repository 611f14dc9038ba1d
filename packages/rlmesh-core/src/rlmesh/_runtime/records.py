"""The form in which results are written to files: one JSON object per line.

    {"rlmesh_journal": 1, "run": {...}}     the version, and the run's description (or null)
    {"episode": {...}}                      a finished episode
    {"error": {...}}                        one that was given up
    {"resumed": 12}                         the run was taken up again with so many finished
    {"metadata": {...}, "timing": {...}}    the run came to its end

A line counts once its newline is there, and the last one about an episode replaces those before.
Numbers are written as Python writes them, so that they come back the same, NaN and Infinity, too.
"""

from __future__ import annotations

import dataclasses
import json
import operator
import warnings
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional, Tuple, Type, TypeVar, Union

from rlmesh.errors import JournalError

from .episodes import EpisodeError, EpisodeResult
from .timing import Timing

Episode = Union[EpisodeResult, EpisodeError]
T = TypeVar("T")

_VERSION = 1
_START = b'{"rlmesh_journal": '

_TYPES: Dict[str, Tuple[Tuple[type, ...], Callable[[Any], Any]]] = {
    "int": ((int,), operator.index),
    "float": ((int, float), float),
    "bool": ((bool,), bool),
    "str": ((str,), str),
}
"""Of each type of a field: what it may be in a file, and what makes it of anything."""


class Records(NamedTuple):
    """What a file says.

    Attributes:
        run: The run's description; None if it has none.
        episodes: The finished episodes by their index.
        errors: Those that were given up.
        metadata: What else the result says of how it was made.
        timing: See `RunResult`.
        size: Number of bytes up to the end of the last whole line; 0 if the first is not whole.
    """

    run: Optional[Dict[str, Any]]
    episodes: Dict[int, EpisodeResult]
    errors: Dict[int, EpisodeError]
    metadata: Dict[str, Any]
    timing: Optional[Timing]
    size: int


def header_line(run: Optional[Mapping[str, Any]]) -> bytes:
    """Return the first line of a file."""
    return _line({"rlmesh_journal": _VERSION, "run": run})


def episode_line(episode: Episode) -> bytes:
    """Return the line of an episode."""
    return _line({"error" if isinstance(episode, EpisodeError) else "episode": _plain(episode)})


def resume_line(finished: int) -> bytes:
    """Return the line of a run that is taken up again."""
    return _line({"resumed": finished})


def end_line(metadata: Mapping[str, Any], timing: Optional[Timing]) -> bytes:
    """Return the line of a run that came to its end."""
    return _line({"metadata": metadata, "timing": None if timing is None else _plain(timing)})


def parse(data: bytes, name: str) -> Records:
    """Return what a file says; warns of a last line that was cut off.

    Args:
        data: All of it.
        name: What errors call it.

    Raises:
        JournalError: It is no file of this form, or a line is none.
    """
    *lines, rest = data.split(b"\n")
    # A crash may also leave zeros where the disk had no time for a part of the line.
    if not rest and len(lines) > 1 and b"\0" in lines[-1]:
        rest = lines.pop() + b"\n"
    size = len(data) - len(rest)
    run = _read_header(lines[0] if lines else rest, name, is_whole=bool(lines))
    if rest:
        warnings.warn(
            f"{name}: the last line was cut off by a crash, and is dropped ({len(rest)} bytes)",
            RuntimeWarning,
            stacklevel=4,
        )
    records = Records(run, {}, {}, {}, None, size)
    for number, line in enumerate(lines[1:], 2):
        try:
            records = _add(records, json.loads(line.decode()))
        except (ValueError, RecursionError) as exc:
            raise JournalError(f"{name}, line {number}: {exc}; got {_shown(line)}") from None
    return records


def _read_header(line: bytes, name: str, *, is_whole: bool) -> Optional[Dict[str, Any]]:
    """Return the description in the first line."""
    if not is_whole:
        begun = line.rstrip(b"\0")
        if begun.startswith(_START) or _START.startswith(begun):
            return None
    try:
        header = json.loads(line.decode())
        version, run = header["rlmesh_journal"], header["run"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise JournalError(
            f"{name}: expected a journal or a saved result, got another file, which begins with"
            f" {_shown(line)}; it was left as it is"
        ) from None
    if type(version) is not int or version != _VERSION:
        raise JournalError(
            f"{name}: expected version {_VERSION}, got {version!r}: another version of RLMesh wrote"
            " it"
        )
    if not isinstance(run, (dict, type(None))):
        raise JournalError(f"{name}, line 1: expected a run's description, got {_shown(line)}")
    return run


def _add(records: Records, line: Any) -> Records:
    """Return records with those of one line.

    Raises:
        ValueError: It has none of the forms.
    """
    if not isinstance(line, dict):
        raise ValueError("expected an object")
    if line.keys() == {"episode"}:
        episode = _built(EpisodeResult, line["episode"])
        records.episodes[episode.index] = episode
        records.errors.pop(episode.index, None)
    elif line.keys() == {"error"}:
        error = _built(EpisodeError, line["error"])
        records.errors[error.index] = error
        records.episodes.pop(error.index, None)
    elif line.keys() == {"metadata", "timing"}:
        metadata, timing = line["metadata"], line["timing"]
        if not isinstance(metadata, dict):
            raise ValueError("metadata: expected an object")
        timing = None if timing is None else _built(Timing, timing)
        return records._replace(metadata=metadata, timing=timing)
    elif line.keys() != {"resumed"}:
        raise ValueError("expected an episode, an error, or metadata and timing")
    return records


def _plain(record: Any) -> Dict[str, Any]:
    """Return a dataclass's fields as what JSON has."""
    plain: Dict[str, Any] = {}
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        is_none = value is None and _is_optional(field)
        plain[field.name] = None if is_none else _TYPES[_type_of(field)][1](value)
    return plain


def _built(kind: Type[T], data: Any) -> T:
    """Return a dataclass of the fields in a line.

    Raises:
        ValueError: One is missing, is not known, or has the wrong type.
    """
    if not isinstance(data, dict):
        raise ValueError(f"expected the fields of {kind.__name__}")
    values: Dict[str, Any] = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        name = field.name
        if name not in data:
            if field.default is dataclasses.MISSING:
                raise ValueError(f"{name}: expected a value")
            continue
        value = data.pop(name)
        types, convert = _TYPES[_type_of(field)]
        if value is None and _is_optional(field):
            values[name] = None
        elif isinstance(value, types) and (bool in types or not isinstance(value, bool)):
            values[name] = convert(value)
        else:
            raise ValueError(f"{name}: expected {field.type}")
    if data:
        raise ValueError(f"{next(iter(data))}: not a field of {kind.__name__}")
    if values.get("index", 0) < 0:
        raise ValueError("index: expected at least 0")
    return kind(**values)


def _is_optional(field: dataclasses.Field[Any]) -> bool:
    return str(field.type).startswith("Optional")


def _type_of(field: dataclasses.Field[Any]) -> str:
    return str(field.type).replace("Optional[", "").rstrip("]")


def _line(data: Any) -> bytes:
    return json.dumps(data).encode() + b"\n"


def _shown(line: bytes) -> str:
    """Return the beginning of a line as errors show it."""
    return repr(line[:60])[1:] + ("..." if len(line) > 60 else "")
