"""A model in this process, as the policy that the runtime drives."""

from __future__ import annotations

import operator
from contextlib import ExitStack
from time import perf_counter
from typing import Any, Callable, Mapping, Optional, Sequence, Tuple

from rlmesh._envs.ports import LaneEnv, open_port
from rlmesh._envs.vector_lanes import SubEnv
from rlmesh._rpc.calls import LONG
from rlmesh._runtime.context import Episode, PredictContext
from rlmesh._runtime.ports import EnvPort, Policy
from rlmesh._runtime.timing import ModelClock
from rlmesh.adapters.selection import Selection
from rlmesh.backends import Backend

from .adaptation import Adaptation, Spec, batch_kind, why_whole
from .batcher import Batcher, Batchers
from .corners import Corners
from .description import describe_model
from .lanes import Terms
from .source import Source
from .sources import Sources


class LocalPolicy:
    """Predicts with a source, for one env.

    Args:
        source: What predicts.
        adaptation: What stands between it and the env.
        corners: Its predict functions.
        lane: The number of the env's lane.
        batcher: Predicts for several lanes; None where this is the only one.
        clock: Counts the time of predicting.

    Attributes:
        wire_seconds: See `Policy`; there is no way to a model in this process.
        predict_seconds: See `Policy`.
        adapter_seconds: See `Policy`.
        queue_seconds: See `Policy`.
        batch_size: See `Policy`.
        needs_every_step: See `Policy`.
    """

    wire_seconds = 0.0

    def __init__(
        self,
        source: Source,
        adaptation: Adaptation,
        corners: Corners,
        lane: int,
        batcher: Optional[Batcher],
        clock: ModelClock,
    ) -> None:
        self.predict_seconds = self.adapter_seconds = self.queue_seconds = 0.0
        self.batch_size = 1
        self.needs_every_step = adaptation.needs_every_step
        self._source = source
        self._adaptation = adaptation
        self._corners = corners
        self._lane = lane
        self._batcher = batcher
        self._clock = clock
        # The plainest case needs none of the others' work.
        is_plain = adaptation.is_plain and batcher is None
        self._plain = corners.plain if is_plain else None
        if batcher is not None:
            batcher.expect(lane, reset=True)

    async def start_episode(self, episode: Episode) -> None:
        """Call `on_reset`."""
        self._source.occupy(self)
        self._adaptation.start(episode)
        self._source.start_episode(episode.id)

    async def predict(
        self, observation: Any, episode: Episode, step: int, env_seconds: float
    ) -> Sequence[Any]:
        """Return the actions for one observation."""
        context = PredictContext(episode.id, episode.seed, step, episode.instruction)
        if self._plain is not None:
            started = perf_counter()
            actions: Sequence[Any] = (self._plain(observation, context),)
            self.predict_seconds = elapsed = perf_counter() - started
            self._clock.seconds += elapsed
            return actions
        adaptation = self._adaptation
        started = perf_counter()
        payload = adaptation.payload(episode.id, observation, step)
        adapted = perf_counter()
        if self._batcher is None:
            wanted, stack = adaptation.wanted, adaptation.stack
            (outputs,) = self._corners.act([payload], [context], wanted, stack)
            predicted = perf_counter()
            self.predict_seconds = elapsed = predicted - adapted
            self._clock.seconds += elapsed
        else:
            share = await self._batcher.act(self._lane, payload, context, env_seconds)
            predicted = perf_counter()
            outputs, self.batch_size = share.outputs, share.batch_size
            self.predict_seconds = share.predict_seconds
            self.queue_seconds = share.started - adapted
        actions = adaptation.actions(episode.id, outputs, step)
        self.adapter_seconds = adapted - started + perf_counter() - predicted
        return actions

    async def observe(self, observation: Any, episode: Episode, step: int) -> None:
        """Let the adapter take note of an observation."""
        started = perf_counter()
        self._adaptation.observe(episode.id, observation)
        self.adapter_seconds = perf_counter() - started

    async def end_episode(self, episode_id: str) -> None:
        """Call `on_episode_end`."""
        self._adaptation.end(episode_id)
        if self._source.vacate(self):
            self._source.end_episode(episode_id)
        if self._batcher is not None:
            self._batcher.expect(self._lane, reset=True)

    async def recover(self) -> None:
        """Do nothing: a model in this process is there."""

    async def leave(self) -> None:
        """Let nobody wait for this lane, until its next observation."""
        if self._batcher is not None:
            self._batcher.leave(self._lane)


class LocalPolicies:
    """Makes the policies of a run's lanes.

    Args:
        sources: What predicts.
        backend: The framework of its values.
        device: Where its observations live.
        spec: The model's; see `ModelBase`.
        trust_entrypoints: Whether functions that the spec names may be imported.
        terms: The run's.
        lanes: Number of lanes.

    Attributes:
        clock: Counts the time of predicting.

    Raises:
        ValueError: A source has no chunks to execute so many actions of, or cannot play in several
            lanes.
    """

    def __init__(
        self,
        sources: Sources,
        backend: Backend,
        device: Optional[Any],
        spec: Spec,
        trust_entrypoints: bool,
        terms: Terms,
        lanes: int,
    ) -> None:
        if lanes > 1 and sources.shared_state:
            raise ValueError(f"lanes: expected one, got {lanes}: {sources.shared_state}")
        self._padding = operator.index(terms.max_batch) if terms.batch_padding else 0
        self._sources = sources
        self._backend = backend
        self._device = device
        self._spec = spec
        self._trust_entrypoints = trust_entrypoints
        self._terms = terms
        self.clock = ModelClock()
        self._batchers: Optional[Batchers] = None
        self._shared: Optional[Corners] = None
        if sources.shared is not None:
            self._shared = self._corners_of(sources.shared)
            wanted = None if why_whole(spec, terms.blend) else terms.horizon
            if lanes > 1 and self._shared.takes_batches(wanted):
                self._batchers = Batchers(self._shared, terms, self.clock)

    def _corners_of(self, source: Source) -> Corners:
        corners = Corners(source.corners, self._backend, self._padding)
        corners.check_horizon(self._terms.horizon, why_whole(self._spec, self._terms.blend))
        return corners

    async def join(
        self, lane: int, env: LaneEnv, resources: ExitStack
    ) -> Tuple[EnvPort, Policy, Optional[Selection]]:
        """Return an env's port and its policy, and what is sent; see `Policies`."""
        terms, contract = self._terms, env.contract
        selects, max_wait = terms.unattended, terms.max_wait
        if isinstance(env, SubEnv):
            # All sub-envs are stepped at once: whatever is ready then is all that will be.
            selects, max_wait = False, 0.0 if max_wait is None else max_wait
        adaptation = Adaptation(
            self._spec,
            contract,
            self._backend,
            self._device,
            self._trust_entrypoints,
            terms.instruction,
            terms.pushdown,
            terms.horizon,
            terms.blend,
        )
        batcher: Optional[Batcher] = None
        if self._batchers is not None:
            batcher = self._batchers.of_kind(
                batch_kind(contract), adaptation.stack, adaptation.wanted, max_wait
            )
        source = self._sources.take()
        resources.callback(self._sources.give_back, source)
        corners = self._shared or self._corners_of(source)
        policy = LocalPolicy(source, adaptation, corners, lane, batcher, self.clock)
        selection = adaptation.selection if selects else None
        return open_port(env, self._backend, self._device, selection), policy, selection

    def describe(self) -> Mapping[str, Any]:
        """Return what is known of the model; see `describe_model`."""
        return describe_model(self._sources.identity, self._spec, self._padding)

    def wait(self, receive: Callable[[float], bool]) -> None:
        """Predict a batch that is due, or wait for more observations."""
        if self._batchers is None:
            receive(LONG)
        else:
            self._batchers.wait(receive)
