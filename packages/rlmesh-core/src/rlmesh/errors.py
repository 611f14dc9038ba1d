"""Every error that RLMesh raises on purpose, in one small tree."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

from ._text import MARGIN, printable, printable_block, printable_lines

__all__ = [
    "AdapterResolutionError",
    "AddressError",
    "AddressInUse",
    "BackendNotInstalled",
    "Busy",
    "CallUnderWay",
    "ConnectionFailed",
    "EnvCrashed",
    "EnvError",
    "InvalidValue",
    "JournalError",
    "LimitExceeded",
    "ModelError",
    "NotReset",
    "ProtocolError",
    "RLMeshError",
    "RemoteError",
    "RequestTimeout",
    "RunCancelled",
    "SecurityError",
    "SessionLost",
    "UnknownAttribute",
    "UnsupportedSpace",
]

_MAX_MESSAGE = 20_000
_MAX_TRACEBACK = 20_000


class RLMeshError(Exception):
    """Base of all errors below.

    As text it is safe to print, whatever a peer has put into it: control characters are shown as
    escapes, and lines after the first are indented. `args` has the message as it was given.

    Attributes:
        run_result: A `RunResult` with what was finished of the run that it ended; None where it
            ended no run.
    """

    run_result: Any = None

    def __str__(self) -> str:
        return printable_lines(super().__str__(), _MAX_MESSAGE, margin="  ")


class AddressError(RLMeshError, ValueError):
    """An address that does not parse, or that cannot be bound on this machine."""


class AddressInUse(AddressError):
    """Another server holds this address."""


class SecurityError(RLMeshError):
    """A token is missing, wrong or refused, or binding would expose an open server."""


class ConnectionFailed(RLMeshError, ConnectionError):
    """No server answered at the address within the connect timeout."""


class RequestTimeout(RLMeshError, TimeoutError):
    """A server that was reached did not answer a request within its budget."""


class ProtocolError(RLMeshError):
    """The peer does not speak this protocol, or not this version of it."""


class JournalError(RLMeshError):
    """A journal or a saved result that cannot be read, written or taken up by this run."""


class RunCancelled(RLMeshError):
    """The run's `cancel` event was set; `run_result` has what was finished by then."""


class LimitExceeded(RLMeshError):
    """A message is larger or deeper than its receiver accepts."""


class Busy(RLMeshError):
    """The env is held by another session, or there is no room for one more now.

    Attributes:
        holder_gone: Whether that session's client went away, or the server's machine is short of
            something, so that waiting helps.
        in_line: Whether this client, which asked to wait, has its place among those that wait.
    """

    def __init__(self, message: str, *, holder_gone: bool = False, in_line: bool = False) -> None:
        """Build the error; see the class."""
        super().__init__(message)
        self.holder_gone = holder_gone
        self.in_line = in_line


class CallUnderWay(RLMeshError, RuntimeError):
    """A call came while another one of the same object was under way on the same thread.

    That happens in signal handlers, in `__del__` methods and in weakref callbacks, which interrupt
    whatever runs. `close` and `shutdown` may be called there.
    """


class SessionLost(RLMeshError):
    """The server no longer knows this session: it restarted, or it freed the env."""


class EnvCrashed(RLMeshError):
    """The process of a served env ended by itself, and its session with it.

    Attributes:
        exit_code: Its exit status; None if a signal ended it.
        signal: The signal's name, e.g. `"SIGSEGV"`; empty if it exited.
        stderr: The last lines that it wrote to stderr.
    """

    def __init__(
        self,
        message: str,
        *,
        exit_code: Optional[int] = None,
        signal: str = "",
        stderr: Sequence[str] = (),
    ) -> None:
        """Build the error; see the class."""
        super().__init__(message)
        self.exit_code = exit_code
        self.signal = signal
        self.stderr: Tuple[str, ...] = tuple(stderr)

    def __str__(self) -> str:
        message = super().__str__()
        if not self.stderr:
            return message
        lines = "".join(f"\n{MARGIN}{printable(line)}" for line in self.stderr)
        return f"{message}\n\nThe last lines of its stderr:{lines}"


class InvalidValue(RLMeshError, ValueError):
    """A value that does not fit its space: wrong structure, shape or dtype."""


class UnsupportedSpace(RLMeshError, TypeError):
    """A space that is missing, or that RLMesh cannot describe."""


class UnknownAttribute(RLMeshError, AttributeError):
    """An attribute or method that a served env does not have, or its server does not expose."""


class AdapterResolutionError(RLMeshError, ValueError):
    """An env's tags and a model's spec that do not go together, or that say nothing sensible."""


class NotReset(RLMeshError, RuntimeError):
    """Something that needs a running episode was called before `reset`, or after its end."""


class BackendNotInstalled(RLMeshError, ImportError):
    """The framework package behind a backend is not installed."""


class RemoteError(RLMeshError):
    """Code on the other side raised; carries what it raised.

    Attributes:
        remote_type: Name of the exception class on the other side, e.g. `"ValueError"`.
        remote_message: Its message.
        remote_traceback: Its traceback as text; empty where there is none.
    """

    def __init__(
        self,
        message: str,
        *,
        remote_type: str = "",
        remote_message: str = "",
        remote_traceback: str = "",
    ) -> None:
        """Build the error.

        Args:
            message: The sentence shown first.
            remote_type: See the class.
            remote_message: See the class.
            remote_traceback: See the class.
        """
        super().__init__(message)
        self.remote_type = remote_type
        self.remote_message = remote_message
        self.remote_traceback = remote_traceback

    def __str__(self) -> str:
        message = super().__str__()
        if not self.remote_traceback:
            return message
        trace = printable_block(self.remote_traceback, _MAX_TRACEBACK)
        return f"{message}\n\nThe traceback on the other side:\n{trace}"


class EnvError(RemoteError):
    """The environment itself raised, in `reset`, `step`, `render` or `close`."""


class ModelError(RemoteError):
    """A served model itself raised, in `predict` or in a lifecycle callback.

    Attributes:
        inputs: What predict was given: the dtype and shape of each array, by its path, such as
            `{"observation['image']": ("uint8", (224, 224, 3))}`. Other values have their type's
            name and no shape. Empty where it was not predict that raised.
    """

    def __init__(
        self,
        message: str,
        *,
        remote_type: str = "",
        remote_message: str = "",
        remote_traceback: str = "",
        inputs: Optional[Mapping[str, Tuple[str, Tuple[int, ...]]]] = None,
    ) -> None:
        """Build the error.

        Args:
            message: The sentence shown first.
            remote_type: See `RemoteError`.
            remote_message: See `RemoteError`.
            remote_traceback: See `RemoteError`.
            inputs: See the class.
        """
        super().__init__(
            message,
            remote_type=remote_type,
            remote_message=remote_message,
            remote_traceback=remote_traceback,
        )
        self.inputs: Dict[str, Tuple[str, Tuple[int, ...]]] = dict(inputs or {})

    def __str__(self) -> str:
        if not self.inputs:
            return super().__str__()
        given = "".join(
            f"\n  {printable(path)}: {printable(kind)} {printable(shape or '')}".rstrip()
            for path, (kind, shape) in self.inputs.items()
        )
        return f"{super().__str__()}\n\nWhat predict was given:{given}"
