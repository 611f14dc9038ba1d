"""The private folders of servers with workers: none stays behind, and no other is removed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile

import pytest

from rlmesh._envs.folder import WorkerFolder

HOLD = (
    "import sys; from rlmesh._envs.folder import WorkerFolder;"
    " print(WorkerFolder().path, flush=True); sys.stdin.readline()"
)


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def hold():
    """Start a process that has a folder; return it and the folder's path."""
    started = []

    def hold():
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process, process.stdout.readline().strip()

    yield hold
    for process in started:
        process.kill()
        process.communicate()


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_the_folder_of_a_killed_server_goes_with_the_next_start_and_a_running_ones_stays(hold):
    running, kept = hold()
    killed, left = hold()
    open(os.path.join(left, "1"), "w").close()
    kill(killed)
    assert os.path.isdir(left)
    folder = WorkerFolder()
    assert not os.path.exists(left)
    assert os.path.isdir(kept)
    assert running.poll() is None
    folder.close()
    folder.close()
    assert not os.path.exists(folder.path)


def test_nothing_without_an_owners_lock_is_removed_and_no_link_is_followed(temporary, hold):
    killed, left = hold()
    kill(killed)
    precious = temporary / "precious"
    os.rename(left, precious)
    os.symlink(precious, temporary / "rlmesh-link")
    (temporary / "rlmesh-unlocked").mkdir()
    (temporary / "rlmesh-file").write_text("")
    linked = temporary / "rlmesh-linked-lock"
    linked.mkdir()
    os.symlink(precious / "owner.lock", linked / "owner.lock")
    WorkerFolder().close()
    names = {"precious", "rlmesh-link", "rlmesh-unlocked", "rlmesh-file", "rlmesh-linked-lock"}
    assert set(os.listdir(temporary)) == names
    assert os.listdir(precious) == ["owner.lock"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's folder")
def test_another_users_folder_stays(hold):
    killed, left = hold()
    kill(killed)
    os.chown(left, 65534, -1)
    WorkerFolder().close()
    assert os.path.isdir(left)
