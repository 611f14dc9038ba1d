"""Whose a unix socket is: those of other users are refused, at either end."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest
import zmq

from rlmesh._transport.client import ZmqConnection
from rlmesh._transport.security import Token
from rlmesh._transport.server import ZmqListener
from rlmesh.errors import SecurityError

PATIENCE = 60.0
NOBODY = 65534

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

ROUTER = """
    import os, sys
    import zmq
    os.setuid({user})
    router = zmq.Context().socket(zmq.ROUTER)
    os.umask(0)
    router.bind("ipc://" + sys.argv[1])
    print("bound", flush=True)
    peer, control = router.recv_multipart()
    router.send_multipart([peer, b"answer"])
    sys.stdin.readline()
"""

DEALER = """
    import os, sys
    import zmq
    os.setuid({user})
    dealer = zmq.Context().socket(zmq.DEALER)
    dealer.linger = 0
    dealer.connect("ipc://" + sys.argv[1])
    dealer.send(b"let me in")
    print("sent", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def start():
    """Start a script with an argument as another user, and wait for its first line."""
    started = []

    def start(script, path):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script).format(user=NOBODY), path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        started.append(process)
        assert process.stdout.readline(), "it ended"

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def open_folder(tmp_path):
    """Return a folder that every user may use; pytest's own are for one."""
    import shutil
    import tempfile

    folder = tempfile.mkdtemp(dir="/tmp")
    os.chmod(folder, 0o777)
    yield folder
    shutil.rmtree(folder)


def connect(path):
    return ZmqConnection(f"unix://{path}", Token(), 10_000)


@pytest.mark.parametrize("is_link", [False, True])
@needs_root
def test_a_client_refuses_the_socket_of_another_user(is_link, tmp_path):
    path = str(tmp_path / "env.sock")
    listener = ZmqListener(f"unix://{path}", Token(), 10_000)
    os.chown(path, NOBODY, -1)
    named = path
    if is_link:
        named = str(tmp_path / "link.sock")
        os.symlink(path, named)
    with pytest.raises(SecurityError, match="could pose as the server") as caught:
        connect(named)
    assert f"unix://{named} belongs to user" in str(caught.value)
    assert "or of root" in str(caught.value)
    os.chown(path, 0, -1)
    connect(named).close()
    listener.close()


@needs_root
def test_a_client_refuses_who_listens_there_whoever_owns_the_file(start, open_folder):
    path = f"{open_folder}/env.sock"
    start(ROUTER, path)
    with pytest.raises(SecurityError, match="belongs to user"):
        connect(path)
    # As if it had come just after that look, and the file were ours by now.
    os.chown(path, 0, -1)
    connection = connect(path)
    connection.send(b"question")
    with pytest.raises(SecurityError, match="belongs to user"):
        connection.receive(PATIENCE)
    connection.close()


@needs_root
def test_a_server_refuses_another_user_whatever_the_files_mode(start, open_folder):
    path = f"{open_folder}/env.sock"
    listener = ZmqListener(f"unix://{path}", Token(), 10_000)
    os.chmod(path, 0o777)
    start(DEALER, path)
    connection = connect(path)
    connection.send(b"question")
    assert listener.receive(PATIENCE).control == b"question"
    assert listener.receive(0.3) is None
    connection.close()
    listener.close()


def test_a_socket_of_ones_own_is_taken(tmp_path):
    path = str(tmp_path / "env.sock")
    connection = connect(path)  # there is nothing yet
    connection.send(b"question")
    listener = ZmqListener(f"unix://{path}", Token(), 10_000)
    incoming = listener.receive(PATIENCE)
    assert incoming.control == b"question"
    listener.send(incoming.peer, b"answer")
    assert connection.receive(PATIENCE).control == b"answer"
    connection.close()
    listener.close()


def test_the_system_lets_a_server_choose_its_users():
    assert isinstance(zmq.IPC_FILTER_UID, int)
