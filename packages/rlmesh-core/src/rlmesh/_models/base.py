"""`ModelBase`: a predict function, run against an env."""

from __future__ import annotations

from typing import (
    Any,
    Callable,
    ClassVar,
    Generic,
    Mapping,
    Optional,
    Sequence,
    TypeVar,
)

from rlmesh._envs.ports import open_env
from rlmesh._runtime.driver import MAX_STEPS, run_episodes
from rlmesh._runtime.plan import plan_episodes
from rlmesh._runtime.results import EpisodeResult, RunResult
from rlmesh.backends import Backend, NativeBackend
from rlmesh.errors import RLMeshError
from rlmesh.types import LifecycleCallback, Value

from .policy import ModelPolicy

ObsT = TypeVar("ObsT")
ActT = TypeVar("ActT")


class ModelBase(Generic[ObsT, ActT]):
    """A predict function, and the framework of the values that it takes and gives.

    Args:
        source: A callable that takes an observation and returns an action, or an object with such
            a `predict`, whose `reset`, `on_episode_end` and `close` serve as callbacks unless
            others are given.
        spec: A model spec, for use with adapters; this version knows only models without one.
        on_reset: Called after each reset, before the episode's first predict.
        on_episode_end: Called at the end of each episode, also when something raised.
        on_close: Called at the end of each run, also when something raised.
        artifacts: Accepted, and unused by a source that is already built.
        load_kwargs: Accepted, and unused by a source that is already built.
        trust_entrypoints: Whether a spec may name functions to import.
        device: Where observations arrive before predict, in frameworks that know devices:
            `"cuda:0"`, say. None is the framework's default. Actions may come from any device.

    `on_reset` and `on_episode_end` are called with the episode's id, a `str`, where they accept a
    positional argument.

    Raises:
        TypeError: The source is neither a callable nor an object with `predict`.

    Examples:
        >>> import gymnasium, rlmesh
        >>> model = rlmesh.Model(lambda observation: int(observation[2] > 0))
        >>> model.run(gymnasium.make("CartPole-v1"), seeds=range(3)).total_steps
        127
    """

    _backend: ClassVar[Backend]

    def __init__(
        self,
        source: Any,
        *,
        spec: Optional[object] = None,
        on_reset: Optional[LifecycleCallback] = None,
        on_episode_end: Optional[LifecycleCallback] = None,
        on_close: Optional[LifecycleCallback] = None,
        artifacts: Sequence[object] = (),
        load_kwargs: Optional[Mapping[str, object]] = None,
        trust_entrypoints: bool = False,
        device: Optional[object] = None,
    ) -> None:
        self._device = self._backend.as_device(device)
        if spec is not None:
            raise RLMeshError(
                "spec: this version has no adapters yet, so a model takes the env's own"
                f" observations and gives its actions; expected None, got {type(spec).__name__}"
            )
        self._policy = ModelPolicy(source, on_reset, on_episode_end, on_close)

    @property
    def device(self) -> Optional[Any]:
        """Where observations arrive, in the framework's own terms; None for main memory."""
        return self._device

    @property
    def spec(self) -> Optional[object]:
        """The model's spec; None for a model that takes the env's own values."""
        return None

    def run(
        self,
        env_or_address: object,
        *,
        seeds: Optional[Sequence[int]] = None,
        max_episodes: Optional[int] = None,
        instruction: Optional[str] = None,
        close_env: bool = False,
        token: str = "",
        max_steps: int = MAX_STEPS,
        on_result: Optional[Callable[[EpisodeResult], None]] = None,
    ) -> RunResult:
        """Drive this model against an env, and return what came of it.

        Args:
            env_or_address: An env object with `reset` and `step`, an object with an `address`, or
                an address to dial, such as `"127.0.0.1:5555"`.
            seeds: One seed per episode. Neither seeds nor `max_episodes`: one unseeded episode.
            max_episodes: Number of episodes: fewer than seeds drops the last seeds, more adds
                unseeded episodes.
            instruction: Text for the model's text inputs.
            close_env: Close the env object at the end. A dialed env is always given up.
            token: The server's secret, where an address is dialed; empty means `RLMESH_TOKEN`.
            max_steps: Steps after which an episode is cut off and marked truncated.
            on_result: Called with each finished episode.

        Raises:
            ValueError: No episode is asked for, or an instruction for a model without text input.
            TypeError: `env_or_address` or a seed is of the wrong type.
            InvalidValue: An action does not fit the env's action space, or an observation its own.
            RLMeshError: The env cannot be reached, or failed.
        """
        episodes = plan_episodes(seeds, max_episodes)
        if max_steps < 1:
            raise ValueError(f"max_steps: expected at least 1, got {max_steps}")
        if instruction is not None:
            raise ValueError(
                f"instruction: this model has no text input, so it cannot take {instruction!r}"
            )
        try:
            env, opened = open_env(env_or_address, self._backend, token, self._device)
            try:
                return run_episodes(
                    env, self._policy, episodes, max_steps=max_steps, on_result=on_result
                )
            finally:
                if opened or close_env:
                    env.close()
        finally:
            self._policy.close()


class Model(ModelBase[Value, Value]):
    """A model on native values: `Tensor`, numbers, strings and containers."""

    _backend = NativeBackend()
