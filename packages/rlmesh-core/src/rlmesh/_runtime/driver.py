"""The evaluation loop: a policy against envs, one episode after the other in each lane."""

from __future__ import annotations

import warnings
from copy import copy
from typing import Callable, Iterable, Optional, Sequence

from rlmesh import _logs
from rlmesh._tasks import run_together
from rlmesh._text import printable_lines
from rlmesh.errors import (
    Busy,
    ConnectionFailed,
    EnvCrashed,
    RequestTimeout,
    RLMeshError,
    SessionLost,
)

from .dealing import Dealer
from .hooks import Watch
from .lane import Lane
from .plan import Attempt, PlannedEpisode
from .results import EpisodeError, EpisodeResult

LOST = (Busy, ConnectionFailed, EnvCrashed, RequestTimeout, SessionLost)
"""What ends a session, or keeps the next from beginning, but says nothing of the episode: it can be
played again in another one."""


class Driver:
    """Runs episodes; a lane that has finished one takes the next, unless others are much faster.

    An episode that is lost is played again, by whatever lane is free first. A lane that cannot be
    used any more leaves the run.

    Args:
        lanes: What plays them.
        episodes: What to run.
        report: Called with each finished episode.
        give_up: Called with each one that came to no end.
        retries: How often an episode is played again that was lost.
        goes_on: Whether the run goes on when one is given up.
        watch: Is told what happens.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        episodes: Iterable[PlannedEpisode],
        report: Callable[[EpisodeResult], None],
        give_up: Callable[[EpisodeError], None],
        *,
        retries: int,
        goes_on: bool,
        watch: Watch,
    ) -> None:
        self._lanes = lanes
        self._dealer = Dealer(lanes, episodes)
        self._report = report
        self._give_up = give_up
        self._retries = retries
        self._goes_on = goes_on
        self._watch = watch
        self._last_lost: Optional[RLMeshError] = None

    def run(self, idle: Callable[[], object]) -> None:
        """Run all of them.

        Args:
            idle: Waits until a lane can go on; see `run_together`.
        """
        run_together([self._run_lane(lane) for lane in self._lanes], idle)
        lost = self._last_lost
        if lost is not None:
            for episode, number in self._dealer.rest():
                message = f"no lane is left to play it: {lost}"
                kind, played = type(lost).__name__, number - 1
                self._give_up(EpisodeError(episode.index, episode.seed, kind, message, played))
                if not self._goes_on:
                    raise lost

    async def _run_lane(self, lane: Lane) -> None:
        try:
            attempt = await self._dealer.next(lane)
            while attempt is not None:
                try:
                    result = await self._play(lane, attempt)
                except Exception as exc:
                    if self._watch.failure is not None:
                        raise
                    if not await self._fail(lane, attempt, exc):
                        break
                else:
                    self._dealer.finish(result.steps)
                    self._report(result)
                attempt = await self._dealer.next(lane)
        finally:
            await lane.leave()
        # After an error, which makes all lanes end, there is nothing to go on with.
        await lane.env.leave()

    async def _play(self, lane: Lane, attempt: Attempt) -> EpisodeResult:
        """Run one episode from reset to its end."""
        watch = self._watch
        tick, sees_steps = watch.tick, watch.sees_steps
        try:
            observation, info = await lane.reset(attempt.episode.seed)
            if watch.sees_starts:
                watch.episode_start(lane, attempt, observation, info)
            while not lane.over:
                if tick is not None:
                    tick()
                action = await lane.predict(observation)
                step = await lane.step(action)
                if sees_steps:
                    watch.step(lane, attempt, observation, action, step)
                observation = step[0]
        finally:
            await lane.end_episode()
        return lane.result(attempt.episode.index, attempt.number)

    async def _fail(self, lane: Lane, attempt: Attempt, error: Exception) -> bool:
        """Have an episode played again, or give it up; return whether the lane goes on."""
        index, number = attempt.episode.index, attempt.number
        is_lost, message, sentence = isinstance(error, LOST), _text(error), ""
        if is_lost:
            where = f"lane {lane.number}, episode {index} (seed {lane.seed}, step {lane.steps})"
            message, sentence = f"{where}: {message}", f"{where}: {_sentence(error)}"
        failed = EpisodeError(index, lane.seed, type(error).__name__, message, number)
        if is_lost and number <= self._retries:
            self._dealer.put_back(attempt)
            _logs.warning(
                _logs.RUN,
                "retry",
                f"episode {index} is played again: {sentence}",
                episode=index,
                seed=lane.seed,
                retries_left=self._retries - number,
            )
            self._watch.episode_error(failed, True)
        else:
            self._dealer.drop()
            self._give_up(failed)
            if not self._goes_on:
                if is_lost:
                    error.args = (sentence, *error.args[1:])
                raise error
        return not is_lost or await self._recover(lane, sentence)

    async def _recover(self, lane: Lane, reason: str) -> bool:
        """Open anew what a lane has lost; return whether that is possible."""
        lost: Optional[RLMeshError] = None
        for _ in range(max(self._retries, 1)):
            if self._dealer.is_over:
                return False
            try:
                await lane.recover()
                return True
            except RLMeshError as exc:
                lost = copy(exc)
        assert lost is not None
        lost.args = (f"{_sentence(lost)}; before that, {reason}",)
        self._last_lost = lost
        if self._dealer.remove(lane):
            warnings.warn(
                f"lane {lane.number} leaves the run: {printable_lines(lost)}", stacklevel=2
            )
        return False


def _sentence(error: Exception) -> str:
    """Return what an error of ours says, without the output of whatever failed."""
    return str(error.args[0]) if error.args else type(error).__name__


def _text(error: Exception) -> str:
    try:
        return str(error)
    except Exception:
        return "its message cannot be printed"
