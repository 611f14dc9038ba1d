"""How a failed command ends: with a sentence, or with the traceback of code that is not ours."""

from __future__ import annotations

import traceback
from types import TracebackType
from typing import Iterator, Optional

from rlmesh._text import printable_lines
from rlmesh._tracebacks import trimmed
from rlmesh.errors import RLMeshError


def describe(exc: Exception) -> str:
    """Return what to tell about an exception that ended a command.

    A deliberate error of RLMesh is its sentence. What passed through somebody else's code, such as
    a policy's, keeps its traceback, less the frames above the command.
    """
    trace = exc.__traceback__
    while trace is not None and not _module(trace).startswith("rlmesh._cli."):
        trace = trace.tb_next
    ours = all(_module(part).partition(".")[0] == "rlmesh" for part in _parts(trace))
    if ours and isinstance(exc, RLMeshError):
        return f"rlmesh: {exc}"
    if ours and isinstance(exc, ValueError):
        return f"rlmesh: {printable_lines(exc, margin='  ')}"
    exc.__traceback__ = trace or exc.__traceback__
    shown = trimmed(exc)
    parts = traceback.format_exception(type(exc), exc, shown)
    return "\n".join(map(_printable_part, parts)).rstrip()


def _printable_part(part: str) -> str:
    """Return a part of a traceback, whose further lines do not begin at the left."""
    start, text = ("\n", part[1:]) if part.startswith("\n") else ("", part)
    return start + printable_lines(text.rstrip("\n"), margin="  ")


def _parts(trace: Optional[TracebackType]) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _module(trace: TracebackType) -> str:
    return str(trace.tb_frame.f_globals.get("__name__", ""))
