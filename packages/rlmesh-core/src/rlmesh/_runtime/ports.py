"""What the evaluation loop drives: an env and a policy, wherever they are."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Protocol, Tuple


class EnvPort(Protocol):
    """An env whose values are already those that the policy takes and gives."""

    @property
    def env_seconds(self) -> float:
        """What the env itself took for the last `reset` or `step`, in seconds."""
        ...

    def reset(self, seed: Optional[int]) -> Tuple[Any, Mapping[Any, Any]]:
        """Start an episode; return the observation and info."""
        ...

    def step(self, action: Any) -> Tuple[Any, float, bool, bool, Mapping[Any, Any]]:
        """Return observation, reward, terminated, truncated and info."""
        ...

    def close(self) -> None:
        """Give the env up."""
        ...


class Policy(Protocol):
    """Chooses actions; what it remembers of an episode it keeps by the episode's id."""

    def start_episode(self, episode_id: str) -> None:
        """Called after the env's reset, before the episode's first `predict`."""
        ...

    def predict(self, observation: Any, /) -> Any:
        """Return the action for one observation."""
        ...

    def end_episode(self, episode_id: str) -> None:
        """Called once for every started episode, also when something raised."""
        ...
