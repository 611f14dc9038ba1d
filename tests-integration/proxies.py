"""A TCP proxy, whose cables can be cut, and on which much else can go wrong."""

from __future__ import annotations

import contextlib
import math
import random
import selectors
import socket
import struct
import threading
import time
from collections import Counter, deque
from types import TracebackType
from typing import Any, Deque, Dict, List, Optional, Sequence, Tuple, Type

from servers import PATIENCE

_CHUNK = 65536
_ABORT = struct.pack("ii", 1, 0)  # with this SO_LINGER, closing a socket sends a reset
_CUT = "cut"


class Faults:
    """What goes wrong on a proxy's cables, and after how many bytes.

    Each fault befalls the cable that passes the byte at which it is due, mostly in mid-frame, so
    that something is under way on it:

    - `reset`: both ends are reset.
    - `close`: both ends are closed in good order; what was to come is dropped.
    - `half_open`: the server's end is reset, and the client's swallows whatever is sent.
    - `silence`: both ends stay open, and swallow whatever is sent.
    - `refuse`: as `reset`, for all cables, and new ones are refused for a while.
    - `stall`: nothing passes for a while.
    - `drip`: some bytes pass a few at a time, slowly.
    - `pieces`: many bytes pass in small pieces.
    - `jitter`: pieces are each a little late.

    Args:
        seed: Of all that is drawn.
        every: How many bytes pass between two faults, on average.
        count: After how many faults all goes well.
        kinds: Which of them befall.
        longest: Seconds that a stall or a refusal lasts at most.

    Attributes:
        hits: How many faults there were of each kind.
    """

    KINDS = (
        "reset",
        "close",
        "half_open",
        "silence",
        "refuse",
        "stall",
        "drip",
        "pieces",
        "jitter",
    )

    def __init__(
        self,
        seed: int,
        every: int,
        count: int,
        kinds: Sequence[str] = KINDS,
        longest: float = 0.3,
    ) -> None:
        self.hits: Counter[str] = Counter()
        self.rng = random.Random(seed)
        self._every, self._count, self._kinds, self._longest = every, count, kinds, longest
        self.due = self._draw()

    @property
    def done(self) -> bool:
        """Whether all faults have happened."""
        return sum(self.hits.values()) >= self._count

    def next(self) -> str:
        """Return the kind of the fault that is due now."""
        kind = self.rng.choice(self._kinds)
        self.hits[kind] += 1
        self.due = math.inf if self.done else self._draw()
        return kind

    def while_(self) -> float:
        """Return how many seconds something lasts."""
        return self.rng.uniform(0.01, self._longest)

    def _draw(self) -> float:
        return 1 + int(self.rng.expovariate(1 / self._every))


class _Way:
    """One direction of a cable.

    Attributes:
        kept: What was received, and is still to be passed on.
        not_before: When it may pass.
        tiny: How many bytes still pass in small pieces.
        piece: How large a small piece is at most.
        pause: Seconds that follow each small piece at most.
    """

    def __init__(self, source: socket.socket, target: socket.socket, rate: float) -> None:
        self.source, self.target, self.rate = source, target, rate
        self.kept = bytearray()
        self.not_before = 0.0
        self.tiny, self.piece, self.pause = 0, _CHUNK, 0.0
        self.at_end = self.is_full = False


class _Cable:
    """A client's connection, and the one to the server that goes with it."""

    def __init__(self, client: socket.socket, server: socket.socket, rate: float) -> None:
        self.ends = [client, server]
        self.ways = [_Way(client, server, math.inf), _Way(server, client, rate)]
        self.swallows = False
        for end in self.ends:
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def is_over(self) -> bool:
        if self.swallows:
            # Neither end learns from us that the other one has gone.
            return all(way.at_end for way in self.ways)
        return any(way.at_end and not way.kept for way in self.ways)


class Proxy:
    """Passes bytes between addresses of its own and others, until it is told to cut them off.

    Args:
        targets: The other addresses.
        rate: Bytes per second at which they come back from there, on each connection.
        faults: What goes wrong.

    Attributes:
        addresses: The proxy's own, one for each target.
        connections: How many there were.
        returned: How many bytes came back.
    """

    def __init__(
        self, *targets: str, rate: float = math.inf, faults: Optional[Faults] = None
    ) -> None:
        self.connections = self.returned = 0
        self._rate, self._faults = rate, faults
        self._targets: List[Tuple[str, int]] = []
        # Bound and never listening, these keep the ports ours while connections are refused.
        self._ports = [_bound(0) for _ in targets]
        self.addresses = [f"tcp://127.0.0.1:{port.getsockname()[1]}" for port in self._ports]
        for target in targets:
            host, _, number = target.replace("tcp://", "").partition(":")
            self._targets.append((host, int(number)))
        self._listening: Dict[socket.socket, Tuple[str, int]] = {}
        self._refuses_until = 0.0
        self._selector = selectors.DefaultSelector()
        self._cables: List[_Cable] = []
        self._interest: Dict[socket.socket, int] = {}
        self._orders: Deque[str] = deque()
        self._bell, self._rung = socket.socketpair()
        self._rung.setblocking(False)
        self._selector.register(self._rung, selectors.EVENT_READ)
        self._listen()
        self._over = False
        self._error: Optional[BaseException] = None
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """The address for the first target."""
        return self.addresses[0]

    def cut(self) -> None:
        """Break every connection, with whatever is under way on it."""
        self._order(_CUT)

    def inflict(self, kind: str) -> None:
        """Have a fault befall every connection; see `Faults`."""
        self._order(kind)

    def _order(self, kind: str) -> None:
        self._orders.append(kind)
        self._bell.send(b"!")

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as exc:
            self._error = exc

    def _work(self) -> None:
        while not self._over:
            now = time.monotonic()
            if self._refuses_until and now >= self._refuses_until:
                self._listen()
            wait = self._refuses_until - now if self._refuses_until else 60.0
            for cable in self._cables:
                wait = min(wait, self._set_interest(cable, now))
            for key, events in self._selector.select(max(wait, 0.0)):
                self._react(key, events)
            self._pass_all()
            while self._orders:
                kind = self._orders.popleft()
                for cable in list(self._cables):
                    if cable in self._cables:
                        self._befall(cable, cable.ways[0], "close" if kind == _CUT else kind)

    def _react(self, key: Any, events: int) -> None:
        sock: socket.socket = key.fileobj
        if sock is self._rung:
            with contextlib.suppress(BlockingIOError):
                sock.recv(_CHUNK)
        elif sock in self._listening:
            self._accept(sock)
        elif events & selectors.EVENT_READ and sock in self._interest:
            cable, way = key.data
            self._read(cable, way)

    def _listen(self) -> None:
        self._refuses_until = 0.0
        for port, target in zip(self._ports, self._targets):
            sock = _bound(port.getsockname()[1])
            sock.listen(64)
            sock.setblocking(False)
            self._listening[sock] = target
            self._selector.register(sock, selectors.EVENT_READ)

    def _refuse(self, seconds: float) -> None:
        for sock in self._listening:
            self._selector.unregister(sock)
            sock.close()
        self._listening.clear()
        self._refuses_until = time.monotonic() + seconds

    def _accept(self, listening: socket.socket) -> None:
        try:
            client, _ = listening.accept()
        except OSError:  # it has gone again
            return
        try:
            server = socket.create_connection(self._listening[listening], PATIENCE)
        except OSError:
            client.close()
            return
        self.connections += 1
        self._cables.append(_Cable(client, server, self._rate))

    def _set_interest(self, cable: _Cable, now: float) -> float:
        """Have the selector wait for what this cable can use; return for how long at most."""
        wait = math.inf
        wanted = dict.fromkeys(cable.ends, 0)
        for way in cable.ways:
            if not way.at_end and len(way.kept) < 4 * _CHUNK:
                wanted[way.source] |= selectors.EVENT_READ
            if way.kept:
                if way.not_before > now:
                    wait = min(wait, way.not_before - now)
                elif way.is_full:
                    wanted[way.target] |= selectors.EVENT_WRITE
                else:
                    wait = 0.0
        for way in cable.ways:
            events = wanted[way.source]
            if way.source.fileno() >= 0 and events != self._interest.get(way.source, 0):
                if not self._interest.get(way.source):
                    self._selector.register(way.source, events, (cable, way))
                elif events:
                    self._selector.modify(way.source, events, (cable, way))
                else:
                    self._selector.unregister(way.source)
                self._interest[way.source] = events
        return wait

    def _read(self, cable: _Cable, way: _Way) -> None:
        try:
            data = way.source.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            way.at_end = True
        elif not cable.swallows:
            way.kept += data

    def _pass_all(self) -> None:
        now = time.monotonic()
        for cable in list(self._cables):
            for way in cable.ways:
                if cable in self._cables and way.kept and now >= way.not_before:
                    self._pass(cable, way)
            if cable in self._cables and cable.is_over:
                self._close(cable)

    def _pass(self, cable: _Cable, way: _Way) -> None:
        """Pass a piece on; a fault that is due comes right after the byte at which it is."""
        faults = self._faults
        size = _CHUNK
        if faults is not None:
            size = int(min(size, faults.due))
            if way.tiny > 0:
                size = min(size, faults.rng.randint(1, way.piece))
        try:
            count = way.target.send(way.kept[:size])
        except BlockingIOError:
            way.is_full = True
            return
        except OSError:
            self._close(cable)
            return
        way.is_full = False
        del way.kept[:count]
        if way is cable.ways[1]:
            self.returned += count
        way.not_before = time.monotonic() + count / way.rate
        if faults is not None:
            if way.tiny > 0:
                way.tiny -= count
                way.not_before += faults.rng.random() * way.pause
            faults.due -= count
            if faults.due <= 0:
                self._befall(cable, way, faults.next())

    def _befall(self, cable: _Cable, way: _Way, kind: str) -> None:
        faults = self._faults or Faults(0, 1, 0)
        now = time.monotonic()
        if kind == "reset":
            self._close(cable, abort=True)
        elif kind == "refuse":
            self._refuse(faults.while_())
            for one in list(self._cables):
                self._close(one, abort=True)
        elif kind in ("close", "half_open", "silence"):
            cable.swallows = True
            for one in cable.ways:
                one.kept.clear()
            if kind == "close":
                # Until both ends have seen it: closed right now, unread bytes would make a reset.
                for end in cable.ends:
                    with contextlib.suppress(OSError):
                        end.shutdown(socket.SHUT_WR)
            elif kind == "half_open":
                self._abort(cable.ways[1])
        elif kind == "stall":
            seconds = faults.while_()
            for one in cable.ways:
                one.not_before = now + seconds
        else:
            forms = {"drip": (200, 8, 0.002), "pieces": (20_000, 500, 0.0)}
            way.tiny, way.piece, way.pause = forms.get(kind, (500_000, _CHUNK, 0.02))

    def _abort(self, way: _Way) -> None:
        """Reset the source of one way, and take no more interest in it."""
        way.at_end = True
        if self._interest.pop(way.source, 0):
            self._selector.unregister(way.source)
        with contextlib.suppress(OSError):
            way.source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        way.source.close()

    def _close(self, cable: _Cable, abort: bool = False) -> None:
        self._cables.remove(cable)
        for way in cable.ways:
            if abort:
                self._abort(way)
            else:
                if self._interest.pop(way.source, 0):
                    self._selector.unregister(way.source)
                way.source.close()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        value: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self._over = True
        self._bell.send(b"!")
        self._thread.join(PATIENCE)
        for cable in list(self._cables):
            self._close(cable)
        for sock in (*self._listening, *self._ports, self._bell, self._rung):
            sock.close()
        self._selector.close()
        if self._error is not None:
            raise self._error


def _bound(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    return sock
