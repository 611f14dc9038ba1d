"""The `rlmesh` command as these tests use it: a real process, started in `project`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Iterator, List, Sequence, Tuple

import pytest

PROJECT = Path(__file__).with_name("project")
SCRIPT = str(Path(sys.executable).with_name("rlmesh"))
PATIENCE = 60.0

# What would change the output, or let the command into a server, is the tests' own choice.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name not in ("RLMESH_TOKEN", "FORCE_COLOR", "COLUMNS")
}


class Command:
    """Starts the command, and kills what still runs when the test is over."""

    def __init__(self) -> None:
        self._started: List[Any] = []

    def start(
        self,
        *arguments: str,
        stderr: int = subprocess.PIPE,
        pass_fds: Sequence[int] = (),
        **variables: str,
    ) -> Any:
        """Return a process, started with these arguments and environment variables."""
        return self.popen([SCRIPT, *arguments], stderr, pass_fds, **variables)

    def popen(
        self,
        argv: List[str],
        stderr: int = subprocess.PIPE,
        pass_fds: Sequence[int] = (),
        **variables: str,
    ) -> Any:
        process = subprocess.Popen(
            argv,
            cwd=PROJECT,
            env={**ENVIRONMENT, **variables},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            pass_fds=pass_fds,
        )
        self._started.append(process)
        return process

    def finish(self, process: Any) -> Tuple[int, str, str]:
        """Return exit status, stdout and stderr of a process, once it has ended."""
        # Not communicate(), which forgets what readline() has read ahead.
        out = process.stdout.read()
        err = "" if process.stderr is None else process.stderr.read()
        return process.wait(PATIENCE), out, err

    def run(self, *arguments: str, **variables: str) -> Tuple[int, str, str]:
        """Run to the end; return as `finish`."""
        return self.finish(self.start(*arguments, **variables))

    def run_without(self, modules: str, *arguments: str) -> Tuple[int, str, str]:
        """As `run`, where some modules are not installed, for processes that it starts neither."""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "sitecustomize.py").write_text(
                f"import sys; sys.modules.update(dict.fromkeys({modules.split()!r}))"
            )
            path = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))
            return self.run(*arguments, PYTHONPATH=path)

    def serve(self, env: str = "envs:Walk", *options: str, **variables: str) -> Tuple[Any, str]:
        """Return a process of `rlmesh serve`, and its address."""
        return self.serving("serve", env, *options, **variables)

    def serve_model(
        self, policy: str = "policies:one", *options: str, **variables: str
    ) -> Tuple[Any, str]:
        """Return a process of `rlmesh serve-model`, and its address."""
        return self.serving("serve-model", policy, *options, **variables)

    def serving(self, *arguments: str, **variables: str) -> Tuple[Any, str]:
        process = self.start(*arguments, **variables)
        line = process.stdout.readline()
        match = re.fullmatch(r"Serving \S+ at (\S+)\n", line)
        assert match, line + process.stderr.read()
        return process, match[1]

    def close(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.wait()
            for pipe in filter(None, (process.stdout, process.stderr)):
                pipe.close()


@pytest.fixture
def rlmesh() -> Iterator[Command]:
    command = Command()
    yield command
    command.close()


@pytest.fixture
def address(rlmesh: Command) -> str:
    """The address of a served `envs:Walk`."""
    return rlmesh.serve()[1]
