"""What a process has running and open, and waiting until a condition holds."""

from __future__ import annotations

import os
import threading
import time
from typing import Callable, List, NamedTuple

from servers import PATIENCE


class Traces(NamedTuple):
    """What a process has: Python's threads, all threads, and open files."""

    names: List[str]
    tasks: int
    files: int

    @classmethod
    def now(cls) -> Traces:
        names = sorted(thread.name for thread in threading.enumerate())
        return cls(names, len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd")))

    def are_left(self) -> bool:
        """Whether nothing more is there now; what was about to end may have ended."""
        now = Traces.now()
        return now.names == self.names and now.tasks <= self.tasks and now.files <= self.files


def assert_soon(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, Traces.now()
        time.sleep(0.005)
