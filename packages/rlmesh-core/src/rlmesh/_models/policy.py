"""A model in this process, as the policy that the runtime drives."""

from __future__ import annotations

from time import perf_counter
from typing import Any, Optional, Sequence

from rlmesh._contract.contract import EnvContract
from rlmesh._runtime.context import Episode, PredictContext
from rlmesh.backends import Backend

from .batches import stacker
from .corners import Corners
from .source import Source


class LocalPolicy:
    """Predicts with a source, for one env.

    Args:
        source: What predicts.
        backend: The framework of its values.
        device: Where its observations live.
        contract: What the env promises.
        execution_horizon: Number of actions of a chunk that are executed.

    Raises:
        ValueError: The source has no chunks to execute so many actions of.
    """

    def __init__(
        self,
        source: Source,
        backend: Backend,
        device: Optional[Any],
        contract: EnvContract,
        execution_horizon: int,
    ) -> None:
        self.predict_seconds = 0.0
        self._source = source
        self._horizon = execution_horizon
        self._corners = Corners(source.corners, backend)
        self._corners.check_horizon(execution_horizon)
        self._stack = stacker(contract.observation_space, backend, device)
        # The plainest case needs none of the others' work.
        self._plain = source.corners.get("predict") if execution_horizon == 1 else None

    def start_episode(self, episode: Episode) -> None:
        """Call `on_reset`."""
        self._source.start_episode(episode.id)

    def predict(self, observation: Any, episode: Episode, step: int) -> Sequence[Any]:
        """Return the actions for one observation."""
        context = PredictContext(episode.id, episode.seed, step, episode.instruction)
        started = perf_counter()
        actions: Sequence[Any]
        if self._plain is not None:
            actions = (self._plain(observation, context),)
        else:
            (actions,) = self._corners.act([observation], [context], self._horizon, self._stack)
        self.predict_seconds = perf_counter() - started
        return actions

    def end_episode(self, episode_id: str) -> None:
        """Call `on_episode_end`."""
        self._source.end_episode(episode_id)
