"""Tracebacks of errors in the user's code: its own lines, and few of ours."""

from __future__ import annotations

import os
import sysconfig
from types import TracebackType
from typing import List, Optional

_STDLIB = os.path.join(sysconfig.get_paths()["stdlib"], "")
_DEPENDENCIES = ("zmq", "msgpack")


def trimmed(error: BaseException) -> Optional[TracebackType]:
    """Return an error's traceback without our frames, if it came from code that we called.

    Errors that it was raised from are trimmed in place. One that came from our own code, or from
    what we call ourselves, keeps its traceback.

    Args:
        error: What was raised.
    """
    trace = error.__traceback__
    if not isinstance(error, Exception):
        return trace
    cause = error.__cause__
    is_theirs = _is_theirs(trace)
    if cause is not None:
        is_theirs = is_theirs or _is_theirs(cause.__traceback__)
        cause.__traceback__ = trimmed(cause)
    if not is_theirs:
        return trace
    kept = [part for part in _parts(trace) if not _is_ours(part)]
    for part, following in zip(kept, [*kept[1:], None]):
        part.tb_next = following
    return kept[0] if kept else None


def _is_theirs(trace: Optional[TracebackType]) -> bool:
    """Whether the last call that left our code was one of the user's."""
    parts = _parts(trace)
    ours = [number for number, part in enumerate(parts) if _is_ours(part)]
    theirs = parts[ours[-1] + 1 :] if ours else []
    if not theirs:
        return False
    frame = theirs[0].tb_frame
    name, path = _module(theirs[0]), frame.f_code.co_filename
    in_library = path.startswith(_STDLIB) and "site-packages" not in path
    return name.partition(".")[0] not in _DEPENDENCIES and not in_library


def _parts(trace: Optional[TracebackType]) -> List[TracebackType]:
    parts: List[TracebackType] = []
    while trace is not None:
        parts.append(trace)
        trace = trace.tb_next
    return parts


def _is_ours(part: TracebackType) -> bool:
    return _module(part).partition(".")[0] == "rlmesh"


def _module(part: TracebackType) -> str:
    return str(part.tb_frame.f_globals.get("__name__", ""))
