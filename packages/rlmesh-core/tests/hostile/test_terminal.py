"""Whatever a peer or a file says, a terminal and a log get nothing but printable lines of ours."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import pty
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import msgpack
import pytest
import zmq
from impostor import (
    FORGED,
    HOSTILE,
    Place,
    assert_harmless,
    impostor,
    pack,
    places,
    spoiled,
    unpack,
)

import rlmesh
from rlmesh._cli.failure import describe
from rlmesh._cli.logs import _Json, _Line
from rlmesh._cli.ping import ping_server, print_stats
from rlmesh._cli.results import show_results
from rlmesh._runtime.episodes import EpisodeError
from rlmesh._runtime.results import RunResult
from rlmesh._transport.client import ZmqConnection
from rlmesh._wire.errors import error_from_wire
from rlmesh._wire.messages import ERROR, FIRST_ACTING_OP, OP_NAMES
from rlmesh.errors import RLMeshError
from rlmesh.spaces import Box, Discrete, Text
from rlmesh.spaces import Dict as DictSpace

BODY = 4
"""Where a message has its body."""


class Walk:
    """Ends after two steps, and uses spaces of several kinds."""

    metadata = {"render_modes": ["ansi"], "note": {"by": "somebody"}}
    observation_space = DictSpace({"text": Text(1000), "place": Box(0.0, 9.0, (2,), "float32")})
    action_space = Discrete(2)
    _left = 0

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        self._left = 2
        return self._observe(), {"a": "b"}

    def step(self, action: Any) -> Any:
        self._left -= 1
        return self._observe(), 1.0, self._left == 0, False, {"is_success": True, "why": "so"}

    def _observe(self) -> Any:
        place = rlmesh.Tensor.from_values([1.0, 2.0], "float32")
        return {"text": "pick", "place": place}


def act(observation: Any) -> int:
    return 0


class Everything(io.StringIO):
    """What is printed, logged, warned of and raised."""

    def __init__(self) -> None:
        super().__init__()
        self.handlers: List[logging.Handler] = []
        for formatter in (logging.Formatter("%(message)s"), _Line(), _Json()):
            self.handlers.append(logging.StreamHandler(self))
            self.handlers[-1].setFormatter(formatter)

    def attempt(self, what: Callable[[], object]) -> None:
        """Do something, and take down as what it fails."""
        try:
            what()
        except RLMeshError as exc:
            self.write(f"{exc}\n{describe(exc)}\n{exc!r}\n")


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[Everything]:
    everything = Everything()
    logger = logging.getLogger("rlmesh")
    level = logger.level
    logger.setLevel(logging.DEBUG)
    for handler in everything.handlers:
        logger.addHandler(handler)
    monkeypatch.setattr(sys, "stdout", everything)
    monkeypatch.setattr(sys, "stderr", everything)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        # Not where the lines of this file are shown as well.
        monkeypatch.setattr(
            warnings, "showwarning", lambda message, *_: everything.write(f"{message}\n")
        )
        yield everything
    logger.setLevel(level)
    for handler in everything.handlers:
        logger.removeHandler(handler)


def use_env(address: str, said: Everything) -> None:
    """Do with an env whatever prints something."""
    said.attempt(lambda: ping_server(address, 5.0))
    said.attempt(lambda: print_stats(address, 5.0, False))
    said.attempt(lambda: print_stats(address, 5.0, True))

    def look() -> None:
        with rlmesh.RemoteEnv(address, connect_timeout=5.0, step_timeout=5.0) as env:
            said.write(f"{env!r}\n{env.contract!r}\n{env.observation_space!r}\n")
            said.write(f"{env.reset(seed=0)!r}\n{env.step(1)!r}\n")

    said.attempt(look)

    def run() -> None:
        result = rlmesh.Model(act).run(address, seeds=[1], retries=0, on_error="record")
        said.write(f"{result!r}\n{result}\n{result.errors!r}\n")

    said.attempt(run)


def use_model(address: str, said: Everything) -> None:
    """Do with a model whatever prints something."""
    said.attempt(lambda: ping_server(address, 5.0))

    def run() -> None:
        with rlmesh.RemoteModel(address, connect_timeout=5.0, predict_timeout=5.0) as model:
            said.write(f"{model!r}\n")
            result = model.run(Walk(), seeds=[1], retries=0, on_error="record")
            said.write(f"{result!r}\n{result.errors!r}\n")

    said.attempt(run)


@contextlib.contextmanager
def served(kind: str) -> Iterator[str]:
    server: Any = (
        rlmesh.EnvServer(Walk()) if kind == "env" else rlmesh.ModelServer(rlmesh.Model(act))
    )
    with server:
        yield server.address


USES = {"env": use_env, "model": use_model}


def seen(kind: str) -> Dict[int, Any]:
    """Return the body of one reply of each operation."""
    bodies: Dict[int, Any] = {}

    def keep(fields: List[Any]) -> List[Any]:
        bodies.setdefault(fields[0], fields[BODY])
        return fields

    with served(kind) as server, impostor(server, keep) as address:
        USES[kind](address, Everything())
    return bodies


@pytest.mark.parametrize("kind", list(USES))
def test_replies_of_a_server_are_harmless_whatever_is_in_one_of_their_fields(
    kind: str, said: Everything
) -> None:
    count = 0
    for op, body in seen(kind).items():
        for place in places(body):
            for as_key in (False, True) if place and isinstance(place[-1], str) else (False,):

                def change(
                    fields: List[Any], op: int = op, place: Place = place, as_key: bool = as_key
                ) -> List[Any]:
                    with contextlib.suppress(LookupError, TypeError, AttributeError):
                        if fields[0] == op:
                            body = spoiled(fields[BODY], place, as_key)
                            return [*fields[:BODY], body]
                    return fields

                with served(kind) as server, impostor(server, change) as address:
                    USES[kind](address, said)
                shown = said.getvalue()
                said.seek(0)
                said.truncate()
                try:
                    assert_harmless(shown)
                except AssertionError as exc:
                    raise AssertionError(f"{OP_NAMES.get(op)} {place} {as_key}: {exc}") from None
                count += 1
    assert count > 20


def errors() -> Iterator[Dict[str, Any]]:
    """Yield the bodies of replies that say that something failed."""
    for kind in (*rlmesh.errors.__all__, "env", "model", HOSTILE):
        yield {
            "kind": kind,
            "message": HOSTILE,
            "type": HOSTILE,
            "traceback": f"Traceback:\n{FORGED}\n{HOSTILE}",
            "inputs": {HOSTILE: [HOSTILE, [1]], "x": ["y", [HOSTILE]]},
            "signal": HOSTILE,
            "exit_code": HOSTILE,
            "stderr": [HOSTILE, FORGED],
            "holder_gone": HOSTILE,
        }


@pytest.mark.parametrize("kind", list(USES))
def test_errors_of_a_server_are_harmless(kind: str, said: Everything) -> None:
    for body in errors():
        for failing in (0, 1, 2, 6, FIRST_ACTING_OP, FIRST_ACTING_OP + 1, 20, 21, 22):

            def change(fields: List[Any], body: Any = body, failing: int = failing) -> List[Any]:
                return [*fields[:3], ERROR, body] if fields[0] == failing else fields

            with served(kind) as server, impostor(server, change) as address:
                USES[kind](address, said)
        assert_harmless(said.getvalue())
    assert FORGED in said.getvalue()


def requests_of(kind: str) -> List[List[bytes]]:
    """Return a message of each operation that a client sends."""
    requests: Dict[int, List[bytes]] = {}
    send = ZmqConnection.send

    def keep(self: Any, control: bytes, payload: Any = ()) -> None:
        requests.setdefault(unpack(control)[0], [bytes(control), *map(bytes, payload)])
        send(self, control, payload)

    with pytest.MonkeyPatch.context() as patch, served(kind) as address:
        patch.setattr(ZmqConnection, "send", keep)
        USES[kind](address, Everything())
    return list(requests.values())


@pytest.mark.parametrize("kind", list(USES))
def test_requests_of_a_client_are_harmless_whatever_is_in_one_of_their_fields(
    kind: str, said: Everything
) -> None:
    requests = requests_of(kind)
    with served(kind) as address, zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.linger = 0
        socket.connect(address)
        for control, *payload in requests:
            fields = unpack(control)
            for place in places(fields):
                socket.send_multipart([pack(spoiled(fields, place)), *payload])
        socket.send(msgpack.packb([1, 10**9, b"", 0, None]))
        while True:
            assert socket.poll(60_000)
            reply = unpack(socket.recv_multipart()[0])
            if reply[1] == 10**9:
                break
            if reply[3] == ERROR:
                said.write(f"{error_from_wire(reply[BODY], 'x', 'y')}\n")
    assert "dropped a message" in said.getvalue()
    assert_harmless(said.getvalue())


def finished_run(text: str) -> RunResult:
    metadata = {"pushdown": [text], "run": {"model": text, "env": {"id": text}, text: text}}
    result = rlmesh.Model(act).run(Walk(), seeds=[0])
    (played,) = result.episodes
    failed = EpisodeError(1, 3, text, text, 1)
    return RunResult((played,), {**result.metadata, **metadata}, result.timing, (failed,))


def test_files_are_harmless_whatever_is_in_one_of_their_fields(
    said: Everything, tmp_path: Path
) -> None:
    path, spoilt = tmp_path / "run.jsonl", tmp_path / "spoilt.jsonl"
    finished_run("[/nope]").save(path)
    other = tmp_path / "other.jsonl"
    finished_run("another").save(other)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for number, line in enumerate(lines):
        for place in places(line):
            for as_key in (False, True):
                changed = [*lines]
                changed[number] = spoiled(line, place, as_key)
                spoilt.write_text("".join(json.dumps(one) + "\n" for one in changed))
                said.attempt(lambda: show_results([str(spoilt)], None))
                for pair in ([path, spoilt], [spoilt, other]):
                    try:
                        RunResult.load(pair[0]).merge(RunResult.load(pair[1]))
                    except (RLMeshError, ValueError) as exc:
                        said.write(f"{describe(exc)}\n{exc}\n")
    finished_run(HOSTILE).save(path)
    said.attempt(lambda: show_results([str(path)], None))
    assert "\\x1b[2J" in said.getvalue()
    assert_harmless(said.getvalue())


SCRIPT = str(Path(sys.executable).with_name("rlmesh"))


def on_a_terminal(*arguments: str) -> str:
    """Run the command on a terminal of 80 columns; return what that was given."""
    ours, theirs = pty.openpty()
    variables = {**os.environ, "TERM": "dumb", "NO_COLOR": "1", "RLMESH_TOKEN": ""}
    process = subprocess.Popen(
        [SCRIPT, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=variables
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # it has ended
        while data := os.read(ours, 65536):
            shown += data
    os.close(ours)
    process.wait()
    return shown.decode().replace("\r\n", "\n")


def all_hostile(message: Any) -> Any:
    """Return a message with hostile text for every text."""
    if isinstance(message, dict):
        return {key: all_hostile(value) for key, value in message.items()}
    if isinstance(message, list):
        return [all_hostile(value) for value in message]
    return HOSTILE if isinstance(message, str) else message


def test_a_terminal_is_given_no_controls_by_commands(tmp_path: Path) -> None:
    result = tmp_path / "run.jsonl"
    finished_run(HOSTILE).save(result)
    assert_harmless(on_a_terminal("results", str(result)))

    def change(fields: List[Any]) -> List[Any]:
        return [*fields[:BODY], all_hostile(fields[BODY])]

    with served("env") as server, impostor(server, change) as address:
        for command in (["ping", address], ["stats", address], ["stats", address, "--json"]):
            shown = on_a_terminal(*command)
            assert_harmless(shown)
            assert "\\x1b[2J" in shown or "\\u001b[2J" in shown
        run = ["run", "--log-level", "debug", f"{__name__}:act", address]
        assert_harmless(on_a_terminal(*run))
