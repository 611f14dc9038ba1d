"""The benchmarks run, and what they print is complete. No test here looks at a time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Tuple

import pytest

BENCHMARKS = Path(__file__).with_name("benchmarks")
PAYLOADS = [
    "Box(4) float32",
    "uint8[224,224,3]",
    "3 x uint8[480,640,3], float32[8], Text",
    "uint8[1080,1920,3]",
]
NUMBER = r"\d+\.\d+"

LATE_CONTENDER = """
import contenders, turns, worker

def connect(payload):
    return {"step": turns.turn_of_steps(payload, int, lambda result: [result], int)}

contenders._OTHERS["late"] = contenders.Contender(connect)
worker.main()
"""

OTHER_WORK = """
import by_hand, worker
by_hand._LEFT += 1
worker.main()
"""

LATE_POLICY = """
import payloads, turns
policy = turns.TimedPolicy("Box(4) float32")
env = payloads.CountingEnv("Box(4) float32")
policy.predict(env.reset()[0])
policy.predict(env.reset()[0])
"""


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "RLMESH_PEER_PYTHON"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=BENCHMARKS,
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
    )


def words(line: str) -> List[str]:
    return re.split(r" {2,}", line)


def tables(output: str) -> Dict[str, Tuple[str, List[str]]]:
    """Return the header and the rows of each transport's table."""
    found = {}
    for transport, header, rows in re.findall(
        r"^(\w+): median step of 3 rounds\n\n(payload .*)\n((?:.+\n)+)", output, re.MULTILINE
    ):
        found[transport] = (header, rows.splitlines())
    return found


@pytest.fixture(scope="module")
def output() -> str:
    """What a quick run prints."""
    done = run("step.py", "--quick", "--tcp")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_run_measures_every_payload_over_both_transports(output: str) -> None:
    found = tables(output)
    assert list(found) == ["unix", "tcp"]
    for header, rows in found.values():
        columns = ["payload", "floor us", "ours us", "ours/floor", "AsyncVectorEnv/ours"]
        assert words(header) == columns
        assert len(rows) == len(PAYLOADS)
        for payload, row in zip(PAYLOADS, rows):
            assert re.fullmatch(rf"{re.escape(payload)}(?: +{NUMBER}){{4}}", row)


def test_a_run_says_what_it_checked_and_what_it_left_out(output: str) -> None:
    checked = re.findall(r"^checked the counting bytes of (\d+) observations$", output, re.M)
    assert len(checked) == 2
    contenders, rounds = 3, 3
    assert all(int(count) >= len(PAYLOADS) * contenders * rounds for count in checked)
    assert re.search(r"^machine: .*\d+ CPUs$", output, re.M)
    assert re.search(r"^ours: Python .*rlmesh-core .*pyzmq ", output, re.M)
    assert re.search(r"^peer: left out, because RLMESH_PEER_PYTHON is not set$", output, re.M)


def test_model_run_measures_runs_here_and_served() -> None:
    done = run("model_run.py", "--quick")
    assert done.returncode == 0, done.stderr
    ((header, rows),) = tables(done.stdout).values()
    times = ["floor us", "step us", "run us", "two floors us", "served us"]
    compared = ["run over", "session over", "served/two floors", "served/run"]
    assert words(header) == ["payload", *times, *compared]
    assert len(rows) == 2
    for payload, row in zip(PAYLOADS[::2], rows):
        assert re.fullmatch(rf"{re.escape(payload)}(?: +-?{NUMBER}){{9}}", row)
    assert re.search(r"^checked the counting bytes of \d+ observations$", done.stdout, re.M)
    assert re.search(r"^peer: left out, because RLMESH_PEER_PYTHON is not set$", done.stdout, re.M)


def test_adapter_measures_every_framework_against_the_same_by_hand() -> None:
    done = run("adapter.py", "--quick")
    assert done.returncode == 0, done.stderr
    number_rows = (
        rf"other +ours us +other us +ours/other +action part\n((?:.+?(?: +{NUMBER}){{4}}\n)+)"
    )
    for fit in ("stretch", "crop"):
        found = re.search(rf"^{fit}: median step of 3 rounds\n\n{number_rows}", done.stdout, re.M)
        assert found, done.stdout
        names = [line.split()[0] for line in found[1].splitlines()]
        assert names == ["numpy", "torch", "jax", "jax.image.resize"]
    assert re.search(r"^jax: Python .*rlmesh-core .*jax ", done.stdout, re.M)
    assert re.search(r"^peer: left out, because RLMESH_PEER_PYTHON is not set$", done.stdout, re.M)


def test_work_by_hand_that_gives_something_else_ends_the_benchmark() -> None:
    done = run("-c", OTHER_WORK, "step", "numpy adapter", "crop", "", stdin="ours 0.01\n")
    assert done.returncode != 0
    assert "Different: front: expected the same as by hand" in done.stderr


def test_an_observation_of_another_step_ends_a_run() -> None:
    done = run("-c", LATE_POLICY)
    assert "WrongByte: step 1: expected the bytes [1], got [0]" in done.stderr


def test_an_observation_of_another_step_ends_the_benchmark() -> None:
    done = run("-c", LATE_CONTENDER, "step", "late", PAYLOADS[0], "", stdin="step 0.01\n")
    assert done.returncode != 0
    assert "WrongByte: step 1: expected the bytes [1], got [0]" in done.stderr


def test_import_time_gives_the_ratio_for_each_import() -> None:
    done = run("import_time.py", "1")
    assert done.returncode == 0, done.stderr
    for statement in ("import zmq, msgpack", "import rlmesh"):
        assert re.search(rf"^{statement} +{NUMBER} ms +ratio {NUMBER}$", done.stdout, re.M)
