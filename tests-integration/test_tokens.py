"""Who has not the token gets nowhere: at every kind of server, by every kind of socket."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import defaultdict
from typing import Any, Callable, DefaultDict, List

import msgpack
import pytest
import zmq
from envs import Countdown
from peers import INTRODUCTION, OPEN, RESET, STEP, RawPeer
from proxies import Proxy
from servers import ServerProcess, Servers

import rlmesh
from rlmesh._rpc.dial import dial
from rlmesh._transport.security import Token
from rlmesh.errors import SecurityError

TOKEN = "a token of some length"
OTHER = "another token of some length"
SESSION = b"0123456789abcdef"

KINDS = {
    "env": {"name": "envs:Countdown"},
    "factory": {"name": "envs:Countdown", "factory": True},
    "model": {"name": "policies:Homing", "model": "numpy"},
}


def connect(kind: str, address: str, token: str) -> Any:
    make: Any = rlmesh.RemoteModel if kind == "model" else rlmesh.RemoteEnv
    return make(address, token=token)


def assert_untouched(address: str, token: str = TOKEN) -> None:
    """Assert that a server has accepted nothing but this question."""
    client = dial(address, Token(token), 10.0)
    client.hello()
    status = client.ping()
    client.close()
    assert (status["sessions"], status["requests"]) == (0, 0)


def strangers(address: str) -> List[Any]:
    """Return sockets without a token that have asked a server for everything."""
    peers: List[Any] = []
    for kind in (zmq.DEALER, zmq.ROUTER, zmq.REQ, zmq.PUSH):
        peer = RawPeer(address, kind)
        peers.append(peer)
        with contextlib.suppress(zmq.ZMQError):
            peer.socket.sndtimeo = 0
            for op, body in ((OPEN, {"client": INTRODUCTION}), (RESET, [1, None]), (STEP, 0)):
                peer.send_request(op, 1, SESSION, body)
    return peers


@pytest.mark.parametrize("scheme", ["tcp", "unix"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_a_secured_server_has_nothing_for_anybody_else(
    kind: str, scheme: str, serve: Servers, new_address: Callable[[str], str]
) -> None:
    server = serve(address=new_address(scheme), token=TOKEN, **KINDS[kind])
    for wrong, words in (("", "asks for a token"), (OTHER, "wrong token")):
        with pytest.raises(SecurityError, match=words) as caught:
            connect(kind, server.address, wrong)
        assert server.address in str(caught.value)
    peers = strangers(server.address)
    assert_untouched(server.address)
    connect(kind, server.address, TOKEN).close()
    for peer in peers:
        with peer:
            assert peer.socket.type == zmq.PUSH or not peer.socket.poll(0)


@pytest.mark.parametrize("scheme", ["tcp", "unix"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_a_secured_client_has_nothing_for_a_plain_server(
    kind: str, scheme: str, serve: Servers, new_address: Callable[[str], str]
) -> None:
    server = serve(address=new_address(scheme), **KINDS[kind])
    with pytest.raises(
        SecurityError, match=r"uses no token, and this client does|none on its side"
    ):
        connect(kind, server.address, TOKEN)
    assert_untouched(server.address, token="")


def test_the_socket_of_a_worker_has_the_same_token(serve: Servers) -> None:
    server = serve(token=TOKEN, **KINDS["factory"])
    with rlmesh.RemoteEnv(server.address, token=TOKEN) as env:
        env.reset(seed=1)
        worker = env._client._rpc.connection._address  # type: ignore[union-attr]
        assert worker.startswith("unix://")
        for wrong, words in (("", "asks for a token"), (OTHER, "wrong token")):
            with pytest.raises(SecurityError, match=words):
                dial(worker, Token(wrong), 10.0).hello()
        peers = strangers(worker)
        assert [env.step(0)[1] for _ in range(3)] == [1.0, 2.0, 3.0]
        for peer in peers:
            with peer:
                assert peer.socket.type == zmq.PUSH or not peer.socket.poll(0)


class Recorder(Proxy):
    """A proxy that remembers what clients have sent, by connection."""

    def __init__(self, target: str) -> None:
        self._said: DefaultDict[Any, bytearray] = defaultdict(bytearray)
        super().__init__(target)

    @property
    def sent(self) -> List[bytearray]:
        return list(self._said.values())

    def _read(self, cable: Any, way: Any) -> None:
        before = len(way.kept)
        super()._read(cable, way)
        if way is cable.ways[0]:
            self._said[cable] += way.kept[before:]


def replay(server: ServerProcess, said: bytes) -> None:
    """Send it all again over a new connection, and wait until the server hangs up."""
    host, _, port = server.address.replace("tcp://", "").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection, contextlib.suppress(
        ConnectionError
    ):
        connection.sendall(said)
        while connection.recv(4096):
            pass


@pytest.mark.parametrize("kind", list(KINDS))
def test_recorded_traffic_is_worth_nothing(kind: str, serve: Servers) -> None:
    server = serve(token=TOKEN, **KINDS[kind])

    def play(address: str) -> Any:
        with connect(kind, address, TOKEN) as remote:
            if kind == "model":
                return remote.run(walk(), seeds=[1, 2])
            return rlmesh.Model(lambda _: 0).run(remote, seeds=[1, 2])

    def status() -> Any:
        client = dial(server.address, Token(TOKEN), 10.0)
        client.hello()
        said = client.ping()
        client.close()
        return said["sessions"], said["requests"]

    with Recorder(server.address) as proxy:
        expected = play(proxy.address)
    recorded = [bytes(said) for said in proxy.sent if len(said) > 200]
    assert recorded
    _, before = status()
    attackers = [threading.Thread(target=replay, args=(server, said)) for said in recorded]
    for attacker in attackers:
        attacker.start()
    assert play(server.address) == expected
    sessions, after = status()
    for attacker in attackers:
        attacker.join()
    if kind != "factory":  # whose workers count, and end, by themselves
        assert (sessions, after - before) == (0, before)
    assert server.process.poll() is None
    assert "Traceback" not in server.stderr


def walk() -> Any:
    from envs import Walk

    return Walk()


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0:0", "*:0", "[::]:0", "[::ffff:0.0.0.0]:0", "192.0.2.1:0", "[fe80::1%eth0]:0"),
        *("[fe80::1]:0", "somewhere.invalid:0", "localhost.invalid:0", "0:0", "127.1:0", "1:0"),
    ],
)
def test_what_is_not_surely_this_machine_alone_needs_a_token(address: str) -> None:
    for make in (lambda: rlmesh.EnvServer(Countdown(), address), lambda: model_server(address)):
        with pytest.raises(SecurityError, match=r"refusing to serve .* without a token") as caught:
            make().bind()
        assert "rlmesh token" in str(caught.value)


def model_server(address: str) -> Any:
    return rlmesh.ModelServer(rlmesh.Model(lambda _: 0), address)


def test_a_frame_without_curve_is_no_request() -> None:
    with rlmesh.EnvServer(Countdown(), token=TOKEN) as server:
        host, _, port = server.address.replace("tcp://", "").partition(":")
        plain = b"\xff" + bytes(8) + b"\x7f\x03\x01NULL" + bytes(16) + b"\x00" + bytes(31)
        request = msgpack.packb([OPEN, 1, SESSION, 0, {"client": INTRODUCTION}])
        with socket.create_connection(
            (host, int(port)), timeout=60
        ) as connection, contextlib.suppress(ConnectionError):
            connection.sendall(plain + b"\x00" + bytes([len(request)]) + request)
            while connection.recv(4096):
                pass
        assert_untouched(server.address)
