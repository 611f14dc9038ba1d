"""The floor: the least that a ping-pong of the same bytes costs over pyzmq and msgpack.

ROUTER in the env process, DEALER in the client, blocking calls, no socket options. The request is
one msgpack array with the action's bytes, as that of RLMesh; the reply is another with reward,
flags, text and the arrays of up to 16 KiB, and one payload frame with all larger arrays, which is
sent and received without copying. RLMesh sends each larger array as a frame of its own.

It is a strict floor: the env process keeps the payload in one preallocated bytearray, and changes
the counting bytes in it. Nothing is checked, no array objects are built, and a lost message would
hang it.

For a served model there are two ping-pongs: what has come from the env goes on to a model process
as it came, and the action that this answers goes to the env.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Tuple

import msgpack
import numpy as np
import zmq
from payloads import ACTION, initial_observation
from server import Server
from turns import Turn, turn_of_steps

_INLINE_BYTES = 16 * 1024
_ALIGNMENT = 64
_STEP, _PREDICT, _OK = 17, 22, 0
_SESSION, _BOOT, _EPISODE = bytes(16), bytes(8), 32 * "0"
_NANOSECONDS = 1500


class _Frames:
    """The frames of one observation.

    Attributes:
        body: The part in the control frame; `parts` or, if the space is no Dict, its only item.
        parts: One item per leaf: text, a small array's bytes, or None for a large array.
        payload: The frame of the large arrays; None without any.
        counting: Where each array's counting byte is: the index of its part (None for the
            payload), and the index therein.
    """

    def __init__(self, payload: str) -> None:
        observation = initial_observation(payload)
        is_dict = isinstance(observation, dict)
        large = bytearray()
        self.parts: List[Any] = []
        self.counting: List[Tuple[Optional[int], int]] = []
        for i, leaf in enumerate(observation.values() if is_dict else [observation]):
            if not isinstance(leaf, np.ndarray):
                self.parts.append(leaf)
            elif leaf.nbytes <= _INLINE_BYTES:
                self.parts.append(bytearray(leaf.tobytes()))
                self.counting.append((i, leaf.nbytes - leaf.itemsize))
            else:
                self.parts.append(None)
                large += bytes(-len(large) % _ALIGNMENT) + leaf.tobytes()
                self.counting.append((None, len(large) - leaf.itemsize))
        self.body = self.parts if is_dict else self.parts[0]
        self.payload: Any = large or None

    def counting_bytes(self, result: Any) -> List[int]:
        """Return them as they are in a step's reply and payload frame."""
        reply, large = result
        body = reply[4][0]
        parts = body if isinstance(body, list) else [body]
        return [(large if i is None else parts[i])[index] for i, index in self.counting]


def serve_env(payload: str, address: str, announce: Callable[[str], None]) -> None:
    """Answer steps forever."""
    socket = _bind(address, announce)
    frames = _Frames(payload)
    body, large = frames.body, frames.payload
    places = [(large if i is None else frames.parts[i], index) for i, index in frames.counting]
    send, recv, pack, unpack = socket.send, socket.recv, msgpack.packb, msgpack.unpackb
    while True:
        client = recv()
        op, number, _session, _ack, _action = unpack(recv())
        for data, index in places:
            data[index] = number & 0xFF
        control = pack((op, number, _BOOT, _OK, (body, 1.0, False, False, None, _NANOSECONDS)))
        send(client, zmq.SNDMORE)
        if large is None:
            send(control)
        else:
            send(control, zmq.SNDMORE)
            send(large, copy=False)


def serve_model(predict: object, address: str, announce: Callable[[str], None]) -> None:
    """Answer observations with the action forever; predict nothing."""
    socket = _bind(address, announce)
    actions = (((ACTION.tobytes(), 0),), _NANOSECONDS)
    send, recv, pack, unpack = socket.send, socket.recv, msgpack.packb, msgpack.unpackb
    while True:
        client = recv()
        op, number, _session, _ack, _observation = unpack(recv())
        if socket.rcvmore:
            _large = recv(copy=False)
        send(client, zmq.SNDMORE)
        send(pack((op, number, _BOOT, _OK, actions)))


def connect(payload: str, server: Server) -> Dict[str, Turn]:
    """Return the turn of one ping-pong with the env for each step."""
    socket, frames = _dial(server), _Frames(payload)
    has_payload, action, number = frames.payload is not None, ACTION.tobytes(), 0
    send, recv, pack, unpack = socket.send, socket.recv, msgpack.packb, msgpack.unpackb

    def restart() -> None:
        nonlocal number
        number = 0

    def step() -> Any:
        nonlocal number
        number += 1
        send(pack((_STEP, number, _SESSION, number - 1, action)))
        reply = unpack(recv())
        return reply, recv(copy=False).buffer if has_payload else None

    return {"step": turn_of_steps(payload, step, frames.counting_bytes, restart)}


def connect_both(payload: str, env_server: Server, model_server: Server) -> Dict[str, Turn]:
    """Return the turn of two ping-pongs for each step: one with the env, one with the model."""
    env, model, frames = _dial(env_server), _dial(model_server), _Frames(payload)
    has_payload, action, number = frames.payload is not None, ACTION.tobytes(), 0
    send, recv, pack, unpack = env.send, env.recv, msgpack.packb, msgpack.unpackb
    send_on, recv_action = model.send, model.recv

    def restart() -> None:
        nonlocal number
        number = 0

    def step() -> Any:
        nonlocal action, number
        number += 1
        send(pack((_STEP, number, _SESSION, number - 1, action)))
        reply = unpack(recv())
        large = recv(copy=False) if has_payload else None
        observation = (_EPISODE, number, reply[4][0])
        control = pack((_PREDICT, number, _SESSION, number - 1, observation))
        if large is None:
            send_on(control)
        else:
            send_on(control, zmq.SNDMORE)
            send_on(large, copy=False)
        action = unpack(recv_action())[4][0][0][0]
        return reply, None if large is None else large.buffer

    return {"step": turn_of_steps(payload, step, frames.counting_bytes, restart)}


def _bind(address: str, announce: Callable[[str], None]) -> Any:
    socket: Any = zmq.Context.instance().socket(zmq.ROUTER)
    socket.bind(address.replace("unix:", "ipc:"))
    announce(socket.getsockopt_string(zmq.LAST_ENDPOINT))
    return socket


def _dial(server: Server) -> Any:
    socket: Any = zmq.Context.instance().socket(zmq.DEALER)
    socket.connect(server.address)
    return socket
