"""The form in which results are written to files: one JSON object per line.

    {"rlmesh_journal": 2, "run": {...}}     the version, and the run's description (or null)
    {"episode": {...}}                      a finished episode
    {"error": {...}}                        one that was given up
    {"resumed": 12}                         the run was taken up again with so many finished
    {"metadata": {...}, "timing": {...}}    the run came to its end

Each has a further key at its end, "crc32": the checksum, in eight hexadecimal digits, of all bytes
before the comma that precedes it. Lines of version 1 had none, and a run that takes up such a file
leaves it at that version: there, lines without a checksum are read up to the first that has one.

A line counts once its newline is there, and the last one about an episode replaces those before.
Numbers are written as Python writes them, so that they come back the same, NaN and Infinity, too.
"""

from __future__ import annotations

import dataclasses
import json
import operator
import re
import warnings
import zlib
from typing import (
    Any,
    Callable,
    Dict,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Tuple,
    Type,
    TypeVar,
    Union,
)

from rlmesh.errors import JournalError

from .differences import abbreviated
from .episodes import EpisodeError, EpisodeResult
from .timing import Timing

Episode = Union[EpisodeResult, EpisodeError]
T = TypeVar("T")

_VERSION = 2
_VERSIONS = (1, 2)
_START = b'{"rlmesh_journal": '
_CHECKSUM = re.compile(rb', "crc32": "([0-9a-f]{8})"\}\Z')

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
    """Return what a file says; warns of damaged lines, and of a last line that was cut off.

    A line is damaged if it does not match its checksum. What it says is left out.

    Args:
        data: All of it.
        name: What errors call it.

    Raises:
        JournalError: It is no file of this form; the first line is damaged; or another one is none,
            although it is as it was written.
    """
    *lines, rest = data.split(b"\n")
    # A crash may also leave zeros where the disk had no time for a part of the line.
    if not rest and len(lines) > 1 and b"\0" in lines[-1]:
        rest = lines.pop() + b"\n"
    size = len(data) - len(rest)
    run, is_checked = _read_header(lines[0] if lines else rest, name, is_whole=bool(lines))
    if rest:
        warnings.warn(
            f"{name}, line {len(lines) + 1}: the last line was cut off by a crash, and is dropped"
            f" ({len(rest)} bytes)",
            RuntimeWarning,
            stacklevel=3,
        )
    records = Records(run, {}, {}, {}, None, size)
    damaged: List[int] = []
    for number, line in enumerate(lines[1:], 2):
        content = _content(line)
        is_checked = is_checked or content is not None
        if content is None and not is_checked:
            content = line
        elif not content:
            damaged.append(number)
            continue
        try:
            records = _add(records, json.loads(content.decode()))
        except (ValueError, RecursionError) as exc:
            raise JournalError(f"{name}, line {number}: {exc}; got {_shown(line)}") from None
    if damaged:
        _warn_of(damaged, name)
    return records


def _read_header(
    line: bytes, name: str, *, is_whole: bool
) -> Tuple[Optional[Dict[str, Any]], bool]:
    """Return the description in the first line, and whether all lines have a checksum."""
    if not is_whole:
        begun = line.rstrip(b"\0")
        if begun.startswith(_START) or _START.startswith(begun):
            return None, True
    content = _content(line)
    try:
        header = json.loads((content or line).decode())
        version, run = header["rlmesh_journal"], header["run"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise JournalError(
            f"{name}, line 1: expected a journal or a saved result, got another file, which begins"
            f" with {_shown(line)}; it was left as it is"
        ) from None
    if type(version) is not int or version not in _VERSIONS:
        raise JournalError(
            f"{name}, line 1: expected version {' or '.join(map(str, _VERSIONS))}, got {version!r}:"
            " another version of RLMesh wrote it"
        )
    if not content and (version > 1 or content is not None):
        raise JournalError(
            f"{name}, line 1: does not match its checksum, so the file is damaged where it says of"
            " which run it is; it was left as it is"
        )
    if not isinstance(run, (dict, type(None))):
        raise JournalError(f"{name}, line 1: expected a run's description, got {_shown(line)}")
    return run, version > 1


def _content(line: bytes) -> Optional[bytes]:
    """Return a line without its checksum; nothing if that differs, None if there is none."""
    found = _CHECKSUM.search(line)
    if found is None:
        return None
    content = line[: found.start()]
    return content + b"}" if zlib.crc32(content) == int(found[1], 16) else b""


def _warn_of(damaged: List[int], name: str) -> None:
    one = len(damaged) == 1
    where = f"line {damaged[0]}" if one else f"lines {abbreviated(damaged)}"
    warnings.warn(
        f"{name}, {where}: {'does' if one else 'do'} not match"
        f" {'its checksum' if one else 'their checksums'}, and what was written there is left out;"
        " a run that takes the file up plays such episodes again",
        RuntimeWarning,
        stacklevel=4,
    )


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
    content = json.dumps(data).encode()[:-1]
    return b'%s, "crc32": "%08x"}\n' % (content, zlib.crc32(content))


def _shown(line: bytes) -> str:
    """Return the beginning of a line as errors show it."""
    return repr(line[:60])[1:] + ("..." if len(line) > 60 else "")
