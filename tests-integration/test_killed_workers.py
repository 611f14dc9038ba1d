"""Workers that are killed in the middle of a run cost no episode and change no result."""

from __future__ import annotations

import os
import random
import signal
from typing import Any, Iterator, List

import numpy as np
import pytest
from envs import Drift
from servers import ServerProcess, Servers

import rlmesh
import rlmesh.numpy

SEEDS = range(24)


class Killer:
    """A policy that now and then, while it predicts, kills one of the env server's workers."""

    def __init__(self, server: ServerProcess, kills: int) -> None:
        self.server = server
        self.left = kills
        self.random = random.Random(7)
        self.killed: List[int] = []

    def predict_batch(self, observations: Any) -> Any:
        if self.left and self.random.random() < 0.2:
            workers = [one for one in self.server.children() if one not in self.killed]
            if workers:
                self.killed.append(self.random.choice(workers))
                os.kill(self.killed[-1], signal.SIGKILL)
                self.left -= 1
        return np.stack([act(observation) for observation in observations])


def act(observation: Any) -> Any:
    return np.int64(np.floor(observation[0] * 1000) % 2)


@pytest.fixture
def server() -> Iterator[ServerProcess]:
    with Servers() as start:
        yield start("envs:Drift", factory=True, options={"max_sessions": 16})


@pytest.mark.parametrize(("served", "kills"), [(False, 50), (True, 15)], ids=["here", "served"])
def test_killed_workers_lose_no_episode_and_change_no_result(
    server: ServerProcess, served: bool, kills: int
) -> None:
    expected = rlmesh.numpy.Model(act).run(Drift(), seeds=SEEDS)
    killer = Killer(server, kills)
    model = rlmesh.numpy.Model(killer)
    finished: List[int] = []

    def run(runner: Any) -> rlmesh.RunResult:
        return runner.run(
            server.address,
            seeds=SEEDS,
            concurrency=8,
            retries=kills,
            on_result=lambda episode: finished.append(episode.index),
        )

    if served:
        with rlmesh.ModelServer(model) as host, rlmesh.RemoteModel(host.address) as remote:
            result = run(remote)
    else:
        result = run(model)
    assert len(set(killer.killed)) == kills
    assert result == expected
    assert sorted(finished) == list(SEEDS)


def test_an_episode_is_not_played_again_for_ever(server: ServerProcess) -> None:
    killer = Killer(server, 10**9)
    with pytest.raises(rlmesh.errors.EnvCrashed, match="was ended by SIGKILL"):
        rlmesh.numpy.Model(killer).run(server.address, seeds=SEEDS, concurrency=4, retries=1)
