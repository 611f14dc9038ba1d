"""The peers that play scenario a of `sleeping.py`, each under its own Python.

peer      the public package `rlmesh` 0.1.0: its `Model.run`, with a `predict_batch`, and
          Gymnasium's `AsyncVectorEnv` of eight envs, which it serves itself. As that resets
          itself, there are no seeds, and the last wave of episodes is a full one. Eight envs
          as the lanes of its `EnvServer` would get no batches.
vla-eval  its model server with batches of up to eight and its own `max_wait_time`, and eight
          shards of its orchestrator without a database, which split the episodes evenly; a
          shard begins when all are connected
"""

from __future__ import annotations

import functools
import sys
from typing import Any, Callable, Dict

import numpy as np
from forks import FORK, Announce, fork
from sleeping import LANES, Play, Scenario, SleepingPolicy

Round = Callable[[], None]


def _peer(scenario: Scenario, play: Play, folder: str) -> Round:
    import gymnasium
    from sleeping_gym import SleepingGymEnv

    make = functools.partial(SleepingGymEnv, scenario, play.steps)
    envs = gymnasium.vector.AsyncVectorEnv(
        [functools.partial(make, lane, folder) for lane in range(LANES)]
    )
    model = _peer_model(scenario)

    def play_round() -> None:
        model.run(envs, episodes=play.episodes)

    return play_round


def _peer_model(scenario: Scenario) -> Any:
    import rlmesh.numpy

    class Model(rlmesh.numpy.Model):  # type: ignore[misc]
        def predict_batch(self, observations: np.ndarray) -> np.ndarray:
            return SleepingPolicy(scenario).predict_batch(observations)

    return Model()


def _vla_eval(scenario: Scenario, play: Play, folder: str) -> Round:
    port = fork(_serve_vla_eval_model, scenario)
    entry = {
        "benchmark": "sleeping_vla_eval:SleepingBenchmark",
        "max_steps": play.steps,
        "params": {"scenario": scenario, "play": play, "folder": folder},
    }
    config = {
        "server": {"url": f"ws://127.0.0.1:{port}"},
        "output_dir": f"{folder}/results",
        "benchmarks": [entry],
    }

    def play_round() -> None:
        import sleeping_vla_eval

        ready = FORK.Barrier(LANES)
        shards = [
            FORK.Process(target=sleeping_vla_eval.run_shard, args=(config, shard, ready))
            for shard in range(LANES)
        ]
        for shard in shards:
            shard.start()
        for shard in shards:
            shard.join()
        if any(shard.exitcode for shard in shards):
            sys.exit("vla-eval: a shard failed; what it said stands above")

    return play_round


def _serve_vla_eval_model(scenario: Scenario, announce: Announce) -> None:
    import sleeping_vla_eval

    sleeping_vla_eval.serve_model(scenario, announce)


PEERS: Dict[str, Callable[[Scenario, Play, str], Round]] = {
    "peer": _peer,
    "vla-eval": _vla_eval,
}
