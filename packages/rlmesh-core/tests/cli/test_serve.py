"""`rlmesh serve`, in real processes."""

from __future__ import annotations

import os
import signal
import socket

import pytest
from printed import row

SIGNALS = [signal.SIGINT, signal.SIGTERM]
TOKEN = "a-token-that-is-long-enough"


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_stops_it_quietly_and_nothing_is_left(rlmesh, tmp_path, number):
    process, address = rlmesh.serve("envs:Walk", "--address", f"unix://{tmp_path}/env.sock")
    assert address == f"unix://{tmp_path}/env.sock"
    assert os.listdir(tmp_path) != []
    process.send_signal(number)
    status, out, err = rlmesh.finish(process)
    assert (status, err) == (0, "")
    assert out.endswith("closed\nstopped\n")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_stops_it_while_a_client_holds_the_env(rlmesh, tmp_path, number):
    from rlmesh import RemoteEnv

    process, address = rlmesh.serve("envs:Walk", "--address", f"unix://{tmp_path}/env.sock")
    with RemoteEnv(address) as env:
        env.reset(seed=0)
        process.send_signal(number)
        status, out, err = rlmesh.finish(process)
    assert (status, err) == (0, "")
    assert out.endswith("closed\nstopped\n")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_the_env_is_built_stops_it_quietly(rlmesh, number):
    process = rlmesh.start("serve", "envs:never_built")
    assert process.stdout.readline() == "building\n"
    process.send_signal(number)
    assert rlmesh.finish(process) == (0, "stopped\n", "")


def test_clients_have_an_env_each_and_no_more_than_there_may_be(rlmesh):
    from rlmesh import RemoteEnv
    from rlmesh.errors import Busy

    _, address = rlmesh.serve("envs:Walk", "--max-sessions", "2")
    with RemoteEnv(address) as first, RemoteEnv(address) as second:
        assert [env.reset(seed=0)[0] for env in (first, second)] == [3, 3]
        assert [env.step(1)[0] for env in (first, first, second)] == [2, 1, 2]
        with pytest.raises(Busy, match="others use all 2 envs"):
            RemoteEnv(address)


def test_the_printed_line_works_when_it_is_copied(rlmesh):
    process, _ = rlmesh.serve()
    lines = [process.stdout.readline() for _ in range(6)]
    (line,) = [line for line in lines if "rlmesh run" in line]
    program, *arguments = line.replace("MODULE:POLICY", "policies:one").split()
    assert program == "rlmesh"
    status, out, err = rlmesh.run(*arguments)
    assert (status, err) == (0, "")
    assert row(out) == ["20", "3", "100.0%", "60"]


def test_the_printed_lines_name_this_host_where_every_interface_is_served(rlmesh):
    process, address = rlmesh.serve("envs:Walk", "--address", "0.0.0.0:0", RLMESH_TOKEN=TOKEN)
    process.terminate()
    _, out, _ = rlmesh.finish(process)
    port = address.rpartition(":")[2]
    assert address == f"tcp://0.0.0.0:{port}"
    assert out.count(f"tcp://{socket.gethostname()}:{port}") == 2
    assert "RLMESH_TOKEN" in out
    assert TOKEN not in out


def test_kwargs_go_to_the_callable(rlmesh):
    _, address = rlmesh.serve("envs:Walk", "--kwargs", '{"length": 7}')
    _, out, _ = rlmesh.run("run", "policies:one", address, "--seeds", "1")
    assert row(out) == ["1", "7", "100.0%", "7"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["no_such_module:Env"], "env: there is no module 'no_such_module', neither installed"),
        (["envs.py:Walk"], "env: there is no module 'envs.py', neither installed"),
        (["./envs:Walk"], "env: expected the name of a module before the colon, got './envs'"),
        (["envs:no_env"], "env: 'envs:no_env' cannot be served: env: expected an environment with"),
        (
            ["envs:without_spaces"],
            "env: 'envs:without_spaces' cannot be served: Walk.action_",
        ),
        (["envs:Walk", "--kwargs", "length=7"], "--kwargs: expected a JSON object, got 'length=7'"),
        (["envs:Walk", "--kwargs", "[7]"], "--kwargs: expected a JSON object, got '[7]'"),
        (["envs:Walk", "--address", "foo"], "address: expected tcp://HOST:PORT, HOST:PORT"),
        (["envs:Walk", "--address", "0.0.0.0:0"], "refusing to serve tcp://0.0.0.0:0 without a"),
        (["envs:Walk", "--address", "unix:///no/such/folder/s"], "address: cannot serve unix://"),
    ],
)
def test_what_cannot_be_served_is_a_sentence(rlmesh, arguments, sentence):
    status, out, err = rlmesh.run("serve", *arguments)
    assert status == 1
    assert err.startswith(f"rlmesh: {sentence}")
    assert err.count("\n") == 1
    assert "Serving" not in out


@pytest.mark.parametrize("command", [["serve", "envs:Walk"], ["serve-model", "policies:one"]])
def test_what_the_refusal_to_serve_strangers_names_is_there(rlmesh, command):
    status, _, err = rlmesh.run(*command, "--address", "0.0.0.0:0")
    assert (status, "accept the risk with --allow-insecure" in err) == (1, True)
    _, address = rlmesh.serving(*command, "--address", "0.0.0.0:0", "--allow-insecure")
    assert address.startswith("tcp://0.0.0.0:")


def test_a_taken_address_is_a_sentence_and_builds_no_env(rlmesh, address):
    status, out, err = rlmesh.run("serve", "envs:Walk", "--address", address)
    assert (status, out) == (1, "")
    assert err == f"rlmesh: address: {address} is in use by another server\n"


@pytest.mark.parametrize("name", ["CartPole-v1", "envs:CartPole-v1", "envs:not_callable"])
def test_a_gymnasium_id_without_gymnasium_says_what_to_install(rlmesh, name):
    status, out, err = rlmesh.run_without("gymnasium gym", "serve", name)
    assert (status, out) == (1, "")
    assert err.startswith("rlmesh: env")
    assert err.endswith("neither gymnasium nor gym is installed here: pip install gymnasium\n")
    assert ("'envs' has no callable" in err) == name.startswith("envs:")


@pytest.mark.parametrize(
    ("name", "last_line"),
    [
        ("envs:raising", "KeyError: 'no such scene'"),
        ("broken:Env", "ModuleNotFoundError: No module named 'no_such_dependency'"),
    ],
)
def test_an_error_in_somebody_elses_code_keeps_its_traceback(rlmesh, name, last_line):
    status, out, err = rlmesh.run("serve", name)
    assert (status, out) == (1, "")
    assert err.startswith(f"rlmesh: making the env {name!r} raised {last_line}\n")
    assert "Traceback (most recent call last):\n" in err
    assert err.splitlines()[-1] == f"  | {last_line}"


def test_an_env_that_crashes_while_it_is_built_is_a_sentence(rlmesh):
    status, out, err = rlmesh.run("serve", "envs:crashing")
    assert (status, out) == (1, "")
    assert "rlmesh: the process of the env 'envs:crashing' exited with status 9\n" in err
    assert err.endswith("The last lines of its stderr:\n  | no display\n")
