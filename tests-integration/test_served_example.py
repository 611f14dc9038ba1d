"""The example of a served torch model on a served env, run as a newcomer runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from pythons import command_without, python_without

EXAMPLE = Path(__file__).resolve().parents[1] / "docs" / "examples" / "evaluate_served.py"
PATIENCE = 120.0


@pytest.fixture
def pythons(tmp_path):
    """A Python for the model, which cannot have the env, and the other way round."""
    for name in "model", "env":
        (tmp_path / name).mkdir()
    return (
        python_without(tmp_path / "model", "gymnasium", "rlmesh.numpy", "rlmesh.jax"),
        python_without(tmp_path / "env", "torch", "rlmesh.torch", "rlmesh.jax"),
    )


def start(model_python, env_python):
    """Start the example with core alone; what it starts shares its stdout and stderr."""
    frameworks = ("numpy", "torch", "jax", "gymnasium")
    backends = ("rlmesh.numpy", "rlmesh.torch", "rlmesh.jax")
    options = ["--model-python", model_python, "--env-python", env_python]
    return subprocess.Popen(
        [*command_without(*frameworks, *backends), str(EXAMPLE), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "RLMESH_TOKEN": "", "PYTHONUNBUFFERED": "1"},
    )


def test_three_pythons_with_nothing_in_common_but_core_evaluate_the_model(pythons):
    example = start(*pythons)
    out, err = example.communicate(timeout=PATIENCE)
    assert (example.returncode, err) == (0, "")
    first, second, *_ = out.splitlines()
    assert re.fullmatch(r"env at tcp://\S+, model at tcp://\S+", first)
    episodes, reward = re.fullmatch(r"(\d+) episodes, mean reward (\S+)", second).groups()
    assert episodes == "5"
    assert float(reward) >= 450


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_both_servers_end_with_the_example_however_that_ends(pythons, number):
    example = start(*pythons)
    assert "model at" in example.stdout.readline()
    example.send_signal(number)
    # The servers have our stderr too: the pipe ends when all processes have.
    example.communicate(timeout=PATIENCE)
    assert example.returncode != 0


def test_a_python_that_cannot_serve_the_model_is_named(tmp_path, pythons):
    (tmp_path / "bare").mkdir()
    python = python_without(tmp_path / "bare", "torch")
    example = start(python, pythons[1])
    _, err = example.communicate(timeout=PATIENCE)
    assert example.returncode == 1
    assert err.splitlines()[-1] == f"{python} could not run serve_torch_model.py"
