"""A contender's server, in a process of its own, as its client sees it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import List

_WORKER = Path(__file__).with_name("worker.py")


class Server:
    """Starts the process. It ends with this one.

    Args:
        name: The contender's.
        part: What it serves, `"env"` or `"model"`.
        payload: What the env sends.
        address: Where.

    Attributes:
        address: The address that it says it has.
    """

    def __init__(self, name: str, part: str, payload: str, address: str) -> None:
        self._what = f"{name}: the server of its {part}"
        self._process = subprocess.Popen(
            [sys.executable, str(_WORKER), "serve", name, part, payload, address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.address = self._read()

    def times(self) -> List[int]:
        """Return the times that a served `TimedPolicy` took."""
        assert self._process.stdin is not None
        print(file=self._process.stdin, flush=True)
        times: List[int] = json.loads(self._read())
        return times

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            sys.exit(f"{self._what} failed; what it said stands above")
        return line
