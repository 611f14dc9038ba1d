"""The third part of `parallel.py`: 200 sessions at one served model.

Processes of their own run the served model against light envs in them, each with many lanes, in
short episodes. The model sleeps for 2 ms and 0.05 ms for each observation. In a window of seconds,
every lane's steps are counted: slowest/median says how evenly the model serves them. The memory is
the resident one of the model's process; per session is what it grew by since there were none, but
had been one. Linux alone tells it.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np
from forks import FORK, Announce, fork
from rounds import print_table

import rlmesh
import rlmesh.numpy

_STEPS = 25
_LANES = 50
"""At most, of one process."""


class _Effort(NamedTuple):
    """How many sessions, one after the other; seconds; and how many more episodes of each lane."""

    sessions: Tuple[int, ...]
    window: float
    episodes: int


_FULL, _QUICK = _Effort((10, 100, 200), 10.0, 50), _Effort((2, 6, 12), 0.2, 3)


class _Enough(Exception):
    """No more episodes are wanted."""


class CountedEnv:
    """Counts the steps of its lane where another process sees it; light, with native spaces."""

    observation_space = rlmesh.spaces.Discrete(_STEPS + 1)
    action_space = rlmesh.spaces.Discrete(_STEPS + 1)

    def __init__(self, counts: Any, lane: int) -> None:
        self._counts = counts
        self._lane = lane
        self._step = 0

    def reset(
        self, *, seed: Optional[int] = None, options: Optional[Dict[str, Any]] = None
    ) -> Tuple[int, Dict[str, Any]]:
        self._step = 0
        return 0, {}

    def step(self, action: Any) -> Tuple[int, float, bool, bool, Dict[str, Any]]:
        assert action == self._step, f"lane {self._lane}: {action}, expected {self._step}"
        self._step += 1
        self._counts[self._lane] += 1
        return self._step, 0.0, self._step == _STEPS, False, {}


class Policy:
    """Acts as observed."""

    def predict_batch(self, observations: np.ndarray) -> np.ndarray:
        time.sleep(0.002 + 0.00005 * len(observations))
        return observations


def measure(rounds: int, quick: bool) -> None:
    """Print the table. More rounds are more windows."""
    effort = _QUICK if quick else _FULL
    most = effort.sessions[-1]
    with tempfile.TemporaryDirectory() as folder:
        counts = np.memmap(Path(folder, "counts"), np.int64, mode="w+", shape=most)
        pid, address = fork(_serve_model, f"unix://{folder}/model")
        cells = {}
        enough = FORK.Event()
        clients: List[Any] = []

        def start(lanes: range, episodes: int) -> None:
            arguments = (address, counts, lanes, episodes, enough)
            clients.append(FORK.Process(target=_run, args=arguments, daemon=True))
            clients[-1].start()

        def end() -> None:
            for client in clients:
                client.join()
            assert not any(client.exitcode for client in clients), "a client has failed"
            clients.clear()

        start(range(1), 4)
        end()
        empty = _megabytes(pid, "VmRSS")
        for before, sessions in zip((0, *effort.sessions), effort.sessions):
            for first in range(before, sessions, _LANES):
                start(range(first, min(first + _LANES, sessions)), 100_000)
            _wait(clients, counts[:sessions], 2)
            cells[f"{sessions} sessions"] = _row(pid, empty, counts, sessions, effort.window)
        _wait(clients, counts, effort.episodes)
        for _ in range(rounds):
            name = f"{most} sessions, {counts.sum() // _STEPS} episodes"
            cells[name] = _row(pid, empty, counts, most, effort.window)
        enough.set()
        end()
        peak, left = _megabytes(pid, "VmHWM"), _megabytes(pid, "VmRSS")
    columns = ["steps/s", "slowest/median", "fastest/median", "resident MB", "KB per session"]
    memory = f"{empty:.1f} MB before, {peak:.1f} MB at most, {left:.1f} MB afterwards"
    title = f"sessions: one served model, windows of {effort.window} s; {memory}"
    print_table(title, columns, cells, f"the actions of {counts.sum()} steps", "at a time")


def _row(pid: int, empty: float, counts: Any, sessions: int, window: float) -> List[float]:
    before, started = counts[:sessions].copy(), time.monotonic()
    time.sleep(window)
    steps, seconds = np.sort(counts[:sessions] - before), time.monotonic() - started
    middle = np.median(steps)
    resident = _megabytes(pid, "VmRSS")
    fairness = [steps[0] / middle, steps[-1] / middle]
    return [steps.sum() / seconds, *fairness, resident, 1000 * (resident - empty) / sessions]


def _wait(clients: List[Any], counts: Any, episodes: int) -> None:
    """Wait until every lane has had so many more episodes."""
    target = counts + episodes * _STEPS
    while (counts < target).any():
        assert all(client.is_alive() for client in clients), "a client has failed"
        time.sleep(0.02)


def _serve_model(address: str, announce: Announce) -> None:
    server = rlmesh.ModelServer(rlmesh.numpy.Model(Policy()), address)
    announce((os.getpid(), server.bind()))
    server.serve()


def _run(address: str, counts: Any, lanes: range, episodes: int, enough: Any) -> None:
    def report(_: rlmesh.EpisodeResult) -> None:
        if enough.is_set():
            raise _Enough

    envs = [CountedEnv(counts, lane) for lane in lanes]
    with rlmesh.numpy.RemoteModel(address) as model, contextlib.suppress(_Enough):
        model.run(envs, max_episodes=episodes, on_result=report)


def _megabytes(pid: int, field: str) -> float:
    """Return a field of /proc/PID/status, which is in units of 1024 bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (kilobytes,) = (int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))
    return kilobytes * 1024 / 1e6
