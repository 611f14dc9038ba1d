"""A server's side of its workers: their processes, from start to end."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import deque
from typing import Any, Callable, Deque, Dict, Iterator, List, Optional, Sequence, Tuple

from rlmesh import _logs
from rlmesh._contract.contract import EnvContract
from rlmesh._forks import leave_to_parent
from rlmesh._rpc.options import ServeOptions
from rlmesh._rpc.proof import new_secret
from rlmesh._rpc.tally import Tally
from rlmesh._text import printable_lines
from rlmesh._transport.security import Token
from rlmesh._wire.errors import error_from_wire
from rlmesh._wire.messages import Unpacker
from rlmesh.adapters.tags import EnvTags
from rlmesh.errors import EnvCrashed, EnvError, ProtocolError, RLMeshError

from .factory import EnvFactory
from .folder import WorkerFolder
from .pipes import PipeReader
from .watcher import MARK, Watcher, kill_marked

TERMINATE_AFTER = 5.0
"""Seconds after which a worker that was asked to end gets SIGTERM."""
_KILL_AFTER = 7.0
_SILENCE = 0.5
"""Seconds for which the last words of a process that ended are waited for."""
_LAST_RESORT = 5.0
"""Seconds in which the system ends a process that is killed, unless it is stuck in a device."""
_GLANCE = 0.1
"""Seconds between two looks at processes, which seldom end without closing their stderr."""
_KEPT_LINES = 20

_PROGRAM = (
    "import json, sys; config = json.loads(sys.stdin.readline()); sys.path[:] = config['path'];"
    " from rlmesh._envs.worker import main; main(config)"
)


class Worker:
    """One worker's process.

    Args:
        name: The factory's, for sentences.
        address: Where it serves its env.
        config: What it is told, less the pipe on which it reports.
        pipes: Reads what it says.
        on_change: Called, from the thread of `pipes`, whenever there is something new.
        mark: Finds whatever its env has started; see `watcher`.

    Attributes:
        pid: Its process's number.
        secret: What it shares with this server, and with nobody else; see `proof`.
        contract: What its env promises, as plain data; None until it is ready.
        tally: What it has executed, as plain data; at most about half a second old.
        error: Why it could not start; None where it did, or where its process just ended.
        retired: When it was asked to end, in `time.monotonic` seconds; None if it was not.
    """

    def __init__(
        self,
        name: str,
        address: str,
        config: Dict[str, Any],
        pipes: PipeReader,
        on_change: Callable[[], None],
        mark: str,
    ) -> None:
        self.address = address
        self.secret = new_secret()
        self.contract: Optional[Dict[str, Any]] = None
        self.error: Optional[RLMeshError] = None
        self.retired: Optional[float] = None
        self.tally: Dict[str, Any] = Tally().to_plain()
        self._name = name
        self._mark = mark
        self._on_change = on_change
        self._report = Unpacker()
        self._lines: Deque[str] = deque(maxlen=_KEPT_LINES)
        self._open_line = b""
        self._still_open = 2
        self._ended: Optional[float] = None
        self._terminated = self._killed = False
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            report, told = _pipe(ours, theirs)
            errors, written = _pipe(ours, theirs)
            # In a session of its own, a terminal's Ctrl-C is for the server alone to act upon, and
            # whatever the env starts can be ended together with it.
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM],
                stdin=subprocess.PIPE,
                stderr=written,
                pass_fds=(told,),
                start_new_session=True,
                env={**os.environ, MARK: mark},
            )
            ours.pop_all()  # the reader closes them
        self.pid = self._process.pid
        _logs.info(_logs.SERVER, "worker_started", "the process of an env began", pid=self.pid)
        pipes.add(report, self._hear_report)
        pipes.add(errors, self._hear_stderr)
        secret = self.secret.hex()
        self._tell({**config, "report": told, "address": address, "secret": secret})

    def retire(self) -> None:
        """Ask it to end: its stdin is closed."""
        if self.retired is None:
            self.retired = time.monotonic()
            self._cut_line()

    def kill(self) -> None:
        """End it, and whatever its env has started, at once."""
        self._signal(signal.SIGKILL)

    def disown(self) -> None:
        """Let go of the line, which is cut when nobody has its end open any more."""
        assert self._process.stdin is not None
        if not self._process.stdin.closed:
            # Not closed: another thread of the parent's may have held the file's own lock.
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, self._process.stdin.fileno(), inheritable=False)
            os.close(nothing)

    def is_gone(self) -> bool:
        """Return whether the process has ended, and all that it said was heard.

        One that was asked to end and does not is made to.
        """
        now = time.monotonic()
        if self._ended is None:
            if not self._has_exited():
                self._press(now)
                return False
            # Until it is waited for, nobody else can have its number.
            self._signal(signal.SIGKILL)
            kill_marked(self._mark)
            self._process.wait()
            self._ended = now
            self._cut_line()
            self._log_end()
        return not self._still_open or now - self._ended >= _SILENCE

    def crash(self) -> EnvCrashed:
        """Return how a process ended that nobody asked to."""
        status = self._process.returncode
        lines = [*self._lines, *_decoded(self._open_line)]
        if status >= 0:
            sentence = f"the process of the env {self._name!r} exited with status {status}"
            return EnvCrashed(sentence, exit_code=status, stderr=lines)
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        sentence = f"the process of the env {self._name!r} was ended by {name}"
        return EnvCrashed(sentence, signal=name, stderr=lines)

    def _log_end(self) -> None:
        # Whether that is trouble, says the end of its session.
        status = self._process.returncode
        text = "the process of an env ended"
        _logs.info(_logs.SERVER, "worker_ended", text, pid=self.pid, exit=status)

    def _tell(self, config: Dict[str, Any]) -> None:
        """Send what it is to do; in no frame is the token among the locals."""
        stdin = self._process.stdin
        assert stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended, which is found out otherwise
            stdin.write(json.dumps({**config, "token": config["token"].reveal()}).encode() + b"\n")
            stdin.flush()

    def _cut_line(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def _has_exited(self) -> bool:
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._process.pid, options) is not None

    def _press(self, now: float) -> None:
        if self.retired is None:
            return
        if now - self.retired >= _KILL_AFTER and not self._killed:
            self._killed = True
            self._signal(signal.SIGKILL)
        elif now - self.retired >= TERMINATE_AFTER and not self._terminated:
            self._terminated = True
            self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        if self._ended is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _hear_report(self, data: bytes) -> None:
        if not data:
            # Where nothing had arrived, or only a part, the process has ended, which says enough.
            self._still_open -= 1
            self._on_change()
            return
        try:
            for said in self._report.feed(data):
                self._take(said)
        except ProtocolError as exc:
            text = f"dropped what a worker reported: {exc}"
            _logs.warning(_logs.SERVER, "bad_message", text, role="env", pid=self.pid)

    def _take(self, said: Dict[str, Any]) -> None:
        """Take one of the worker's reports."""
        if "tally" in said:
            self.tally = said["tally"]
        elif "log" in said:
            _logs.relay(said["log"], pid=self.pid)
        elif "error" in said:
            self.error = self._start_error(said["error"])
        else:
            self.contract = said["contract"]
            self._on_change()

    def _start_error(self, body: Any) -> RLMeshError:
        error = error_from_wire(body, "start", repr(self._name))
        if not isinstance(error, EnvError):
            return error
        return EnvError(
            f"making the env {self._name!r} raised {error.remote_type}:"
            f" {printable_lines(error.remote_message)}",
            remote_type=error.remote_type,
            remote_message=error.remote_message,
            remote_traceback=error.remote_traceback,
        )

    def _hear_stderr(self, data: bytes) -> None:
        if not data:
            self._still_open -= 1
            self._on_change()
            return
        with contextlib.suppress(OSError):  # a server without a stderr
            os.write(2, data)
        *lines, self._open_line = (self._open_line + data).split(b"\n")
        self._open_line = self._open_line[-1000:]
        for line in lines[-_KEPT_LINES:]:
            self._lines.extend(_decoded(line))


def _pipe(ours: contextlib.ExitStack, theirs: contextlib.ExitStack) -> Tuple[int, int]:
    """Return the ends of a new pipe, each of which is closed with its stack."""
    read, write = os.pipe()
    ours.callback(os.close, read)
    theirs.callback(os.close, write)
    return read, write


def _decoded(line: bytes) -> List[str]:
    text = line.decode(errors="replace").rstrip()
    return [text[:1000]] if text else []


class Workers:
    """The workers of one server. All but the reading of their pipes happens on its thread.

    Args:
        factory: What makes the envs.
        tags: What their observations and actions are.
        token: The secret of their sockets.
        options: The server's.
        boot: The server's boot id.
        on_change: Called from another thread when a worker got ready, or ended.
        expose: The names of the envs' attributes and methods that clients may use.

    Attributes:
        contract: What the envs promise, as plain data; set by `start_first`.
    """

    def __init__(
        self,
        factory: EnvFactory,
        tags: Optional[EnvTags],
        token: Token,
        options: ServeOptions,
        boot: bytes,
        on_change: Callable[[], None],
        expose: Sequence[str] = (),
    ) -> None:
        self.contract: Dict[str, Any] = {}
        self._name = factory.name
        self._on_change = on_change
        self._news = threading.Event()
        self._config = {
            "path": [str(folder) for folder in sys.path],
            "factory": factory.to_dict(),
            "tags": None if tags is None else tags.to_dict(),
            "token": token,
            "options": dataclasses.asdict(
                dataclasses.replace(options, ready_file=None, ready_fd=None)
            ),
            "boot": boot.hex(),
            "expose": list(expose),
        }
        self._mark = uuid.uuid4().hex
        self._watcher: Optional[Watcher] = None
        self._folder: Optional[WorkerFolder] = None
        self._pipes: Optional[PipeReader] = None
        self._count = 0
        self._all: List[Worker] = []
        self._spares: List[Worker] = []
        leave_to_parent(self)

    def disown(self) -> None:
        """Let the workers' lines go in a forked process, or they would outlive the server."""
        for worker in self._all:
            worker.disown()
        if self._watcher is not None:
            self._watcher.disown()

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Worker]:
        return iter(self._all)

    def start_first(self, is_unwanted: Callable[[], bool]) -> None:
        """Start a worker, and wait until it is ready.

        Args:
            is_unwanted: Asked now and then whether the server was shut down meanwhile.

        Raises:
            EnvCrashed: Its process ended.
            RLMeshError: Whatever is wrong with the factory; or the server was shut down.
        """
        self._folder = WorkerFolder()
        self._pipes = PipeReader("rlmesh-workers")
        self._watcher = Watcher(self._mark)
        worker = self.add_spare()
        while worker.contract is None:
            if worker.is_gone():
                self._all.remove(worker)
                raise worker.error or worker.crash()
            if is_unwanted():
                raise RLMeshError("the server was shut down before its first env was made")
            self._wait_for_news()
        self.contract = worker.contract
        # So that a mistake is found here, and not by every client.
        EnvContract.from_dict(self.contract)

    def take(self) -> Worker:
        """Return a worker for a session: one that waits for it, or a new one."""
        ready = [worker for worker in self._spares if worker.contract is not None]
        worker = (ready or self._spares or [self._start()])[0]
        with contextlib.suppress(ValueError):
            self._spares.remove(worker)
        return worker

    def add_spare(self) -> Worker:
        """Start a worker for a session to come."""
        worker = self._start()
        self._spares.append(worker)
        return worker

    def reap(self) -> List[Worker]:
        """Return those that have ended since the last call."""
        gone = [worker for worker in self._all if worker.is_gone()]
        for worker in gone:
            self._all.remove(worker)
            if worker in self._spares:
                self._spares.remove(worker)
                fate = worker.error or worker.crash()
                text = f"a waiting env is gone: {fate.args[0]}"
                _logs.warning(_logs.SERVER, "worker_failed", text, pid=worker.pid)
        return gone

    def close(self, timeout: float) -> None:
        """End all workers, and remove what they leave; calling it again does nothing.

        Args:
            timeout: Seconds after which whatever is still there is killed.
        """
        deadline = time.monotonic() + timeout
        self._spares.clear()
        try:
            for worker in self._all:
                worker.retire()
            while self._all and time.monotonic() < deadline:
                self._wait_for_news()
                self.reap()
        finally:
            for worker in self._all:
                worker.kill()
            deadline = time.monotonic() + _LAST_RESORT
            while self._all and time.monotonic() < deadline:
                self._wait_for_news()
                self.reap()
            if self._watcher is not None:
                self._watcher.close()
            if self._pipes is not None:
                self._pipes.close()
            if self._folder is not None:
                self._folder.close()

    def _on_news(self) -> None:
        self._news.set()
        self._on_change()

    def _wait_for_news(self) -> None:
        self._news.wait(_GLANCE)
        self._news.clear()

    def _start(self) -> Worker:
        assert self._folder is not None
        assert self._pipes is not None
        self._count += 1
        address = f"unix://{self._folder.path}/{self._count}"
        mark = f"{self._mark}.{self._count}."
        worker = Worker(self._name, address, self._config, self._pipes, self._on_news, mark)
        self._all.append(worker)
        return worker
