"""The evaluation loop: a policy against envs, one episode after the other in each lane."""

from __future__ import annotations

from typing import Callable, Iterable, Optional, Sequence

from rlmesh import _logs
from rlmesh._tasks import run_together

from .dealing import Dealer
from .lane import LOST, Lane
from .plan import PlannedEpisode
from .results import EpisodeResult


def run_episodes(
    lanes: Sequence[Lane],
    episodes: Iterable[PlannedEpisode],
    report: Callable[[EpisodeResult], None],
    *,
    retries: int = 0,
    idle: Callable[[], object] = lambda: None,
    tick: Optional[Callable[[], None]] = None,
) -> None:
    """Run episodes; a lane that has finished one takes the next, unless others are much faster.

    Args:
        lanes: What plays them.
        episodes: What to run.
        report: Called with each finished episode.
        retries: How often an episode is played again whose env was lost.
        idle: Waits until a lane can go on; see `run_together`.
        tick: Called before each step; what it raises ends all of it.
    """
    dealer = Dealer(lanes, episodes)
    run_together([_run_lane(lane, dealer, report, retries, tick) for lane in lanes], idle)


async def _run_lane(
    lane: Lane,
    dealer: Dealer,
    report: Callable[[EpisodeResult], None],
    retries: int,
    tick: Optional[Callable[[], None]],
) -> None:
    try:
        episode = dealer.deal(lane)
        while episode is not None:
            result = await _run_episode(lane, episode, retries, tick)
            dealer.add(result.steps)
            report(result)
            episode = dealer.deal(lane)
    finally:
        try:
            await lane.end_episode()
        finally:
            await lane.leave()
    # After an error, which makes all lanes end, there is nothing to go on with.
    await lane.env.leave()


async def _run_episode(
    lane: Lane,
    episode: PlannedEpisode,
    retries: int,
    tick: Optional[Callable[[], None]],
) -> EpisodeResult:
    """Run one episode from reset to its end; again from its seed when its env is lost."""
    while True:
        try:
            observation, _ = await lane.reset(episode.seed)
            while not lane.over:
                if tick is not None:
                    tick()
                action = await lane.predict(observation)
                observation = (await lane.step(action))[0]
            return lane.result(episode.index)
        except LOST as exc:
            if retries == 0 or not lane.env_lost:
                raise
            retries -= 1
            _logs.warning(
                _logs.RUN,
                "retry",
                f"episode {episode.index} is played again: {exc}",
                episode=episode.index,
                seed=episode.seed,
                retries_left=retries,
            )
