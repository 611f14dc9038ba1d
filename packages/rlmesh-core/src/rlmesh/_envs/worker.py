"""A worker: the process that makes and serves one env on behalf of a server."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import faulthandler
import fcntl
import gc
import logging
import math
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from typing import Any, Deque, Dict, Iterator, Optional, Tuple, Union

from rlmesh import _logs
from rlmesh._contract.contract import EnvContract
from rlmesh._once import warnings_once
from rlmesh._rpc.options import ServeOptions
from rlmesh._rpc.server import RpcServer
from rlmesh._rpc.service import Service
from rlmesh._rpc.shortage import shortage_of
from rlmesh._transport.address import parse_address
from rlmesh._transport.security import Token
from rlmesh._transport.server import ZmqListener
from rlmesh._wire.errors import error_to_wire
from rlmesh._wire.messages import pack
from rlmesh.adapters.tags import EnvTags
from rlmesh.errors import EnvCrashed, RLMeshError

from .doors import local_env, new_service
from .factory import EnvFactory
from .local import LocalEnv
from .local_vector import LocalVectorEnv

_Door = Union[LocalEnv, LocalVectorEnv]

_COUNT_INTERVAL = 0.5
"""Seconds between two reports of what was executed."""
_GRACE = 4.0
"""Seconds that a call under way and the env's `close` have once the server wants the end."""


def main(config: Dict[str, Any]) -> None:
    """Make an env, tell the server what it is, and serve it until the server wants the end.

    Args:
        config: What `Workers` has sent.
    """
    # Before there is anything that could fail, and show it.
    token = Token(config.pop("token"))
    # The last lines on stderr, which the client is shown, say where the env crashed.
    faulthandler.enable(all_threads=False)
    lifeline = _Lifeline()
    report = _Report(int(config["report"]))
    _logs.ROOT.addHandler(_Forward(report))
    try:
        env, contract = _make(config)
        service = new_service(env, contract, config["expose"])
        service.is_worker = True
    except Exception as exc:
        report.tell({"error": error_to_wire(exc, "env")})
        sys.exit(1)
    try:
        server = _server(config, token, service)
    except Exception as exc:
        # None of the env's: it is made.
        report.tell({"error": error_to_wire(shortage_of(exc) or exc, "env")})
        sys.exit(1)
    pid = os.getpid()
    lifeline.hold(server)
    try:
        report.tell({"contract": service.describe()})
        # Beside its socket, where the other workers of the same server note the same.
        folder = os.path.dirname(parse_address(config["address"]).path)
        with report.counting(server), warnings_once(folder or None):
            server.run()
    except EnvCrashed:
        # Closing what has lost one of its processes may wait for that for ever.
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    finally:
        # The env may have forked this process.
        if os.getpid() == pid and callable(getattr(env.env, "close", None)):
            env.close()
        # As in a script, nothing refers to the env any more when Python ends: what its libraries
        # free themselves, such as nanobind's objects, is freed while they can still do so.
        lifeline.let_go()
        del env, service, server
        gc.collect()
        lifeline.end_what_is_left()


def _make(config: Dict[str, Any]) -> Tuple[_Door, EnvContract]:
    factory = EnvFactory(**config["factory"])
    made = factory.make()
    failed = f"env: {factory.name!r} cannot be served"
    try:
        env = local_env(made)
        tags = config["tags"]
        contract = env.contract(None if tags is None else EnvTags.from_dict(tags))
        return env, dataclasses.replace(contract, origin=factory.origin(contract))
    except RLMeshError as exc:
        raise type(exc)(f"{failed}: {exc}") from exc
    except TypeError as exc:
        raise RLMeshError(f"{failed}: {exc}") from exc


def _server(config: Dict[str, Any], token: Token, service: Service) -> RpcServer:
    # Whether the client is there is looked after by the server whose worker this is.
    options = dataclasses.replace(
        ServeOptions(**config["options"]),
        session_grace=math.inf,
        idle_timeout=None,
        drain_timeout=0.0,
    )
    listener = ZmqListener(config["address"], token, max(options.max_control, options.max_payload))
    boot, secret = (bytes.fromhex(config[name]) for name in ("boot", "secret"))
    return RpcServer(service, listener, options, boot, secret)


class _Report:
    """The pipe on which the server hears what came of the start, and how it goes on.

    Args:
        fd: The pipe's end.
    """

    def __init__(self, fd: int) -> None:
        os.set_inheritable(fd, False)
        self._pipe = open(fd, "wb", buffering=0)  # noqa: SIM115
        self._lock = threading.RLock()
        self._unsaid: Deque[bytes] = deque()
        self._is_telling = False
        self._told: Any = None

    def tell(self, said: Dict[str, Any]) -> None:
        """Tell the server something. Any thread may call this."""
        self._unsaid.append(pack(said))
        # A server that is gone needs no news: the lifeline ends this process.
        with self._lock, contextlib.suppress(BrokenPipeError):
            if self._is_telling:
                return  # a finalizer interrupts this thread, which goes on with it at once
            self._is_telling = True
            try:
                while self._unsaid:
                    left = memoryview(self._unsaid.popleft())
                    while left:
                        left = left[self._pipe.write(left) :]
            finally:
                self._is_telling = False

    @contextlib.contextmanager
    def counting(self, server: RpcServer) -> Iterator[None]:
        """Tell what a server executes, now and then and at the end of the `with` block."""
        over = threading.Event()

        def count() -> None:
            while not over.wait(_COUNT_INTERVAL):
                self._tell_tally(server)

        thread = threading.Thread(target=count, name="rlmesh-report", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self._tell_tally(server)

    def _tell_tally(self, server: RpcServer) -> None:
        tally = server.tally()
        if tally != self._told:
            self._told = tally
            self.tell({"tally": tally})


class _Forward(logging.Handler):
    """Has the server log what goes wrong here."""

    def __init__(self, report: _Report) -> None:
        super().__init__(logging.WARNING)
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record."""
        self._report.tell({"log": _logs.to_plain(record)})


class _Lifeline:
    """Ends this process when the server closes our stdin, as it also does when it dies."""

    def __init__(self) -> None:
        self._fd = os.dup(0)
        self._parent = os.getppid()
        # An env that reads from stdin must not wait for the server's end.
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        self._cut = threading.Event()
        self._server: Optional[RpcServer] = None
        self._kill_later()
        threading.Thread(target=self._watch, name="rlmesh-lifeline", daemon=True).start()

    def hold(self, server: RpcServer) -> None:
        """Have a server stop at the end of the line."""
        self._server = server
        if self._cut.is_set():
            server.stop()

    def let_go(self) -> None:
        """Forget the server."""
        self._server = None

    def end_what_is_left(self) -> None:
        """If the server was killed, end whatever the env has started, as it would have done."""
        if os.getppid() != self._parent:
            os.killpg(0, signal.SIGKILL)

    def _watch(self) -> None:
        while os.read(self._fd, 1):
            pass
        self._cut.set()
        server = self._server
        if server is not None:
            server.stop()
            del server
        else:  # nobody waits for the env that is being made
            os.killpg(0, signal.SIGKILL)
        # By then the process has ended by itself, unless something hangs.
        time.sleep(_GRACE)
        os.killpg(0, signal.SIGKILL)  # with whatever the env has started

    def _kill_later(self) -> None:
        """Have the kernel end this process some time after the line was cut.

        An env that hangs without giving up the GIL lets no thread of Python run. So the signal
        that tells of the end, SIGIO, is handled by the C function `alarm`, which takes the signal's
        number for seconds, after which SIGALRM kills.
        """
        libc = ctypes.CDLL(None)
        libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
        libc.signal(signal.SIGIO, ctypes.cast(libc.alarm, ctypes.c_void_p))
        fcntl.fcntl(self._fd, fcntl.F_SETOWN, os.getpid())
        flags = fcntl.fcntl(self._fd, fcntl.F_GETFL)
        fcntl.fcntl(self._fd, fcntl.F_SETFL, flags | os.O_ASYNC)
