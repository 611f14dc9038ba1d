"""The kinds of servers that are fuzzed, and what a good client says to each."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Sequence

import msgpack
import numpy as np
from envs import Walk
from mutations import Frames, unpack
from peers import (
    CALL,
    FATE,
    GET_ATTR,
    INTRODUCTION,
    OPEN,
    PING,
    PROVE,
    RENDER,
    SELECT,
    SET_ATTR,
    SHUTDOWN,
    STATS,
)
from policies import Scripted
from servers import PATIENCE

import rlmesh.numpy
from rlmesh._transport.client import ZmqConnection
from rlmesh._wire.exact import encode_exact
from rlmesh.backends import NativeBackend

OPTIONS = {"max_control": 200_000, "max_payload": 400_000, "session_grace": 0.2}


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


def _attributes() -> Any:
    value = {"list": [1, 2.5, None, b"bytes", 2**70], "tuple": (1, "two"), "set": {3}}
    arguments = {"args": [value, rlmesh.Tensor.from_values([1, 2], "int32")], "kwargs": {"x": 1j}}
    yield GET_ATTR, ["note", None]
    yield SET_ATTR, ["note", encode_exact(value, "value", [], NativeBackend())]
    yield CALL, ["echo", encode_exact(arguments, "arguments", [], NativeBackend())]


_EVERYTHING = {
    "name": "envs:Everything",
    "kwargs": {"render_mode": "rgb_array"},
    "expose": ["note", "echo"],
}

KINDS: Dict[str, Kind] = {
    "env": Kind({**_EVERYTHING, "options": OPTIONS}, play_env, [*_selections(), *_attributes()]),
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
        [*_selections(), *_attributes()],
    ),
    "model": Kind(
        {
            "name": "policies:Homing",
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
        by_op.setdefault(unpack(frames[0])[0], []).append(frames)
    corpus = [frames for found in by_op.values() for frames in found[:4]]
    client = {"client": INTRODUCTION, "wait": True, "hold": 0.5, "takeover": False}
    more = [
        (PING, None),
        (STATS, None),
        (FATE, None),
        (SHUTDOWN, None),
        (PROVE, bytes(32)),
        (OPEN, client),
        *kind.extra,
    ]
    return corpus + [[msgpack.packb([op, 1, bytes(16), 0, body])] for op, body in more]
