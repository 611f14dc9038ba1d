"""Calls of many sessions under way at once, on one thread."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, List, Protocol, TypeVar

from rlmesh._tasks import Promise
from rlmesh._transport.client import ZmqConnection
from rlmesh._transport.waiting import wait_readable

from .arrivals import Unread
from .client import RpcClient, Steps

T = TypeVar("T")

LONG = 60.0
"""Seconds for `Calls.wait` where nothing but a message matters."""

_WATCH_AFTER = 0.05
"""Seconds without a message after which the connection itself is watched, too."""


class Caller(Protocol):
    """How the steps of sessions are taken."""

    @property
    def unread(self) -> Unread:
        """For how long the reply lay unread with which `complete` has just returned."""
        ...

    async def complete(self, rpc: RpcClient, steps: Steps[T]) -> T:
        """Return what steps of a session return."""
        ...


class Blocking:
    """Takes steps one after the other; the thread waits for nothing else meanwhile."""

    unread = Unread()

    async def complete(self, rpc: RpcClient, steps: Steps[T]) -> T:
        """Return what steps of a session return."""
        return rpc.complete(steps)


BLOCKING = Blocking()


class Calls:
    """Takes the steps of many sessions as their messages arrive. It belongs to one thread.

    Attributes:
        unread: See `Caller`.
    """

    def __init__(self) -> None:
        self.unread = Unread()
        self._running: List[_Running] = []
        self._looked = time.monotonic()

    async def complete(self, rpc: RpcClient, steps: Steps[T]) -> T:
        """Return what steps of a session return; other tasks run meanwhile."""
        running = _Running(rpc.connection, steps)
        self._running.append(running)
        try:
            value: T = await running.promise
            now = time.monotonic()
            self.unread = Unread(now - running.read, now - running.unseen)
            return value
        except BaseException as exc:
            if not running.promise.settled:
                # Whoever called this is made to end, and so is the call.
                running.throw(exc)
            raise
        finally:
            self._running.remove(running)

    def wait(self, timeout: float) -> bool:
        """Go on with what has received something, or must go on without.

        Args:
            timeout: Seconds after which this returns at the latest; 0 waits for nothing.

        Returns:
            Whether anything was received.
        """
        now = time.monotonic()
        sockets: Dict[Any, _Running] = {}
        for running in self._running:
            messages, connection = running.connection.sockets
            sockets[messages] = running
            is_watched = now >= running.watched_from
            if is_watched:
                sockets[connection] = running
            due = running.deadline if is_watched else running.watched_from
            timeout = min(timeout, due - now)
        readable = wait_readable(list(sockets), max(timeout, 0.0))
        began, now = now, time.monotonic()
        for running in dict.fromkeys(sockets[one] for one in readable):
            # What is there already ends the wait at once; what ends it later, comes just then.
            last = max(self._looked, running.stepped)
            running.unseen = now if now - began >= began - last else last
            running.read = now
            running.receive()
        self._looked = now
        # Also while others keep this busy: a lane that hangs must still time out.
        now = time.monotonic()
        for running in self._running:
            if running.deadline <= now:
                running.receive()
        return bool(readable)


class _Running:
    """The steps of one session.

    Args:
        connection: Where its messages arrive.
        steps: What is to be done.

    Attributes:
        connection: As given.
        promise: What the steps return.
        deadline: When they go on without a message.
        watched_from: When the connection itself is to be watched.
        stepped: When the last step was taken.
        unseen: When the last message can have arrived at the earliest.
        read: When it was read.
    """

    def __init__(self, connection: Any, steps: Steps[Any]) -> None:
        self.connection: ZmqConnection = connection
        self.promise: Promise[Any] = Promise()
        self.deadline = self.watched_from = 0.0
        self.stepped = self.unseen = self.read = time.monotonic()
        self._steps = steps
        self._go_on(lambda: next(steps))

    def receive(self) -> None:
        """Take a step, if there is a message for it, or its time is over."""
        if self.promise.settled:
            return
        try:
            message = self.connection.receive(0)
        except BaseException as exc:
            self.throw(exc)
            return
        if message is not None or time.monotonic() >= self.deadline:
            self._go_on(lambda: self._steps.send(message))

    def throw(self, error: BaseException) -> None:
        """Have the steps go on with an error."""
        self._go_on(lambda: self._steps.throw(error))

    def _go_on(self, step: Callable[[], float]) -> None:
        try:
            wait = step()
        except StopIteration as done:
            self.promise.set(done.value)
        except BaseException as exc:
            self.promise.fail(exc)
        else:
            self.stepped = now = time.monotonic()
            self.deadline = now + wait
            self.watched_from = now + _WATCH_AFTER
