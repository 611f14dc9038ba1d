"""The `rlmesh` command as these tests use it: a real process, started in `project`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest

SCRIPT = str(Path(sys.executable).with_name("rlmesh"))


class Command:
    """Starts the command, and ends what still runs when the test is over."""

    def __init__(self) -> None:
        environment = {**os.environ, "RLMESH_TOKEN": ""}
        environment.pop("FORCE_COLOR", None)
        self._options: Dict[str, Any] = {
            "cwd": Path(__file__).with_name("project"),
            "env": environment,
            "text": True,
        }
        self._servers: List[Any] = []

    def run(self, *arguments: str) -> Any:
        """Return the completed process."""
        return subprocess.run([SCRIPT, *arguments], capture_output=True, **self._options)

    def serve(self, *arguments: str) -> str:
        """Start `rlmesh serve`; return its address."""
        argv = [SCRIPT, "serve", *arguments]
        server = subprocess.Popen(argv, stdout=subprocess.PIPE, **self._options)
        self._servers.append(server)
        return server.stdout.readline().split()[-1]

    def close(self) -> None:
        for server in self._servers:
            server.terminate()
            server.communicate()


@pytest.fixture
def rlmesh() -> Iterator[Command]:
    command = Command()
    yield command
    command.close()
