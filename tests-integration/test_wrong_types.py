"""A wrong type in any field of any message is a protocol error, at whichever side it arrives.

A man in the middle of a real client and a real server puts it there. The fields are those of the
messages that pass, so that a new field is tested as soon as it is sent.
"""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import gymnasium
import msgpack
import numpy as np
import pytest
import zmq
from peers import FATE, PROBE, receiving

import rlmesh
import rlmesh.numpy
from rlmesh._wire.messages import CLOSE, OP_NAMES, STARTING
from rlmesh.errors import InvalidValue, ProtocolError, RLMeshError

Path = Tuple[Any, ...]
EXAMPLES: List[Any] = [None, True, 7, 0.5, "x", b"x", [], {}]
"""A value of each type."""
ELSEWHERE = (PROBE, FATE, CLOSE)
"""Nobody waits for an answer that could be an error."""


class Target(gymnasium.Env[Any, Any]):
    """Has something in every field."""

    metadata = {"render_modes": ["ansi"], "render_fps": 7}  # noqa: RUF012
    observation_space = gymnasium.spaces.Discrete(5)
    action_space = gymnasium.spaces.Discrete(2)
    pace = 1.0

    def __init__(self, render_mode: Optional[str] = "ansi") -> None:
        self.render_mode = render_mode

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        return 1, {"a": 1}

    def step(self, action: Any) -> Any:
        return 2, 1.0, False, False, {"success": True}

    def render(self) -> Any:
        return "drawn"

    def hurry(self, times: int) -> float:
        return times * self.pace


class Policy:
    """Answers two actions at a time."""

    def predict_chunk(self, observation: Any) -> Any:
        return [0, 1]


def play_env(address: str) -> None:
    with rlmesh.numpy.RemoteEnv(address, connect_timeout=5) as env:
        env.reset(seed=3, options={"a": 1})
        env.step(1)
        env.render()
        env.get_attr("pace")
        env.set_attr("pace", 2.0)
        env.call("hurry", 3)


def play_vector(address: str) -> None:
    with rlmesh.numpy.RemoteVectorEnv(address, connect_timeout=5) as env:
        env.reset(seed=[1, 2])
        env.step(np.array([0, 1]))


def play_model(address: str) -> None:
    with rlmesh.numpy.RemoteModel(address, connect_timeout=5) as model:
        options: Dict[str, Any] = {"execution_horizon": 2, "max_episode_steps": 3}
        model.run(Target(), seeds=[1], retries=0, **options)


def play_watch(address: str) -> None:
    rlmesh.ping(address)
    rlmesh.stats(address)


def play_open(address: str) -> None:
    rlmesh.numpy.RemoteEnv(address, connect_timeout=5).close()


def serve_env() -> Any:
    return rlmesh.EnvServer(Target(), expose=["pace", "hurry"])


def serve_vector() -> Any:
    vector = gymnasium.vector.SyncVectorEnv([Target, Target])
    return rlmesh.EnvServer(vector)


def serve_model() -> Any:
    return rlmesh.ModelServer(rlmesh.numpy.Model(Policy()))


def serve_factory() -> Any:
    return rlmesh.EnvServer("CartPole-v1")


KINDS: Dict[str, Tuple[Callable[[], Any], Callable[[str], None]]] = {
    "env": (serve_env, play_env),
    "vector": (serve_vector, play_vector),
    "model": (serve_model, play_model),
    "watch": (serve_env, play_watch),
    "factory": (serve_factory, play_open),
}

FREE: Sequence[Tuple[str, Path]] = [
    # What anything may be in: an env's own words about itself, which are compared and shown.
    ("open", ("metadata",)),
    ("open", ("origin",)),
    ("open", ("spec", "kwargs")),
    ("open", ("spec", "additional_wrappers")),
    ("configure_route", ("contract", "metadata")),
    ("configure_route", ("contract", "origin")),
    ("configure_route", ("contract", "spec", "kwargs")),
    ("configure_route", ("contract", "spec", "additional_wrappers")),
    ("configure_route", ("model",)),
]
MAY_BE: Dict[str, Tuple[type, ...]] = {
    "render_mode": (str, type(None)),
    "max_episode_steps": (int, type(None)),
    "reward_threshold": (float, int, type(None)),
    "entry_point": (str, type(None)),
    "autoreset_mode": (str, type(None)),
    "spec": (dict, type(None)),
    "vector": (dict, type(None)),
    "worker": (dict, type(None)),
    "workers": (int, type(None)),
    "instruction": (str, type(None)),
    "selection": (dict, type(None)),
    "uptime": (float, int),
    "hold": (float, int),
    "low": (int, float, bytes),
    "high": (int, float, bytes),
    "nvec": (list, bytes),
    "start": (int, list, bytes),
}
"""What else than what was sent a field of this name may be."""


class Change(NamedTuple):
    """What is done to a message.

    Attributes:
        is_reply: Whether to a reply, or to a request.
        op: Its operation.
        path: Where in its body.
        value: What is put there.
    """

    is_reply: bool
    op: int
    path: Path
    value: Any


class Middle:
    """Passes messages on, and notes the first body of each operation.

    Attributes:
        change: What is done to them.
    """

    def __init__(self) -> None:
        self.change: Optional[Change] = None
        self.bodies: Dict[Tuple[bool, int], Any] = {}

    def passed(self, frames: List[bytes], is_reply: bool) -> List[bytes]:
        fields = msgpack.unpackb(frames[0], strict_map_key=False)
        op, body, change = fields[0], fields[4], self.change
        if body == STARTING:
            return frames
        if not is_reply or fields[3] == 0:
            self.bodies.setdefault((is_reply, op), body)
        if change is None or (is_reply, op) != change[:2] or (is_reply and fields[3]):
            return frames
        fields[4] = replaced(body, change.path, change.value)
        return [msgpack.packb(fields), *frames[1:]]


@contextlib.contextmanager
def in_the_middle(server: str, middle: Middle) -> Iterator[str]:
    context = zmq.Context()
    outside: Any = context.socket(zmq.ROUTER)
    inside: Any = context.socket(zmq.DEALER)
    port = outside.bind_to_random_port("tcp://127.0.0.1")
    inside.connect(server)
    client: List[bytes] = [b""]

    def pass_request() -> None:
        client[0], *frames = outside.recv_multipart()
        inside.send_multipart(middle.passed(frames, False))

    def pass_reply() -> None:
        frames = middle.passed(inside.recv_multipart(), True)
        outside.send_multipart([client[0], *frames])

    with receiving(context, {outside: pass_request, inside: pass_reply}):
        yield f"tcp://127.0.0.1:{port}"


def replaced(body: Any, path: Path, value: Any) -> Any:
    """Return a copy of a body with another value at a path."""
    if not path:
        return value
    copy = dict(body) if isinstance(body, dict) else list(body)
    copy[path[0]] = replaced(body[path[0]], path[1:], value)
    return copy


def places(op: int, body: Any, path: Path = ()) -> Iterator[Tuple[Path, Any]]:
    """Yield every place in a body, itself included, and what is there."""
    yield path, body
    if (OP_NAMES[op], path) in FREE:
        return
    if isinstance(body, (dict, list)):
        pairs = body.items() if isinstance(body, dict) else enumerate(body)
        for key, part in pairs:
            yield from places(op, part, (*path, key))


def wrong_values(path: Path, value: Any) -> List[Any]:
    """Return what must not stand where this value does."""
    names = [key for key in path if isinstance(key, str)]
    lawful = MAY_BE.get(names[-1], ()) if names and path[-1] == names[-1] else ()
    lawful = (*lawful, type(value))
    return [one for one in EXAMPLES if type(one) not in lawful]


LAWFUL: Dict[Tuple[bool, str, Path], Tuple[type, ...]] = {
    # Nothing is expected where None was sent; a seed and options may be left out.
    (False, "reset", (0,)): (type(None), int),
    (False, "reset", (0, 0)): (type(None), int),
    (False, "reset", (0, 1)): (type(None), int),
    (False, "reset", (1,)): (type(None),),
    (True, "reset", (1,)): (type(None),),
    (True, "step", (4,)): (type(None),),
    (True, "step", (2,)): (type(None),),
    (True, "step", (3,)): (type(None),),
    (True, "get_attr", ()): (type(None),),
    (False, "start_episode", (1,)): (type(None), int),
}


def is_lawful(change: Change, old: Any) -> bool:
    name, path, kind = OP_NAMES[change.op], change.path, type(change.value)
    if old is None and path == ():
        return True  # a body that nobody reads
    if name in ("probe", "ping", "stats", "shutdown") and not change.is_reply:
        return True
    return kind in LAWFUL.get((change.is_reply, name, path), ())


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_type_in_any_field_is_a_protocol_error(kind: str) -> None:
    serve, play = KINDS[kind]
    middle, taken, tried = Middle(), [], 0
    with serve() as server, in_the_middle(server.address, middle) as address:
        play(address)
        for (is_reply, op), body in list(middle.bodies.items()):
            if op in ELSEWHERE:
                continue
            for path, old in places(op, body):
                if kind == "factory" and path[:1] != ("worker",):
                    continue  # each client has a process, which takes its time
                for value in wrong_values(path, old):
                    middle.change = change = Change(is_reply, op, path, value)
                    if is_lawful(change, old):
                        continue
                    tried += 1
                    try:
                        play(address)
                    except (ProtocolError, InvalidValue) as error:
                        if "expected" not in str(error) and "does not parse" not in str(error):
                            taken.append((change, repr(error)[:150]))
                    except RLMeshError as error:
                        taken.append((change, repr(error)[:150]))
                    except Exception as error:
                        taken.append((change, "NOT OURS: " + repr(error)[:150]))
                    else:
                        taken.append((change, "accepted"))
        middle.change = None
        play(address)
    assert tried > 10
    text = "\n".join(
        f"{'reply' if c.is_reply else 'request'} {OP_NAMES[c.op]} {c.path} = {c.value!r}: {what}"
        for c, what in taken
    )
    assert not taken, f"{len(taken)} of {tried}:\n{text}"
