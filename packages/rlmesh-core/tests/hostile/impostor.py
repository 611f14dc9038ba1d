"""A peer that puts hostile text in the place of one value of a message."""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Callable, Dict, Iterator, List, Sequence, Tuple

import msgpack
import zmq

FORGED = "rlmesh: all good"
HOSTILE = f"\x1b]0;title\x07\x1b[2J\x9b\x7f\r\n{FORGED}\u202e\u2028[/nope]\u200b\udcff\ue000\t"

Place = Tuple[Any, ...]
"""The keys that lead to a value within a message."""


def places(message: Any, place: Place = ()) -> Iterator[Place]:
    """Yield the place of each value of a message that holds no others, and of an empty one."""
    if isinstance(message, dict) and message:
        for key, value in message.items():
            yield from places(value, (*place, key))
    elif isinstance(message, list) and message:
        for index, value in enumerate(message):
            yield from places(value, (*place, index))
    else:
        yield place


def spoiled(message: Any, place: Place, as_key: bool = False) -> Any:
    """Return a message with hostile text in one place.

    Args:
        message: The message; unchanged.
        place: Where.
        as_key: Whether to put it in place of the key there, if that is one of a dict.
    """
    if not place:
        return HOSTILE
    copy = message.copy()
    key = place[0]
    if as_key and len(place) == 1 and isinstance(copy, dict):
        copy[HOSTILE] = copy.pop(key)
    else:
        copy[key] = spoiled(message[key], place[1:], as_key)
    return copy


def pack(message: Any) -> bytes:
    return msgpack.packb(message, unicode_errors="surrogatepass")


def unpack(data: bytes) -> Any:
    return msgpack.unpackb(data, strict_map_key=False, unicode_errors="surrogatepass")


@contextlib.contextmanager
def impostor(server: str, change: Callable[[List[Any]], List[Any]]) -> Iterator[str]:
    """Pass messages on between clients and a server, its replies with a change.

    Args:
        server: The server's address.
        change: Takes the fields of a reply, and returns those to pass on.
    """
    context = zmq.Context()
    outside: Any = context.socket(zmq.ROUTER)
    port = outside.bind_to_random_port("tcp://127.0.0.1")
    stop: Any = context.socket(zmq.PAIR)
    stop.bind("inproc://stop")
    inside: Dict[bytes, Any] = {}

    def run() -> None:
        poller = zmq.Poller()
        for one in (outside, stop):
            poller.register(one, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if stop in ready:
                return
            if outside in ready:
                peer, *frames = outside.recv_multipart()
                if peer not in inside:
                    inside[peer] = context.socket(zmq.DEALER)
                    inside[peer].connect(server)
                    poller.register(inside[peer], zmq.POLLIN)
                inside[peer].send_multipart(frames)
            for peer, socket in inside.items():
                if socket in ready:
                    control, *payload = socket.recv_multipart()
                    changed = pack(change(unpack(control)))
                    outside.send_multipart([peer, changed, *payload])

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield f"tcp://127.0.0.1:{port}"
    finally:
        with context.socket(zmq.PAIR) as other:
            other.connect("inproc://stop")
            other.send(b"")
            thread.join()
        context.destroy(linger=0)


def assert_harmless(shown: str, own: Sequence[str] = ()) -> None:
    """Check that what is shown has nothing but printable lines, and none that is forged.

    Args:
        shown: What a terminal is given.
        own: Sequences that we send ourselves.
    """
    for sequence in own:
        shown = shown.replace(sequence, "")
    for line in shown.split("\n"):
        assert line.isprintable(), ascii(line)
        assert not line.startswith(FORGED), line
