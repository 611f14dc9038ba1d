"""`rlmesh serve-model`, and `rlmesh run` with what it serves, in real processes."""

from __future__ import annotations

import os
import signal
import socket

import pytest
from printed import row

from rlmesh import RemoteModel
from rlmesh import run as run_served

SIGNALS = [signal.SIGINT, signal.SIGTERM]
TOKEN = "a-token-that-is-long-enough"


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_stops_it_quietly_and_nothing_is_left(rlmesh, tmp_path, number):
    unix = f"unix://{tmp_path}/model.sock"
    process, model = rlmesh.serve_model("policies:Telling", "--address", unix)
    assert model == unix
    assert os.listdir(tmp_path) != []
    with RemoteModel(model) as client:
        assert client.ping()["sessions"] == 0
    process.send_signal(number)
    status, out, err = rlmesh.finish(process)
    assert (status, err) == (0, "")
    assert out.endswith("closed\nstopped\n")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_stops_it_in_the_middle_of_an_episode_and_ends_that(
    rlmesh, address, tmp_path, number
):
    unix = f"unix://{tmp_path}/model.sock"
    process, _ = rlmesh.serve_model("policies:Telling", "--address", unix)
    with RemoteModel(unix, connect_timeout=1) as model:
        session = model.session(address)
        session.reset(seed=0)
        process.send_signal(number)
        status, out, err = rlmesh.finish(process)
        session.close()
    assert (status, err) == (0, "")
    assert out.endswith("reset\nepisode end\nclosed\nstopped\n")
    assert os.listdir(tmp_path) == []


def test_ctrl_c_interrupts_a_predict_that_takes_long(rlmesh, address):
    process, model = rlmesh.serve_model("policies:Slow")
    runner = rlmesh.start("run", model, address)
    for line in process.stdout:
        if line == "thinking\n":
            break
    process.send_signal(signal.SIGINT)
    status, out, err = rlmesh.finish(process)
    assert (status, err) == (0, "")
    assert out.endswith("closed\nstopped\n")
    runner.send_signal(signal.SIGINT)
    status, out, err = rlmesh.finish(runner)
    assert (status, out, err) == (130, "", "rlmesh: interrupted before an episode was finished\n")


def test_a_signal_while_the_policy_is_built_stops_it_quietly(rlmesh):
    served = rlmesh.run("serve-model", "policies:TerminatedWhileItIsBuilt")
    assert served == (0, "stopped\n", "")


def test_the_printed_line_works_when_it_is_copied(rlmesh, address):
    process, model = rlmesh.serve_model()
    lines = [process.stdout.readline() for _ in range(6)]
    (command,) = [line for line in lines if "rlmesh run" in line]
    program, *arguments = command.replace("ENV_ADDRESS", address).split()
    assert program == "rlmesh"
    status, out, err = rlmesh.run(*arguments)
    assert (status, err) == (0, "")
    assert out.splitlines()[0] == f"{model} on {address}"
    assert row(out) == ["20", "3", "100.0%", "60"]


def test_the_printed_line_of_python_works_when_it_is_copied(rlmesh, address):
    process, _ = rlmesh.serve_model()
    lines = [process.stdout.readline() for _ in range(6)]
    (python,) = [line for line in lines if "rlmesh.run(" in line]
    expression = python.strip().replace("rlmesh.run", "run", 1)
    result = eval(expression, {"run": run_served, "env": address})
    assert (result.num_episodes, result.mean_reward) == (20, 3.0)


def test_the_printed_lines_name_this_host_where_every_interface_is_served(rlmesh):
    process, model = rlmesh.serve_model("policies:one", "--address", "*:0", RLMESH_TOKEN=TOKEN)
    process.terminate()
    _, out, _ = rlmesh.finish(process)
    port = model.rpartition(":")[2]
    assert model == f"tcp://0.0.0.0:{port}"
    assert out.count(f"tcp://{socket.gethostname()}:{port}") == 2
    assert "RLMESH_TOKEN" in out
    assert TOKEN not in out


@pytest.mark.parametrize("name", ["one", "Counter", "an_object", "a_model"])
def test_whatever_makes_a_model_can_be_served(rlmesh, address, name):
    _, model = rlmesh.serve_model(f"policies:{name}")
    status, out, err = rlmesh.run("run", model, address, "--seeds", "0:2")
    assert (status, err) == (0, "")
    assert row(out) == ["2", "3", "100.0%", "6"]


def test_an_address_without_its_scheme_is_one_too(rlmesh, address):
    _, model = rlmesh.serve_model()
    bare = model.replace("tcp://", "")
    status, out, _ = rlmesh.run("run", bare, address)
    assert status == 0
    assert out.splitlines()[0] == f"{bare} on {address}"


def test_the_token_comes_from_the_environment(rlmesh):
    _, env = rlmesh.serve(RLMESH_TOKEN=TOKEN)
    _, model = rlmesh.serve_model(RLMESH_TOKEN=TOKEN)
    assert rlmesh.run("run", model, env, RLMESH_TOKEN=TOKEN)[0] == 0
    status, out, err = rlmesh.run("run", model, env)
    assert (status, out) == (1, "")
    assert err.startswith("rlmesh: ")
    assert "token" in err
    assert err.count("\n") == 1


def test_chunks_and_instructions_reach_a_served_model(rlmesh, address):
    _, chunks = rlmesh.serve_model("policies:Chunks")
    out = rlmesh.run("run", chunks, address, "--execution-horizon", "2")[1]
    assert row(out)[1] == "2"
    _, obedient = rlmesh.serve_model("policies:obedient")
    out = rlmesh.run("run", obedient, address, "--instruction", "right")[1]
    assert row(out)[1] == "3"


def test_a_run_that_is_stopped_ends_its_episode_at_the_model(rlmesh, address):
    process, model = rlmesh.serve_model("policies:Telling")
    runner = rlmesh.start("run", model, address, "--max-episodes", "1000000")
    for _ in range(3):
        while process.stdout.readline() != "episode end\n":
            pass
    runner.terminate()
    status, out, err = rlmesh.finish(runner)
    assert status == 130
    assert err.startswith("rlmesh: interrupted; ")
    assert " of 1000000" in out
    process.terminate()
    _, out, _ = rlmesh.finish(process)
    told = out.splitlines()
    assert told[-2:] == ["closed", "stopped"]
    # As many were read above.
    assert told.count("reset") == told.count("episode end")


def test_a_backend_that_is_not_installed_is_a_sentence(rlmesh):
    arguments = ["serve-model", "policies:one", "--backend", "numpy"]
    status, out, err = rlmesh.run_without("rlmesh.numpy", *arguments)
    assert (status, out) == (1, "")
    assert err.startswith("rlmesh: rlmesh.numpy is not installed: pip install ./packages/")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["one"], "policy: expected MODULE:NAME, such as my_policy:act, got 'one'"),
        (["no_such_module:act"], "policy: there is no module 'no_such_module', neither installed"),
        (["policies:two"], "policy: 'policies' has no 'two'"),
        (["policies:number"], "policy: 'policies:number' is no policy: source: expected"),
        (["policies:one", "--backend", "abacus"], "--backend: expected native, numpy, torch"),
        (
            ["policies:a_model", "--backend", "native"],
            "--backend: 'policies:a_model' is a Model, which has its own; got 'native' besides",
        ),
        (["policies:one", "--address", "foo"], "address: expected tcp://HOST:PORT, HOST:PORT"),
        (["policies:one", "--address", "*:0"], "refusing to serve tcp://0.0.0.0:0 without a token"),
        (["policies:one", "--address", "unix:///no/such/folder/s"], "address: cannot serve unix:"),
    ],
)
def test_what_cannot_be_served_is_a_sentence(rlmesh, arguments, sentence):
    status, out, err = rlmesh.run("serve-model", *arguments)
    assert (status, out) == (1, "")
    assert err.startswith(f"rlmesh: {sentence}")
    assert err.count("\n") == 1


def test_a_taken_address_is_a_sentence(rlmesh, address):
    status, out, err = rlmesh.run("serve-model", "policies:one", "--address", address)
    assert (status, out) == (1, "")
    assert err == f"rlmesh: address: {address} is in use by another server\n"


def test_an_error_in_somebody_elses_code_keeps_its_traceback(rlmesh):
    status, out, err = rlmesh.run("serve-model", "broken:act")
    assert (status, out) == (1, "")
    assert err.startswith("Traceback (most recent call last):\n")
    assert err.splitlines()[-1] == "ModuleNotFoundError: No module named 'no_such_dependency'"


def test_an_error_of_a_served_model_shows_its_traceback_and_what_it_was_given(rlmesh, address):
    _, model = rlmesh.serve_model("policies:fails")
    status, out, err = rlmesh.run("run", model, address)
    assert (status, out) == (1, "")
    sentence, _, rest = err.partition("\n\nThe traceback on the other side:\n")
    assert sentence.startswith("rlmesh: ")
    assert "the network has diverged" in sentence
    remote, _, inputs = rest.partition("\n\nWhat predict was given:\n")
    assert remote.splitlines()[-1] == "  | ValueError: the network has diverged"
    assert inputs == "  observation: int\n"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--backend", "numpy"], "--backend: the model at {} has its own; got 'numpy' besides"),
        (["--factory"], "--factory: the model at {} has its own; got True besides"),
        (["--stateless"], "--stateless: the model at {} has its own; got True besides"),
        (["--instruction", "left"], "instruction: this model has no text input"),
        (["--execution-horizon", "2"], "execution_horizon: expected 1 for a model with neither"),
    ],
)
def test_what_a_served_model_does_not_have_is_a_sentence(rlmesh, address, options, sentence):
    _, model = rlmesh.serve_model()
    status, out, err = rlmesh.run("run", model, address, *options)
    assert (status, out) == (1, "")
    assert err.startswith(f"rlmesh: {sentence.format(model)}")
    assert err.count("\n") == 1


def test_env_and_model_the_wrong_way_round_are_a_sentence(rlmesh, address):
    _, model = rlmesh.serve_model()
    for first, second in (address, model), (address, address), (model, model):
        status, out, err = rlmesh.run("run", first, second)
        assert (status, out) == (1, "")
        assert err.startswith("rlmesh: ")
        assert "expected a" in err
        assert err.count("\n") == 1


@pytest.mark.parametrize("name", ["tcp://127.0.0.1", "tcp://policies:one", "127.0.0.1:99999"])
def test_a_models_address_that_does_not_parse_is_a_sentence(rlmesh, address, name):
    status, out, err = rlmesh.run("run", name, address)
    assert (status, out) == (1, "")
    assert err.startswith("rlmesh: address: expected ")
    assert err.count("\n") == 1
