"""The client's side of a served model: one session, for one env."""

from __future__ import annotations

import weakref
from contextlib import suppress
from time import perf_counter
from typing import Any, Callable, List, Mapping, NamedTuple, Optional, Sequence, Tuple, cast

from rlmesh._contract.contract import EnvContract
from rlmesh._contract.fields import checked, count, field
from rlmesh._rpc.arrivals import Way
from rlmesh._rpc.calls import Caller
from rlmesh._rpc.client import RpcClient
from rlmesh._rpc.dial import goodbye
from rlmesh._runtime.context import Episode
from rlmesh._wire.codec import ValueCodec
from rlmesh._wire.messages import CONFIGURE_ROUTE, END_EPISODE, OBSERVE, PREDICT, START_EPISODE
from rlmesh._wire.payload import PartReader, Parts
from rlmesh.adapters.selection import Selection
from rlmesh.errors import ConnectionFailed, InvalidValue, ModelError, ProtocolError, SessionLost

from .lanes import Terms

_TIMES = ("predict_nanoseconds", "adapter_nanoseconds", "batch_size")


class Timeouts(NamedTuple):
    """How long a served model may take.

    Attributes:
        busy: Seconds to wait for a session while others have all that there are.
        predict: Seconds for one `predict`.
        episode: Seconds for whatever happens once per episode, or once per run.
    """

    busy: float
    predict: float
    episode: float


class RemotePolicy:
    """A served model, as the policy that the runtime drives.

    A session that is lost is replaced before the next episode; the model must be the same.

    Args:
        dial: Returns a client of the model's server, for a lane.
        timeouts: See `Timeouts`.
        caller: How to wait for the server.
        way: Tells how long the way to the server is, for all lanes.
        lane: The number of the env's lane, where there are several.

    Attributes:
        selection: What the model reads of observations; None for all of them.
        needs_every_step: Whether it must be told of steps that a chunk answers.
        model: What the server knows of the model; see `describe_model`.
    """

    model: Mapping[str, Any]
    selection: Optional[Selection] = None
    needs_every_step = False

    def __init__(
        self,
        dial: Callable[[Optional[int]], RpcClient],
        timeouts: Timeouts,
        caller: Caller,
        way: Way,
        lane: Optional[int] = None,
    ) -> None:
        self.predict_seconds = self.adapter_seconds = 0.0
        self.wire_seconds = self.queue_seconds = 0.0
        self.batch_size = 1
        self._way = way
        self._dial = dial
        self._goodbye: Optional[weakref.finalize[..., object]] = None
        self._closed = False
        self._timeouts = timeouts
        self._caller = caller
        self._lane = lane

    async def connect(self, contract: EnvContract, terms: Terms) -> None:
        """Open the session, and tell the model of its env.

        Args:
            contract: What the env promises.
            terms: The run's.

        Raises:
            AdapterResolutionError: The model's spec and the env's tags do not go together.
            InvalidValue: The model has no such chunks, or takes no instruction.
            RLMeshError: The server failed.
        """
        self._route = {
            "contract": contract.to_dict(),
            "execution_horizon": terms.horizon,
            "chunk_blend": None if terms.blend is None else terms.blend.k,
            "instruction": terms.instruction,
            # Whoever looks at a session's values looks at whole ones.
            "selects": terms.unattended,
            "pushdown": terms.pushdown,
        }
        self._needs = needs = await self._open()
        try:
            selection = field(needs, "selection", dict, type(None))
            self.selection = None if selection is None else Selection.from_plain(selection)
            self.needs_every_step = field(needs, "needs_every_step", bool)
            self.model = field(needs, "model", dict)
        except TypeError as exc:
            raise ProtocolError(
                f"the reply of the model does not parse: expected needs: {exc}"
            ) from None

    async def _open(self) -> Mapping[str, Any]:
        """Open a session; return what the model needs."""
        rpc, previous = self._dial(self._lane), self._goodbye
        # Before anything else, so that `close` ends also this.
        self._goodbye = goodbye(self, rpc)
        try:
            opening = rpc.opening(False, self._timeouts.busy)
            if type(await self._caller.complete(rpc, opening)) is not dict:
                raise ProtocolError("the description of the model does not parse: expected a dict")
            steps = rpc.calling(CONFIGURE_ROUTE, self._route, (), self._timeouts.episode)
            needs, _ = await self._caller.complete(rpc, steps)
            if self._closed:
                raise SessionLost(f"the session with {rpc.address} is over: it was closed")
        except BaseException:
            self._goodbye()
            raise
        finally:
            if previous is not None:
                previous()
        self._rpc = rpc
        return cast("Mapping[str, Any]", needs)

    async def _reopen(self) -> None:
        if await self._open() != self._needs:
            self._leave()
            raise SessionLost(f"the server at {self._rpc.address} came back with another model")

    def use(self, observations: ValueCodec, actions: ValueCodec) -> None:
        """Set what encodes observations, and what decodes actions, before the first predict."""
        self._encode = observations.encode
        self._decode = actions.decode

    async def start_episode(self, episode: Episode) -> None:
        """Have the server start the episode."""
        body = (episode.id, episode.seed)
        if not self._closed:
            # This needs nothing of a session that was lost.
            with suppress(SessionLost):
                await self._call(START_EPISODE, body, (), self._timeouts.episode)
                return
            await self._reopen()
        await self._call(START_EPISODE, body, (), self._timeouts.episode)

    async def predict(
        self, observation: Any, episode: Episode, step: int, env_seconds: float
    ) -> Sequence[Any]:
        """Return the actions for one observation."""
        started = perf_counter()
        parts: Parts = []
        away = int(env_seconds * 1e9)
        body = (episode.id, step, self._encode(observation, parts), away)
        try:
            reply, payload = await self._call(PREDICT, body, parts, self._timeouts.predict)
        except ModelError as exc:
            if self._lane is not None:
                where = f"lane {self._lane} (seed {episode.seed}, step {step})"
                exc.args = (f"{where}: {exc.args[0]}",)
            raise
        reader = PartReader(payload)
        actions: List[Any] = []
        try:
            bodies, predicting, adapting, batch_size = reply
            if not (type(predicting) is type(adapting) is type(batch_size) is int) or not (
                predicting >= 0 and adapting >= 0
            ):
                for name, number in zip(_TIMES, (predicting, adapting, batch_size)):
                    count(number, name)
            if not checked(bodies, "actions", list) or batch_size < 1:
                raise ValueError("expected one action at least, of a batch of one at least")
            for encoded, arrays in bodies:
                used = reader.next(count(arrays, "arrays"))
                actions.append(self._decode(encoded, PartReader(used)))
        except (TypeError, ValueError) as exc:
            if isinstance(exc, InvalidValue):
                raise
            raise _unreadable(exc) from None
        self.batch_size = batch_size
        elapsed = perf_counter() - started
        # A clock of its own may make it longer.
        self.predict_seconds = min(predicting * 1e-9, elapsed)
        self.adapter_seconds = min(adapting * 1e-9, elapsed - self.predict_seconds)
        rest = elapsed - self.predict_seconds - self.adapter_seconds
        rest -= self._way.unread(rest, self._caller.unread)
        # The least that was seen is what the way takes; what exceeds it was spent in a queue.
        self.wire_seconds = min(self._way.shortest, rest)
        self.queue_seconds = rest - self.wire_seconds
        return actions

    async def observe(self, observation: Any, episode: Episode, step: int) -> None:
        """Tell the server of an observation for which there is an action already."""
        started = perf_counter()
        parts: Parts = []
        body = (episode.id, step, self._encode(observation, parts), 0)
        await self._call(OBSERVE, body, parts, self._timeouts.predict)
        self.adapter_seconds, self.wire_seconds = 0.0, perf_counter() - started

    async def end_episode(self, episode_id: str) -> None:
        """Have the server end the episode; of a client that is lost, it does so itself."""
        with suppress(SessionLost, ConnectionFailed):
            await self._call(END_EPISODE, episode_id, (), self._timeouts.episode)

    async def recover(self) -> None:
        """Open a new session if the last one was lost."""
        if self._rpc.is_over and not self._closed:
            await self._reopen()

    async def leave(self) -> None:
        """End the session, so that no batch waits for this lane; its next episode opens another."""
        await self._caller.complete(self._rpc, self._rpc.closing())

    def close(self) -> None:
        """End the session for good; calling it again does nothing."""
        self._closed = True
        self._leave()

    def _leave(self) -> None:
        if self._goodbye is not None:
            self._goodbye()

    async def _call(
        self, op: int, body: Any, payload: Sequence[memoryview], timeout: float
    ) -> Tuple[Any, Sequence[memoryview]]:
        return await self._caller.complete(self._rpc, self._rpc.calling(op, body, payload, timeout))


def _unreadable(reason: Exception) -> ProtocolError:
    return ProtocolError(
        f"the reply of the model does not parse: expected actions and times: {reason}"
    )
