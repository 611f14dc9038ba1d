"""Hostile servers that name sockets of their client's own user as workers of theirs."""

from __future__ import annotations

import os
import socket
import threading

import pytest
from countdown import Countdown

import rlmesh
from rlmesh._envs.front import EnvFront
from rlmesh._envs.host import host_id
from rlmesh._rpc.proof import SIZE, is_proof, new_secret, proof, session_key
from rlmesh.errors import ConnectionFailed, ProtocolError, SecurityError

TOKEN = "a secret of some length"


@pytest.fixture(params=["", TOKEN], ids=["no token", "token"])
def token(request):
    return request.param


@pytest.fixture
def hostile(serve, monkeypatch, token):
    """Start a server that names another socket as the worker of its clients."""
    honest = EnvFront._describe

    def start(address, **lies):
        def describe(self, session):
            description = honest(self, session)
            if description is None or self is not server._server:
                return description
            worker = {"address": address, "host": host_id(), "key": os.urandom(SIZE), **lies}
            return {**description, "worker": worker}

        monkeypatch.setattr(EnvFront, "_describe", describe)
        server = serve("countdown:Countdown", token=token)
        return server

    return start


def test_an_env_of_the_clients_own_user_is_not_driven(hostile, token, tmp_path):
    env = Countdown()
    with rlmesh.EnvServer(env, f"unix://{tmp_path}/victim.sock", token=token) as victim:
        server = hostile(victim.address)
        with pytest.raises(SecurityError, match=r"named unix://.*victim.sock as its worker, but"):
            rlmesh.RemoteEnv(server.address, token=token)
        assert env.log == []
        stats = rlmesh.stats(victim.address, token=token)
        assert (stats.sessions, stats.requests) == (0, {})


def test_a_worker_of_another_server_is_not_driven(hostile, token, serve):
    victim = serve("countdown:Countdown", token=token)
    (worker,) = victim._server._workers
    server = hostile(worker.address)
    with pytest.raises(SecurityError, match="as its worker, but it cannot prove that"):
        rlmesh.RemoteEnv(server.address, token=token)
    # It still belongs to the first who asks its own server.
    with rlmesh.RemoteEnv(victim.address, token=token) as env:
        env.reset()


def test_a_worker_with_another_servers_key_serves_nobody_else(hostile, token, serve):
    """Where a server that is hostile is a client, too, so that it knows what to hand out."""
    victim = serve("countdown:Countdown", kwargs={"success_key": "other"}, token=token)
    (worker,) = victim._server._workers
    server = hostile(worker.address, key=session_key(worker.secret, b"another session"))
    with pytest.raises(SecurityError, match="it cannot prove that"):
        rlmesh.RemoteEnv(server.address, token=token)


def test_a_socket_that_never_answers_gets_nothing_of_an_env(hostile, token, tmp_path):
    path, received = str(tmp_path / "any.sock"), []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def take():
            connection, _ = listener.accept()
            with connection:
                received.extend(iter(lambda: connection.recv(1000), b""))

        reader = threading.Thread(target=take, daemon=True)
        reader.start()
        server = hostile(f"unix://{path}")
        with pytest.raises(ConnectionFailed):
            rlmesh.RemoteEnv(server.address, token=token, connect_timeout=1)
        reader.join(60)
    # ZeroMQ introduces itself, and that is all.
    assert len(b"".join(received)) <= 64


@pytest.mark.parametrize("key", [None, "text"])
def test_a_server_that_names_a_socket_and_no_key_is_refused(hostile, token, key, tmp_path):
    with rlmesh.EnvServer(Countdown(), f"unix://{tmp_path}/victim.sock", token=token) as victim:
        server = hostile(address=victim.address, key=key)
        with pytest.raises(ProtocolError, match="key: expected bytes"):
            rlmesh.RemoteEnv(server.address, token=token)


def test_a_server_that_names_no_socket_is_used_itself(hostile, token):
    server = hostile(address="inproc://a")
    with rlmesh.RemoteEnv(server.address, token=token) as env:
        assert env.reset(seed=3)[0].flat() == [3]


def test_a_proof_belongs_to_one_secret_session_server_and_challenge():
    secret, session, boot, challenge = new_secret(), os.urandom(16), os.urandom(8), new_secret()
    key = session_key(secret, session)
    answer = proof(key, challenge, boot)
    assert is_proof(answer, key, challenge, boot)
    assert not is_proof(answer, session_key(new_secret(), session), challenge, boot)
    assert not is_proof(answer, session_key(secret, os.urandom(16)), challenge, boot)
    assert not is_proof(answer, key, new_secret(), boot)
    assert not is_proof(answer, key, challenge, os.urandom(8))
    for nonsense in (None, "text", b"", 1, [answer]):
        assert not is_proof(nonsense, key, challenge, boot)
