"""One env session and the policy that acts in it, an episode at a time."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from time import perf_counter
from typing import Any, Mapping, Optional, Sequence, Tuple

from rlmesh.errors import NotReset

from .context import Episode
from .ports import EnvPort, Policy
from .results import EpisodeResult
from .success import SuccessRule, SuccessTracker
from .timing import ModelClock, Usage

MAX_STEPS = 100_000
"""Steps after which an episode is cut off, unless the caller says otherwise."""


class Lane:
    """An env and a policy, and what is counted in the episode that they play.

    Args:
        number: Its number in a run.
        env: Where the policy acts.
        policy: What acts.
        instruction: The episodes' instruction.
        max_episode_steps: Steps after which an episode is cut off and marked truncated.
        max_episode_seconds: Seconds after its reset from which on it is; None for no such limit.
        clock: Counts how long the thread predicts for all lanes; None where this is the only one.
        success: What counts as a success.

    Attributes:
        number: As given.
        env: As given.
        success: As given.
        seed: The seed of the last episode; None for an unseeded one.
        steps: Number of its env steps.
        usage: What was used for all episodes up to now.
    """

    def __init__(
        self,
        number: int,
        env: EnvPort,
        policy: Policy,
        instruction: Optional[str],
        max_episode_steps: int,
        max_episode_seconds: Optional[float] = None,
        clock: Optional[ModelClock] = None,
        success: SuccessRule = SuccessRule(),  # noqa: B008
    ) -> None:
        self.number = number
        self.env = env
        self.success = success
        self._success = SuccessTracker(success)
        self._policy = policy
        self._instruction = instruction
        self._max_steps = max_episode_steps
        self._max_seconds = math.inf if max_episode_seconds is None else max_episode_seconds
        self._episode: Optional[Episode] = None
        self._clock = clock
        self.usage = Usage()
        self._env_since = 0.0
        self._begin(None)

    def _begin(self, seed: Optional[int]) -> None:
        """Set everything that is counted in an episode to its start."""
        self.seed = seed if self.env.takes_seeds else None
        self.steps, self._reward = 0, 0.0
        self._terminated = self._truncated = self._timed_out = False
        self._actions: Sequence[Any] = ()
        self._first = 0
        self._before = replace(self.usage)
        self._started = self._ended = perf_counter()
        self._deadline = math.inf

    @property
    def over(self) -> bool:
        """Whether no episode is running: before the first `reset`, and after an episode's end."""
        return self._episode is None

    async def reset(
        self, seed: Optional[int], options: Optional[Mapping[str, Any]] = None
    ) -> Tuple[Any, Any]:
        """Start an episode; one that is not over is ended. Return observation and info."""
        await self.end_episode()
        self._begin(seed)
        predicted = 0.0 if self._clock is None else self._clock.seconds
        observation, info = await self.env.reset(seed, options)
        self._ended = now = perf_counter()
        self._deadline = now + self._max_seconds
        self._env_since = self.env.env_seconds
        self._acted(now - self._started, predicted)
        self._episode = episode = Episode(os.urandom(16).hex(), self.seed, self._instruction)
        self._success.begin(info)
        await self._policy.start_episode(episode)
        return observation, info

    async def predict(self, observation: Any) -> Any:
        """Return the policy's action for an observation; while a chunk lasts, its next one.

        Raises:
            NotReset: No episode is running.
        """
        episode = self._running("predict")
        # Kept here, because the session may be closed by a signal handler meanwhile.
        index, actions = self.steps - self._first, self._actions
        if not 0 < index < len(actions):
            policy = self._policy
            inside, self._env_since = self._env_since, 0.0
            self._actions = actions = await policy.predict(observation, episode, self.steps, inside)
            self.usage.predicted(
                policy.predict_seconds,
                policy.batch_size,
                policy.queue_seconds,
                policy.adapter_seconds,
                policy.wire_seconds,
            )
            self._first, index = self.steps, 0
        elif self._policy.needs_every_step:
            policy = self._policy
            await policy.observe(observation, episode, self.steps)
            self.usage.adapter_seconds += policy.adapter_seconds
            self.usage.wire_seconds += policy.wire_seconds
        return actions[index]

    async def step(self, action: Any) -> Tuple[Any, float, bool, bool, Any]:
        """Return observation, reward, terminated, truncated and info.

        Raises:
            NotReset: No episode is running.
            InvalidValue: What info says of success is no flag.
        """
        self._running("step")
        predicted = 0.0 if self._clock is None else self._clock.seconds
        before = perf_counter()
        observation, reward, terminated, truncated, info = await self.env.step(action)
        self._ended = now = perf_counter()
        self._env_since += self.env.env_seconds
        self._acted(now - before, predicted)
        self.usage.steps += 1
        self._reward += reward
        self._success.add(info)
        self.steps += 1
        if self.steps >= self._max_steps and not terminated:
            truncated = True
        if now >= self._deadline and not (terminated or truncated):
            truncated = self._timed_out = True
        if terminated or truncated:
            self._terminated, self._truncated = terminated, truncated
            await self.end_episode()
        return observation, reward, terminated, truncated, info

    async def end_episode(self) -> None:
        """End the episode that is running, if one is; what is left of its chunk is dropped."""
        if self._episode is not None:
            episode, self._episode = self._episode, None
            self._actions = ()
            await self._policy.end_episode(episode.id)

    async def recover(self) -> None:
        """Open anew what was lost, of env and policy.

        Raises:
            RLMeshError: That is not possible, or not the same env or model any more.
        """
        await self.env.recover()
        await self._policy.recover()

    async def pause(self) -> None:
        """Let nobody wait for this lane; a `reset` may still follow."""
        await self._policy.leave()
        await self.env.leave()

    async def leave(self) -> None:
        """Play no more episodes."""
        await self._policy.leave()

    def result(self, index: int, attempts: int = 1) -> EpisodeResult:
        """Return what came of the last episode up to now.

        Args:
            index: The result's `index`.
            attempts: The how manieth time it was played.

        Raises:
            InvalidValue: What the run's function says of success is no flag.
        """
        used, before = self.usage, self._before
        success, at_end, once = self._success.outcome(self._terminated or self._truncated)
        return EpisodeResult(
            index=index,
            seed=self.seed,
            steps=self.steps,
            reward=self._reward,
            terminated=self._terminated,
            truncated=self._truncated,
            timed_out=self._timed_out,
            attempts=attempts,
            success=success,
            success_at_end=at_end,
            success_once=once,
            duration=self._ended - self._started,
            env_seconds=used.env_seconds - before.env_seconds,
            wire_seconds=used.wire_seconds - before.wire_seconds,
            adapter_seconds=used.adapter_seconds - before.adapter_seconds,
            queue_seconds=used.queue_seconds - before.queue_seconds,
            predict_seconds=used.predict_seconds - before.predict_seconds,
        )

    def _acted(self, elapsed: float, predicted: float) -> None:
        """Account for a reset or a step.

        Args:
            elapsed: Seconds that it took.
            predicted: What the clock said before it.
        """
        env_seconds = self.env.env_seconds
        if self._clock is None:
            self.usage.acted(env_seconds, elapsed)
        else:
            unread = self.env.unread(max(elapsed - env_seconds, 0.0))
            self.usage.acted(env_seconds, elapsed, unread, self._clock.seconds - predicted)

    def _running(self, method: str) -> Episode:
        if self._episode is None:
            ended = "the episode is over" if self.steps else "there is no episode yet"
            raise NotReset(f"{method}: {ended}; call reset() first")
        return self._episode
