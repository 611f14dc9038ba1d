"""Executes the requests of many sessions on one model."""

from __future__ import annotations

import math
from collections import deque
from itertools import chain
from time import perf_counter_ns
from typing import (
    Any,
    Callable,
    Deque,
    Dict,
    Hashable,
    Iterable,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

from rlmesh import _logs
from rlmesh._contract.contract import EnvContract
from rlmesh._contract.fields import field
from rlmesh._rpc.histogram import Histogram
from rlmesh._rpc.options import ServeOptions
from rlmesh._rpc.service import Call, Failure, Outcome
from rlmesh._rpc.session import Session
from rlmesh._runtime.batching import BatchQueue
from rlmesh._runtime.context import PredictContext
from rlmesh._wire.messages import CONFIGURE_ROUTE, END_EPISODE, OBSERVE, PREDICT, START_EPISODE
from rlmesh.backends import Backend
from rlmesh.errors import InvalidValue, ProtocolError
from rlmesh.spaces._describe import describe

from .adaptation import Adaptation, Spec, takes_instruction, why_whole
from .batches import signature
from .blending import Ensemble
from .corners import Corners
from .description import describe_model
from .route import Route, env_seconds
from .source import Source
from .sources import Sources

_MAX_KINDS = 64
"""Kinds of observations, each of which goes into batches of its own, that are remembered."""


class _Arrived(NamedTuple):
    """A predict whose observation is decoded, which took so many nanoseconds."""

    call: Call
    route: Route
    observation: Any
    context: PredictContext
    decoding: int


class _Job(NamedTuple):
    """A predict whose observation is adapted. Times are in nanoseconds."""

    call: Call
    route: Route
    payload: Any
    context: PredictContext
    decoding: int
    adapting: int


class ModelService:
    """A `Service` that serves one model to many sessions, each with an env of its own.

    Predicts that go together wait for each other where a `BatchQueue` finds it worthwhile.

    Args:
        sources: What predicts.
        backend: The framework of its values.
        device: Where its observations live.
        spec: The model's; see `ModelBase`.
        trust_entrypoints: Whether functions that the spec names may be imported.
        options: See `ServeOptions`.
    """

    role = "model"

    def __init__(
        self,
        sources: Sources,
        backend: Backend,
        device: Optional[Any],
        spec: Spec,
        trust_entrypoints: bool,
        options: ServeOptions,
    ) -> None:
        # Whoever has a session may have an episode.
        self.capacity = 1 if sources.shared_state else options.max_sessions
        self.sharing_rule = sources.shared_state
        self._sources = sources
        self._backend = backend
        self._device = device
        self._spec = spec
        self._trust_entrypoints = trust_entrypoints
        self._padding = options.max_batch_size if options.batch_padding else 0
        self._shared: Optional[Corners] = None
        if sources.shared is not None:
            self._shared = self._corners_of(sources.shared)
        self._description = describe_model(sources.identity, spec, self._padding)
        self._options = options
        self._queues: Dict[Hashable, BatchQueue[Session, _Arrived]] = {}
        self._next: Optional[BatchQueue[Session, _Arrived]] = None
        self._singles: Deque[Call] = deque()
        self._closed = False
        phases = ("queue", "predict", "adapter", "codec")
        self.latencies = {phase: Histogram() for phase in phases}

    def describe(self) -> Dict[str, Any]:
        """Return nothing: what a client needs to know is the answer to `configure_route`."""
        return {}

    def delay(self, waiting: Deque[Call]) -> Optional[float]:
        """Take over the calls that have arrived; return how long to wait for a fuller batch."""
        while waiting:
            self._sort(waiting.popleft())
        if self._singles:
            return 0.0
        delays = {queue: queue.delay() for queue in self._queues.values()}
        self._next = min(delays, key=delays.__getitem__, default=None)
        delay = math.inf if self._next is None else delays[self._next]
        return None if delay == math.inf else delay

    def execute(self, waiting: Deque[Call]) -> Iterable[Tuple[Call, Outcome]]:
        """Execute the next call; of predicts that go together, a batch."""
        # With what has arrived since `delay`, it may be better to wait after all.
        if waiting and self.delay(waiting) != 0:
            return ()
        if self._singles or self._next is None:
            return self._execute_single(self._singles.popleft())
        queue = self._next
        batch = queue.take()
        outcomes = self._predict([arrived for _, arrived in batch])
        queue.taken()
        for session, _ in batch:
            queue.expect(session)
        return outcomes

    def release(self, session: Session) -> None:
        """End the episodes that a session left running, and the use of its source."""
        route, session.state = session.state, None
        if route is not None:
            if route.key in self._queues:
                self._queues[route.key].leave(session)
            for episode_id in list(route.episodes):
                self._tidy(session, "on_episode_end", self._end_episode, route, episode_id)
            self._tidy(session, "close", self._sources.give_back, route.source)

    def _tidy(
        self, session: Session, name: str, function: Callable[..., None], *arguments: Any
    ) -> None:
        """Call something of the user's for a client that is not there to learn that it raised."""
        try:
            function(*arguments)
        except Exception:
            _logs.SERVER.exception(
                f"{name} raised for a client that went away",
                extra={"event": "callback_failed", "session": _logs.short(session.id)},
            )

    def close(self) -> None:
        """Call `on_close`, once."""
        if not self._closed:
            self._closed = True
            self._sources.close()

    def _sort(self, call: Call) -> None:
        """Put a call where it waits for others, or for nothing."""
        route = call.session.state
        corners = self._shared
        if (
            call.op != PREDICT
            or route is None
            or corners is None
            or not corners.takes_batches(route.adaptation.wanted)
        ):
            self._singles.append(call)
            return
        queue = self._queues.get(route.key)
        if queue is None:
            options = self._options
            self._forget_a_queue()
            queue = BatchQueue(options.max_batch_size, options.max_wait)
            self._queues[route.key] = queue
        try:
            # While there is time: the model is waiting for others.
            arrived = _decode(call)
        except Exception:
            self._singles.append(call)
        else:
            queue.put(call.session, arrived, env_seconds(call.body))

    def _forget_a_queue(self) -> None:
        """Make room for another kind of observations, where there have been many."""
        if len(self._queues) >= _MAX_KINDS:
            empty = (key for key, queue in self._queues.items() if queue.delay() == math.inf)
            self._queues.pop(next(empty, None), None)

    def _execute_single(self, call: Call) -> Iterable[Tuple[Call, Outcome]]:
        try:
            if call.op == PREDICT:
                return self._predict([_decode(call)])
            return ((call, (self._configure(call), [])),)
        except Exception as exc:
            return ((call, Failure(exc)),)

    def _configure(self, call: Call) -> Any:
        """Execute a call that is no predict; return the reply's body."""
        session, op, body = call.session, call.op, call.body
        if op == CONFIGURE_ROUTE:
            self.release(session)
            session.state = route = self._new_route(body)
            return {**route.needs(), "model": self._description}
        route = _route_of(session)
        if op == START_EPISODE:
            episode_id = route.start(body)
            try:
                route.source.occupy(route)
            except ValueError:
                route.end(episode_id)
                raise
            route.source.start_episode(episode_id)
        elif op == OBSERVE:
            observation, context = route.decode(body, call.payload)
            route.adaptation.observe(context.episode_id, observation)
        elif op == END_EPISODE:
            if type(body) is not str:
                raise ProtocolError(f"end_episode: expected a str, got {describe(body)}")
            if body in route.episodes:
                self._end_episode(route, body)
                if route.key in self._queues:
                    self._queues[route.key].expect(session, reset=True)
        else:
            raise ProtocolError(f"unknown operation {op}")
        return None

    def _new_route(self, body: Any) -> Route:
        try:
            contract = EnvContract.from_dict(field(body, "contract", dict))
            horizon = field(body, "execution_horizon", int)
            blend = _ensemble(field(body, "chunk_blend", float, type(None)))
            instruction = field(body, "instruction", str, type(None))
            selects, pushdown = field(body, "selects", bool), field(body, "pushdown", bool)
        except TypeError as exc:
            raise ProtocolError(f"configure_route: the body does not parse: {exc}") from None
        if instruction is not None and not takes_instruction(self._spec):
            raise InvalidValue(
                f"instruction: this model has no text input, so it cannot take {instruction!r}"
            )
        adaptation = Adaptation(
            self._spec,
            contract,
            self._backend,
            self._device,
            self._trust_entrypoints,
            instruction,
            # A client that needs whole observations needs whole images.
            pushdown and selects,
            horizon,
            blend,
        )
        source = self._sources.take()
        corners = self._shared or self._corners_of(source)
        try:
            corners.check_horizon(horizon, why_whole(self._spec, blend))
        except ValueError as exc:
            self._sources.give_back(source)
            raise InvalidValue(str(exc)) from None
        return Route(
            contract,
            instruction,
            selects,
            adaptation,
            self._backend,
            self._device,
            source,
            corners,
        )

    def _corners_of(self, source: Source) -> Corners:
        return Corners(source.corners, self._backend, self._padding)

    def _end_episode(self, route: Route, episode_id: str) -> None:
        route.end(episode_id)
        route.source.vacate(route)
        route.source.end_episode(episode_id)

    def _predict(self, batch: Sequence[_Arrived]) -> Iterable[Tuple[Call, Outcome]]:
        """Return what came of predicts that go into one batch."""
        failed: List[Tuple[Call, Outcome]] = []
        jobs: List[_Job] = []
        for call, route, observation, context, decoding in batch:
            try:
                started = perf_counter_ns()
                payload = route.adaptation.payload(context.episode_id, observation, context.step)
                adapting = perf_counter_ns() - started
                jobs.append(_Job(call, route, payload, context, decoding, adapting))
            except Exception as exc:
                failed.append((call, Failure(exc)))
        return chain(failed, self._act(jobs)) if jobs else failed

    def _act(self, jobs: Sequence[_Job]) -> Iterable[Tuple[Call, Outcome]]:
        """Predict a batch; what is left to do is done as its outcomes are asked for."""
        route = jobs[0].route
        started = perf_counter_ns()
        try:
            chunks = route.corners.act(
                [job.payload for job in jobs],
                [job.context for job in jobs],
                route.adaptation.wanted,
                route.adaptation.stack,
            )
        except Exception as exc:
            if len(jobs) == 1:
                return [(jobs[0].call, Failure(exc, signature(jobs[0].payload, "observation")))]
            # One by one, so that the error goes to whom it belongs, and to nobody else.
            # The outcomes of each at once: the next may be predicted into the same memory.
            return [outcome for job in jobs for outcome in list(self._act([job]))]
        elapsed = perf_counter_ns() - started
        self.latencies["predict"].add(elapsed)
        for job in jobs:
            waited = started - job.call.arrived - job.decoding - job.adapting
            self.latencies["queue"].add(max(waited, 0))
        size = len(jobs)
        return (self._outcome(job, actions, elapsed, size) for job, actions in zip(jobs, chunks))

    def _outcome(
        self, job: _Job, actions: Sequence[Any], predicting: int, batch_size: int
    ) -> Tuple[Call, Outcome]:
        try:
            started = perf_counter_ns()
            context = job.context
            adapted = job.route.adaptation.actions(context.episode_id, actions, context.step)
            finished = perf_counter_ns()
            adapting = job.adapting + finished - started
            bodies, parts = job.route.encode(adapted)
            self.latencies["adapter"].add(adapting)
            self.latencies["codec"].add(job.decoding + perf_counter_ns() - finished)
            return job.call, ((bodies, predicting, adapting, batch_size), parts)
        except Exception as exc:
            return job.call, Failure(exc)


def _ensemble(k: Optional[float]) -> Optional[Ensemble]:
    try:
        return None if k is None else Ensemble(k)
    except ValueError as exc:
        raise ProtocolError(f"configure_route: the body does not parse: {exc}") from None


def _decode(call: Call) -> _Arrived:
    route = _route_of(call.session)
    started = perf_counter_ns()
    observation, context = route.decode(call.body, call.payload)
    return _Arrived(call, route, observation, context, perf_counter_ns() - started)


def _route_of(session: Session) -> Route:
    route = session.state
    if not isinstance(route, Route):
        raise ProtocolError("expected configure_route before anything else in a session")
    return route
