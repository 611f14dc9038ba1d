"""What a server's owner may set."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Optional, Tuple, Union

from rlmesh._contract.peer import Limits


@dataclass(frozen=True)
class ServeOptions:
    """How a server behaves towards its clients.

    Attributes:
        session_grace: Seconds for which a client that cannot be reached keeps its session.
        idle_timeout: Seconds without any session after which the server shuts down by itself; None
            keeps it up.
        drain_timeout: Seconds that open sessions have to end by themselves once a shutdown was
            asked for; new ones are refused meanwhile.
        close_timeout: Seconds that `shutdown` then waits for a call under way to return, before it
            gives up with a `RequestTimeout`.
        allow_remote_shutdown: Let clients shut the server down.
        max_control: Bytes that a received control frame may have (headers, small arrays, text).
        max_payload: Bytes that the large arrays of a received message may have, all together.
        max_sessions: Sessions that a served model has at a time, or envs that a factory makes, each
            a process, those included that wait for a session; an env instance has one.
        max_batch_size: Observations that a served model with a batch corner predicts together.
        max_wait: Seconds that a served model may hold an observation back for a fuller batch. None
            leaves that to what it has seen of how long its forward passes and its clients take;
            with 0, the next batch is whatever arrived while the last one was predicted.
        batch_padding: Fill every batch of a served model up to `max_batch_size`, by repeating its
            last observation, so that a result does not depend on the size of its batch.
        allow_insecure: Allow an address that other machines reach, without a token.
        ready_file: Where the address is written, as one line, once clients are answered; None
            writes nothing. The file appears as a whole, and is removed at the end.
        ready_fd: An open file descriptor to which the same line is written, and that is closed
            then; None writes nothing.

    Raises:
        ValueError: A number is out of its range.
        TypeError: A value is none.
    """

    session_grace: float = 30.0
    idle_timeout: Optional[float] = None
    drain_timeout: float = 0.0
    close_timeout: float = 60.0
    allow_remote_shutdown: bool = False
    max_control: int = Limits.control
    max_payload: int = Limits.payload
    max_sessions: int = 256
    max_batch_size: int = 32
    max_wait: Optional[float] = None
    batch_padding: bool = False
    allow_insecure: bool = False
    ready_file: Union[str, os.PathLike[str], None] = None
    ready_fd: Optional[int] = None

    def __post_init__(self) -> None:
        for name in ("session_grace", "drain_timeout", "close_timeout"):
            self._check(name, 0, (int, float), "a number")
        for name in ("max_control", "max_payload", "max_sessions", "max_batch_size"):
            self._check(name, 1, (int,), "an integer")
        for name in ("idle_timeout", "max_wait"):
            if getattr(self, name) is not None:
                self._check(name, 0, (int, float), "a number")
        if self.ready_fd is not None:
            # Those below are what the process itself prints to.
            self._check("ready_fd", 3, (int,), "an integer")
        if not isinstance(self.ready_file, (str, os.PathLike, type(None))):
            raise TypeError(f"ready_file: expected a path, got {self.ready_file!r}")

    def _check(self, name: str, least: int, types: Tuple[type, ...], kind: str) -> None:
        value: Any = getattr(self, name)
        is_right: bool = isinstance(value, types)
        if not is_right:
            raise TypeError(f"{name}: expected {kind}, got {value!r}")
        if not least <= value:
            raise ValueError(f"{name}: expected at least {least}, got {value!r}")

    @property
    def limits(self) -> Limits:
        """The limits that clients are told."""
        return Limits(self.max_control, self.max_payload)
