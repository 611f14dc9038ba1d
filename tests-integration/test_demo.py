"""The demo, run as a newcomer runs it."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from pythons import command_without, python_without

DEMO = Path(__file__).resolve().parents[1] / "docs" / "examples" / "demo.py"
PATIENCE = 60.0


@pytest.fixture
def env_python(tmp_path):
    """A Python that has nothing of the model's side."""
    return python_without(tmp_path, "rlmesh.numpy", "rich", "typer")


def start(env_python):
    """Start the demo without gymnasium; what it starts shares its stdout and stderr."""
    environment = {**os.environ, "RLMESH_TOKEN": "", "PYTHONUNBUFFERED": "1"}
    environment.pop("FORCE_COLOR", None)
    return subprocess.Popen(
        [*command_without("gymnasium"), str(DEMO), "--env-python", env_python],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def test_both_policies_are_evaluated_over_20_episodes_and_compared_in_one_table(env_python):
    demo = start(env_python)
    out, err = demo.communicate(timeout=PATIENCE)
    assert (demo.returncode, err) == (0, "")
    assert out.count("20/20 episodes") == 2
    scripted, random = [line.split() for line in out.splitlines() if line.strip()][-2:]
    assert [scripted[:2], random[:2]] == [["scripted", "20"], ["random", "20"]]
    assert float(scripted[2]) >= 450
    assert float(random[2]) < 50
    for _, episodes, reward, success, steps, *_ in scripted, random:
        # CartPole pays 1 per step, and does not say what success is.
        assert int(steps) == pytest.approx(int(episodes) * float(reward))
        assert success == "-"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_env_process_ends_with_the_demo_however_that_ends(env_python, number):
    demo = start(env_python)
    assert "served by" in demo.stdout.readline()
    demo.send_signal(number)
    # The env's process has our stderr too: the pipe ends when both processes have.
    demo.communicate(timeout=PATIENCE)
    assert demo.returncode != 0


def test_a_python_that_cannot_serve_the_env_is_named(tmp_path):
    python = python_without(tmp_path, "gymnasium")
    demo = start(python)
    _, err = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 1
    assert err.splitlines()[-1] == (f"{python} served no env; it needs rlmesh-core and gymnasium")
