from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from rlmesh._transport.security import Token
from rlmesh._transport.server import ZmqListener
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


def test_what_took_the_place_of_a_servers_files_is_left_alone(path):
    first = ZmqListener(f"unix://{path}", Token(), 10_000)
    os.unlink(path)
    os.unlink(path + ".lock")
    second = ZmqListener(f"unix://{path}", Token(), 10_000)
    first.close()
    assert os.path.exists(path)
    assert os.path.exists(path + ".lock")
    with pytest.raises(AddressInUse):
        ZmqListener(f"unix://{path}", Token(), 10_000)
    second.close()
    assert not os.path.exists(path)
    assert not os.path.exists(path + ".lock")


def test_a_socket_that_was_replaced_by_another_programs_stays(path):
    listener = ZmqListener(f"unix://{path}", Token(), 10_000)
    os.unlink(path)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        listener.close()
        assert os.path.exists(path)


def test_a_lock_that_is_a_link_is_not_followed(path, tmp_path):
    os.symlink(tmp_path / "elsewhere", path + ".lock")
    with pytest.raises(AddressError, match="its lock, .* is a symbolic link"):
        UnixLock(path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_lock_that_is_no_file_is_refused(path):
    os.mkfifo(path + ".lock")
    with pytest.raises(AddressError, match=r"to be a file of this user's; it is prw"):
        UnixLock(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's file")
def test_another_users_lock_is_refused(path):
    open(path + ".lock", "w").close()
    os.chown(path + ".lock", 65534, -1)
    with pytest.raises(AddressError, match="of user 65534"):
        UnixLock(path)


def test_a_lack_of_descriptors_is_not_taken_for_another_server(path):
    code = (
        "import fcntl, os, pwd, resource, sys; from rlmesh._transport.unix_lock import UnixLock\n"
        "from rlmesh.errors import AddressError, AddressInUse\n"
        "held = [os.open('/', 0) for _ in range(3)]\n"
        "for free in range(3):\n"
        "    resource.setrlimit(resource.RLIMIT_NOFILE, (held[0] + free, 1000))\n"
        "    for fd in held: free or os.close(fd)\n"
        "    try: UnixLock(sys.argv[1]); print('locked')\n"
        "    except AddressInUse: print('in use')\n"
        "    except AddressError as exc: print(exc)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert (
        done.stdout.splitlines()[:2]
        == [f"address: cannot serve unix://{path}: Too many open files"] * 2
    ), done.stderr
    assert "in use" not in done.stdout
