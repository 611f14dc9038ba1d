"""A model in this process, as the policy that the runtime drives."""

from __future__ import annotations

from time import perf_counter
from typing import Any, Sequence

from rlmesh._runtime.context import Episode, PredictContext
from rlmesh.backends import Backend

from .adaptation import Adaptation
from .corners import Corners
from .source import Source


class LocalPolicy:
    """Predicts with a source, for one env.

    Args:
        source: What predicts.
        backend: The framework of its values.
        adaptation: What stands between it and the env.
        execution_horizon: Number of actions of a chunk that are executed.

    Raises:
        ValueError: The source has no chunks to execute so many actions of.
    """

    def __init__(
        self,
        source: Source,
        backend: Backend,
        adaptation: Adaptation,
        execution_horizon: int,
    ) -> None:
        self.predict_seconds = self.adapter_seconds = 0.0
        self.needs_every_step = adaptation.needs_every_step
        self._source = source
        self._adaptation = adaptation
        self._horizon = execution_horizon
        self._corners = Corners(source.corners, backend)
        self._corners.check_horizon(execution_horizon)
        # The plainest case needs none of the others' work.
        is_plain = execution_horizon == 1 and adaptation.is_plain
        self._plain = source.corners.get("predict") if is_plain else None

    def start_episode(self, episode: Episode) -> None:
        """Call `on_reset`."""
        self._adaptation.start(episode)
        self._source.start_episode(episode.id)

    def predict(self, observation: Any, episode: Episode, step: int) -> Sequence[Any]:
        """Return the actions for one observation."""
        context = PredictContext(episode.id, episode.seed, step, episode.instruction)
        if self._plain is not None:
            started = perf_counter()
            actions: Sequence[Any] = (self._plain(observation, context),)
            self.predict_seconds = perf_counter() - started
            return actions
        adaptation = self._adaptation
        started = perf_counter()
        payload = adaptation.payload(episode.id, observation)
        adapted = perf_counter()
        (outputs,) = self._corners.act([payload], [context], self._horizon, adaptation.stack)
        predicted = perf_counter()
        actions = adaptation.actions(episode.id, outputs)
        self.predict_seconds = predicted - adapted
        self.adapter_seconds = adapted - started + perf_counter() - predicted
        return actions

    def observe(self, observation: Any, episode: Episode, step: int) -> None:
        """Let the adapter take note of an observation."""
        self._adaptation.observe(episode.id, observation)

    def end_episode(self, episode_id: str) -> None:
        """Call `on_episode_end`."""
        self._adaptation.end(episode_id)
        self._source.end_episode(episode_id)
