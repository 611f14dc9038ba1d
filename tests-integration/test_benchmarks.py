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

LATE_ACTION = """
import sys, sleeping
env = sleeping.SleepingEnv(sleeping.SCENARIOS["a"], 2, 0, sys.argv[1])
first = env.reset(0)
env.step(first)
env.step(first)
"""


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    peers = ("RLMESH_PEER_PYTHON", "VLA_EVAL_PYTHON")
    environment = {k: v for k, v in os.environ.items() if k not in peers}
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


def table(output: str, title: str, checked: str) -> Tuple[List[str], Dict[str, int]]:
    """Return the columns of a table of `parallel.py`, and how many numbers each row has."""
    pattern = rf"^{title}: .*\n\n(.+)\n((?:.+\n)+)\nchecked {checked}$"
    found = re.search(pattern, output, re.M)
    assert found, output
    rows = [words(row) for row in found[2].splitlines()]
    assert all(re.fullmatch(NUMBER, number) for _, *numbers in rows for number in numbers), rows
    return words(found[1]), {name: len(numbers) for name, *numbers in rows}


def test_parallel_compares_lanes_that_sleep_with_lockstep_and_the_best_schedule() -> None:
    done = run("parallel.py", "scenarios", "--quick")
    assert done.returncode == 0, done.stderr
    checked = "that every action of every contender is the one for its observation"
    columns, rows = table(done.stdout, "scenarios", checked)
    times = ["reference s", "best s", "local s", "served s"]
    ratios = [f"{ours}/{other}" for other in ("reference", "best") for ours in ("local", "served")]
    assert columns == ["scenario", *times, *ratios]
    assert [name[:3] for name in rows] == ["a: ", "b: ", "c: ", "d: "]
    assert set(rows.values()) == {8}
    columns, rows = table(done.stdout, "others, a", checked)
    assert columns == ["other", "seconds", "other/local"]
    assert rows == {"factory": 2}
    pattern = rf"^promise, [a-d]: \w+/\w+ {NUMBER}, at most {NUMBER}$"
    assert len(re.findall(pattern, done.stdout, re.M)) == 8
    for peer, variable in ("peer", "RLMESH_PEER_PYTHON"), ("vla-eval", "VLA_EVAL_PYTHON"):
        assert f"\n{peer}: left out, because {variable} is not set\n" in done.stdout


def test_parallel_has_identical_results_of_real_envs_however_they_are_run() -> None:
    done = run("parallel.py", "real", "--quick")
    assert done.returncode == 0, done.stderr
    columns, rows = table(done.stdout, "real", "that all results are identical, or not")
    times = ["sequential s", "local s", "served s"]
    assert columns == ["env", *times, "sequential/local", "sequential/served"]
    assert rows == {"HalfCheetah-v5": 5, "ALE/Pong-v5": 5}
    found = re.findall(r"^(\S+, \w+): identical; \d lanes? for .* steps/s; .*$", done.stdout, re.M)
    assert found == [f"{env}, {time.split()[0]}" for env in rows for time in times]


def test_parallel_measures_the_sessions_and_the_memory_of_a_served_model() -> None:
    done = run("parallel.py", "sessions", "--quick")
    assert done.returncode == 0, done.stderr
    columns, rows = table(done.stdout, "sessions", r"the actions of \d+ steps")
    fairness = ["slowest/median", "fastest/median"]
    assert columns == ["at a time", "steps/s", *fairness, "resident MB", "KB per session"]
    *stages, last = rows
    assert stages == ["2 sessions", "6 sessions", "12 sessions"]
    assert re.fullmatch(r"12 sessions, \d+ episodes", last)
    assert set(rows.values()) == {5}
    assert re.search(rf"; {NUMBER} MB before, {NUMBER} MB at most, {NUMBER} MB after", done.stdout)


def test_parallel_knows_its_parts() -> None:
    done = run("parallel.py", "everything")
    assert done.returncode != 0
    assert "expected some of scenarios, real, sessions, got everything" in done.stderr


def test_an_action_for_another_observation_ends_a_sleeping_env(tmp_path: Path) -> None:
    done = run("-c", LATE_ACTION, str(tmp_path))
    assert "WrongAction: lane 0: [0. 0.], expected [0. 1.]" in done.stderr


def test_import_time_gives_the_ratio_for_each_import() -> None:
    done = run("import_time.py", "1")
    assert done.returncode == 0, done.stderr
    for statement in ("import zmq, msgpack", "import rlmesh"):
        assert re.search(rf"^{statement} +{NUMBER} ms +ratio {NUMBER}$", done.stdout, re.M)
