"""The ZeroMQ carrier, on real sockets."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import threading
import time

import pytest
import zmq

from rlmesh._transport.carrier import ConnectionLost
from rlmesh._transport.client import ZmqConnection
from rlmesh._transport.security import Token
from rlmesh._transport.server import ZmqListener
from rlmesh.errors import AddressError, AddressInUse, SecurityError

MIB = 2**20
SOON = 10.0
SECRET = "correct horse battery staple"


@pytest.fixture(params=["tcp", "unix", "ipv6"])
def address(request, tmp_path):
    return {
        "tcp": "tcp://127.0.0.1:0",
        "unix": f"unix://{tmp_path}/s",
        "ipv6": "tcp://[::1]:0",
    }[request.param]


@pytest.fixture
def open_ends():
    """Give listeners and connections that are closed at the end of the test."""
    with contextlib.ExitStack() as stack:

        def listen(address="tcp://127.0.0.1:0", token="", max_message=MIB, **options):
            listener = ZmqListener(address, Token(token), max_message, **options)
            stack.callback(listener.close)
            return listener

        def connect(address, token="", max_message=MIB):
            connection = ZmqConnection(address, Token(token), max_message)
            stack.callback(connection.close)
            return connection

        yield listen, connect


def received(listener):
    """Return the next message, however many wake-ups come before it."""
    deadline = time.monotonic() + SOON
    while time.monotonic() < deadline:
        incoming = listener.receive(0.1)
        if incoming is not None:
            return incoming
    raise AssertionError("no message came")


def test_messages_travel_both_ways(open_ends, address):
    listen, connect = open_ends
    listener = listen(address)
    connection = connect(listener.address)
    for control, payload in (
        (b"a", []),
        (b"b", [b"x" * 100_000]),
        (b"c" * 70_000, [b"", b"y" * 200_000, b"z"]),
    ):
        connection.send(control, payload)
        incoming = received(listener)
        assert (incoming.control, list(incoming.payload)) == (control, payload)
        assert listener.send(incoming.peer, control, payload)
        message = connection.receive(SOON)
        assert (message.control, list(message.payload)) == (control, payload)
    assert connection.connected


def test_a_payload_belongs_to_its_receiver(open_ends, address):
    listen, connect = open_ends
    listener = listen(address)
    connection = connect(listener.address)
    connection.send(b"a", [bytes(100_000)])
    (payload,) = received(listener).payload
    payload[:] = b"x" * 100_000
    assert bytes(payload[-3:]) == b"xxx"


def test_a_peer_that_is_gone_cannot_be_sent_to(open_ends, address):
    listen, connect = open_ends
    listener = listen(address)
    connection = connect(listener.address)
    connection.send(b"a")
    peer = received(listener).peer
    connection.close()
    connection.close()
    deadline = time.monotonic() + SOON
    while listener.send(peer, b"probe"):
        assert time.monotonic() < deadline
        listener.receive(0.01)


def test_a_closed_listener_is_a_lost_connection_and_another_one_is_found(open_ends, tmp_path):
    listen, connect = open_ends
    first = listen(f"unix://{tmp_path}/s")
    connection = connect(first.address)
    connection.send(b"a")
    first.send(received(first).peer, b"b")
    assert connection.receive(SOON).control == b"b"
    first.close()
    with pytest.raises(ConnectionLost):
        connection.receive(SOON)
    second = listen(f"unix://{tmp_path}/s")
    connection.reconnect()
    assert not connection.connected
    connection.send(b"c")
    assert received(second).control == b"c"


def test_wake_ends_a_receive_under_way_from_another_thread(open_ends):
    listener = open_ends[0]()
    entered = threading.Event()

    def wake():
        entered.wait()
        listener.wake()

    waker = threading.Thread(target=wake)
    waker.start()
    entered.set()
    started = time.monotonic()
    assert listener.receive(60) is None
    assert time.monotonic() - started < 60
    waker.join()


def test_waking_a_closed_listener_does_nothing(open_ends):
    listener = open_ends[0]()
    listener.close()
    listener.close()
    listener.wake()


def test_an_address_in_use_is_refused(open_ends, address):
    listen, _ = open_ends
    listener = listen(address)
    with pytest.raises(AddressInUse, match="in use by another server"):
        listen(listener.address)


@pytest.mark.parametrize("bad", ["tcp://192.0.2.1:0", "tcp://no-such-host.invalid:0"])
def test_an_address_of_another_machine_is_refused(open_ends, bad):
    with pytest.raises(AddressError, match="address: "):
        open_ends[0](bad, allow_insecure=True)


def test_a_client_needs_a_port(open_ends):
    with pytest.raises(AddressError, match="expected the port of a running server"):
        open_ends[1]("127.0.0.1:0")


def test_a_unix_socket_is_for_its_user_alone_and_is_removed(open_ends, tmp_path):
    listener = open_ends[0](f"unix://{tmp_path}/s")
    assert stat.S_IMODE(os.stat(tmp_path / "s").st_mode) == 0o600
    listener.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("open_to_all", ["tcp://0.0.0.0:0", "tcp://*:0", "tcp://[::]:0"])
def test_other_machines_are_served_with_a_token_or_on_demand_only(open_ends, open_to_all):
    listen, _ = open_ends
    with pytest.raises(SecurityError, match=r"without a token.*allow_insecure=True"):
        listen(open_to_all)
    listen(open_to_all, token=SECRET)
    listen(open_to_all, allow_insecure=True)


def test_holders_of_the_token_talk(open_ends, address):
    listen, connect = open_ends
    listener = listen(address, token=SECRET)
    connection = connect(listener.address, token=SECRET)
    connection.send(b"a")
    incoming = received(listener)
    listener.send(incoming.peer, b"b")
    assert connection.receive(SOON).control == b"b"


@pytest.mark.parametrize(
    ("server_token", "client_token", "words"),
    [
        (SECRET, "", "asks for a token"),
        ("", SECRET, "uses no token, and this client does|none on its side"),
        (SECRET, SECRET + "!", "wrong token, none on its side, or not an RLMesh server"),
    ],
)
def test_tokens_that_differ_are_refused_at_the_client(
    open_ends, address, server_token, client_token, words
):
    listen, connect = open_ends
    listener = listen(address, token=server_token)
    connection = connect(listener.address, token=client_token)
    connection.send(b"a")
    with pytest.raises(SecurityError, match=words):
        connection.receive(SOON)
    assert listener.receive(0.1) is None


def test_a_token_comes_from_the_environment_and_never_shows(monkeypatch):
    monkeypatch.setenv("RLMESH_TOKEN", SECRET)
    token = Token()
    assert token
    assert SECRET not in repr(token) + str(token)
    monkeypatch.delenv("RLMESH_TOKEN")
    assert not Token()


def test_a_short_token_is_refused_without_showing_it():
    with pytest.raises(SecurityError, match="at least 16 characters, got 6") as caught:
        Token("hunter").check()
    assert "hunter" not in str(caught.value)


def test_garbage_on_the_port_disturbs_nobody(open_ends):
    listen, connect = open_ends
    listener = listen()
    host, port = listener.address[len("tcp://") :].rsplit(":", 1)
    with socket.create_connection((host, int(port))) as stranger:
        stranger.sendall(os.urandom(10_000))
        connection = connect(listener.address)
        connection.send(b"a")
        # ZeroMQ takes some garbage for messages of its first protocol version.
        while received(listener).control != b"a":
            pass


def test_a_frame_over_the_limit_is_cut_off_and_the_next_client_served(open_ends):
    listen, connect = open_ends
    listener = listen(max_message=1000)
    connection = connect(listener.address)
    connection.send(b"a", [bytes(1001)])
    assert listener.receive(0.3) is None
    after = connect(listener.address)
    after.send(b"b", [bytes(1000)])
    assert received(listener).control == b"b"


def test_a_peer_that_zeromq_has_given_up_does_not_hold_up_a_send(open_ends):
    _, connect = open_ends
    with socket.create_server(("127.0.0.1", 0)) as listening:
        connection = connect(f"tcp://127.0.0.1:{listening.getsockname()[1]}")
        peer, _ = listening.accept()
        with peer, contextlib.suppress(ConnectionResetError):
            peer.sendall(bytes(999))
            while peer.recv(1000):
                pass  # until it hangs up
        for _ in range(3):
            connection.send(b"hello")
            assert connection.receive(0.01) is None


def test_a_connection_that_is_dropped_while_its_peer_ends_does_not_block_the_others(open_ends):
    listen, connect = open_ends
    for _ in range(100):
        with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
            router.linger = 0
            address = f"tcp://127.0.0.1:{router.bind_to_random_port('tcp://127.0.0.1')}"
            connections = [ZmqConnection(address, Token(""), MIB) for _ in range(4)]
            for connection in connections:
                connection.send(b"hello")
                router.recv_multipart()
            router.close()
            del connection, connections
    listener = listen()
    connect(listener.address).send(b"hello")
    assert received(listener).control == b"hello"


@pytest.mark.parametrize("scheme", ["tcp", "unix"])
def test_what_is_said_last_arrives_before_the_end(scheme, open_ends, tmp_path):
    listen, connect = open_ends
    payload = memoryview(os.urandom(8 * MIB))
    for i in range(5):
        listener = listen("tcp://127.0.0.1:0" if scheme == "tcp" else f"unix://{tmp_path}/{i}")
        connection = connect(listener.address, max_message=10 * MIB)
        connection.send(b"hello")
        peer = received(listener).peer
        listener.send(peer, b"hello")
        assert connection.receive(SOON).control == b"hello"
        assert listener.send(peer, b"answer", [payload], is_last=True)
        listener.close()
        message = connection.receive(SOON)
        assert message.control == b"answer"
        assert message.payload[0] == payload


def test_the_end_comes_also_where_nobody_listens(open_ends):
    listen, _ = open_ends
    listener = listen()
    with zmq.Context() as context, context.socket(zmq.DEALER) as deaf:
        deaf.linger, deaf.rcvhwm = 0, 1
        deaf.connect(listener.address)
        deaf.send(b"question")
        peer = received(listener).peer
        for _ in range(20):
            listener.send(peer, b"answer", [memoryview(bytes(MIB))], is_last=True)
        listener.close()
