"""The batches of a model in this process: whose observations are predicted together, and when."""

from __future__ import annotations

from collections import deque
from time import perf_counter
from typing import Any, Callable, Deque, Dict, Hashable, NamedTuple, Optional, Sequence, Tuple

from rlmesh._rpc.calls import LONG
from rlmesh._runtime.batching import BatchQueue
from rlmesh._runtime.context import PredictContext
from rlmesh._runtime.timing import ModelClock
from rlmesh._tasks import Cancelled, Promise
from rlmesh.errors import ModelError

from .batches import Stacker, signature
from .corners import Corners
from .lanes import Terms


class Share(NamedTuple):
    """What a batch came to for one of its observations.

    Attributes:
        outputs: What was predicted for it: an action, or several of a chunk.
        started: When the batch began, in `perf_counter`'s seconds.
        predict_seconds: What the whole batch took.
        batch_size: Number of observations in it.
    """

    outputs: Sequence[Any]
    started: float
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
        stack: Makes one payload of several.
        terms: The run's.
        horizon: How many actions are predicted for each; see `Corners.act`.
        max_wait: Seconds that an observation may be held back for a fuller batch.
        clock: Counts the time of predicting.
    """

    def __init__(
        self,
        corners: Corners,
        stack: Stacker,
        terms: Terms,
        horizon: Optional[int],
        max_wait: Optional[float],
        clock: ModelClock,
    ) -> None:
        self._corners = corners
        self._stack = stack
        self._horizon = horizon
        self._clock = clock
        self._queue: BatchQueue[int, _Job] = BatchQueue(terms.max_batch, max_wait)
        self.expect = self._queue.expect
        self.leave = self._queue.leave
        # Of a batch that raised: whose observations are still to be predicted alone, how many of
        # those that were are to blame, and what to say if none is.
        self._suspects: Deque[Tuple[int, _Job]] = deque()
        self._blamed = 0
        self._error = Exception()
        self._whose = ""

    async def act(
        self, lane: int, payload: Any, context: PredictContext, env_seconds: float
    ) -> Share:
        """Return what is predicted for an observation, once its batch was.

        Args:
            lane: Whose it is; it has no other one waiting.
            payload: What predict is given.
            context: Belongs to it.
            env_seconds: What the lane's env took for it.

        Raises:
            ModelError: Predict raised for it, or for a batch that it was in.
        """
        promise: Promise[Share] = Promise()
        self._queue.put(lane, _Job(payload, context, promise), env_seconds)
        try:
            return await promise
        except Cancelled:
            self.leave(lane)
            raise

    def delay(self) -> float:
        """Return for how long to wait for more; 0 if jobs are due, infinite if there are none."""
        return 0.0 if self._suspects else self._queue.delay()

    def predict(self) -> None:
        """Predict the batch that is due; of one that raised, one observation each time."""
        if self._suspects:
            self._predict_alone(*self._suspects.popleft())
            return
        batch = self._queue.take()
        payloads = [job.payload for _, job in batch]
        contexts = [job.context for _, job in batch]
        started = perf_counter()
        try:
            outputs = self._corners.act(payloads, contexts, self._horizon, self._stack)
        except Exception as exc:
            if len(batch) == 1:
                ((lane, job),) = batch
                job.promise.fail(_failure(exc, job, _whose(lane, job)))
                return
            # So that only those fail that are to blame. Each at a time of its own: the next may be
            # predicted into the same memory.
            self._suspects.extend(sorted(batch, key=lambda pair: pair[0]))
            self._blamed, self._error = 0, exc
            self._whose = ", ".join(_whose(lane, job) for lane, job in self._suspects)
            return
        finally:
            self._queue.taken()
            elapsed = perf_counter() - started
            self._clock.seconds += elapsed
        for (lane, job), output in zip(batch, outputs):
            self.expect(lane)
            job.promise.set(Share(output, started, elapsed, len(batch)))

    def _predict_alone(self, lane: int, job: _Job) -> None:
        """Predict an observation of a batch that raised, or have its lane raise that."""
        started = perf_counter()
        try:
            (output,) = self._corners.act([job.payload], [job.context], self._horizon, self._stack)
        except Exception as exc:
            self._blamed += 1
            job.promise.fail(_failure(exc, job, _whose(lane, job)))
            return
        finally:
            elapsed = perf_counter() - started
            self._clock.seconds += elapsed
        if not (self._suspects or self._blamed):
            whose = f"{self._whose}, together, though for none of them alone"
            job.promise.fail(_failure(self._error, job, whose))
            return
        self.expect(lane)
        job.promise.set(Share(output, started, elapsed, 1))


def _whose(lane: int, job: _Job) -> str:
    return f"lane {lane} (seed {job.context.episode_seed}, step {job.context.step})"


def _failure(error: Exception, job: _Job, whose: str) -> ModelError:
    failure = ModelError(
        f"predict raised {type(error).__name__}: {error}; for the observations of {whose}",
        remote_type=type(error).__name__,
        remote_message=str(error),
        inputs=signature(job.payload, "observation"),
    )
    failure.__cause__ = error
    return failure


class Batchers:
    """The batchers of a run, one for each kind of observation.

    Args:
        corners: What predicts.
        terms: The run's.
        clock: Counts the time of predicting.
    """

    def __init__(self, corners: Corners, terms: Terms, clock: ModelClock) -> None:
        self._corners = corners
        self._terms = terms
        self._clock = clock
        self._by_kind: Dict[Hashable, Batcher] = {}

    def of_kind(
        self, kind: Hashable, stack: Stacker, horizon: Optional[int], max_wait: Optional[float]
    ) -> Batcher:
        """Return the batcher of a kind, where observations wait for so many seconds at most."""
        key = kind, max_wait
        if key not in self._by_kind:
            self._by_kind[key] = Batcher(
                self._corners, stack, self._terms, horizon, max_wait, self._clock
            )
        return self._by_kind[key]

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
