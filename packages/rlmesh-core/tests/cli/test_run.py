"""`rlmesh run` against a served env, in real processes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import termios

import pytest
from distributions import write_distribution
from printed import row

from rlmesh import RemoteEnv


@pytest.mark.parametrize(
    ("arguments", "cells"),
    [
        ([], ["1", "3", "100.0%", "3"]),
        (["--seeds", "0:4"], ["4", "3", "100.0%", "12"]),
        (["--seeds", "7"], ["1", "3", "100.0%", "3"]),
        (["--seeds", "1,5,9"], ["3", "3", "100.0%", "9"]),
        (["--seeds", "0:4", "--max-episodes", "2"], ["2", "3", "100.0%", "6"]),
        (["--seeds", "0:4", "--max-episodes", "5"], ["5", "3", "100.0%", "15"]),
    ],
)
def test_it_runs_the_episodes_that_were_asked_for(rlmesh, address, arguments, cells):
    status, out, err = rlmesh.run("run", "policies:one", address, *arguments)
    assert (status, err) == (0, "")
    assert row(out) == cells


def test_several_episodes_run_at_once_with_the_same_result(rlmesh, address):
    _, other = rlmesh.serve()
    several = [["--concurrency", "3"], [other], [other, "--concurrency", "4", "--batch-padding"]]
    for arguments in several:
        run = ["run", "policies:one", address, *arguments, "--seeds", "0:6"]
        status, out, err = rlmesh.run(*run)
        assert (status, err) == (0, "")
        assert row(out) == ["6", "3", "100.0%", "18"]
        # Below the table stands where the time went, and how busy the lanes were.
        spent, timing = out.splitlines()[-2:]
        assert re.fullmatch(
            r"\d+\.\d\d s in episodes: "
            r"env \d+%, wire \d+%,( queue \d+%,)? predict \d+%, other \d+%",
            spent,
        )
        lanes = 2 if arguments == [other] else int(arguments[arguments.index("--concurrency") + 1])
        assert timing.startswith(f"{lanes} lanes for ")


@pytest.mark.parametrize("served", [False, True], ids=["here", "served"])
@pytest.mark.parametrize(
    "policy",
    [
        ["policies:Alternating"],
        ["policies:AlternatingModel"],
        ["policies:make_alternating", "--factory"],
        ["policies:make_alternating_model", "--factory"],
        ["policies:Alternating", "--factory"],
    ],
)
def test_lanes_and_clients_each_have_an_instance_of_a_class_that_cannot_be_shared(
    rlmesh, address, policy, served
):
    if served:
        policy = [rlmesh.serve_model(*policy)[1]]
    run = ["run", policy[0], address, *policy[1:], "--seeds", "0:6"]
    for arguments in ([], ["--concurrency", "3"]):
        status, out, err = rlmesh.run(*run, *arguments)
        assert (status, err) == (0, "")
        assert "       6             2    100.0%      18" in out


def test_an_object_that_cannot_be_shared_is_refused_unless_it_is_stateless(rlmesh, address):
    run = ["run", "policies:alternating", address, "--seeds", "0:6", "--concurrency", "2"]
    status, out, err = rlmesh.run(*run)
    assert (status, out) == (1, "")
    assert err.startswith("rlmesh: lanes: expected one, got 2: Alternating.reset() takes no episod")
    assert "Model(..., stateless=True)" in err
    assert err.count("\n") == 1
    run[1] = "policies:an_object"
    assert rlmesh.run(*run)[0] == 1
    status, out, err = rlmesh.run(*run, "--stateless")
    assert (status, err) == (0, "")


@pytest.mark.parametrize("served", [False, True], ids=["here", "served"])
def test_ctrl_c_ends_all_lanes_and_frees_their_envs(rlmesh, served):
    server, address = rlmesh.serve("envs:Walk", "--max-sessions", "3")
    policy = rlmesh.serve_model("policies:Tired")[1] if served else "policies:Tired"
    arguments = ["run", policy, address, "--seeds", "0:1000", "--concurrency", "3"]
    process = rlmesh.start(*arguments, PYTHONUNBUFFERED="1")
    while rlmesh.run("ping", address)[1].count("sessions    3") == 0:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    status, _, err = rlmesh.finish(process)
    assert status == 130
    assert err.splitlines()[-1].startswith("rlmesh: interrupted")
    # All three places are free again.
    status, _, err = rlmesh.run(
        "run", "policies:one", address, "--seeds", "0:6", "--concurrency", "3"
    )
    assert (status, err) == (0, "")
    server.terminate()
    assert rlmesh.finish(server)[0] == 0


@pytest.mark.parametrize("name", ["one", "Counter", "an_object", "a_model"])
def test_whatever_makes_a_model_is_a_policy(rlmesh, address, name):
    status, out, _ = rlmesh.run("run", f"policies:{name}", address, "--seeds", "0:2")
    assert status == 0
    assert row(out) == ["2", "3", "100.0%", "6"]


def test_so_many_actions_of_a_chunk_are_executed(rlmesh, address):
    run = ["run", "policies:Chunks", address, "--execution-horizon"]
    assert row(rlmesh.run(*run, "1")[1])[1] == "3"
    assert row(rlmesh.run(*run, "2")[1])[1] == "2"
    status, out, err = rlmesh.run("run", "policies:one", address, "--execution-horizon", "2")
    assert (status, out) == (1, "")
    assert err.startswith("rlmesh: execution_horizon: expected 1 for a model with neither")


def test_an_instruction_goes_to_a_model_that_takes_one(rlmesh, address):
    run = ["run", "policies:obedient", address, "--instruction"]
    assert row(rlmesh.run(*run, "right")[1])[1:3] == ["3", "100.0%"]
    assert row(rlmesh.run(*run, "left")[1])[1:3] == ["0", "0.0%"]


def test_where_no_terminal_is_there_is_only_the_table(rlmesh, address):
    _, out, err = rlmesh.run("run", "policies:one", address, "--seeds", "0:3")
    title, header, rule, _, spent = out.splitlines()
    assert title == f"policies:one on {address}"
    assert header.split("  ")[0].strip() == "episodes"
    assert set(rule) <= {"─", "-"}
    assert " s in episodes: env " in spent
    assert [character for character in out if ord(character) < 32 and character != "\n"] == []
    assert err == ""


def test_on_a_terminal_there_is_a_progress_line_before_the_table(rlmesh, address):
    ours, theirs = pty.openpty()
    process = rlmesh.start("run", "policies:one", address, "--seeds", "0:3", stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # EIO: the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    _, out, _ = rlmesh.finish(process)
    assert "3/3" in shown.decode()
    assert "mean reward 3" in shown.decode()
    assert row(out) == ["3", "3", "100.0%", "9"]


def test_what_a_policy_prints_goes_to_stdout(rlmesh, address):
    _, out, _ = rlmesh.run("run", "policies:Printing", address)
    assert out.startswith("thinking\n" * 3)


def test_native_observations_where_no_other_backend_is_installed(rlmesh, address):
    status, out, _ = rlmesh.run_without("rlmesh.numpy", "run", "policies:one", address)
    assert status == 0
    assert row(out)[1] == "3"


def test_a_backend_that_is_not_installed_is_a_sentence(rlmesh, address):
    arguments = ["run", "policies:one", address, "--backend", "numpy"]
    status, out, err = rlmesh.run_without("rlmesh.numpy", *arguments)
    assert (status, out) == (1, "")
    assert err.startswith("rlmesh: rlmesh.numpy is not installed: pip install ./packages/")


def test_a_backend_of_an_installed_package_can_be_chosen_and_is_listed(rlmesh, address, tmp_path):
    (tmp_path / "abacus_for_rlmesh.py").write_text("from rlmesh import Model\nprint('click')\n")
    write_distribution(tmp_path, "abacus-dist", abacus="abacus_for_rlmesh")
    run = ["run", "policies:one", address, "--backend"]
    status, out, _ = rlmesh.run(*run, "abacus", PYTHONPATH=str(tmp_path))
    assert status == 0
    assert out.startswith("click\n")
    assert row(out)[1] == "3"
    _, out, err = rlmesh.run(*run, "frame", PYTHONPATH=str(tmp_path))
    assert out == ""
    assert "native, numpy, torch, jax" in err
    assert "abacus" in err
    assert err.endswith("got 'frame'\n")


def test_two_packages_that_claim_one_name_are_a_sentence(rlmesh, address, tmp_path):
    write_distribution(tmp_path, "abacus-dist", abacus="one")
    write_distribution(tmp_path, "counting-frame", abacus="two")
    run = ["run", "policies:one", address, "--backend", "abacus"]
    status, _, err = rlmesh.run(*run, PYTHONPATH=str(tmp_path))
    assert status == 1
    assert err.startswith("rlmesh: backend 'abacus': claimed by ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["one"], "policy: expected MODULE:NAME, such as my_policy:act, got 'one'"),
        (["policies:"], "policy: expected MODULE:NAME, such as my_policy:act, got 'policies:'"),
        (["policies.py:one"], "policy: there is no module 'policies.py', neither installed nor in"),
        (["policies:two"], "policy: 'policies' has no 'two'"),
        (["policies:number"], "policy: 'policies:number' is no policy: source: expected"),
        (["policies:one", "--seeds", "0-20"], "--seeds: expected non-negative integers as 0:20"),
        (["policies:one", "--backend", "abacus"], "--backend: expected native, numpy, torch"),
        (
            ["policies:a_model", "--backend", "native"],
            "--backend: 'policies:a_model' is a Model, which has its own; got 'native' besides",
        ),
        (
            ["policies:a_model", "--stateless"],
            "--stateless: 'policies:a_model' is a Model, which has its own; got True besides",
        ),
        (["policies:number", "--factory"], "--factory: expected 'policies:number' to be callable"),
        (["policies:one", "--instruction", "pick it up"], "instruction: this model has no text"),
        (["policies:wrong"], "action: expected"),
    ],
)
def test_what_cannot_be_run_is_a_sentence(rlmesh, address, arguments, sentence):
    policy, *options = arguments
    status, out, err = rlmesh.run("run", policy, address, *options)
    assert (status, out) == (1, "")
    assert err.startswith(f"rlmesh: {sentence}")
    assert err.count("\n") == 1


def test_an_address_that_does_not_parse_is_a_sentence(rlmesh):
    status, out, err = rlmesh.run("run", "policies:one", "foo")
    assert (status, out) == (1, "")
    assert err == (
        "rlmesh: address: expected tcp://HOST:PORT, HOST:PORT or unix:///PATH, got 'foo'\n"
    )


def test_a_taken_env_is_a_sentence(rlmesh):
    _, address = rlmesh.serve("envs:Walk", "--max-sessions", "1")
    with RemoteEnv(address):
        status, out, err = rlmesh.run("run", "policies:one", address)
    assert (status, out) == (1, "")
    assert err.startswith("rlmesh: ")
    assert "others use the one env that this server's max_sessions allows" in err
    assert "Traceback" not in err


def test_an_error_of_the_env_shows_the_traceback_of_the_other_side_only(rlmesh):
    _, address = rlmesh.serve("envs:Failing")
    status, out, err = rlmesh.run("run", "policies:one", address)
    assert (status, out) == (1, "")
    sentence, _, remote = err.partition("\n\nThe traceback on the other side:\n")
    assert sentence.startswith("rlmesh: ")
    assert "the motor is stuck" in sentence
    assert remote.splitlines()[-1] == "  | RuntimeError: the motor is stuck"


def test_an_error_of_the_policy_keeps_its_traceback(rlmesh, address):
    status, out, err = rlmesh.run("run", "policies:fails", address)
    assert (status, out) == (1, "")
    assert err.startswith("Traceback (most recent call last):\n")
    assert err.splitlines()[-1] == "ValueError: the network has diverged"
    assert "typer" not in err


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("FailsInThirdEpisode", 1),
        ("InterruptedInThirdEpisode", 130),
        ("TerminatedInThirdEpisode", 130),
    ],
)
def test_a_run_that_breaks_off_shows_what_was_finished_and_frees_the_env(
    rlmesh, address, name, expected
):
    status, out, err = rlmesh.run("run", f"policies:{name}", address, "--seeds", "0:5")
    assert status == expected
    assert row(out, 6) == ["2", "of", "5", "3", "100.0%", "6"]
    assert ("Traceback" in err) == (expected == 1)
    with RemoteEnv(address, connect_timeout=10):
        pass


def test_episodes_that_were_given_up_are_listed_apart(rlmesh, address):
    arguments = ["run", "policies:FailsInThirdStep", address, "--seeds", "0:5", "--retries", "0"]
    status, out, err = rlmesh.run(*arguments, "--on-error", "record")
    assert (status, err) == (1, "")
    lines = out.splitlines()
    (finished,) = (line.split() for line in lines if " of " in line)
    assert finished[:6] == ["4", "of", "5", "3", "100.0%", "12"]
    assert "1 episode was given up, and counts for nothing above" in lines
    assert lines[-1].split() == ["2", "2", "1", "ValueError", "the", "network", "has", "diverged"]
    status, out, err = rlmesh.run(*arguments, "--on-error", "ignore")
    assert (status, out) == (1, "")
    assert err == "rlmesh: on_error: expected 'raise' or 'record', got 'ignore'\n"


def test_episodes_are_cut_off(rlmesh, address):
    limit = ["--max-episode-steps", "2", "--max-episode-seconds", "1000"]
    status, out, err = rlmesh.run("run", "policies:one", address, "--seeds", "0:2", *limit)
    assert (status, err) == (0, "")
    assert row(out) == ["2", "2", "100.0%", "4"]


@pytest.mark.parametrize(
    ("rule", "rate", "below"),
    [
        ([], "0.0%", ["success_once_rate 100.0%"]),
        (["--success", "last"], "0.0%", ["success_once_rate 100.0%"]),
        (["--success", "any"], "100.0%", ["success_at_end_rate 0.0%"]),
        (["--success", "any:visited"], "100.0%", ["success_at_end_rate 0.0%"]),
        (["--success", "last:left>=0"], "100.0%", []),
    ],
)
def test_the_rule_of_success_is_an_option(rlmesh, rule, rate, below):
    _, address = rlmesh.serve("envs:Passing")
    status, out, err = rlmesh.run("run", "policies:one", address, *rule)
    assert status == 0
    assert ("success='any' counts any step" in err) == (not rule)
    assert row(out)[2] == rate
    assert [line for line in out.splitlines() if line.startswith("success_")] == below


def test_what_is_no_rule_of_success_is_refused(rlmesh, address):
    status, out, err = rlmesh.run("run", "policies:one", address, "--success", "first")
    assert (status, out) == (1, "")
    assert "success: expected 'last' or 'any'" in err


@pytest.mark.parametrize("journal", [False, True])
def test_an_interrupted_run_says_whether_the_same_command_goes_on(
    rlmesh, address, tmp_path, journal
):
    arguments = ["run", "policies:InterruptedInThirdEpisode", address, "--seeds", "0:5"]
    arguments += ["--journal", str(tmp_path / "run.jsonl")] if journal else []
    status, out, err = rlmesh.run(*arguments)
    assert (status, row(out, 3)) == (130, ["2", "of", "5"])
    told = "run the same command to go on"
    if not journal:
        told = "the same command would play all episodes again, as there is no --journal FILE"
    assert err == f"rlmesh: interrupted; {told}\n"


def test_a_finished_journal_says_that_nothing_was_played(rlmesh, address, tmp_path):
    path = str(tmp_path / "run.jsonl")
    arguments = ["run", "policies:Counter", address, "--journal", path, "--name", "step30k"]
    status, out, err = rlmesh.run(*arguments, "--seeds", "0:2")
    assert (status, err) == (0, "")
    assert "journal" not in out
    status, out, err = rlmesh.run(*arguments, "--seeds", "0:2")
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == "2 of 2 episodes are from the journal; nothing was played"
    status, out, err = rlmesh.run(*arguments[:-1], "step60k", "--seeds", "0:2")
    assert (status, out) == (1, "")
    assert 'name: the journal has "step30k", this run "step60k"' in err


def test_lanes_without_an_episode_are_told_of_once(rlmesh, address):
    status, out, err = rlmesh.run("run", "policies:one", address, "--concurrency", "4")
    assert (status, row(out)) == (0, ["1", "3", "100.0%", "3"])
    assert err == (
        "rlmesh: warning: concurrency: 4 lanes, and only 1 episode is to be played, so that the"
        " others have nothing to do; seeds or max_episodes ask for more episodes\n"
    )


def test_what_a_run_waits_for_is_told_and_how_long(rlmesh, tmp_path):
    nobody = f"unix://{tmp_path}/nobody"
    for model, address, what in [
        ("policies:one", nobody, "an env"),
        (nobody, nobody, "a model"),
    ]:
        status, _, err = rlmesh.run("run", model, address, "--connect-timeout", "2.5")
        assert status == 1
        assert err.splitlines() == [
            f"waiting for {what} at {nobody}: 2 s of 2 s",
            f"rlmesh: no RLMesh server answered at {nobody} within 2.5 s",
        ]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_progress_line_is_no_wider_than_the_terminal(rlmesh, address, width):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    process = rlmesh.start("run", "policies:one", address, "--seeds", "0:300", stderr=theirs)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):
        while True:
            shown += os.read(ours, 10_000)
    os.close(ours)
    assert rlmesh.finish(process)[0] == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\r", shown.decode())
    lines = [line.rstrip() for line in re.split(r"[\r\n]+", text) if line.strip()]
    assert max(map(len, lines)) < width
    for line in lines:
        assert re.match(r"polic\S* [━─]+ \d+/300", line)
    assert any(" left" in line or re.search(r"\d:\d\d", line) for line in lines)
