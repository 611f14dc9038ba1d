"""Envs and models served by processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Dict, List, Mapping, Optional, Sequence, Type

NOTHING_MORE: Mapping[str, str] = {}
FOLDER = Path(__file__).parent
PATIENCE = 60.0
"""Seconds within which whatever a test waits for happens, on a busy machine too."""


class PythonProcess:
    """A Python script of this folder, running in a process and a process group of its own.

    Args:
        script: Its file name.
        arguments: Its arguments.
        token: Its `RLMESH_TOKEN`.
        environ: More of its environment.
    """

    def __init__(
        self,
        script: str,
        *arguments: str,
        token: str = "",
        environ: Mapping[str, str] = NOTHING_MORE,
    ) -> None:
        self._stderr: IO[str] = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, str(FOLDER / script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            env={**os.environ, "RLMESH_TOKEN": token, **environ},
            start_new_session=True,
        )

    @property
    def stderr(self) -> str:
        """What the process has written to its stderr so far."""
        self._stderr.seek(0)
        return self._stderr.read()

    def read_line(self) -> str:
        """Return the next line that the process prints."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        if not line:
            self.process.wait(PATIENCE)
            raise AssertionError(f"the process ended: {self.stderr}")
        return line

    def tell(self, line: str) -> None:
        """Give the process a line to read."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def catches(self, number: int) -> bool:
        """Whether the process has a handler of its own for a signal by now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (caught,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
        return bool(int(caught, 16) >> (number - 1) & 1)

    @property
    def memory(self) -> int:
        """What the process has in memory, in bytes."""
        statm = Path(f"/proc/{self.process.pid}/statm").read_text()
        return int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def wait(self) -> int:
        """Return the exit status of the process, once it has ended."""
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        self.process.kill()
        self.wait()

    def is_gone(self) -> bool:
        """Whether the process and all its children have ended."""
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return self.process.poll() is not None
        return False

    def children(self) -> List[int]:
        """Return the numbers of the processes of envs that this one has started and that run."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = stat.read_text().rpartition(")")[2].split()
                is_watcher = b"watcher.py" in (stat.parent / "cmdline").read_bytes()
                if int(fields[1]) == self.process.pid and fields[0] != "Z" and not is_watcher:
                    found.append(int(stat.parent.name))
        return found

    def close(self) -> None:
        """End the process, gently if it lets us."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()
        for stream in (self.process.stdin, self.process.stdout, self._stderr):
            assert stream is not None
            stream.close()


class ServerProcess(PythonProcess):
    """An env or a model, served by a process of its own from when this is built.

    Args:
        name: `module:callable` of the env, the model or the model's source.
        address: Where to serve; port 0 takes a free one.
        kwargs: For the callable.
        options: For `ServeOptions`.
        token: The server's `RLMESH_TOKEN`.
        method: How it is served; see serve.py.
        model: The backend of a model, where the callable returns a source.
        factory: Whether to serve the callable, or Gymnasium id, as a factory.
        environ: More of the process's environment.
    """

    def __init__(
        self,
        name: str,
        address: str = "tcp://127.0.0.1:0",
        *,
        kwargs: Optional[Dict[str, Any]] = None,
        options: Optional[Dict[str, Any]] = None,
        token: str = "",
        method: str = "serve",
        model: str = "",
        factory: bool = False,
        expose: Sequence[str] = (),
        environ: Mapping[str, str] = NOTHING_MORE,
    ) -> None:
        settings = {"kwargs": kwargs or {}, "serve": options or {}, "method": method}
        settings.update(model=model, factory=factory, expose=expose)
        text = json.dumps(settings)
        super().__init__("serve.py", name, address, text, token=token, environ=environ)
        self.address = self.read_line()


class Servers:
    """Starts processes, and ends them with its `with` block."""

    def __init__(self) -> None:
        self._started: List[PythonProcess] = []

    def __call__(self, name: str, *args: Any, **kwargs: Any) -> ServerProcess:
        """Start a server; see `ServerProcess`."""
        server = ServerProcess(name, *args, **kwargs)
        self._started.append(server)
        return server

    def start(self, script: str, *arguments: str, **options: Any) -> PythonProcess:
        """Start a script of this folder; see `PythonProcess`."""
        process = PythonProcess(script, *arguments, **options)
        self._started.append(process)
        return process

    def client(self, address: str, what: str) -> PythonProcess:
        """Start a client that has opened and reset an env; see client.py."""
        client = PythonProcess("client.py", address, what)
        self._started.append(client)
        assert client.read_line() == "ready"
        return client

    def __enter__(self) -> Servers:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        value: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        for process in self._started:
            process.close()
