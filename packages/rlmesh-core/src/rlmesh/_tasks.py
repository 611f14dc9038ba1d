"""Coroutines without an event loop: what several of them wait for is settled by one thread.

Code that may run in one of several lanes is written with `async def`, once. Used alone, nothing in
it ever suspends, because whatever it calls blocks; `complete` runs it then like any function.
"""

from __future__ import annotations

from collections import deque
from typing import (
    Any,
    Callable,
    Coroutine,
    Deque,
    Dict,
    Generator,
    Generic,
    Optional,
    Sequence,
    Tuple,
    TypeVar,
)

T = TypeVar("T")

Task = Coroutine[Any, None, None]


_LAST_WISHES = 8
"""How many times a task that is made to end may go on to wait for something."""


class Cancelled(BaseException):
    """Thrown into the tasks beside one that failed, to make them end."""


class Promise(Generic[T]):
    """A value that one task awaits, and that something else provides."""

    __slots__ = ("_callback", "_error", "_value", "settled")

    def __init__(self) -> None:
        self.settled = False
        self._value: Any = None
        self._error: Optional[BaseException] = None
        self._callback: Optional[Callable[[], None]] = None

    def set(self, value: T) -> None:
        """Provide the value."""
        self._value = value
        self._settle()

    def fail(self, error: BaseException) -> None:
        """Have the error raised in place of a value."""
        self._error = error
        self._settle()

    def then(self, callback: Callable[[], None]) -> None:
        """Have a function called when the promise is settled."""
        self._callback = callback

    def _settle(self) -> None:
        self.settled = True
        # Dropped at once: it may refer to this promise, and a value may be as large as images are.
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()

    def __await__(self) -> Generator[Promise[T], None, T]:
        if not self.settled:
            yield self
        if self._error is not None:
            raise self._error
        value: T = self._value
        return value


def complete(coroutine: Coroutine[Any, None, T]) -> T:
    """Run a coroutine that never suspends; return what it returns."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise RuntimeError("a call that must not wait for others did")


def run_together(tasks: Sequence[Task], idle: Callable[[], object]) -> None:
    """Run tasks until all have ended; at an error, make the others end, then raise it.

    Args:
        tasks: Coroutines that await promises.
        idle: Called whenever all of them wait; settles at least one promise, now or in a later
            call.

    Raises:
        BaseException: The first that a task, or `idle`, raised. A second one that is no
            `Exception`, such as another Ctrl-C, is raised at once.
    """
    group = _Group(tasks)
    failure: Optional[BaseException] = None
    while group.ready or group.waiting:
        try:
            while group.ready:
                group.resume_next()
            if group.waiting:
                idle()
        except Cancelled:
            pass
        except Exception as exc:
            if failure is None:
                failure = exc
                group.cancel()
        except BaseException as exc:
            if failure is not None:
                group.abandon()
                raise
            failure = exc
            group.cancel()
    if failure is not None:
        raise failure


class _Group:
    """Tasks that are ready to run, each with what it shall be thrown, and those that wait."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.ready: Deque[Tuple[Task, Optional[BaseException]]] = deque((t, None) for t in tasks)
        self.waiting: Dict[Task, Promise[Any]] = {}

    def resume_next(self) -> None:
        """Run one task until it waits, or ends."""
        task, error = self.ready.popleft()
        try:
            promise = task.send(None) if error is None else task.throw(error)
        except StopIteration:
            return
        self.waiting[task] = promise
        promise.then(lambda: self._wake(task, promise))

    def cancel(self) -> None:
        """Have every task thrown `Cancelled`."""
        tasks = [task for task, _ in self.ready] + list(self.waiting)
        self.waiting.clear()
        self.ready = deque((task, Cancelled()) for task in tasks)

    def abandon(self) -> None:
        """End every task, whatever it still wants to wait for."""
        for task in [task for task, _ in self.ready] + list(self.waiting):
            for _ in range(_LAST_WISHES):
                try:
                    task.close()
                except RuntimeError:  # it waits for something else now
                    continue
                except BaseException:  # noqa: S110 - it is not the first one
                    pass
                break

    def _wake(self, task: Task, promise: Promise[Any]) -> None:
        # A task that was cancelled waits for something else by now.
        if self.waiting.get(task) is promise:
            del self.waiting[task]
            self.ready.append((task, None))
