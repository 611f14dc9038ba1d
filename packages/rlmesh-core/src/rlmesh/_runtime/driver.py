"""The evaluation loop: a policy against an env, one episode after the other."""

from __future__ import annotations

import os
from time import perf_counter
from typing import Any, Callable, Iterable, List, Mapping, Optional

from rlmesh.errors import InvalidValue

from .plan import Episode
from .ports import EnvPort, Policy
from .results import EpisodeResult, RunResult

MAX_STEPS = 100_000
"""Steps after which an episode is cut off, unless the caller says otherwise."""


def run_episodes(
    env: EnvPort,
    policy: Policy,
    episodes: Iterable[Episode],
    *,
    max_steps: int = MAX_STEPS,
    on_result: Optional[Callable[[EpisodeResult], None]] = None,
) -> RunResult:
    """Run episodes in order, and return their results.

    Args:
        env: Where the policy acts.
        policy: What is evaluated.
        episodes: What to run.
        max_steps: Steps after which an episode is cut off and marked truncated.
        on_result: Called with each finished episode.
    """
    results: List[EpisodeResult] = []
    for episode in episodes:
        result = run_episode(env, policy, episode, max_steps)
        results.append(result)
        if on_result is not None:
            on_result(result)
    return RunResult(tuple(results))


def run_episode(env: EnvPort, policy: Policy, episode: Episode, max_steps: int) -> EpisodeResult:
    """Run one episode from reset to its end."""
    episode_id = os.urandom(16).hex()
    steps, reward, terminated, truncated = 0, 0.0, False, False
    env_seconds = wire_seconds = predict_seconds = 0.0

    started = perf_counter()
    observation, info = env.reset(episode.seed)
    now = perf_counter()
    env_seconds += env.env_seconds
    wire_seconds += now - started - env.env_seconds
    try:
        policy.start_episode(episode_id)
        while not (terminated or truncated):
            before = perf_counter()
            action = policy.predict(observation)
            between = perf_counter()
            observation, step_reward, terminated, truncated, info = env.step(action)
            now = perf_counter()
            in_env = env.env_seconds
            predict_seconds += between - before
            env_seconds += in_env
            wire_seconds += now - between - in_env
            reward += step_reward
            steps += 1
            truncated = truncated or (steps >= max_steps and not terminated)
    finally:
        policy.end_episode(episode_id)
    return EpisodeResult(
        index=episode.index,
        seed=episode.seed,
        steps=steps,
        reward=reward,
        terminated=terminated,
        truncated=truncated,
        success=_success(info),
        duration=now - started,
        env_seconds=env_seconds,
        wire_seconds=wire_seconds,
        predict_seconds=predict_seconds,
    )


def _success(info: Mapping[Any, Any]) -> Optional[bool]:
    """Return what the final info says of success; None if it says nothing."""
    for key in ("is_success", "success"):
        value = info.get(key)
        if value is not None:
            try:
                return bool(value)
            except (TypeError, ValueError) as exc:
                raise InvalidValue(f"info[{key!r}]: expected a truth value, got {value!r}") from exc
    return None
