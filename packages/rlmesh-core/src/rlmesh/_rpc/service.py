"""What a server serves, as the layer of sessions sees it."""

from __future__ import annotations

from typing import (
    Any,
    Deque,
    Iterable,
    Mapping,
    NamedTuple,
    Optional,
    Protocol,
    Sequence,
    Tuple,
    Union,
)

from rlmesh._wire.payload import Parts

from .histogram import Histogram
from .session import Session

Result = Tuple[Any, Parts]
"""A reply's body, and its large arrays, which may change when the session's next call runs."""


class Call(NamedTuple):
    """One request that is to be executed.

    Attributes:
        session: Whose it is.
        op: One of the acting operations.
        body: The operation's own data.
        payload: The payload frames.
        arrived: When the server has read it, in `time.perf_counter_ns`.
    """

    session: Session
    op: int
    body: Any
    payload: Sequence[memoryview]
    arrived: int = 0


class Failure(NamedTuple):
    """What is sent instead of a result.

    Attributes:
        error: What was raised.
        inputs: The dtype and shape of each array that predict was given, by path; None elsewhere.
    """

    error: BaseException
    inputs: Optional[Mapping[str, Tuple[str, Sequence[int]]]] = None


Outcome = Union[Result, Failure]


class Service(Protocol):
    """One thing that sessions use. All its methods are called on the server's thread."""

    @property
    def role(self) -> str:
        """`"env"` or `"model"`."""
        ...

    @property
    def capacity(self) -> int:
        """Number of sessions at a time."""
        ...

    @property
    def sharing_rule(self) -> str:
        """Why there is one session at a time, for clients that are refused; empty if none knows."""
        ...

    @property
    def latencies(self) -> Mapping[str, Histogram]:
        """How long the parts of its work took, by name; the names do not change."""
        ...

    def describe(self) -> Any:
        """Return, as plain data, what a client learns when its session opens."""
        ...

    def delay(self, waiting: Deque[Call]) -> Optional[float]:
        """Return for how many seconds to wait for more calls; None where there is none yet.

        Args:
            waiting: Calls that have arrived; the service may take them over.
        """
        ...

    def execute(self, waiting: Deque[Call]) -> Iterable[Tuple[Call, Outcome]]:
        """Execute one call, or several that go together, of those that have arrived.

        What is returned is sent as it is iterated over.

        Args:
            waiting: As for `delay`. Another thread may add calls meanwhile.
        """
        ...

    def release(self, session: Session) -> None:
        """Forget a session that ended."""
        ...

    def close(self) -> None:
        """Free what the service holds, at the server's end; calling it again does nothing."""
        ...
