"""Executes the requests of many sessions on one model."""

from __future__ import annotations

import logging
from collections import deque
from time import monotonic, perf_counter_ns
from typing import Any, Deque, Dict, List, NamedTuple, Optional, Sequence, Tuple

from rlmesh._contract.contract import EnvContract
from rlmesh._rpc.options import ServeOptions
from rlmesh._rpc.service import Call, Failure, Outcome
from rlmesh._rpc.session import Session
from rlmesh._runtime.context import PredictContext
from rlmesh._wire.messages import CONFIGURE_ROUTE, END_EPISODE, OBSERVE, PREDICT, START_EPISODE
from rlmesh.backends import Backend
from rlmesh.errors import InvalidValue, ProtocolError

from .adaptation import Adaptation, Spec, takes_instruction
from .batches import signature
from .corners import Corners
from .route import Route
from .source import Source

logger = logging.getLogger("rlmesh.server")


class _Job(NamedTuple):
    """A predict that is decoded."""

    call: Call
    route: Route
    payload: Any
    context: PredictContext
    adapting: int


class ModelService:
    """A `Service` that serves one model to many sessions, each with an env of its own.

    Whatever waits when the model is free, and goes together, is predicted as one batch.

    Args:
        source: What predicts.
        backend: The framework of its values.
        device: Where its observations live.
        spec: The model's; see `ModelBase`.
        trust_entrypoints: Whether functions that the spec names may be imported.
        options: See `ServeOptions`.
    """

    role = "model"

    def __init__(
        self,
        source: Source,
        backend: Backend,
        device: Optional[Any],
        spec: Spec,
        trust_entrypoints: bool,
        options: ServeOptions,
    ) -> None:
        self.capacity = options.max_sessions
        self._source = source
        self._backend = backend
        self._device = device
        self._spec = spec
        self._trust_entrypoints = trust_entrypoints
        self._corners = Corners(source.corners, backend)
        self._max_batch = options.max_batch_size
        self._max_wait = options.max_wait
        self._waits_since: Optional[float] = None
        self._running = 0
        self._closed = False

    def describe(self) -> Dict[str, Any]:
        """Return nothing: what a client needs to know is the answer to `configure_route`."""
        return {}

    def delay(self, waiting: Deque[Call]) -> float:
        """Return how long to wait for a fuller batch."""
        full = min(self._max_batch, self._running)
        if not self._max_wait or len(waiting) >= full or not self._is_batchable(waiting[0]):
            return 0.0
        now = monotonic()
        if self._waits_since is None:
            self._waits_since = now
        return self._waits_since + self._max_wait - now

    def execute(self, waiting: Deque[Call]) -> Sequence[Tuple[Call, Outcome]]:
        """Execute the next call; of predicts, all that go together."""
        self._waits_since = None
        call = waiting.popleft()
        if call.op == PREDICT:
            return self._predict([call, *self._companions(call, waiting)])
        try:
            return ((call, (self._configure(call), [])),)
        except Exception as exc:
            return ((call, Failure(exc)),)

    def release(self, session: Session) -> None:
        """End the episodes that a session left running."""
        if session.state is not None:
            for episode_id in list(session.state.episodes):
                try:
                    self._end_episode(session.state, episode_id)
                except Exception:
                    logger.exception("on_episode_end raised for a client that went away")

    def close(self) -> None:
        """Call `on_close`, once."""
        if not self._closed:
            self._closed = True
            self._source.close()

    def _configure(self, call: Call) -> Any:
        """Execute a call that is no predict; return the reply's body."""
        session, op, body = call.session, call.op, call.body
        if op == CONFIGURE_ROUTE:
            session.state = route = self._new_route(body)
            return route.needs()
        route = _route_of(session)
        if op == START_EPISODE:
            episode_id = route.start(body)
            self._running += 1
            self._source.start_episode(episode_id)
        elif op == OBSERVE:
            observation, context = route.decode(body, call.payload)
            route.adaptation.observe(context.episode_id, observation)
        elif op == END_EPISODE:
            if body in route.episodes:
                self._end_episode(route, body)
        else:
            raise ProtocolError(f"unknown operation {op}")
        return None

    def _new_route(self, body: Any) -> Route:
        try:
            contract = EnvContract.from_dict(body["contract"])
            horizon, instruction = int(body["execution_horizon"]), body["instruction"]
            selects, pushdown = bool(body["selects"]), bool(body["pushdown"])
        except (KeyError, TypeError, ValueError) as exc:
            raise ProtocolError(f"configure_route: the body does not parse: {exc!r}") from None
        if instruction is not None and not takes_instruction(self._spec):
            raise InvalidValue(
                f"instruction: this model has no text input, so it cannot take {instruction!r}"
            )
        try:
            self._corners.check_horizon(horizon)
        except ValueError as exc:
            raise InvalidValue(str(exc)) from None
        adaptation = Adaptation(
            self._spec,
            contract,
            self._backend,
            self._device,
            self._trust_entrypoints,
            instruction,
            # A client that needs whole observations needs whole images.
            pushdown and selects,
        )
        return Route(
            contract, horizon, instruction, selects, adaptation, self._backend, self._device
        )

    def _end_episode(self, route: Route, episode_id: str) -> None:
        route.end(episode_id)
        self._running -= 1
        self._source.end_episode(episode_id)

    def _is_batchable(self, call: Call) -> bool:
        """Whether a call is a predict of a kind that the model does in batches."""
        route = call.session.state
        return (
            call.op == PREDICT and route is not None and self._corners.takes_batches(route.horizon)
        )

    def _companions(self, first: Call, waiting: Deque[Call]) -> List[Call]:
        """Take the predicts off the queue that go into one batch with the first."""
        found: List[Call] = []
        # One by one, they must not go together: the next may reuse the memory of this one's action.
        if self._max_batch == 1 or not self._is_batchable(first):
            return found
        others: Deque[Call] = deque()
        key = first.session.state.key
        for _ in range(len(waiting)):
            call = waiting.popleft()
            state = call.session.state
            fits = call.op == PREDICT and state is not None and state.key == key
            if fits and len(found) + 1 < self._max_batch:
                found.append(call)
            else:
                others.append(call)
        # A watchdog's thread may have added to the queue meanwhile.
        waiting.extendleft(reversed(others))
        return found

    def _predict(self, calls: Sequence[Call]) -> Sequence[Tuple[Call, Outcome]]:
        """Return what came of predicts that go into one batch."""
        outcomes: List[Tuple[Call, Outcome]] = []
        jobs: List[_Job] = []
        for call in calls:
            try:
                route = _route_of(call.session)
                observation, context = route.decode(call.body, call.payload)
                started = perf_counter_ns()
                payload = route.adaptation.payload(context.episode_id, observation)
                jobs.append(_Job(call, route, payload, context, perf_counter_ns() - started))
            except Exception as exc:
                outcomes.append((call, Failure(exc)))
        if jobs:
            outcomes += self._act(jobs)
        return outcomes

    def _act(self, jobs: Sequence[_Job]) -> List[Tuple[Call, Outcome]]:
        route = jobs[0].route
        started = perf_counter_ns()
        try:
            chunks = self._corners.act(
                [job.payload for job in jobs],
                [job.context for job in jobs],
                route.horizon,
                route.adaptation.stack,
            )
        except Exception as exc:
            if len(jobs) == 1:
                return [(jobs[0].call, Failure(exc, signature(jobs[0].payload, "observation")))]
            # One by one, so that the error goes to whom it belongs, and to nobody else.
            return [outcome for job in jobs for outcome in self._act([job])]
        elapsed = perf_counter_ns() - started
        outcomes: List[Tuple[Call, Outcome]] = []
        for job, actions in zip(jobs, chunks):
            try:
                started = perf_counter_ns()
                adapted = job.route.adaptation.actions(job.context.episode_id, actions)
                adapting = job.adapting + perf_counter_ns() - started
                bodies, parts = job.route.encode(adapted)
                outcomes.append((job.call, ((bodies, elapsed, adapting), parts)))
            except Exception as exc:
                outcomes.append((job.call, Failure(exc)))
        return outcomes


def _route_of(session: Session) -> Route:
    route = session.state
    if not isinstance(route, Route):
        raise ProtocolError("expected configure_route before anything else in a session")
    return route
