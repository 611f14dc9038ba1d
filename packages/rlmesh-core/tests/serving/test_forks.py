"""Forked processes: what they inherit of clients and servers they can neither use nor harm."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import textwrap
import warnings

import pytest
from countdown import Countdown

import rlmesh

SOON = 60.0


def in_child(action):
    """Return what a function returns or raises in a forked process, as text."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if not pid:
        try:
            said = repr(action())
        except BaseException as exc:
            said = f"{type(exc).__name__}: {exc}"
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    try:
        if not select.select([read], [], [], SOON)[0]:
            os.kill(pid, signal.SIGKILL)
            raise AssertionError("the child hangs")
        return os.read(read, 10_000).decode()
    finally:
        os.waitpid(pid, 0)
        os.close(read)


@pytest.fixture(params=["instance", "direct", "relayed"])
def server(request, monkeypatch, tmp_path):
    if request.param == "relayed":
        monkeypatch.setattr("rlmesh._envs.client.is_reachable", lambda worker: False)
    served = Countdown() if request.param == "instance" else "countdown:Countdown"
    options = rlmesh.ServeOptions(ready_file=tmp_path / "ready")
    with rlmesh.EnvServer(served, f"unix://{tmp_path}/env.sock", options=options) as server:
        yield server


def test_a_client_in_a_forked_process_says_whose_it_is_and_closes_in_silence(server):
    with rlmesh.RemoteEnv(server.address) as env:
        env.reset(seed=5)
        for use in (lambda: env.step(0), env.reset, env.render, env.shutdown):
            said = in_child(use)
            assert said.startswith(f"RLMeshError: this client of {server.address} belongs to")
            assert "of which this one is a fork; make one here instead" in said
        assert in_child(env.close) == "None"
        # The parent's goes on, with what it had.
        assert env.step(1)[1] == 5.0


def test_a_forked_process_can_have_a_client_of_its_own(server):
    def use():
        with rlmesh.RemoteEnv(server.address, busy_timeout=SOON) as own:
            own.reset(seed=7)
            return own.step(1)[1]

    with rlmesh.RemoteEnv(server.address) as env:
        env.reset(seed=5)
    assert in_child(use) == "7.0"


def test_a_client_of_a_model_and_a_session_say_the_same():
    model = rlmesh.Model(lambda observation: 0)
    with rlmesh.EnvServer(Countdown()) as server, rlmesh.ModelServer(model) as models:
        remote = rlmesh.RemoteModel(models.address)
        session = remote.session(server.address)
        observation, _ = session.reset()
        for use in (remote.ping, lambda: session.predict(observation), session.reset):
            assert "is a fork; make one here" in in_child(use)
        assert in_child(remote.close) == "None"
        assert session.predict(observation) == 0
        session.close()
        remote.close()


def test_a_server_in_a_forked_process_says_whose_it_is_and_stays_as_it_is(server, tmp_path):
    rlmesh.ping(server.address)
    files = sorted(tmp_path.iterdir())
    for use in (server.shutdown, server.start, server.serve, server.bind, server.wait):
        assert in_child(use).startswith(f"RLMeshError: {server!r} belongs to another process")
    assert in_child(lambda: server.__exit__(None, None, None)) == "None"
    assert sorted(tmp_path.iterdir()) == files
    with rlmesh.RemoteEnv(server.address) as env:
        env.reset()


ENDS = {
    "sys.exit": "os.fork() or sys.exit(0)",
    "os._exit": "os.fork() or os._exit(0)",
    "error": "os.fork() or 1 / 0",
    "multiprocessing": "multiprocessing.get_context('fork').Process(target=print).start()",
}


PROGRAM = """
    import multiprocessing, os, sys, warnings, rlmesh
    from countdown import Countdown
    warnings.simplefilter("ignore")
    with rlmesh.EnvServer({served}, "unix://env.sock") as server:
        env = rlmesh.RemoteEnv(server.address)
        env.reset(seed=5)
        {end}
        os.wait()
        assert env.step(1)[1] == 5.0
        assert os.path.exists("env.sock") and os.path.exists("env.sock.lock")
        env.close()
    assert os.listdir(".") == [], os.listdir(".")
    print("ended well")
"""


@pytest.mark.parametrize("served", ["Countdown()", "'countdown:Countdown'"])
@pytest.mark.parametrize("end", list(ENDS))
def test_a_fork_of_a_process_with_a_server_can_end_however_it_likes(served, end, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM).format(served=served, end=ENDS[end])],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=SOON,
    )
    assert done.stdout.endswith("ended well\n"), done.stderr
