"""What all servers share: their address, their thread, signals, and how they end."""

from __future__ import annotations

import atexit
import signal
import threading
from contextlib import contextmanager
from types import TracebackType
from typing import Iterator, Optional, Protocol, Set, Tuple, Type, TypeVar

from rlmesh._copies import NotCopied
from rlmesh._forks import inherited_error, leave_to_parent
from rlmesh._transport.address import parse_address
from rlmesh._transport.security import Token
from rlmesh._transport.server import ZmqListener
from rlmesh.errors import CallUnderWay, RequestTimeout, RLMeshError

from .latch import Latch
from .options import ServeOptions
from .ready import Readiness
from .server import RpcServer
from .service import Service
from .signals import on_signal

_LAST_WORDS = 5.0
"""Seconds for a thread to end that has freed everything."""


class Running(Protocol):
    """What serves at a listener."""

    finished: Latch

    def run(self) -> None:
        """Serve until `stop`, then free everything and set `finished`."""
        ...

    def stop(self) -> None:
        """Make `run` return. Any thread and any signal handler may call this, repeatedly."""
        ...

    def hurry(self) -> None:
        """After `stop`, give clients no more time. Any thread or signal handler may call this."""
        ...

    def abandon(self) -> None:
        """Free everything, if that has not happened; nothing will run any more."""
        ...


class ServerBase(NotCopied):
    """Serves something at an address; subclasses say what.

    All calls of what is served run on one thread: the one that calls `serve`, or the one that
    `start` makes. A server that was shut down cannot be started again.

    Args:
        address: `tcp://host:port`, `host:port` or `unix:///path`. Port 0 takes a free one.
        token: The secret that clients must share; empty means `RLMESH_TOKEN`, or none.
        options: See `ServeOptions`.

    Raises:
        AddressError: The address does not parse.
        SecurityError: The token is too short.
    """

    _holds = "a socket, or a thread that serves"
    _instead = "pass on its address, or make another server"

    _requested_address = ""
    _listener: Optional[ZmqListener] = None

    def __init__(self, address: str, token: str, options: Optional[ServeOptions]) -> None:
        self._token = token = Token(token)
        self._requested_address = address
        token.check()
        parse_address(address)
        self._options = options or ServeOptions()
        self._server: Optional[Running] = None
        self._thread: Optional[threading.Thread] = None
        self._error: Optional[BaseException] = None
        self._taken = False
        self._terminated = self._interrupted = False
        self._runner: Optional[threading.Thread] = None
        # Reentrant, because signal handlers and finalizers may shut the server down.
        self._state_lock = threading.RLock()
        self._binding = self._shut = self._is_inherited = False
        self._ready: Optional[Readiness] = None
        self._stoppers: Set[int] = set()
        leave_to_parent(self)

    @property
    def address(self) -> str:
        """The address for clients; once bound, with the port that the system chose.

        Raises:
            RLMeshError: The server is not bound yet, and the port is still to be chosen.
        """
        if self._listener is not None:
            return self._listener.address
        parsed = parse_address(self._requested_address)
        if parsed.scheme == "tcp" and not parsed.port:
            raise RLMeshError("address: the port is chosen by bind(), start() or serve()")
        return str(parsed)

    def bind(self) -> str:
        """Take the address, and return it; clients that connect now wait until the server runs.

        Raises:
            AddressInUse: Another server holds the address.
            AddressError: It is none of this machine.
            SecurityError: Other machines could reach it, and there is no token.
            ValueError: The `ready_file` or `ready_fd` of the options cannot be written.
        """
        self._check_own()
        with self._state_lock:
            if self._binding:
                raise CallUnderWay(f"{self!r} is being bound by a call that this one interrupts")
            if self._listener is None:
                self._binding = True
                try:
                    # Not before: a signal handler may have come between any two lines.
                    if self._taken or self._shut:
                        raise self._was_shut()
                    self._ready = Readiness(self._options)
                    self._listener, self._server = self._open()
                    # A program that just ends leaves no socket file behind.
                    atexit.register(self.shutdown)
                finally:
                    self._binding = False
                if self._was_shut_meanwhile():
                    self.shutdown()
                    raise self._was_shut()
            return self._listener.address

    def serve(self) -> None:
        """Serve on this thread until `shutdown`, SIGTERM or Ctrl-C.

        A call under way is finished first, and clients have `drain_timeout` to end. Ctrl-C
        interrupts all that, and so does a second SIGTERM.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed; everything is freed by then.
            AddressInUse, AddressError, SecurityError, ValueError: As `bind`.
        """
        server = self._take(threading.current_thread())
        try:
            with on_signal(self._on_sigterm, signal.SIGTERM):
                self._serve(server)
        except KeyboardInterrupt:
            if not self._interrupted:
                raise
        finally:
            # Ctrl-C may have come before run() could free it.
            server.abandon()
            atexit.unregister(self.shutdown)

    def start(self: ServerT) -> ServerT:
        """Serve on a thread of its own; return this server.

        Raises:
            AddressInUse, AddressError, SecurityError, ValueError: As `bind`.
        """
        thread = threading.Thread(
            target=self._run, name=f"rlmesh-{type(self).__name__}", daemon=True
        )
        self._take(thread)
        self._thread = thread
        thread.start()
        return self

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Wait until a started server has ended; return whether it has.

        On the main thread, SIGTERM ends it; a second one gives clients no more time.

        Args:
            timeout: Seconds to wait; None waits forever.

        Raises:
            BaseException: Whatever ended the serving thread, if it was no shutdown.
        """
        self._check_own()
        if self._thread is not None and self._server is not None:
            with on_signal(self._on_sigterm, signal.SIGTERM):
                self._thread.join(timeout)
            if self._thread.is_alive():
                return False
        if self._error is not None:
            raise self._error
        return True

    def shutdown(self) -> None:
        """Stop serving and free everything.

        Open sessions have `drain_timeout` to end, and a call under way is finished first. Any
        thread may call this, and so may signal handlers. Calling it again does nothing.

        Raises:
            RequestTimeout: A call under way did not return within `close_timeout`.
        """
        self._check_own()
        self._shut = True
        with self._state_lock:
            if self._binding:
                return  # `bind`, which this interrupts, comes back here
            never_ran, self._taken = not self._taken, True
            if never_ran:
                self._runner = threading.current_thread()
        atexit.unregister(self.shutdown)
        if self._server is None:
            return
        if never_ran:
            self._server.abandon()
            return
        with self._stopping() as is_first:
            self._server.stop()
            # One that this interrupts cannot let go before this has returned.
            if is_first:
                self._wait_for_end()

    def _wait_for_end(self) -> None:
        assert self._server is not None
        if self._runner is threading.current_thread() or self._is_starting():
            return
        budget = self._options.drain_timeout + self._options.close_timeout
        if not self._server.finished.wait(budget):
            raise RequestTimeout(
                f"{self!r} still executes a call {budget:g} s after it was asked to shut down;"
                " it ends when the call returns, or with this process"
            )
        if self._thread is not None:
            self._thread.join(_LAST_WORDS)
        if self._error is not None:
            raise self._error

    def disown(self) -> None:
        """Give the server up in a forked process; see `Heirloom`."""
        self._is_inherited = True
        self._state_lock = threading.RLock()
        atexit.unregister(self.shutdown)

    def __enter__(self: ServerT) -> ServerT:
        return self.start()

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        value: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        if not self._is_inherited:
            self.shutdown()

    def __repr__(self) -> str:
        listener = self._listener
        address = self._requested_address if listener is None else listener.address
        try:
            name = self._name()
        except AttributeError:  # the traceback of a failed __init__ may show this
            name = "unfinished"
        return f"{type(self).__name__}({name}, {address!r})"

    def _new_service(self) -> Service:
        """Return what is served."""
        raise NotImplementedError

    def _name(self) -> str:
        """Return what is served, for a reader."""
        raise NotImplementedError

    def _open(self) -> Tuple[ZmqListener, Running]:
        """Return a bound listener, and what will serve there."""
        service = self._new_service()
        try:
            listener = self._listen()
        except BaseException:
            service.close()
            raise
        return listener, RpcServer(service, listener, self._options)

    def _listen(self) -> ZmqListener:
        """Return a bound listener."""
        options = self._options
        listener = ZmqListener(
            self._requested_address,
            self._token,
            max(options.max_control, options.max_payload),
            allow_insecure=options.allow_insecure,
        )
        assert self._ready is not None
        # Not before: another server at this address keeps its file.
        self._ready.clear()
        return listener

    def _check_own(self) -> None:
        """Check that this process is the server's, and no fork of it."""
        if self._is_inherited:
            raise inherited_error(repr(self))

    def _was_shut_meanwhile(self) -> bool:
        return self._shut

    def _was_shut(self) -> RLMeshError:
        return RLMeshError("this server was shut down; make another one")

    @contextmanager
    def _stopping(self) -> Iterator[bool]:
        """Note that this thread stops the server; yield whether it does not do so already."""
        thread = threading.get_ident()
        is_first = thread not in self._stoppers
        self._stoppers.add(thread)
        try:
            yield is_first
        finally:
            if is_first:
                self._stoppers.discard(thread)

    def _is_starting(self) -> bool:
        """Whether `start` is under way, and its thread will end as soon as it begins."""
        return self._runner is not None and self._runner.ident is None

    def _take(self, runner: threading.Thread) -> Running:
        """Bind, and claim the one run that a server has for a thread."""
        self.bind()
        with self._state_lock:
            if self._taken:
                raise RLMeshError("this server runs already, or was shut down; make another one")
            self._runner = runner
            self._taken = True
        assert self._server is not None
        if self._shut:
            self._server.abandon()
            raise self._was_shut()
        return self._server

    def _run(self) -> None:
        assert self._server is not None
        try:
            self._serve(self._server)
        except BaseException as exc:
            self._error = exc
            self._server.abandon()

    def _on_sigterm(self) -> None:
        """Stop; the second time, give clients no more time, and interrupt what this thread does."""
        assert self._server is not None
        if not self._terminated:
            self._terminated = True
            with self._stopping():
                self._server.stop()
            return
        with self._stopping():
            self._server.hurry()
        if self._runner is threading.current_thread():
            self._interrupted = True
            raise KeyboardInterrupt

    def _serve(self, server: Running) -> None:
        """Say that clients are answered, and answer them."""
        assert self._ready is not None
        with self._ready.announced(self.address):
            server.run()


ServerT = TypeVar("ServerT", bound=ServerBase)
