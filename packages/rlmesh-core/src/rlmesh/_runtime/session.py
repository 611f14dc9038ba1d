"""`Session`: one policy, one env, and the steps of an evaluation by hand."""

from __future__ import annotations

import os
from contextlib import ExitStack
from time import perf_counter
from types import TracebackType
from typing import Any, Dict, Generic, Mapping, Optional, Sequence, Tuple, Type, TypeVar

from rlmesh._contract.contract import EnvContract
from rlmesh.adapters.reading import Reader
from rlmesh.adapters.resolve import tags_of
from rlmesh.errors import InvalidValue, NotReset

from .context import Episode
from .ports import EnvPort, Policy
from .results import EpisodeResult

MAX_STEPS = 100_000
"""Steps after which an episode is cut off, unless the caller says otherwise."""

ObsT = TypeVar("ObsT")
ActT = TypeVar("ActT")


class Session(Generic[ObsT, ActT]):
    """A model and an env, joined: what `run` consists of, for loops of one's own.

    `Model.session` and `rlmesh.session` make it. It ends with its `with` block, or `close`.

    Args:
        env: Where the policy acts.
        policy: What acts.
        instruction: The episodes' instruction.
        max_steps: Steps after which an episode is cut off and marked truncated.
        resources: What is closed at the end.
        metadata: What a run's result shall say of how it was made.

    Attributes:
        metadata: As given.
    """

    def __init__(
        self,
        env: EnvPort,
        policy: Policy,
        *,
        instruction: Optional[str] = None,
        max_steps: int = MAX_STEPS,
        resources: Optional[ExitStack] = None,
        metadata: Optional[Mapping[str, Any]] = None,
    ) -> None:
        self.metadata: Mapping[str, Any] = metadata or {}
        self._env = env
        self._policy = policy
        self._instruction = instruction
        self._max_steps = max_steps
        self._resources = resources or ExitStack()
        self._episode: Optional[Episode] = None
        self._reader: Optional[Reader] = None
        self._begin(None)

    def _begin(self, seed: Optional[int]) -> None:
        """Set everything that is counted in an episode to its start."""
        self._seed = seed
        self._steps, self._reward = 0, 0.0
        self._terminated = self._truncated = False
        self._info: Mapping[Any, Any] = {}
        self._actions: Sequence[Any] = ()
        self._first = 0
        self._env_seconds = self._wire_seconds = 0.0
        self._adapter_seconds = self._predict_seconds = 0.0
        self._started = self._ended = perf_counter()

    @property
    def contract(self) -> EnvContract:
        """What the env promises: its spaces, metadata and limits."""
        return self._env.contract

    def reset(
        self, *, seed: Optional[int] = None, options: Optional[Mapping[str, Any]] = None
    ) -> Tuple[ObsT, Dict[str, Any]]:
        """Start an episode; one that is not over is ended.

        Args:
            seed: The env's seed; None leaves its random state as it is.
            options: Passed to the env as plain data.

        Returns:
            The first observation and info.

        Raises:
            RLMeshError: The env or a served model failed. What a local model's callbacks raise is
                raised as it is.
        """
        self.end_episode()
        self._begin(seed)
        observation, info = self._env.reset(seed, options)
        self._ended = now = perf_counter()
        self._env_seconds = self._env.env_seconds
        self._wire_seconds = now - self._started - self._env_seconds
        self._episode = episode = Episode(os.urandom(16).hex(), seed, self._instruction)
        self._info = info
        self._policy.start_episode(episode)
        return observation, info

    def predict(self, observation: ObsT) -> ActT:
        """Return the model's action for an observation.

        While a chunk lasts (`execution_horizon`), it is the chunk's next action, whatever the
        observation.

        Args:
            observation: What `reset` or `step` returned last.

        Raises:
            NotReset: No episode is running.
            ModelError: A served model raised. What a local one raises is raised as it is.
        """
        episode = self._running("predict")
        index = self._steps - self._first
        if not 0 < index < len(self._actions):
            before = perf_counter()
            self._actions = self._policy.predict(observation, episode, self._steps)
            elapsed = perf_counter() - before
            predicting, adapting = self._policy.predict_seconds, self._policy.adapter_seconds
            self._predict_seconds += predicting
            self._adapter_seconds += adapting
            self._wire_seconds += elapsed - predicting - adapting
            self._first, index = self._steps, 0
        elif self._policy.needs_every_step:
            before = perf_counter()
            self._policy.observe(observation, episode, self._steps)
            self._adapter_seconds += perf_counter() - before
        action: ActT = self._actions[index]
        return action

    def step(self, action: ActT) -> Tuple[ObsT, float, bool, bool, Dict[str, Any]]:
        """Execute one action, the model's or another.

        Args:
            action: An action of the env's action space.

        Returns:
            Observation, reward, terminated, truncated, info.

        Raises:
            NotReset: No episode is running.
            InvalidValue: The action does not fit its space, or the env broke its own.
            RLMeshError: The env failed.
        """
        self._running("step")
        before = perf_counter()
        observation, reward, terminated, truncated, info = self._env.step(action)
        self._ended = now = perf_counter()
        inside = self._env.env_seconds
        self._env_seconds += inside
        self._wire_seconds += now - before - inside
        self._reward += reward
        self._steps += 1
        if self._steps >= self._max_steps and not terminated:
            truncated = True
        if terminated or truncated:
            self._terminated, self._truncated, self._info = terminated, truncated, info
            self.end_episode()
        return observation, reward, terminated, truncated, info

    def read(self, observation: ObsT, role: str, **form: Any) -> Any:
        """Return what an observation has of a role, in the form that is asked for.

        It reads what the env itself says, by its tags, and not what the model's spec makes of it.

        Args:
            observation: What `reset` or `step` returned.
            role: A role that the env tags, e.g. `rlmesh.adapters.EEF_ROT`.
            **form: Fields of `Image`, `State` or `Text`, e.g. `encoding="euler_xyz"` or `size=224`.
                By default an image is upright, in the env's size, and a state in the env's own
                encoding, as float32.

        Returns:
            An array of the session's framework; NumPy's for native values. A str for a text.

        Raises:
            AdapterResolutionError: The env has no tags, no such role, or cannot give it this form.
        """
        if self._reader is None:
            contract = self.contract
            tags = tags_of(contract.metadata, contract.env_id)
            self._reader = Reader(tags, contract.observation_space)
        return self._reader.read(observation, role, form)

    @property
    def over(self) -> bool:
        """Whether no episode is running: before the first `reset`, and after an episode's end."""
        return self._episode is None

    def result(self, index: int = 0) -> EpisodeResult:
        """Return what came of the last episode up to now.

        Args:
            index: The result's `index`.

        Raises:
            InvalidValue: What the last info says of success is no truth value.
        """
        return EpisodeResult(
            index=index,
            seed=self._seed,
            steps=self._steps,
            reward=self._reward,
            terminated=self._terminated,
            truncated=self._truncated,
            success=_success(self._info),
            duration=self._ended - self._started,
            env_seconds=self._env_seconds,
            wire_seconds=self._wire_seconds,
            adapter_seconds=self._adapter_seconds,
            predict_seconds=self._predict_seconds,
        )

    def end_episode(self) -> None:
        """End the episode that is running, if one is; what is left of its chunk is dropped."""
        if self._episode is not None:
            episode, self._episode = self._episode, None
            self._actions = ()
            self._policy.end_episode(episode.id)

    def close(self) -> None:
        """End the episode, and free what the session holds; calling it again does nothing."""
        try:
            self.end_episode()
        finally:
            self._resources.close()

    def __enter__(self: SessionT) -> SessionT:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        value: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def _running(self, method: str) -> Episode:
        if self._episode is None:
            ended = "the episode is over" if self._steps else "there is no episode yet"
            raise NotReset(f"{method}: {ended}; call reset() first")
        return self._episode


SessionT = TypeVar("SessionT", bound=Session[Any, Any])


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
