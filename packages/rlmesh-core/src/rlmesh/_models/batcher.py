"""The batches of a model in this process: whose observations are predicted together, and when."""

from __future__ import annotations

from time import monotonic, perf_counter
from typing import Any, Callable, Dict, Hashable, NamedTuple, Optional, Sequence

from rlmesh._rpc.calls import LONG
from rlmesh._runtime.context import PredictContext
from rlmesh._runtime.scheduling import BatchScheduler, Decision
from rlmesh._tasks import Promise
from rlmesh.errors import ModelError

from .batches import Stacker, signature
from .corners import Corners
from .lanes import Terms


class Share(NamedTuple):
    """What a batch came to for one of its observations.

    Attributes:
        outputs: What was predicted for it: an action, or several of a chunk.
        predict_seconds: What the whole batch took.
        batch_size: Number of observations in it.
    """

    outputs: Sequence[Any]
    predict_seconds: float
    batch_size: int


class _Job(NamedTuple):
    """An observation that waits for its batch."""

    payload: Any
    context: PredictContext
    promise: Promise[Share]


class Batcher:
    """Batches of observations that fit together, all of one kind.

    Args:
        corners: What predicts; it has a function that takes batches.
        horizon: Number of actions to predict for each.
        stack: Makes one payload of several.
        max_batch_size: Observations that a batch has at most.
        max_wait: Seconds that an observation may be held back for a fuller batch; None leaves
            that to the scheduler.
    """

    def __init__(
        self,
        corners: Corners,
        horizon: int,
        stack: Stacker,
        max_batch_size: int,
        max_wait: Optional[float],
    ) -> None:
        self._corners = corners
        self._horizon = horizon
        self._stack = stack
        self._scheduler = BatchScheduler(max_batch_size, max_wait)
        self._jobs: Dict[Hashable, _Job] = {}
        self._decision = Decision((), None)

    def expect(self, lane: Hashable, *, reset: bool = False) -> None:
        """Note that a lane has its action, or starts an episode, and will be back."""
        self._scheduler.lane_sent(lane, monotonic(), reset=reset)

    def leave(self, lane: Hashable) -> None:
        """Note that a lane will not be back."""
        self._jobs.pop(lane, None)
        self._scheduler.lane_gone(lane)

    async def act(self, lane: Hashable, payload: Any, context: PredictContext) -> Share:
        """Return what is predicted for an observation, once its batch was.

        Args:
            lane: Whose it is; it has no other one waiting.
            payload: What predict is given.
            context: Belongs to it.

        Raises:
            ModelError: Predict raised for it, or for a batch that it was in.
        """
        promise: Promise[Share] = Promise()
        self._jobs[lane] = _Job(payload, context, promise)
        self._scheduler.lane_ready(lane, monotonic())
        try:
            return await promise
        finally:
            self._jobs.pop(lane, None)

    def delay(self) -> float:
        """Return for how many seconds to wait for more observations; 0 if a batch is due."""
        if not self._jobs:
            return float("inf")
        now = monotonic()
        self._decision = decision = self._scheduler.decide(now)
        if decision.lanes:
            return 0.0
        return float("inf") if decision.until is None else max(decision.until - now, 0.0)

    def predict(self) -> None:
        """Predict the batch that is due."""
        lanes, scheduler = self._decision.lanes, self._scheduler
        jobs = [self._jobs.pop(lane) for lane in lanes]
        payloads = [job.payload for job in jobs]
        contexts = [job.context for job in jobs]
        scheduler.forward_started(lanes, monotonic())
        started = perf_counter()
        try:
            outputs = self._corners.act(payloads, contexts, self._horizon, self._stack)
        except Exception as exc:
            self._blame(lanes, jobs, exc)
            return
        finally:
            scheduler.forward_finished(monotonic())
        elapsed = perf_counter() - started
        for lane, job, output in zip(lanes, jobs, outputs):
            self.expect(lane)
            job.promise.set(Share(output, elapsed, len(jobs)))

    def _blame(self, lanes: Sequence[Hashable], jobs: Sequence[_Job], error: Exception) -> None:
        """Let a batch fail, and say for whose observations."""
        culprits = [job for job in jobs if self._fails(job)]
        whose = [
            f"lane {lane} (seed {job.context.episode_seed}, step {job.context.step})"
            for lane, job in zip(lanes, jobs)
            if job in culprits or not culprits
        ]
        alone = "" if culprits else ", together, though for none of them alone"
        failure = ModelError(
            f"predict raised {type(error).__name__}: {error}; for the observations of"
            f" {', '.join(whose)}{alone}",
            remote_type=type(error).__name__,
            remote_message=str(error),
            inputs=signature((culprits or jobs)[0].payload, "observation"),
        )
        failure.__cause__ = error
        (culprits or jobs)[0].promise.fail(failure)

    def _fails(self, job: _Job) -> bool:
        try:
            self._corners.act([job.payload], [job.context], self._horizon, self._stack)
        except Exception:
            return True
        return False


class Batchers:
    """The batchers of a run, one for each kind of observation.

    Args:
        corners: What predicts.
        terms: The run's.
    """

    def __init__(self, corners: Corners, terms: Terms) -> None:
        self._corners = corners
        self._terms = terms
        self._by_kind: Dict[Hashable, Batcher] = {}

    def of_kind(self, kind: Hashable, stack: Stacker) -> Batcher:
        """Return the batcher of a kind."""
        if kind not in self._by_kind:
            terms = self._terms
            batcher = Batcher(self._corners, terms.horizon, stack, terms.max_batch, terms.max_wait)
            self._by_kind[kind] = batcher
        return self._by_kind[kind]

    def wait(self, receive: Callable[[float], bool]) -> None:
        """Predict a batch that is due, or wait for more observations.

        Args:
            receive: Waits for so many seconds until something arrives, and says whether it did.
        """
        delays = {batcher: batcher.delay() for batcher in self._by_kind.values()}
        first = min(delays, key=delays.__getitem__, default=None)
        delay = LONG if first is None else min(delays[first], LONG)
        # What has arrived in the meantime goes into the batch, too.
        if not receive(delay) and delay == 0 and first is not None:
            first.predict()
