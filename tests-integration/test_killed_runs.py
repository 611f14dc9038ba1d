"""A run with a journal, of which any process is killed at any time, ends as if nothing had been."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any, Dict

import pytest
from envs import Drift
from policies import Drifter
from servers import PATIENCE, PythonProcess, ServerProcess, Servers

import rlmesh
import rlmesh.numpy


class Evaluation:
    """A model server, an env server with workers, and a run of the one in the other.

    Args:
        serve: Starts processes.
        folder: Where the sockets and the journal are.
        episodes: Number of episodes.
    """

    def __init__(self, serve: Servers, folder: Path, episodes: int) -> None:
        self._serve = serve
        self._folder = folder
        self._episodes = episodes
        self.journal = folder / "run.jsonl"
        self.saved = folder / "result.jsonl"
        self.starts: Counter[str] = Counter()
        self.processes: Dict[str, PythonProcess] = {}
        for name in ("model", "env", "evaluator"):
            self.start(name)

    def start(self, name: str) -> None:
        """Start one of the processes, again where it was there before."""
        self.starts[name] += 1
        self.processes[name] = getattr(self, f"_start_{name}")()

    def kill(self, name: str) -> bool:
        """Kill a process and start it again; "worker" is one of an env. False: there was none."""
        if name == "worker":
            workers = self.processes["env"].children()
            if not workers:
                return False
            os.kill(random.choice(workers), signal.SIGKILL)
            return True
        self.processes[name].kill()
        self.start(name)
        return True

    def finished(self) -> int:
        """Return how many episodes the journal has."""
        return self.journal.read_bytes().count(b'"steps"') if self.journal.exists() else 0

    def is_over(self) -> bool:
        """Whether the run has come to its end; if it gave up before, it is started again."""
        status = self.processes["evaluator"].process.poll()
        if status:
            # As its user would do: a server was away for too long, or too often.
            assert "rlmesh" in self.processes["evaluator"].stderr
            self.start("evaluator")
        return status == 0

    def _start_model(self) -> ServerProcess:
        return self._serve("policies:Drifter", f"unix://{self._folder}/m", model="numpy")

    def _start_env(self) -> ServerProcess:
        return self._serve("envs:Drift", f"unix://{self._folder}/e", factory=True)

    def _start_evaluator(self) -> PythonProcess:
        addresses = [self.processes[name].address for name in ("model", "env")]  # type: ignore[attr-defined]
        files = str(self.journal), str(self._episodes), str(self.saved)
        return self._serve.start("evaluator.py", *addresses, *files)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("victim", ["evaluator", "env", "worker", "model"])
def test_a_run_that_is_killed_ends_as_if_nothing_had_been(
    victim: str, serve: Servers, tmp_path: Path, kills: int
) -> None:
    episodes = 10 * kills + 20
    expected = rlmesh.numpy.Model(Drifter()).run(Drift(), seeds=range(episodes))
    rng = random.Random(victim)
    evaluation = Evaluation(serve, tmp_path, episodes)
    left, after = kills, 1
    deadline = time.monotonic() + PATIENCE
    while not evaluation.is_over():
        finished = evaluation.finished()
        if left and finished >= after:
            time.sleep(rng.uniform(0, 0.15))  # the point is random, and mostly within episodes
            if not evaluation.is_over() and evaluation.kill(victim):
                left, after = left - 1, finished + rng.randint(1, 6)
                deadline = time.monotonic() + PATIENCE
        assert time.monotonic() < deadline, (finished, evaluation.starts)
        time.sleep(0.002)
    assert left == 0
    result = rlmesh.RunResult.load(evaluation.saved)
    assert result == expected
    assert rlmesh.RunResult.load(evaluation.journal) == expected
    lines = [json.loads(line) for line in evaluation.journal.read_text().splitlines()]
    print(f"{victim}: {kills} kills, starts {dict(evaluation.starts)}")
    assert finished_indices(lines) == list(range(episodes))


def finished_indices(lines: Any) -> Any:
    """Return the index of each line about a finished episode, in order."""
    return sorted(line["episode"]["index"] for line in lines if "episode" in line)
