"""What the evaluation loop drives: an env and a policy, wherever they are."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Protocol, Sequence, Tuple

from rlmesh._contract.contract import EnvContract

from .context import Episode


class EnvPort(Protocol):
    """An env whose values are already those that the policy takes and gives."""

    @property
    def contract(self) -> EnvContract:
        """What the env promises."""
        ...

    @property
    def env_seconds(self) -> float:
        """What the env itself took for the last `reset` or `step`, in seconds."""
        ...

    @property
    def takes_seeds(self) -> bool:
        """Whether every episode has the seed that its `reset` was given."""
        ...

    def unread(self, seconds: float) -> float:
        """Return for how long the reply of the last `reset` or `step` lay unread.

        Args:
            seconds: What the call took, without `env_seconds`.
        """
        ...

    async def reset(
        self, seed: Optional[int], options: Optional[Mapping[str, Any]] = None
    ) -> Tuple[Any, Any]:
        """Start an episode; return the observation and info."""
        ...

    async def step(self, action: Any) -> Tuple[Any, float, bool, bool, Any]:
        """Return observation, reward, terminated, truncated and info."""
        ...

    def render_now(self) -> Any:
        """Return what the env renders in its mode; nothing else of a run goes on meanwhile."""
        ...

    async def recover(self) -> None:
        """Called after an episode that was lost: open anew what is over, or raise why not."""
        ...

    async def leave(self) -> None:
        """Called when no episodes come for now, but not after an error, which ends all lanes."""
        ...


class Policy(Protocol):
    """Chooses actions; what it remembers of an episode it keeps by the episode's id."""

    @property
    def predict_seconds(self) -> float:
        """What the model itself took for the last `predict`, in seconds."""
        ...

    @property
    def adapter_seconds(self) -> float:
        """What the model's adapter took for the last `predict` or `observe`, in seconds."""
        ...

    @property
    def wire_seconds(self) -> float:
        """What the way to the model and back took for the last one, in seconds."""
        ...

    @property
    def queue_seconds(self) -> float:
        """For how long the last `predict` waited for the model to be free, in seconds."""
        ...

    @property
    def batch_size(self) -> int:
        """How many observations were predicted together with that of the last `predict`."""
        ...

    @property
    def needs_every_step(self) -> bool:
        """Whether `observe` must be called for steps that a chunk answers."""
        ...

    async def start_episode(self, episode: Episode) -> None:
        """Called after the env's reset, before the episode's first `predict`."""
        ...

    async def predict(
        self, observation: Any, episode: Episode, step: int, env_seconds: float
    ) -> Sequence[Any]:
        """Return the action for one observation, and perhaps those of the steps after it.

        Args:
            observation: What the env returned last.
            episode: A started episode.
            step: Number of its env steps so far.
            env_seconds: What the env took since the last `predict`.
        """
        ...

    async def observe(self, observation: Any, episode: Episode, step: int) -> None:
        """Take note of an observation for which there is an action already.

        Args:
            observation: What the env returned last.
            episode: A started episode.
            step: Number of its env steps so far.
        """
        ...

    async def end_episode(self, episode_id: str) -> None:
        """Called once for every started episode, also when something raised."""
        ...

    async def recover(self) -> None:
        """Called after an episode that was lost: open anew what is over, or raise why not."""
        ...

    async def leave(self) -> None:
        """Called when no episodes come for now; more than once, perhaps."""
        ...
