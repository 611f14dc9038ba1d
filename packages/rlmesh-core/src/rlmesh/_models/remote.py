"""`RemoteModel`: a served model, run against envs as if it were here."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Any, Callable, ClassVar, Mapping, Optional, Tuple, Type, TypeVar

from rlmesh._copies import NotCopied
from rlmesh._envs.client import EnvView
from rlmesh._envs.ports import LaneEnv, open_port
from rlmesh._envs.vector_lanes import SubEnv
from rlmesh._rpc.arrivals import Way
from rlmesh._rpc.calls import LONG, Caller
from rlmesh._rpc.client import RpcClient
from rlmesh._rpc.dial import MODEL_CONNECT_TIMEOUT, dial
from rlmesh._runtime.ports import EnvPort, Policy
from rlmesh._runtime.timing import ModelClock
from rlmesh._transport.security import Token
from rlmesh._wire.codec import Codec, ForwardingCodec
from rlmesh.adapters.selection import Selection
from rlmesh.backends import Backend, NativeBackend
from rlmesh.types import Value

from .client import RemotePolicy, Timeouts
from .evaluator import Evaluator, Policies
from .lanes import Terms

ObsT = TypeVar("ObsT")
ActT = TypeVar("ActT")


class RemoteModelBase(Evaluator[ObsT, ActT], NotCopied):
    """A served model with the methods of a `Model`; subclasses choose the values of `session`.

    `run` passes observations and actions on between the model's server and the env without looking
    into them. Every run and every session has a session of its own at the server, so that one
    `RemoteModel` may be used by several threads.

    Args:
        address: Where the model is served: `tcp://host:port`, `host:port` or `unix:///path`.
        token: The model server's secret; empty means `RLMESH_TOKEN`, or none.
        connect_timeout: Seconds to find the server, which may have to load its model first, and to
            restore a broken connection.
        predict_timeout: Seconds that one `predict` may take.
        episode_timeout: Seconds that the model's callbacks may take, and the set-up for an env.
        busy_timeout: Seconds that a run or a session waits for its turn while the model has as many
            clients as it may have; by default that is refused at once.
        device: Where a session's observations and actions arrive, in frameworks that know devices.
            None is the framework's default.

    Raises:
        AddressError: The address does not parse.
        ConnectionFailed: No server answered within `connect_timeout`.
        SecurityError: The server's token differs.
        ProtocolError: The server is none of ours, of another version, or serves an env.
        InvalidValue: The framework knows no such device.
    """

    _holds = "sessions with its server"
    _instead = "pass on its address, and make another client from that where it is needed"

    _backend: ClassVar[Backend]
    _address = ""

    def __init__(
        self,
        address: str,
        *,
        token: str = "",
        connect_timeout: float = MODEL_CONNECT_TIMEOUT,
        predict_timeout: float = 60.0,
        episode_timeout: float = 300.0,
        busy_timeout: float = 0.0,
        device: Optional[object] = None,
    ) -> None:
        self._token = token = Token(token)
        self._device = self._backend.as_device(device)
        self._address = address
        self._connect_timeout = connect_timeout
        self._timeouts = Timeouts(busy_timeout, predict_timeout, episode_timeout)
        self._rpc = self._dial()
        try:
            self._greet()
        except BaseException:
            self._rpc.close()
            raise

    def _greet(self) -> None:
        """Find the server."""
        self._rpc.hello()

    @property
    def address(self) -> str:
        """The server's address."""
        return self._address

    @property
    def device(self) -> Optional[Any]:
        """Where a session's values arrive, in the framework's own terms; None for main memory."""
        return self._device

    def ping(self) -> Mapping[str, Any]:
        """Return what the server says of itself: `uptime`, `sessions`, `requests`.

        Raises:
            RLMeshError: It does not answer.
        """
        status: Mapping[str, Any] = self._rpc.ping()
        return status

    def shutdown(self) -> None:
        """Shut the server down, if its `ServeOptions.allow_remote_shutdown` lets clients do that.

        Raises:
            SecurityError: It does not.
            RLMeshError: It does not answer.
        """
        self._rpc.shutdown()

    def close(self) -> None:
        """Free the connection; calling it again does nothing. Sessions have their own."""
        self._rpc.close()

    def __enter__(self: RemoteModelT) -> RemoteModelT:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        value: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._address!r})"

    def _dial(self, lane: Optional[int] = None) -> RpcClient:
        return dial(self._address, self._token, self._connect_timeout, "model", lane)

    def _check(self, terms: Terms) -> None:
        if (terms.max_batch_size, terms.max_wait, terms.batch_padding) != (None, None, False):
            raise ValueError(
                "max_batch_size, max_wait, batch_padding: a served model batches as its server's"
                " ServeOptions say; expected none of these"
            )

    def _policies(self, terms: Terms, caller: Caller, lanes: int) -> Policies:
        return _RemotePolicies(
            self._dial, self._timeouts, self._backend, self._device, terms, caller, lanes
        )


class _RemotePolicies:
    """Makes the policies of a run's lanes, each with a session of its own at the server.

    Attributes:
        clock: Stands still: nothing is predicted in this process.
    """

    _model: Mapping[str, Any]

    def __init__(
        self,
        dial_model: Callable[[Optional[int]], RpcClient],
        timeouts: Timeouts,
        backend: Backend,
        device: Optional[Any],
        terms: Terms,
        caller: Caller,
        lanes: int,
    ) -> None:
        self.clock = ModelClock()
        self._way = Way()
        self._several = lanes > 1
        self._dial = dial_model
        self._timeouts = timeouts
        self._backend = backend
        self._device = device
        self._terms = terms
        self._caller = caller

    async def join(
        self, lane: int, env: LaneEnv, resources: ExitStack
    ) -> Tuple[EnvPort, Policy, Optional[Selection]]:
        """Return an env's port and its policy, and what is sent; see `Policies`."""
        number = lane if self._several else None
        policy = RemotePolicy(self._dial, self._timeouts, self._caller, self._way, number)
        resources.callback(policy.close)
        terms, backend, device = self._terms, self._backend, self._device
        if isinstance(env, SubEnv):
            # Taken out of a batch, and passed on whole.
            if terms.unattended:
                backend, device = NativeBackend(), None
            terms = terms._replace(unattended=False)
        contract = env.contract
        await policy.connect(contract, terms)
        self._model = policy.model
        if terms.unattended and not isinstance(env, SubEnv):
            policy.use(ForwardingCodec(), ForwardingCodec())
            return EnvView.forwarding(env), policy, policy.selection
        policy.use(
            Codec(contract.observation_space, backend, "observation"),
            Codec(contract.action_space, backend, "action", device=device),
        )
        return open_port(env, backend, device), policy, None

    def describe(self) -> Mapping[str, Any]:
        """Return what the server knows of the model; see `describe_model`."""
        return self._model

    def wait(self, receive: Callable[[float], bool]) -> None:
        """Wait for messages."""
        receive(LONG)


RemoteModelT = TypeVar("RemoteModelT", bound=RemoteModelBase[Any, Any])


class RemoteModel(RemoteModelBase[Value, Value]):
    """A served model whose sessions have native values."""

    _backend = NativeBackend()
