"""Throws mutated requests at real servers: `python fuzzing.py [--frames N] [--seed S] [KIND...]`.

Valid requests are recorded from a client of ours. Hostile peers send mutations of them at full
speed, each at times with a session of its own, while a good client goes on running episodes, whose
results must be the right ones. What is reported of each kind of server: how many messages a second
it was sent, and how much memory it grew by.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import socket
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Sequence

import msgpack
import numpy as np
import zmq
from envs import Walk
from peers import INTRODUCTION, RawPeer
from policies import Scripted
from servers import PATIENCE, PythonProcess, ServerProcess

import rlmesh.numpy
from rlmesh._transport.client import ZmqConnection

PING, OPEN, SHUTDOWN, FATE = 1, 2, 4, 5
RESET, STEP, RENDER, CLOSE = 16, 17, 18, 19
CONFIGURE_ROUTE, START_EPISODE, PREDICT, SELECT = 20, 21, 22, 25
OPTIONS = {"max_control": 200_000, "max_payload": 400_000, "session_grace": 0.2}
FRAMES = 20_000

Frames = List[bytes]


class Kind(NamedTuple):
    """A kind of server.

    Attributes:
        server: What `ServerProcess` is given for it.
        play: Runs a few seeded episodes with a client of ours, and returns what must be the same
            each time.
        extra: Requests (op, body) that such a client does not send.
    """

    server: Dict[str, Any]
    play: Callable[[str], Any]
    extra: Sequence[Any] = ()


class Homing:
    """Walks home, in a batch with whoever else is on the way."""

    def predict_batch(self, observations: Any) -> Any:
        return np.clip(-observations["at"] / 2, -1, 1)


def play_env(address: str) -> Any:
    with rlmesh.numpy.RemoteEnv(address, busy_timeout=PATIENCE) as env:
        return rlmesh.numpy.Model(Scripted("numpy").predict).run(env, seeds=[1, 2])


def play_vector(address: str) -> Any:
    with rlmesh.numpy.RemoteVectorEnv(address, busy_timeout=PATIENCE) as env:
        observations = [env.reset(seed=[1, 2, 3])[0]]
        for step in range(30):
            actions = (np.arange(3) + step) % 2
            stepped = env.step(actions)
            observations += stepped[:4]
        return np.concatenate([np.ravel(one) for one in observations]).tolist()


def play_model(address: str) -> Any:
    with rlmesh.numpy.RemoteModel(address, busy_timeout=PATIENCE) as model:
        return model.run(Walk(), seeds=[1, 2, 3])


def _selections() -> Any:
    image = rlmesh.adapters.Image("image/primary", size=(30, 40)).to_dict()
    tag = rlmesh.adapters.ImageTag("image/primary").to_dict()
    yield SELECT, {"paths": [["camera"], ["state"]], "pushed": []}
    yield SELECT, {"paths": [["camera"], ["state"]], "pushed": [[["camera"], tag, image]]}
    yield SELECT, None
    yield RENDER, None


_EVERYTHING = {"name": "envs:Everything", "kwargs": {"render_mode": "rgb_array"}}

KINDS: Dict[str, Kind] = {
    "env": Kind({**_EVERYTHING, "options": OPTIONS}, play_env, list(_selections())),
    "vector": Kind(
        {
            "name": "envs:make_vector",
            "kwargs": {"env_id": "Countdown", "mode": "NextStep"},
            "options": OPTIONS,
        },
        play_vector,
    ),
    "factory": Kind(
        {**_EVERYTHING, "factory": True, "options": {**OPTIONS, "max_sessions": 4}},
        play_env,
        list(_selections()),
    ),
    "model": Kind(
        {
            "name": "fuzzing:Homing",
            "model": "numpy",
            "options": {**OPTIONS, "max_sessions": 16},
        },
        play_model,
    ),
}


@contextlib.contextmanager
def recorded() -> Iterator[List[Frames]]:
    """Give the messages that clients send in this process during a `with` block."""
    messages: List[Frames] = []
    original = ZmqConnection.send

    def send(self: ZmqConnection, control: bytes, payload: Sequence[memoryview] = ()) -> None:
        messages.append([bytes(control), *map(bytes, payload)])
        original(self, control, payload)

    ZmqConnection.send = send  # type: ignore[method-assign]
    try:
        yield messages
    finally:
        ZmqConnection.send = original  # type: ignore[method-assign]


def record(kind: Kind, address: str) -> List[Frames]:
    """Return valid messages of a client, a few of each operation."""
    with recorded() as messages:
        kind.play(address)
    by_op: Dict[int, List[Frames]] = {}
    for frames in messages:
        by_op.setdefault(msgpack.unpackb(frames[0])[0], []).append(frames)
    corpus = [frames for found in by_op.values() for frames in found[:4]]
    client = {"client": INTRODUCTION, "wait": True, "hold": 0.5, "takeover": False}
    more = [(PING, None), (FATE, None), (SHUTDOWN, None), (OPEN, client), *kind.extra]
    return corpus + [[msgpack.packb([op, 1, bytes(16), 0, body])] for op, body in more]


WRONG: List[Any] = [
    *(None, True, -1, 0, 1, 2**31, 2**63, 2**64 - 1, -(2**63), 0.5, float("nan"), float("inf")),
    *("", "x", "\0" * 100, "9" * 5000, "ä" * 50_000, b"", b"x" * 16, bytes(20_000)),
    *([], [[]] * 10, [0] * 10_000, {}, {1: 2}, {"client": {}}, {b"x": [None]}),
    *(msgpack.ExtType(1, b"x"), msgpack.ExtType(2, msgpack.packb(["uint8", [2**62], [0, 9]]))),
    msgpack.ExtType(3, msgpack.packb(["U", [1] * 60, ["x"]])),
    msgpack.Timestamp(1, 2),
]
for _depth in (60, 900):
    _nested: Any = None
    for _ in range(_depth):
        _nested = [_nested]
    WRONG.append(_nested)
LENGTHS = [
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xc6\x7f\xff\xff\xff",
    b"\xdc\xff\xff",
]
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + b"\x00" + bytes(31)
READY = b"\x04\x29\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER\x08Identity\x00\x00\x00\x00"


class Mutator:
    """Makes messages that have something to do with valid ones.

    Args:
        corpus: Valid messages.
        rng: Decides.
    """

    def __init__(self, corpus: Sequence[Frames], rng: random.Random) -> None:
        self._rng = rng
        self._by_op: Dict[int, List[Frames]] = {}
        for frames in corpus:
            self._by_op.setdefault(msgpack.unpackb(frames[0])[0], []).append(frames)
        self.ops = list(self._by_op)
        self._acting = [op for op in self.ops if op >= RESET]
        self.step = STEP if STEP in self._by_op else PREDICT
        self._ways = [
            self._nothing,
            self._swap,
            self._swap,
            self._bytes,
            self._frames,
            self._header,
        ]

    def valid(self, op: int, number: int, session: bytes) -> Frames:
        """Return a valid request of an operation."""
        control, *payload = self._rng.choice(self._by_op[op])
        fields = _unpack(control)
        return [msgpack.packb([op, number, session, 0, fields[4]]), *payload]

    def message(self, number: int, session: bytes) -> Frames:
        """Return the next message.

        Args:
            number: The number that would be the next within the session.
            session: A session's id.
        """
        rng = self._rng
        op = rng.choice(self.ops if rng.random() < 0.4 else self._acting)
        # Few would get further than a session that is closed.
        if op == CLOSE and rng.random() < 0.95:
            op = self.step
        return rng.choice(self._ways)(self.valid(op, number, session))

    def reply_like(self, frames: Frames) -> Frames:
        """Return a mutation of a message whose fields are to stay a message's."""
        return self._rng.choice([self._swap, self._swap, self._bytes, self._frames])(frames)

    def _nothing(self, frames: Frames) -> Frames:
        return frames

    def _swap(self, frames: Frames) -> Frames:
        """Put something else in place of a value, at any depth."""
        rng = self._rng
        fields = _unpack(frames[0])
        for _ in range(rng.choice([1, 1, 1, 2, 4])):
            place, key = _place(fields, rng)
            if place is None:
                continue
            what = rng.randrange(6)
            if what == 0 and isinstance(place, list) and len(place) > 1:
                del place[key]
            elif what == 1 and isinstance(place, list):
                place.insert(key, place[key])
            elif what == 2 and isinstance(place, dict):
                place[rng.choice(["x", 5, "type", "dtype"])] = place[key]
            elif what == 3:
                other, other_key = _place(
                    _unpack(rng.choice(self._by_op[rng.choice(self.ops)])[0]), rng
                )
                place[key] = None if other is None else other[other_key]
            elif what == 4 and type(place[key]) is int:
                place[key] = place[key] ^ 1 << rng.randrange(62)
            else:
                place[key] = rng.choice(WRONG)
        with contextlib.suppress(OverflowError, ValueError):
            return [msgpack.packb(fields), *frames[1:]]
        return frames

    def _header(self, frames: Frames) -> Frames:
        """Make it another's request, one of another number, or no request at all."""
        rng = self._rng
        fields = _unpack(frames[0])
        sessions = [b"", bytes(16), rng.randbytes(16), b"x" * 15, b"x" * 17, b"x" * 10_000]
        numbers = [-1, 0, 1, 2, 5, fields[1] - 1, fields[1] + 1, 2**62, 2**64 - 1]
        what = rng.randrange(5)
        if what == 0:
            # A session that is opened so would be held by nobody's turn.
            fields[2] = rng.choice(sessions[:1] + sessions[3:] if fields[0] == OPEN else sessions)
        elif what == 1:
            fields[1] = rng.choice(numbers)
        elif what == 2:
            fields[3] = rng.choice(numbers)
        elif what == 3:
            fields[0] = rng.choice([*range(30), -1, 2**63])
        else:
            fields = [fields[0], fields[1], rng.randbytes(8), rng.choice([0, 1, 9]), fields[4]]
        return [msgpack.packb(fields), *frames[1:]]

    def _bytes(self, frames: Frames) -> Frames:
        """Change bytes of a frame: flip bits, cut, repeat, or claim huge lengths."""
        rng = self._rng
        i = rng.randrange(len(frames))
        data = bytearray(frames[i])
        at = rng.randrange(len(data) + 1)
        what = rng.randrange(5)
        if what == 0:
            for _ in range(rng.choice([1, 1, 3, 20])):
                if data:
                    data[rng.randrange(min(len(data), 200))] ^= 1 << rng.randrange(8)
        elif what == 1:
            del data[at:]
        elif what == 2:
            data[at : at + 5] = rng.choice(LENGTHS)
        elif what == 3:
            data[at:at] = data[: rng.randrange(50)]
        else:
            data[at : at + 8] = rng.randbytes(8)
        return [*frames[:i], bytes(data), *frames[i + 1 :]]

    def _frames(self, frames: Frames) -> Frames:
        """Leave frames out, repeat, add or mix them."""
        rng = self._rng
        what = rng.randrange(40)
        if what == 0:
            return [*frames, *[b"x"] * 1500]
        if what == 1:
            return [*frames, bytes(300_000), bytes(300_000)]
        if what < 10 and len(frames) > 1:
            del frames[rng.randrange(len(frames))]
            return frames
        if what < 20:
            return [*frames, rng.choice(frames)]
        if what < 30:
            return [*frames, *[rng.randbytes(rng.choice([0, 1, 30_000]))] * rng.randrange(1, 4)]
        rng.shuffle(frames)
        return frames


def _unpack(data: bytes) -> Any:
    return msgpack.unpackb(data, strict_map_key=False, unicode_errors="surrogatepass")


def _place(value: Any, rng: random.Random) -> Any:
    """Return a container somewhere within a value, and a key of it; None if there is none."""
    where, key = None, None
    while isinstance(value, (list, dict)) and value:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        # Most changes are within the body.
        key = keys[-1] if where is None and rng.random() < 0.85 else rng.choice(keys)
        where = value
        value = value[key]
        if rng.random() < 0.25:
            break
    return where, key


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
            fields = _unpack(target.recv_multipart()[0])
            self.replies[_kind_of(fields)] += 1
        for op in (RESET, CONFIGURE_ROUTE, START_EPISODE):
            if op in self._mutator.ops:
                target.send_multipart(self._mutator.valid(op, self._number, session))
                self._number += 1
        return fields[4] if fields[3] == 0 else None

    def _read(self, target: Any, patiently: bool) -> None:
        """Read replies, and learn which request may come next."""
        while target.poll(3 if patiently else 0):
            fields = _unpack(target.recv_multipart()[0])
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


def memory_of(pid: int) -> int:
    """Return the resident memory of a process, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    (kilobytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return int(kilobytes) * 1024


class Report(NamedTuple):
    """What came of it.

    Attributes:
        sent: Messages.
        seconds: How long that took.
        grown: Bytes by which the server's memory grew after the first fifth.
        memory: Its memory at the end.
        runs: How often the good client played meanwhile, with the right results.
        replies: How often each kind of reply was seen.
        stderr: What the server said.
    """

    sent: int
    seconds: float
    grown: int
    memory: int
    runs: int
    replies: Dict[str, int]
    stderr: str


def fuzz(name: str, frames: int, seed: int, folder: Path) -> Report:
    """Attack a new server of some kind, and play with it meanwhile.

    Args:
        name: Of the kind.
        frames: How many messages to send.
        seed: Of what is random.
        folder: For the recorded messages.

    Raises:
        AssertionError: The good client's results were wrong, or the server is gone.
        Exception: Whatever its calls raise.
    """
    kind = KINDS[name]
    server = ServerProcess(**kind.server)
    attacker = None
    try:
        expected = kind.play(server.address)
        corpus = folder / "corpus"
        corpus.write_bytes(msgpack.packb(record(kind, server.address)))
        started = time.monotonic()
        arguments = ("--attack", server.address, str(corpus), str(frames), str(seed))
        attacker = PythonProcess("fuzzing.py", *arguments)
        runs, warm, lines = 0, 0, iter(attacker.read_line, "")
        assert attacker.process.stdout is not None
        for what in ("warm", "done"):
            reader = zmq.Poller()
            reader.register(attacker.process.stdout, zmq.POLLIN)
            while not reader.poll(0):
                assert kind.play(server.address) == expected
                runs += 1
            said, _, text = next(lines).partition(" ")
            assert said == what, said
            if what == "warm":
                warm = memory_of(server.process.pid)
        seconds = time.monotonic() - started
        assert kind.play(server.address) == expected
        with RawPeer(server.address) as peer:
            assert peer.ask(PING, 1, b"", None)[3] == 0
        assert server.process.poll() is None
        memory = memory_of(server.process.pid)
        return Report(frames, seconds, memory - warm, memory, runs, json.loads(text), server.stderr)
    except BaseException:
        status, said = server.process.poll(), server.stderr[-5000:]
        print(f"{name}: exit status {status}, stderr:\n{said}", file=sys.stderr, flush=True)
        raise
    finally:
        if attacker is not None:
            attacker.close()
        server.close()


def attack(address: str, corpus: str, frames: str, seed: str) -> None:
    """Send so many messages; say when a fifth of them, and when all are sent."""
    rng = random.Random(int(seed))
    attacker = Attacker(address, Mutator(msgpack.unpackb(Path(corpus).read_bytes()), rng), rng)
    attacker.attack(int(frames) // 5)
    print("warm", flush=True)
    attacker.attack(int(frames) - attacker.sent)
    print("done", json.dumps(attacker.replies), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for name in options.kinds or KINDS:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            report = fuzz(name, options.frames, options.seed, Path(folder))
        print(
            f"{name}: {report.sent} messages in {report.seconds:.0f} s"
            f" ({report.sent / report.seconds:.0f}/s), {report.runs} runs of a good client,"
            f" memory {report.memory / 2**20:.0f} MiB, grown by {report.grown / 2**20:.1f} MiB;"
            f" replies {dict(sorted(report.replies.items()))}; stderr {len(report.stderr)} bytes",
            flush=True,
        )
        if "Traceback" in report.stderr:
            sys.exit(f"{name}: the server shows a traceback:\n{report.stderr}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--attack"]:
        attack(*sys.argv[2:])
    else:
        main()
