"""How an exception crosses the wire: class, message, and traceback text."""

from __future__ import annotations

import traceback
from types import TracebackType
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple, Type

from rlmesh import errors
from rlmesh._contract.fields import field
from rlmesh._text import printable, printable_lines
from rlmesh.errors import Busy, EnvCrashed, EnvError, ModelError, ProtocolError, RLMeshError

_KINDS: Dict[str, Type[RLMeshError]] = {
    name: getattr(errors, name)
    for name in errors.__all__
    if not issubclass(getattr(errors, name), errors.RemoteError)
}
_MAX_TRACEBACK = 20_000
_MAX_MESSAGE = 10_000
_MAX_NAME = 200


def error_to_wire(
    exc: BaseException,
    role: str,
    inputs: Optional[Mapping[str, Tuple[str, Sequence[int]]]] = None,
) -> Dict[str, Any]:
    """Return an exception as plain data.

    Ours travel as class, message and attributes; those of user code also bring their traceback.

    Args:
        exc: What was raised.
        role: What is served here, `"env"` or `"model"`.
        inputs: What predict was given; see `ModelError`.
    """
    if _KINDS.get(type(exc).__name__) is type(exc):
        ours: Dict[str, Any] = {"kind": type(exc).__name__, "message": _text(exc)}
        if isinstance(exc, Busy):
            ours.update(holder_gone=exc.holder_gone, in_line=exc.in_line)
        elif isinstance(exc, EnvCrashed):
            ours["message"] = str(exc.args[0])
            ours.update(exit_code=exc.exit_code, signal=exc.signal, stderr=list(exc.stderr))
        return ours
    trace = "".join(traceback.format_exception(type(exc), exc, _below_ours(exc.__traceback__)))
    return {
        "kind": role,
        "type": type(exc).__name__,
        "message": _text(exc),
        "traceback": trace[-_MAX_TRACEBACK:],
        "inputs": {path: [kind, list(shape)] for path, (kind, shape) in (inputs or {}).items()},
    }


def error_from_wire(body: Any, name: str, address: str) -> RLMeshError:
    """Return the exception to raise for a received error.

    Args:
        body: What `error_to_wire` returned on the other side.
        name: What was asked, e.g. `"step"`.
        address: Of whom.
    """
    try:
        return _error_of(body, name, address)
    except TypeError as exc:
        return ProtocolError(f"{name} of {address}: the error that came back does not parse: {exc}")


def _error_of(body: Any, name: str, address: str) -> RLMeshError:
    """Return the exception to raise.

    Raises:
        TypeError: The body is none.
    """
    message, named = _cut(field(body, "message", str, default="")), field(body, "kind", str)
    kind = _KINDS.get(named)
    if kind is Busy:
        gone = field(body, "holder_gone", bool, default=False)
        return Busy(message, holder_gone=gone, in_line=field(body, "in_line", bool, default=False))
    if kind is EnvCrashed:
        return _crash_from_wire(message, body)
    if kind is not None:
        return kind(message)
    role = "model" if named == "model" else "env"
    remote_type = printable(field(body, "type", str, default="Exception"), _MAX_NAME)
    sentence = f"{name} of the {role} at {address} raised {remote_type}: {printable_lines(message)}"
    details = {
        "remote_type": remote_type,
        "remote_message": message,
        "remote_traceback": field(body, "traceback", str, default="")[-_MAX_TRACEBACK:],
    }
    if role == "model":
        return ModelError(sentence, inputs=_inputs_from_wire(body.get("inputs")), **details)
    return EnvError(sentence, **details)


def _crash_from_wire(message: str, body: Any) -> EnvCrashed:
    code, name, lines = body.get("exit_code"), body.get("signal"), body.get("stderr")
    # Details that do not parse must not hide the crash.
    return EnvCrashed(
        message,
        exit_code=code if type(code) is int else None,
        signal=name if type(name) is str else "",
        stderr=[line for line in lines if type(line) is str] if type(lines) is list else (),
    )


def _inputs_from_wire(body: Any) -> Dict[str, Tuple[str, Tuple[int, ...]]]:
    try:
        return {str(path): (str(kind), tuple(shape)) for path, (kind, shape) in body.items()}
    except (AttributeError, TypeError, ValueError):
        return {}  # a description that does not parse must not hide the error


def _below_ours(trace: Optional[TracebackType]) -> Optional[TracebackType]:
    """Return a traceback from the first frame on that is not RLMesh's."""
    below = trace
    while below is not None and below.tb_frame.f_globals.get("__name__", "").startswith("rlmesh."):
        below = below.tb_next
    return below or trace


def _text(exc: BaseException) -> str:
    try:
        text = str(exc)
    except Exception as broken:
        return f"<the message raised {type(broken).__name__}>"
    return _cut(text)


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_MESSAGE else text[:_MAX_MESSAGE] + "..."
