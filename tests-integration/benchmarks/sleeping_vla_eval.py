"""The sleeping env and policy as a benchmark and a model server of `vla-eval`."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any, Dict, List, Sequence

import anyio
import numpy as np
from forks import Announce
from sleeping import LANES, MAX_BATCH, Play, Scenario, SleepingEnv, SleepingPolicy
from vla_eval.benchmarks.base import StepBenchmark, StepResult
from vla_eval.model_servers.predict import PredictModelServer
from vla_eval.model_servers.serve import serve_async
from vla_eval.orchestrator import Orchestrator

_shard: int = 0
_ready: Any = None


class SleepingBenchmark(StepBenchmark):
    """A task for each episode; the shard is the lane."""

    def __init__(self, scenario: Scenario, play: Play, folder: str) -> None:
        super().__init__()
        self._play = play
        self._env = SleepingEnv(scenario, play.steps, _shard, folder)
        self._waits = True

    def get_tasks(self) -> List[Dict[str, Any]]:
        return [{"name": str(seed), "seed": seed} for seed in range(self._play.episodes)]

    def reset(self, task: Dict[str, Any]) -> Any:
        if self._waits:
            _ready.wait()
            self._waits = False
        return self._env.reset(task["seed"])

    def step(self, action: Dict[str, Any]) -> StepResult:
        observation, over = self._env.step(action["actions"])
        return StepResult(obs=observation, reward=0.0, done=bool(over), info={})

    def make_obs(self, raw_obs: Any, task: Dict[str, Any]) -> Dict[str, Any]:
        return {"state": raw_obs}

    def get_step_result(self, step_result: StepResult) -> Dict[str, Any]:
        return {"success": step_result.done}


class SleepingServer(PredictModelServer):
    """Predicts for up to eight shards together."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(max_batch_size=MAX_BATCH)
        self._policy = SleepingPolicy(scenario)

    def predict_batch(self, obs_batch: Sequence[Any], ctx_batch: Sequence[Any]) -> List[Any]:
        states = np.stack([observation["state"] for observation in obs_batch])
        return [{"actions": action} for action in self._policy.predict_batch(states)]


def serve_model(scenario: Scenario, announce: Announce) -> None:
    """Serve the policy at a free port, which is announced."""

    async def serve() -> None:
        async with anyio.create_task_group() as group:
            announce(await group.start(serve_async, SleepingServer(scenario), "127.0.0.1", 0))

    anyio.run(serve)


def run_shard(config: Dict[str, Any], shard: int, ready: Any) -> None:
    """Play a shard's episodes, as `vla-eval run --no-save --num-shards 8 --shard-id SHARD` does."""
    global _shard, _ready
    _shard, _ready = shard, ready
    orchestrator = Orchestrator(config, shard_id=shard, num_shards=LANES, no_save=True)
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        (result,) = anyio.run(orchestrator.run)
    sys.exit(int(result.get("num_errors", 0) or result.get("partial", False)))
