from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from rlmesh._transport.unix_lock import UnixLock
from rlmesh.errors import AddressError, AddressInUse


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "env.sock")


def test_a_second_lock_is_refused_until_the_first_is_released(path):
    first = UnixLock(path)
    with pytest.raises(AddressInUse, match="in use by another server"):
        UnixLock(path)
    first.release()
    first.release()
    UnixLock(path).release()


def test_release_leaves_no_file(path, tmp_path):
    UnixLock(path).release()
    assert list(tmp_path.iterdir()) == []


def test_the_socket_of_a_killed_server_is_replaced(path, tmp_path):
    code = (
        "import os, socket, sys; from rlmesh._transport.unix_lock import UnixLock;"
        "UnixLock(sys.argv[1]); socket.socket(socket.AF_UNIX).bind(sys.argv[1]);"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, path])
    assert len(list(tmp_path.iterdir())) == 2
    lock = UnixLock(path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
    lock.release()


def test_a_file_in_the_way_is_never_removed(path, tmp_path):
    (tmp_path / "env.sock").write_text("precious")
    with pytest.raises(AddressError, match="exists, and is not a socket"):
        UnixLock(path)
    assert (tmp_path / "env.sock").read_text() == "precious"


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(AddressError, match=r"cannot serve unix://.*No such file"):
        UnixLock(str(tmp_path / "nowhere" / "env.sock"))
