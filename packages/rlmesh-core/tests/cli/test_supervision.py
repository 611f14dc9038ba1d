"""What a supervisor does with `rlmesh serve` and `rlmesh serve-model`, in real processes."""

from __future__ import annotations

import json
import os
import re
import signal
import time

import pytest

from rlmesh import RemoteEnv, RemoteModel, ping
from rlmesh.errors import Busy

PATIENCE = 60.0
TOKEN = "a-token-that-is-long-enough"
SERVED = pytest.mark.parametrize(
    "command", [("serve", "envs:Walk"), ("serve-model", "policies:one")], ids=lambda c: c[0]
)
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (\w+) (rlmesh\.\w+): (.+)")


def connect(command, address):
    (RemoteEnv if command[0] == "serve" else RemoteModel)(address).close()


@SERVED
def test_a_supervisor_that_waits_on_a_descriptor_connects_at_once(command, rlmesh):
    read, write = os.pipe()
    process = rlmesh.start(*command, "--ready-fd", str(write), pass_fds=[write])
    os.close(write)
    with open(read) as pipe:
        address = pipe.read().strip()
    connect(command, address)
    process.terminate()
    assert rlmesh.finish(process)[0] == 0


@SERVED
def test_a_supervisor_that_waits_for_a_file_connects_at_once(command, rlmesh, tmp_path):
    file = tmp_path / "ready"
    process = rlmesh.start(*command, "--ready-file", str(file))
    deadline = time.monotonic() + PATIENCE
    while not file.exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.001)
    connect(command, file.read_text().strip())
    process.terminate()
    assert rlmesh.finish(process)[0] == 0
    assert os.listdir(tmp_path) == []


@SERVED
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--ready-file", "/no/such/folder/ready"], "ready_file: '/no/such/folder' is no folder"),
        (["--ready-fd", "99"], "ready_fd: 99 is no open file descriptor"),
        (["--log-level", "loud"], "--log-level: expected debug, info, warning or error, got "),
    ],
)
def test_what_cannot_be_told_is_a_sentence(command, options, sentence, rlmesh):
    status, out, err = rlmesh.run(*command, *options)
    assert (status, out) == (1, "")
    assert err.startswith(f"rlmesh: {sentence}")
    assert err.count("\n") == 1


def test_sigterm_lets_clients_finish_for_as_long_as_was_said(rlmesh):
    process, address = rlmesh.serve("envs:Walk", "--drain-timeout", "1000")
    client = RemoteEnv(address)
    client.reset()
    process.terminate()
    deadline = time.monotonic() + PATIENCE
    while not ping(address).draining:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    _, out, _ = rlmesh.run("ping", address)
    assert out.splitlines()[0].endswith(f"at {address}, shutting down")
    with pytest.raises(Busy, match="is shutting down"):
        RemoteEnv(address)
    client.close()
    status, out, err = rlmesh.finish(process)
    assert (status, err) == (0, "")
    assert out.endswith("stopped\n")


def test_stats_are_a_table(rlmesh, address):
    with RemoteEnv(address) as env:
        env.reset(seed=0)
        env.step(1)
    status, out, err = rlmesh.run("stats", address)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"env at {address}"
    assert [line.split()[0] for line in lines[1:6]] == [
        "uptime",
        "sessions",
        "workers",
        "requests",
        "errors",
    ]
    assert lines[2].split()[1:] == ["0", "of", "256"]


def test_stats_are_json_for_programs(rlmesh):
    _, model = rlmesh.serve_model()
    with RemoteModel(model) as client:
        client.run(RemoteEnv(rlmesh.serve()[1]), seeds=[1])
    status, out, err = rlmesh.run("stats", model, "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert (found["role"], found["errors"], found["draining"]) == ("model", 0, False)
    assert found["requests"]["predict"] == found["latencies"]["predict"]["count"] == 3
    assert set(found["latencies"]["queue"]) == {"count", "mean", "p50", "p90", "p99", "max"}


def test_stats_of_nobody_are_a_sentence(rlmesh, tmp_path):
    address = f"unix://{tmp_path}/nobody"
    status, out, err = rlmesh.run("stats", address, "--timeout", "0.5")
    assert (status, out) == (1, "")
    assert err == f"rlmesh: no RLMesh server answered at {address} within 0.5 s\n"


def test_the_log_has_a_line_for_each_record_and_no_token(rlmesh):
    process, address = rlmesh.serve("envs:Walk", "--log-level", "info", RLMESH_TOKEN=TOKEN)
    with RemoteEnv(address, token=TOKEN) as env:
        env.reset(seed=0)
    process.terminate()
    status, _, err = rlmesh.finish(process)
    assert status == 0
    matches = [LINE.fullmatch(line) for line in err.splitlines()]
    assert all(matches), err
    assert {match[1] for match in matches} == {"INFO"}
    events = [re.search(r" event=(\w+)", match[3])[1] for match in matches]
    for event in "worker_started", "server_started", "session_opened", "session_ended":
        assert event in events
    assert events[-1] == "server_stopped"
    (ended,) = [line for line in err.splitlines() if "event=session_ended" in line]
    assert f" role=env address={address} reason=closed requests=1" in ended
    assert TOKEN not in err


def test_the_log_may_be_json(rlmesh):
    process, address = rlmesh.serve_model(
        "policies:one", "--log-level", "INFO", "--log-json", RLMESH_TOKEN=TOKEN
    )
    assert ping(address, token=TOKEN).role == "model"
    process.send_signal(signal.SIGINT)
    status, _, err = rlmesh.finish(process)
    assert status == 0
    records = [json.loads(line) for line in err.splitlines()]
    assert [record["event"] for record in records] == ["server_started", "server_stopped"]
    assert records[0]["level"] == "info"
    assert records[0]["logger"] == "rlmesh.server"
    assert records[0]["message"] == f"serving at {address}"


def test_a_run_says_when_an_episode_is_played_again(rlmesh, tmp_path):
    kwargs = json.dumps({"flag": str(tmp_path / "flag")})
    _, address = rlmesh.serve("envs:CrashesOnce", "--kwargs", kwargs)
    for level, count in ("warning", 1), ("error", 0):
        status, _, err = rlmesh.run(
            "run", "policies:one", address, "--seeds", "1", "--log-level", level
        )
        assert status == 0
        assert err.count("event=retry episode=0 seed=1") == count
        (tmp_path / "flag").unlink()
