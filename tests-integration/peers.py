"""What talks to us without being us: raw sockets, and servers of other protocols."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any, Callable, Dict, Iterator, List, Optional

import msgpack
import zmq
from servers import PATIENCE

HELLO, PING, OPEN, PROBE, SHUTDOWN, FATE, STATS, PROVE = range(8)
RESET, STEP, RENDER, CLOSE, CONFIGURE_ROUTE, START_EPISODE, PREDICT = range(16, 23)
SELECT, GET_ATTR, SET_ATTR, CALL = range(25, 29)
OK, ERROR = 0, 1
INTRODUCTION = {
    "protocol": 1,
    "role": "client",
    "limits": {"control": 2**20, "payload": 2**20},
    "version": "0",
    "python": "3",
}


class RawPeer:
    """A ZeroMQ socket without manners."""

    def __init__(self, address: str, kind: int = zmq.DEALER, rcvhwm: int = 1000) -> None:
        self.socket = zmq.Context.instance().socket(kind)
        self.socket.rcvhwm = rcvhwm
        self.socket.linger = 0
        self.socket.connect(address.replace("unix://", "ipc://"))

    def send(self, *frames: bytes) -> None:
        self.socket.send_multipart(frames)

    def send_request(
        self, op: Any, number: Any, session: Any, body: Any, payload: Optional[bytes] = None
    ) -> None:
        control = msgpack.packb([op, number, session, 0, body])
        self.send(*((control,) if payload is None else (control, payload)))

    def receive(self) -> List[Any]:
        """Return the fields of the next reply that is no probe."""
        while True:
            assert self.socket.poll(PATIENCE * 1000), "no reply came"
            fields = msgpack.unpackb(self.socket.recv_multipart()[0])
            if fields[:2] != [PROBE, 0]:
                return list(fields)

    def ask(self, *request: Any) -> List[Any]:
        """Send a request; return the reply's fields: op, id, boot id, status, body."""
        self.send_request(*request)
        return self.receive()

    def open(self, session: bytes) -> Any:
        reply = self.ask(OPEN, 1, session, {"client": INTRODUCTION})
        assert reply[3] == OK, reply
        return reply[4]

    def __enter__(self) -> RawPeer:
        return self

    def __exit__(self, *exception: object) -> None:
        self.socket.close()


@contextlib.contextmanager
def tcp_server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Answer every TCP connection in turn; yield the address."""
    connections: List[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            connections.append(connection)
            with contextlib.suppress(OSError):
                answer(connection)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield f"tcp://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            for connection in connections:
                connection.close()
    thread.join(PATIENCE)


@contextlib.contextmanager
def zmq_server(answer: Callable[[List[Any]], Optional[bytes]]) -> Iterator[str]:
    """Answer the requests at a ROUTER, or leave those for which `answer` returns None."""
    context = zmq.Context()
    router = context.socket(zmq.ROUTER)
    port = router.bind_to_random_port("tcp://127.0.0.1")

    def respond() -> None:
        peer, control, *_ = router.recv_multipart()
        reply = answer(msgpack.unpackb(control))
        if reply is not None:
            router.send_multipart([peer, reply])

    with receiving(context, {router: respond}):
        yield f"tcp://127.0.0.1:{port}"


@contextlib.contextmanager
def receiving(
    context: zmq.Context[Any], receivers: Dict[Any, Callable[[], None]]
) -> Iterator[None]:
    """Have a thread call each socket's function whenever something arrives there.

    Args:
        context: The sockets' own, which is destroyed at the end.
        receivers: The functions.
    """
    stop = context.socket(zmq.PAIR)
    stop.bind("inproc://stop")

    def run() -> None:
        poller = zmq.Poller()
        for one in (stop, *receivers):
            poller.register(one, zmq.POLLIN)
        while stop not in (ready := dict(poller.poll())):
            for one in ready:
                receivers[one]()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        with context.socket(zmq.PAIR) as other:
            other.connect("inproc://stop")
            other.send(b"")
            thread.join(PATIENCE)
        context.destroy(linger=0)
