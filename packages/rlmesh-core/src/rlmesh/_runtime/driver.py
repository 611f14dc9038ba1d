"""The evaluation loop: a policy against an env, one episode after the other."""

from __future__ import annotations

from threading import Event
from typing import Any, Callable, Iterable, List, Optional

from .plan import PlannedEpisode
from .results import EpisodeResult, RunResult
from .session import Session


def run_episodes(
    session: Session[Any, Any],
    episodes: Iterable[PlannedEpisode],
    on_result: Optional[Callable[[EpisodeResult], None]] = None,
) -> RunResult:
    """Run episodes in order, and return their results.

    Args:
        session: The policy and the env.
        episodes: What to run.
        on_result: Called with each finished episode.
    """
    results: List[EpisodeResult] = []
    for episode in episodes:
        result = run_episode(session, episode)
        results.append(result)
        if on_result is not None:
            on_result(result)
    return RunResult(tuple(results), session.metadata)


def run_episode(
    session: Session[Any, Any], episode: PlannedEpisode, stop: Optional[Event] = None
) -> EpisodeResult:
    """Run one episode from reset to its end.

    Args:
        session: The policy and the env.
        episode: What to run.
        stop: Ends it before its next step.

    Raises:
        KeyboardInterrupt: It was stopped.
    """
    observation, _ = session.reset(seed=episode.seed)
    while not session.over:
        if stop is not None and stop.is_set():
            raise KeyboardInterrupt
        observation = session.step(session.predict(observation))[0]
    return session.result(episode.index)
