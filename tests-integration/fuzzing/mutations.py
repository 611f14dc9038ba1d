"""Messages that have something to do with valid ones."""

from __future__ import annotations

import contextlib
import random
from typing import Any, Dict, List, Sequence

import msgpack
from peers import CLOSE, OPEN, PREDICT, RESET, STEP

Frames = List[bytes]

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
# Packed, so that each use is a value of its own, which later changes may change.
PACKED_WRONG = [msgpack.packb(value) for value in WRONG]
LENGTHS = [
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xc6\x7f\xff\xff\xff",
    b"\xdc\xff\xff",
]


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
        fields = unpack(control)
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
        fields = unpack(frames[0])
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
                    unpack(rng.choice(self._by_op[rng.choice(self.ops)])[0]), rng
                )
                place[key] = None if other is None else other[other_key]
            elif what == 4 and type(place[key]) is int:
                place[key] = place[key] ^ 1 << rng.randrange(62)
            else:
                place[key] = unpack(rng.choice(PACKED_WRONG))
        with contextlib.suppress(OverflowError, ValueError):
            return [msgpack.packb(fields), *frames[1:]]
        return frames

    def _header(self, frames: Frames) -> Frames:
        """Make it another's request, one of another number, or no request at all."""
        rng = self._rng
        fields = unpack(frames[0])
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


def unpack(data: bytes) -> Any:
    """Return what bytes of msgpack say, whatever keys and text they have."""
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
