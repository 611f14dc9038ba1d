from __future__ import annotations

import dataclasses
import math

import pytest

from rlmesh import EpisodeResult, RunResult
from rlmesh._runtime.timing import Timing, Usage


def episode(index, reward=1.0, success=None, seconds=1.0):
    return EpisodeResult(
        index=index,
        seed=index,
        steps=10,
        reward=reward,
        terminated=True,
        truncated=False,
        success=success,
        duration=6 * seconds,
        env_seconds=seconds,
        wire_seconds=2 * seconds,
        adapter_seconds=seconds,
        queue_seconds=seconds,
        predict_seconds=seconds,
    )


def test_totals_and_means():
    run = RunResult((episode(0, 1.0), episode(1, 4.0)))
    assert (run.num_episodes, run.total_steps, run.mean_steps) == (2, 20, 10)
    assert (run.mean_reward, run.total_reward) == (2.5, 5.0)
    assert (run.duration, run.env_seconds, run.adapter_seconds) == (12, 2, 2)
    assert (run.wire_seconds, run.queue_seconds, run.predict_seconds) == (4, 2, 2)


def test_success_rate_counts_the_episodes_that_report_one():
    assert RunResult((episode(0), episode(1))).success_rate is None
    assert RunResult((episode(0, success=True), episode(1, success=False))).success_rate == 0.5
    assert RunResult((episode(0, success=True), episode(1))).success_rate == 1.0


def test_runs_are_equal_whatever_they_took():
    assert RunResult((episode(0, seconds=1),)) == RunResult((episode(0, seconds=2),))
    assert RunResult((episode(0, 1.0),)) != RunResult((episode(0, 2.0),))


def test_a_run_without_episodes_has_no_mean():
    assert math.isnan(RunResult(()).mean_reward)


def test_the_repr_says_what_matters():
    text = repr(RunResult((episode(0, 1.0, success=True), episode(1, 2.0, success=False))))
    assert text == (
        "RunResult(episodes=2, mean_reward=1.5, success_rate=50.0%, steps=20,"
        " duration=12s: env 2s, wire 4s, adapter 2s, queue 2s, predict 2s, other 0s)"
    )


def test_the_repr_of_a_parallel_run_tells_its_time_from_the_sum_over_its_lanes():
    episodes = (episode(0, 1.0), episode(1, 2.0))
    usages = [Usage(steps=10), Usage(steps=10)]
    assert " steps=20, wall=6s, duration=12s summed over 2 lanes: env 2s, wire 4s," in repr(
        RunResult(episodes, timing=Timing.of(usages, 6.0))
    )
    assert " steps=20, duration=12s: env 2s," in repr(
        RunResult(episodes, timing=Timing.of(usages[:1], 12.0))
    )


def test_results_are_frozen():
    assert dataclasses.is_dataclass(RunResult)
    with pytest.raises(dataclasses.FrozenInstanceError):
        episode(0).reward = 3.0
