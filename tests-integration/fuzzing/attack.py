"""Hostile peers of one server: `python attack.py ADDRESS CORPUS FRAMES SEED`."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import msgpack
import zmq
from mutations import Mutator, unpack
from peers import CLOSE, CONFIGURE_ROUTE, OPEN, RESET, START_EPISODE, RawPeer

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + b"\x00" + bytes(31)
READY = b"\x04\x29\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER\x08Identity\x00\x00\x00\x00"


class Attacker:
    """Several peers of one server.

    Args:
        address: Where the server is.
        mutator: Makes what they send.
        rng: Decides.
        with_session: Whether they open sessions.
    """

    def __init__(self, address: str, mutator: Mutator, rng: random.Random) -> None:
        self._address, self._mutator, self._rng = address, mutator, rng
        self.replies: Counter[str] = Counter()
        self.sent = 0
        # Of the next request within the session; and replies in a row that know of no session.
        self._number, self._lost = 1, 0

    def attack(self, count: int) -> None:
        """Send so many messages."""
        until = self.sent + count
        while self.sent < until:
            self._turn(until - self.sent)

    def _turn(self, most: int) -> None:
        """Take what can be had of sessions, send messages, and leave without a word at times."""
        rng = self._rng
        session = rng.randbytes(16)
        with RawPeer(self._address) as insider, RawPeer(self._address) as other, RawPeer(
            self._address
        ) as deaf:
            sockets = [insider.socket, insider.socket, other.socket, deaf.socket]
            for one in sockets:
                one.sndtimeo = 1000
                one.sndhwm = 100
            opened = self._enter(insider.socket, session)
            worker = opened and opened.get("worker")
            direct = [RawPeer(worker["address"])] if worker else []
            for peer in direct:
                peer.socket.sndtimeo = 1000
                peer.socket.send_multipart(self._mutator.valid(OPEN, 1, session))
                sockets += [peer.socket] * 2
            for _ in range(min(most, 400)):
                target = rng.choice(sockets)
                with contextlib.suppress(zmq.Again):
                    # One that was cut off has no queue any more.
                    target.send_multipart(self._mutator.message(self._number, session))
                self.sent += 1
                # To get far within a session, one has to wait for its replies at times.
                is_patient = rng.random() < (0.02 if opened is None else 0.1)
                for peer in (insider, other, *direct):
                    waits = is_patient and peer.socket is target
                    self._read(peer.socket, waits)
                if self._lost > 40:
                    session = rng.randbytes(16)
                    self._enter(insider.socket, session)
            if rng.random() < 0.9:
                with contextlib.suppress(zmq.Again):
                    insider.socket.send_multipart(self._mutator.valid(CLOSE, 2**61, session))
                self._read(insider.socket, True)
            for peer in direct:
                peer.socket.close()
        self._garbage()

    def _enter(self, target: Any, session: bytes) -> Any:
        """Ask for a session, and begin to use it; return what the server said, or None."""
        target.send_multipart(self._mutator.valid(OPEN, 1, session))
        self._number, self._lost = 1, 0
        fields: Any = [None]
        while fields[0] != OPEN:
            if not target.poll(50):
                return None
            fields = unpack(target.recv_multipart()[0])
            self.replies[_kind_of(fields)] += 1
        for op in (RESET, CONFIGURE_ROUTE, START_EPISODE):
            if op in self._mutator.ops:
                target.send_multipart(self._mutator.valid(op, self._number, session))
                self._number += 1
        return fields[4] if fields[3] == 0 else None

    def _read(self, target: Any, patiently: bool) -> None:
        """Read replies, and learn which request may come next."""
        while target.poll(3 if patiently else 0):
            fields = unpack(target.recv_multipart()[0])
            self.replies[_kind_of(fields)] += 1
            patiently = False
            if fields[0] >= 16 and fields[1] == self._number:
                # Once or twice, it was a mutated request's session.
                self._lost = self._lost + 1 if _kind_of(fields) == "SessionLost" else 0
                self._number += not self._lost

    def _garbage(self) -> None:
        """Say something that is no ZeroMQ, or breaks off in the middle of it."""
        rng = self._rng
        host, _, port = self._address.replace("tcp://", "").partition(":")
        start = rng.choice([b"", GREETING, GREETING + READY, GREETING[: rng.randrange(64)]])
        frame = rng.choice([b"\x01", b"\x03", b"\x02", b"\x00", b"\x04", b"\x07"])
        data = start + frame + rng.randbytes(rng.randrange(300))
        with contextlib.suppress(OSError), socket.create_connection((host, int(port))) as plain:
            plain.sendall(data)


def _kind_of(fields: Any) -> str:
    body = fields[4]
    if fields[3] == 1 and isinstance(body, dict):
        return str(body.get("kind"))
    return f"ok {fields[0]}"


def attack(address: str, corpus: str, frames: str, seed: str) -> None:
    """Send so many messages; say when a fifth of them, and when all are sent."""
    rng = random.Random(int(seed))
    attacker = Attacker(address, Mutator(msgpack.unpackb(Path(corpus).read_bytes()), rng), rng)
    attacker.attack(int(frames) // 5)
    print("warm", flush=True)
    attacker.attack(int(frames) - attacker.sent)
    print("done", json.dumps(attacker.replies), flush=True)


if __name__ == "__main__":
    attack(*sys.argv[1:])
