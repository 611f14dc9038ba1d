"""What a client says when nobody, or somebody else, is at the address."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any, Callable, List

import msgpack
import pytest
from peers import HELLO, INTRODUCTION, OK, tcp_server, zmq_server
from servers import Servers

import rlmesh
import rlmesh.numpy
from rlmesh.errors import (
    AddressError,
    ConnectionFailed,
    ProtocolError,
    RequestTimeout,
    SecurityError,
)

BOOT = bytes(8)
TOKEN = "a token of some length"
OTHER = "another token of some length"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def test_nobody_at_a_tcp_port_is_named_with_the_budget() -> None:
    address = f"127.0.0.1:{free_port()}"
    words = rf"no RLMesh server answered at {address} within 0\.3 s"
    with pytest.raises(ConnectionFailed, match=words):
        rlmesh.RemoteEnv(address, connect_timeout=0.3)


def test_nobody_at_a_unix_path_is_named_with_the_budget(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.sock", tmp_path / "no" / "folder.sock"):
        words = rf"no RLMesh server answered at unix://{path} within 0\.3 s"
        with pytest.raises(ConnectionFailed, match=words):
            rlmesh.numpy.RemoteEnv(f"unix://{path}", connect_timeout=0.3)


def test_a_host_without_address_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConnectionFailed, match=r"'no-such-host\.invalid' of tcp://.* not resolve"):
        rlmesh.RemoteEnv("tcp://no-such-host.invalid:5555", connect_timeout=0.3)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "5555",
        "localhost",
        ":5555",
        "127.0.0.1:",
        "127.0.0.1:port",
        "127.0.0.1:65536",
        "127.0.0.1:99999999",
        "127.0.0.1:-1",
        "127.0.0.1:5555/path",
        "tcp://",
        "tcp:/127.0.0.1:5555",
        "http://127.0.0.1:5555",
        "ipc:///tmp/x",
        "unix://",
        "unix:/tmp/x",
        "inproc://",
        "a b:5555",
        "[::1:5555",
        "::1:5555",
        "127.0.0.1:55\n",
        None,
        5555,
        b"127.0.0.1:5555",
        "unix:///" + "x" * 107,
    ],
)
def test_an_address_that_does_not_parse_is_named_with_the_forms_that_do(address: Any) -> None:
    class Env:
        observation_space = action_space = rlmesh.spaces.Discrete(2)
        reset = step = int

    for use in (rlmesh.RemoteEnv, rlmesh.numpy.RemoteEnv, lambda a: rlmesh.EnvServer(Env(), a)):
        with pytest.raises(AddressError) as caught:
            use(address)
        message = str(caught.value)
        assert message.startswith("address: ")
        assert isinstance(caught.value, ValueError)
        assert "expected " in message or "may have 107 bytes" in message
        assert repr(address) in message or "bytes" in message


def test_port_0_is_no_address_for_a_client() -> None:
    with pytest.raises(
        AddressError, match=r"expected the port of a running server, got '127.0.0.1:0'"
    ):
        rlmesh.RemoteEnv("127.0.0.1:0")


def http(connection: socket.socket) -> None:
    connection.recv(1000)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    connection.close()


def hang_up(connection: socket.socket) -> None:
    connection.close()


def sends(data: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(data)


@pytest.mark.parametrize(
    ("answer", "token"),
    [
        (http, ""),
        (hang_up, ""),
        (hang_up, TOKEN),
        (sends(b"\xff" * 1000), ""),
        (sends(b"\xff" * 1000), TOKEN),
    ],
)
def test_a_tcp_server_that_is_none_of_ours_is_said_to_be_none(
    answer: Callable[[socket.socket], None], token: str
) -> None:
    with tcp_server(answer) as address:
        with pytest.raises(SecurityError, match=f"the handshake with {address} failed: ") as caught:
            rlmesh.RemoteEnv(address, token=token)
        assert "token" in str(caught.value)
        assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "token"),
    [
        (sends(b""), ""),
        (sends(b"SSH-2.0-OpenSSH_9.2\r\n"), ""),
        (sends(b"-ERR unknown\r\n"), ""),
        (sends(bytes(999)), ""),
        (http, TOKEN),
    ],
    ids=["silent", "ssh", "redis", "zeros", "http and a token"],
)
def test_a_tcp_server_that_says_nothing_we_know_times_out(
    answer: Callable[[socket.socket], None], token: str
) -> None:
    with tcp_server(answer) as address, pytest.raises(ConnectionFailed) as caught:
        rlmesh.RemoteEnv(address, connect_timeout=0.4, token=token)
    assert f"no RLMesh server answered at {address}" in str(caught.value)


def test_a_zeromq_server_that_never_answers_is_named_with_the_budget() -> None:
    with zmq_server(lambda fields: None) as address:
        words = rf"{address} is connected, but did not answer hello within 0\.5 s"
        with pytest.raises(RequestTimeout, match=words):
            rlmesh.RemoteEnv(address, connect_timeout=0.5)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"what?", "does not parse"),
        (b"", "does not parse"),
        (msgpack.packb("what?"), "is not an RLMesh reply"),
        (msgpack.packb([HELLO, 1, "boot", OK, None]), "is not an RLMesh reply"),
        (msgpack.packb([HELLO, 1, BOOT, OK, None]), "protocol version: expected 1"),
        (
            msgpack.packb([HELLO, 1, BOOT, OK, {**INTRODUCTION, "protocol": 9}]),
            "expected 1 .* got 9",
        ),
        (msgpack.packb([HELLO, 1, BOOT, 1, "bad"]), "the error that came back does not parse"),
        (msgpack.packb([HELLO, 1, BOOT, OK, {**INTRODUCTION, "role": "model"}]), "serves a model"),
    ],
)
def test_a_zeromq_server_that_answers_nonsense_is_a_protocol_error(
    reply: bytes, words: str
) -> None:
    with zmq_server(lambda fields: reply) as address, pytest.raises(ProtocolError, match=words):
        rlmesh.RemoteEnv(address)


@pytest.mark.parametrize(
    "contract",
    [
        None,
        {},
        {"env_id": "x", "observation_space": None},
        {
            "env_id": "x",
            "observation_space": {"type": "Klein bottle"},
            "action_space": {"type": "Discrete", "n": 2, "start": 0, "dtype": "int64"},
            "metadata": {},
            "render_mode": None,
            "max_episode_steps": None,
        },
    ],
)
def test_a_server_whose_contract_does_not_parse_is_named(contract: Any) -> None:
    def answer(fields: List[Any]) -> bytes:
        body = {**INTRODUCTION, "role": "env"} if fields[0] == HELLO else contract
        reply: bytes = msgpack.packb([fields[0], fields[1], BOOT, OK, body])
        return reply

    words = "env contract that does not parse"
    with zmq_server(answer) as address, pytest.raises(ProtocolError, match=words):
        rlmesh.RemoteEnv(address)


@pytest.mark.parametrize("scheme", ["tcp", "unix"])
@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        ("", TOKEN, r"asks for a token \(token=\.\.\., or RLMESH_TOKEN\)"),
        (TOKEN, "", "uses no token, and this client does|none on its side"),
        (OTHER, TOKEN, "wrong token"),
    ],
)
def test_tokens_that_differ_are_said_to(
    scheme: str,
    ours: str,
    theirs: str,
    words: str,
    serve: Servers,
    new_address: Callable[[str], str],
) -> None:
    server = serve("envs:Countdown", new_address(scheme), token=theirs)
    for make in (rlmesh.RemoteEnv, rlmesh.numpy.RemoteEnv):
        with pytest.raises(SecurityError, match=words) as caught:
            make(server.address, token=ours)
        assert server.address in str(caught.value)
        for secret in filter(None, (ours, theirs)):
            assert secret not in str(caught.value)
    with pytest.raises(SecurityError, match=words):
        rlmesh.Model(lambda _: 0).run(server.address, token=ours)
    with rlmesh.RemoteEnv(server.address, token=theirs) as env:
        env.reset()
        assert env.step(0)[1] == 1.0
        assert theirs == "" or theirs not in repr(env)
    assert theirs == "" or theirs not in server.stderr


def test_the_right_token_may_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, serve: Servers
) -> None:
    server = serve("envs:Countdown", token=TOKEN)
    monkeypatch.setenv("RLMESH_TOKEN", TOKEN)
    assert rlmesh.Model(lambda _: 0).run(server).total_steps == 4
    with pytest.raises(SecurityError, match="wrong token"):
        rlmesh.Model(lambda _: 0).run(server, token=OTHER)


def test_a_token_too_short_to_be_one_is_refused() -> None:
    with pytest.raises(SecurityError, match="expected at least 16 characters, got 5") as caught:
        rlmesh.RemoteEnv("127.0.0.1:5555", token="short")
    assert "short" not in str(caught.value)
