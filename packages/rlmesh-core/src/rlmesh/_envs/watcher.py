"""Ends what the envs of a server have started, when the server is killed.

Workers mark their environment, which whatever they start inherits: also what has made a session of
its own, or outlived the process that started it. The watcher is a small process that waits for the
end of a pipe that its server holds, which comes however the server ends. It runs this file by
itself, so nothing of RLMesh is imported here.
"""

from __future__ import annotations

import contextlib
import glob
import os
import signal
import subprocess
import sys
import time
from typing import List

MARK = "RLMESH_WORKER_OF"
"""The variable in a worker's environment."""
_GRACE = 6.0
"""Seconds after which workers have ended by themselves; see `_Lifeline`."""
_POLL_INTERVAL = 0.1


class Watcher:
    """The server's side of its watcher.

    Args:
        mark: What the value of `MARK` begins with in the environment of the server's workers, and
            in that of no other server's.
    """

    def __init__(self, mark: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # A terminal's Ctrl-C is not for it.
            start_new_session=True,
        )

    def disown(self) -> None:
        """Let go of the pipe in a forked process, or it would not end with the server."""
        assert self._process.stdin is not None
        if not self._process.stdin.closed:
            # Not closed: another thread of the parent's may have held the file's own lock.
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, self._process.stdin.fileno(), inheritable=False)
            os.close(nothing)

    def close(self) -> None:
        """Have it look for the last time, and end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def kill_marked(mark: str) -> None:
    """Kill all processes with a mark. Only Linux shows the environment of processes."""
    for pid in _marked(mark):
        # It may just have ended.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _marked(mark: str) -> List[int]:
    sought, found = f"{MARK}={mark}".encode(), []
    for path in glob.glob("/proc/[0-9]*/environ"):
        # Of another user, or just gone.
        with contextlib.suppress(OSError), open(path, "rb") as file:
            if any(line.startswith(sought) for line in file.read().split(b"\0")):
                found.append(int(path.split("/")[2]))
    return found


def main(mark: str) -> None:
    """Wait for the server's end, then for its workers', then kill what is left.

    Args:
        mark: What the value of `MARK` begins with.
    """
    while sys.stdin.buffer.read(1):
        pass
    deadline = time.monotonic() + _GRACE
    while time.monotonic() < deadline and _marked(mark):
        time.sleep(_POLL_INTERVAL)
    # What is killed may be starting something just then.
    while _marked(mark) and time.monotonic() < deadline + _GRACE:
        kill_marked(mark)
        time.sleep(_POLL_INTERVAL)


if __name__ == "__main__":
    main(sys.argv[1])
