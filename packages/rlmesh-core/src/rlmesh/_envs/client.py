"""The client's side of a served env: one session, seen through one framework's values."""

from __future__ import annotations

import contextlib
import operator
import weakref
from typing import Any, Dict, Mapping, Optional, Protocol, Sequence, Set, Tuple

from rlmesh._contract.contract import EnvContract
from rlmesh._contract.fields import checked, count, field
from rlmesh._contract.peer import Limits
from rlmesh._rpc.arrivals import Unread, Way
from rlmesh._rpc.calls import BLOCKING, Caller
from rlmesh._rpc.client import RpcClient
from rlmesh._rpc.dial import ENV_CONNECT_TIMEOUT, dial, goodbye
from rlmesh._rpc.direct import DirectClient
from rlmesh._tasks import complete
from rlmesh._transport.client import ZmqConnection
from rlmesh._transport.security import Token
from rlmesh._values.native import NativeBackend
from rlmesh._wire.codec import Codec, ForwardingCodec, ValueCodec
from rlmesh._wire.info import decode_info, encode_whole
from rlmesh._wire.messages import (
    CALL,
    GET_ATTR,
    OP_NAMES,
    RENDER,
    RESET,
    SELECT,
    SET_ATTR,
    STEP,
)
from rlmesh._wire.payload import PartReader, Parts
from rlmesh.adapters.selection import Selection
from rlmesh.backends import Backend
from rlmesh.errors import InvalidValue, ProtocolError, RLMeshError, SessionLost
from rlmesh.spaces import GraphInstance

from .host import is_reachable


class EnvClient:
    """Holds the session with a served env, and opens another when that one is lost.

    Args:
        address: Where the env is served.
        token: The server's secret.
        connect_timeout: Seconds to find the server, and to restore a broken connection.
        step_timeout: Seconds that one `step` may take.
        reset_timeout: Seconds that one `reset`, `render` or use of an attribute, or the start of a
            new env, may take.
        takeover: End the session of a holder that cannot be reached.
        busy_timeout: Seconds to wait for an env while others hold all that there are.

    Attributes:
        contract: What the env promises, once there was a `connect`.
        exposed: The names of its attributes and methods that this client may use.
        changed: Names of those that were set or called in this session.
    """

    contract: EnvContract

    def __init__(
        self,
        address: str,
        token: Token,
        *,
        connect_timeout: float = ENV_CONNECT_TIMEOUT,
        step_timeout: float = 60.0,
        reset_timeout: float = 300.0,
        takeover: bool = False,
        busy_timeout: float = 0.0,
    ) -> None:
        self.address = address
        self._token = token
        self._connect_timeout = connect_timeout
        others = dict.fromkeys((RESET, RENDER, SELECT, GET_ATTR, SET_ATTR, CALL), reset_timeout)
        self._timeouts: Dict[int, float] = {STEP: step_timeout, **others}
        self._selection: Optional[Selection] = None
        self._wish = (takeover, busy_timeout, reset_timeout)
        self._caller: Caller = BLOCKING
        self._lane: Optional[int] = None
        self._rpc: Optional[RpcClient] = None
        self._goodbye: Optional[weakref.finalize[..., object]] = None
        self._closed = False
        self._under_way: Optional[int] = None
        self.exposed: Sequence[str] = ()
        self.changed: Set[str] = set()

    @property
    def unread(self) -> Unread:
        """For how long the reply of the last `call` lay unread."""
        return self._caller.unread

    async def connect(self, caller: Caller, lane: Optional[int] = None) -> None:
        """Open the session, if there was none yet.

        Args:
            caller: How to wait for the server from now on.
            lane: The number of the lane that it is for, in a run with several.

        Raises:
            RLMeshError: See `RemoteEnvBase`.
        """
        self._caller = caller
        self._lane = lane
        if self._rpc is None:
            self.contract = await self._open()

    async def call(
        self, op: int, body: Any, payload: Sequence[memoryview], *, goes_on: bool = False
    ) -> Tuple[Any, Sequence[memoryview]]:
        """Have the server execute one request; see `RpcClient.call` and `EnvCalls.call`."""
        if op in (RESET, SELECT) and not goes_on and not self._closed:
            # These need nothing of a session that was lost.
            with contextlib.suppress(SessionLost):
                return await self._call(op, body, payload)
            await self._reopen()
        return await self._call(op, body, payload)

    def call_now(
        self, op: int, body: Any, payload: Sequence[memoryview]
    ) -> Tuple[Any, Sequence[memoryview]]:
        """Have the server execute one request; nothing else goes on meanwhile."""
        rpc = self._rpc
        assert rpc is not None
        if self._under_way is not None:
            # It goes on when this thread does, so that waiting for it would never end.
            raise RLMeshError(
                f"{OP_NAMES[op]}: a run has this env execute a {OP_NAMES[self._under_way]} right"
                " now; a hook can use the env of its own event, as event.render() does"
            )
        return rpc.complete(rpc.calling(op, body, payload, self._timeouts[op]))

    async def recover(self) -> None:
        """Open a new session if the last one was lost."""
        if self._rpc is not None and self._rpc.is_over and not self._closed:
            await self._reopen()

    async def select(self, selection: Optional[Selection]) -> None:
        """Have the server send only this of observations; None: all of them."""
        selected, self._selection = self._selection, selection
        if selection is not None:
            await self.call(SELECT, selection.to_plain(), ())
        elif selected is not None:
            # A new session selects nothing, so that a lost one need not be replaced for this.
            await self._call(SELECT, None, ())

    def shutdown(self) -> None:
        """Shut the server down, if it lets clients do that."""
        assert self._rpc is not None
        self._rpc.shutdown()

    def close(self) -> None:
        """Free the env for other clients; calling it again does nothing."""
        self._closed = True
        self._leave()

    def _leave(self) -> None:
        if self._goodbye is not None:
            self._goodbye()

    async def _call(
        self, op: int, body: Any, payload: Sequence[memoryview]
    ) -> Tuple[Any, Sequence[memoryview]]:
        rpc = self._rpc
        assert rpc is not None
        steps = rpc.calling(op, body, payload, self._timeouts[op])
        if self._caller is BLOCKING:
            return rpc.complete(steps)
        self._under_way = op
        try:
            return await self._caller.complete(rpc, steps)
        finally:
            self._under_way = None

    async def _open(self, previous: Optional[RpcClient] = None) -> EnvContract:
        """Open a session; the server may not know yet that the previous one is over."""
        rpc = dial(self.address, self._token, self._connect_timeout, "env", self._lane)
        # Before anything else, so that `close` ends also this.
        self._goodbye = goodbye(self, rpc)
        try:
            if previous is not None:
                rpc.release(previous)
            description = await self._caller.complete(rpc, rpc.opening(*self._wish))
            contract = EnvContract.from_dict(description)
            exposed = _checked_names(description.get("expose", []))
            worker = _checked_worker(description.pop("worker", None))
            if worker is not None and is_reachable(worker):
                direct = self._direct(worker, rpc, description)
                self._goodbye.detach()
                rpc, self._goodbye = direct, goodbye(self, direct)
                await self._caller.complete(rpc, rpc.opening())
            if self._closed:
                raise SessionLost(f"the session with {self.address} is over: it was closed")
        except BaseException:
            self._goodbye()
            raise
        self._rpc = rpc
        self.exposed = exposed
        return contract

    def _direct(self, worker: Mapping[str, Any], front: RpcClient, description: Any) -> RpcClient:
        """Return a client of the session's worker, which is on this machine."""
        limits = Limits()
        largest = max(limits.control, limits.payload)
        name = worker["address"]
        connection = ZmqConnection(name, self._token, largest)
        return DirectClient(connection, front, name, worker["key"], description)

    async def _reopen(self) -> None:
        """Open a new session in place of a lost one; the env must be the same."""
        if self.changed:
            # In another session, the env would silently go on without what was set.
            names = ", ".join(map(repr, sorted(self.changed)))
            raise SessionLost(
                f"the session with {self.address} is over, and so is what {names} did to its env:"
                " make a new client, and set and call what it needs"
            )
        self._leave()
        if await self._open(self._rpc) != self.contract:
            self._leave()
            raise SessionLost(f"the server at {self.address} came back with another env")
        if self._selection is not None:
            await self._call(SELECT, self._selection.to_plain(), ())


def _checked_names(names: Any) -> Sequence[str]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ProtocolError("the description of the env does not parse: expose is no list of names")
    return names


def _checked_worker(worker: Any) -> Any:
    if worker is not None:
        try:
            for name, kind in (("address", str), ("host", str), ("key", bytes)):
                field(worker, name, kind)
        except TypeError as exc:
            raise ProtocolError(f"the worker of the env does not parse: {exc}") from None
    return worker


class EnvCalls(Protocol):
    """What a view needs: something that executes requests on an env."""

    contract: EnvContract

    @property
    def unread(self) -> Unread:
        """For how long the reply of the last `call` lay unread."""
        ...

    async def connect(self, caller: Caller, lane: Optional[int] = None) -> None:
        """Be ready for calls; `caller` says how to wait for them, `lane` for whom."""
        ...

    async def call(
        self, op: int, body: Any, payload: Sequence[memoryview], *, goes_on: bool = False
    ) -> Tuple[Any, Sequence[memoryview]]:
        """Execute one request; return the reply's body and payload.

        Args:
            op: The operation.
            body: Plain data.
            payload: The large arrays.
            goes_on: Whether a reset goes on with what the env did in this session, so that it must
                not be made in another one.
        """
        ...

    def call_now(
        self, op: int, body: Any, payload: Sequence[memoryview]
    ) -> Tuple[Any, Sequence[memoryview]]:
        """Execute one request of the session; nothing else of a run goes on meanwhile."""
        ...

    async def recover(self) -> None:
        """Be ready for a reset again, whatever was lost."""
        ...

    async def select(self, selection: Optional[Selection]) -> None:
        """From now on, return only this of observations; None: all of them."""
        ...

    def close(self) -> None:
        """Give the env up."""
        ...


class EnvView:
    """An env as the runtime uses it, with the values of one framework.

    Every episode has the seed of its reset.

    Args:
        client: What executes requests on the env, with the env's contract.
        backend: Whose arrays observations and info hold.
        graph_type: What observations of a Graph space become.
        device: Where the arrays of observations live; see `Backend.as_device`.
        selection: What was selected of observations; None: all of them.

    Raises:
        TypeError: It is a vector env; see `VectorView`.
    """

    takes_seeds = True

    def __init__(
        self,
        client: EnvCalls,
        backend: Backend,
        graph_type: Any = GraphInstance,
        device: Optional[Any] = None,
        selection: Optional[Selection] = None,
    ) -> None:
        self.contract = contract = client.contract
        if contract.num_envs is not None:
            raise TypeError(
                f"env: expected a single environment, got {contract.env_id!r}, which is a vector of"
                f" {contract.num_envs}"
            )
        self.env_seconds = 0.0
        self._way = Way()
        self._client = client
        self._from_tensor = backend.from_tensor
        space = contract.observation_space
        if selection is not None:
            space = selection.space(space)
        self._observations: ValueCodec = Codec(space, backend, "observation", graph_type, device)
        self._actions: ValueCodec = Codec(contract.action_space, backend, "action")

    @classmethod
    def forwarding(cls, client: EnvCalls) -> EnvView:
        """Return a view whose observations and actions stay encoded, for a served model."""
        view = cls(client, NativeBackend())
        view._observations = view._actions = ForwardingCodec()
        return view

    def unread(self, seconds: float) -> float:
        """Return for how much of the last call's time its reply lay unread; see `EnvPort`."""
        return self._way.unread(seconds, self._client.unread)

    async def reset(
        self, seed: Optional[int] = None, options: Optional[Mapping[str, Any]] = None
    ) -> Tuple[Any, Any]:
        """Start an episode; return the observation and info."""
        seed = checked_seed(seed)
        parts: Parts = []
        packed = None if options is None else encode_whole(options, parts, "options")
        reply, payload = await self._client.call(RESET, (seed, packed), parts)
        try:
            observation, info, elapsed = reply
        except (TypeError, ValueError):
            raise unreadable(3) from None
        self.env_seconds = seconds_of(elapsed)
        reader = PartReader(payload)
        known = decode_info(info, reader, self._from_tensor)
        return self._observations.decode(observation, reader), known

    async def step(self, action: Any) -> Tuple[Any, float, bool, bool, Any]:
        """Return observation, reward, terminated, truncated and info."""
        parts: Parts = []
        body = self._actions.encode(action, parts)
        reply, payload = await self._client.call(STEP, body, parts)
        try:
            observation, reward, terminated, truncated, info, elapsed = reply
        except (TypeError, ValueError):
            raise unreadable(6) from None
        if not (
            type(reward) is float
            and type(terminated) is bool
            and type(truncated) is bool
            and type(elapsed) is int
            and elapsed >= 0
        ):
            raise _mistyped_step(reward, terminated, truncated, elapsed)
        self.env_seconds = elapsed * 1e-9
        reader = PartReader(payload)
        # Info first: what is forwarded are the large arrays before those of info.
        known = {} if info is None else decode_info(info, reader, self._from_tensor)
        decoded = self._observations.decode(observation, reader)
        return decoded, reward, terminated, truncated, known

    async def recover(self) -> None:
        """Be ready for a reset again, whatever was lost."""
        await self._client.recover()

    async def leave(self) -> None:
        """Do nothing: nobody waits for this env."""

    def render_now(self) -> Any:
        """Return what the env renders in its mode; nothing else of a run goes on meanwhile."""
        reply, payload = self._client.call_now(RENDER, None, ())
        try:
            packed, elapsed = reply
        except (TypeError, ValueError):
            raise unreadable(2) from None
        seconds_of(elapsed)
        known = decode_info(packed, PartReader(payload), self._from_tensor)
        if "frame" not in known:
            raise unreadable(2)
        return known["frame"]


class BlockingView:
    """A view whose calls block.

    Args:
        view: The view; its client blocks as well.
    """

    def __init__(self, view: EnvView) -> None:
        self._view = view

    def reset(
        self, seed: Optional[int] = None, options: Optional[Mapping[str, Any]] = None
    ) -> Tuple[Any, Any]:
        """Start an episode; return the observation and info."""
        return complete(self._view.reset(seed, options))

    def step(self, action: Any) -> Tuple[Any, float, bool, bool, Any]:
        """Return observation, reward, terminated, truncated and info."""
        return complete(self._view.step(action))

    def render(self) -> Any:
        """Return what the env renders in its mode."""
        return self._view.render_now()


def checked_seed(seed: Any) -> Optional[int]:
    """Return a seed of any integer type, such as NumPy's, as an int that the wire carries."""
    if seed is None:
        return None
    try:
        number = operator.index(seed)
    except TypeError:
        number = -1
    if not 0 <= number < 2**64:
        raise InvalidValue(f"seed: expected an integer from 0 to 2**64 - 1, or None, got {seed!r}")
    return number


def seconds_of(elapsed: Any) -> float:
    """Return what a reply says of the env's time, which it has in nanoseconds.

    Raises:
        ProtocolError: It is no integer from 0 on.
    """
    try:
        return count(elapsed, "elapsed") * 1e-9
    except TypeError as exc:
        raise _mistyped(exc) from None


def _mistyped_step(reward: Any, terminated: Any, truncated: Any, elapsed: Any) -> ProtocolError:
    """Return the error about a reply to `step` with a field of another type."""
    try:
        checked(reward, "reward", float)
        checked(terminated, "terminated", bool)
        checked(truncated, "truncated", bool)
        count(elapsed, "elapsed")
    except TypeError as exc:
        return _mistyped(exc)
    raise AssertionError("every field has its type")


def _mistyped(exc: TypeError) -> ProtocolError:
    return ProtocolError(f"the reply of the env does not parse: {exc}")


def unreadable(expected: int) -> ProtocolError:
    """Return the error about a reply of another form than so many fields."""
    return ProtocolError(f"the reply of the env does not parse: expected {expected} fields")
