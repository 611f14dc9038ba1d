"""What is logged, and that nothing is printed unless somebody asks for it."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from typing import Any, Dict, Iterator, List

import pytest
import zmq
from countdown import Countdown
from worlds import SOON, assert_soon

import rlmesh
from rlmesh import _logs
from rlmesh.errors import EnvCrashed

TOKEN = "a-token-that-is-long-enough"


class Records(List[logging.LogRecord]):
    """The records of this process, in the order of their logging."""

    def of(self, event: str) -> List[Dict[str, Any]]:
        """Return the fields of an event's records."""
        found = [_logs.fields_of(record) for record in list(self)]
        return [fields for fields in found if fields["event"] == event]

    def events(self, logger: str = "rlmesh.server") -> List[str]:
        return [record.event for record in list(self) if record.name == logger]  # type: ignore[attr-defined]


@pytest.fixture
def records(caplog: pytest.LogCaptureFixture) -> Iterator[Records]:
    found = Records()

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record)

    handler = Keep()
    _logs.ROOT.addHandler(handler)
    level = _logs.ROOT.level
    _logs.ROOT.setLevel(logging.INFO)
    yield found
    _logs.ROOT.removeHandler(handler)
    _logs.ROOT.setLevel(level)


def test_sessions_and_the_life_of_a_server_are_logged(records: Records) -> None:
    with rlmesh.EnvServer(Countdown(), token=TOKEN) as server, rlmesh.RemoteEnv(
        server.address, token=TOKEN
    ) as env:
        env.reset()
        env.step(0)
    expected = ["server_started", "session_opened", "session_ended", "server_stopped"]
    assert records.events() == expected
    (opened,), (ended,) = records.of("session_opened"), records.of("session_ended")
    assert (ended["reason"], ended["requests"]) == ("closed", 2)
    assert len(opened["session"]) == 8
    int(opened["session"], 16)
    for fields in (opened, ended):
        assert (fields["role"], fields["address"]) == ("env", server.address)
        assert fields["session"] == opened["session"]
    assert not any(TOKEN in f"{record.getMessage()} {vars(record)}" for record in records)


def test_a_drain_is_logged(records: Records) -> None:
    options = rlmesh.ServeOptions(drain_timeout=SOON)
    server = rlmesh.EnvServer(Countdown(), options=options).start()
    with rlmesh.RemoteEnv(server.address):
        ending = threading.Thread(target=server.shutdown)
        ending.start()
        assert_soon(lambda: bool(records.of("server_draining")))
    ending.join(SOON)
    assert records.of("server_draining")[0]["sessions"] == 1
    assert records.events()[-2:] == ["session_ended", "server_stopped"]


def test_a_step_is_not_logged_at_any_level(records: Records) -> None:
    _logs.ROOT.setLevel(logging.DEBUG)
    with rlmesh.EnvServer(Countdown()) as server, rlmesh.RemoteEnv(server.address) as env:
        env.reset()
        before = len(records)
        for _ in range(5):
            env.step(0)
        assert len(records) == before


def test_a_message_that_is_no_request_is_logged(records: Records) -> None:
    with rlmesh.EnvServer(Countdown()) as server:
        with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
            socket.connect(server.address)
            socket.send(b"\xc1")
            assert socket.poll(SOON * 1000)
        (bad,) = records.of("bad_message")
    assert bad["role"] == "env"


def test_the_end_of_a_session_by_its_server_is_logged_on_both_sides(records: Records) -> None:
    server = rlmesh.EnvServer(Countdown()).start()
    with rlmesh.RemoteEnv(server.address, connect_timeout=0.2) as env:
        env.reset()
        server.shutdown()
        assert records.of("session_ended")[0]["reason"] == "server stopped"
        with pytest.raises(rlmesh.errors.ConnectionFailed):
            env.step(0)
    assert records.events("rlmesh.client") == ["reconnect", "session_lost"]
    (reconnect,) = records.of("reconnect")
    assert (reconnect["op"], reconnect["address"]) == ("step", server.address)


def test_workers_are_logged_and_so_is_a_crash(records: Records) -> None:
    options = rlmesh.ServeOptions(max_sessions=1)
    with rlmesh.EnvServer("troubles:Troubled", options=options) as server, rlmesh.RemoteEnv(
        server.address
    ) as env:
        pid = env.reset()[1]["pid"]
        with pytest.raises(EnvCrashed):
            env.step(1)
        assert_soon(lambda: bool(records.of("worker_ended")))
        (ended,) = records.of("session_ended")
        assert (ended["reason"], ended["pid"]) == ("env crashed", pid)
        assert records.of("worker_ended")[0] == {"event": "worker_ended", "pid": pid, "exit": 7}
        assert records.of("worker_started")[0] == {"event": "worker_started", "pid": pid}
    (lost,) = records.of("session_lost")
    assert lost["reason"] == "the process of the env 'troubles:Troubled' exited with status 7"


def test_a_workers_trouble_is_logged_by_its_server(records: Records) -> None:
    with rlmesh.EnvServer("troubles:warning"):
        assert_soon(lambda: bool(records.of("reconnect")))
    (fields,) = records.of("reconnect")
    (started,) = records.of("worker_started")
    known = {"event": "reconnect", "address": "somewhere", "path": "/"}
    assert fields == {**known, "pid": started["pid"]}
    (record,) = [record for record in records if record.event == "reconnect"]  # type: ignore[attr-defined]
    assert (record.name, record.levelname) == ("rlmesh.client", "WARNING")
    assert record.getMessage() == "over there"


def test_an_episode_that_is_played_again_is_logged(records: Records) -> None:
    actions = iter([1])  # which ends the process of the env
    with rlmesh.EnvServer("troubles:Troubled") as server:
        policy = rlmesh.Model(lambda observation: next(actions, 0))
        policy.run(server.address, seeds=[3], retries=2)
    retry = {"event": "retry", "episode": 0, "seed": 3, "retries_left": 1}
    assert records.of("retry") == [retry]


def test_nothing_is_printed_unless_logging_is_set_up() -> None:
    program = "from rlmesh import _logs; _logs.warning(_logs.SERVER, 'bad_message', 'trouble')"
    setup = "import logging; logging.basicConfig(format='%(event)s %(message)s'); "
    for before, expected in ("", ""), (setup, "bad_message trouble\n"):
        run = [sys.executable, "-c", before + program]
        found = subprocess.run(run, capture_output=True, text=True, timeout=60, check=True)
        assert (found.stdout, found.stderr) == ("", expected)
