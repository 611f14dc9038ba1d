"""A token is seen nowhere: in no output, log, traceback or process list, whatever fails."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Iterator, List

import pytest
from servers import PythonProcess, Servers

from rlmesh._transport.security import Token, _server_keys

TOKEN = secrets.token_urlsafe()


def secrets_of(token: str) -> List[bytes]:
    """Return what must not be seen: the token, and the keys that are made of it."""
    return [token.encode(), *_server_keys(Token(token))]


def family(pid: int) -> Iterator[int]:
    """Yield a process and all that it has started."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            with contextlib.suppress(OSError):
                yield from family(int(child))


@pytest.fixture
def leaky(serve: Servers) -> PythonProcess:
    return serve.start("leaky.py")


def test_no_output_shows_a_token_whatever_fails(leaky: PythonProcess) -> None:
    leaky.tell(TOKEN)
    assert leaky.process.stdout is not None
    said = ""
    while not said.endswith("ready\n"):
        line = leaky.process.stdout.readline()
        assert line, f"it ended: {said[-2000:]}{leaky.stderr[-2000:]}"
        said += line
    pids = list(family(leaky.process.pid))
    assert len(pids) > 1, "there are no workers"
    for pid in pids:
        for name in ("cmdline", "environ", "comm"):
            with contextlib.suppress(OSError):  # a worker whose time has come
                shown = Path(f"/proc/{pid}/{name}").read_bytes()
                assert not any(secret in shown for secret in secrets_of(TOKEN)), (pid, name)
    leaky.tell("go on")
    said += leaky.process.stdout.read()
    assert leaky.wait() == 1
    assert "the end" in leaky.stderr
    assert said.count("Traceback") > 20
    assert "Token(set)" in said  # locals were shown
    shown = (said + leaky.stderr).encode()
    for secret in secrets_of(TOKEN):
        assert secret not in shown, [line for line in said.splitlines() if secret.decode() in line]


def test_a_workers_environment_has_a_token_only_from_the_user(serve: Servers) -> None:
    server = serve("envs:Countdown", factory=True, token=TOKEN)
    (worker,) = server.children()
    # It was in the environment of the server, and so of what that starts.
    assert TOKEN.encode() in Path(f"/proc/{worker}/environ").read_bytes()
    assert os.fsencode(TOKEN) not in Path(f"/proc/{worker}/cmdline").read_bytes()
