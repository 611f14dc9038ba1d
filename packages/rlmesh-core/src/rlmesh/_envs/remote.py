"""`RemoteEnv`: a served env, used as if it were here."""

from __future__ import annotations

from types import TracebackType
from typing import Any, ClassVar, Dict, Generic, Mapping, Optional, Tuple, Type, TypeVar

from rlmesh._contract.contract import EnvContract
from rlmesh._contract.env_spec import EnvSpec
from rlmesh._copies import NotCopied
from rlmesh._rpc.calls import BLOCKING
from rlmesh._rpc.dial import ENV_CONNECT_TIMEOUT
from rlmesh._tasks import complete
from rlmesh._transport.security import Token
from rlmesh.backends import Backend, NativeBackend
from rlmesh.errors import UnknownAttribute
from rlmesh.spaces import Space
from rlmesh.types import Value

from .client import BlockingView, EnvClient, EnvView
from .remote_attributes import RemoteAttributes

ObsT = TypeVar("ObsT")
ActT = TypeVar("ActT")


_GYMNASIUM_NAMES = frozenset(
    {
        "unwrapped",
        "np_random",
        "np_random_seed",
        "get_wrapper_attr",
        "has_wrapper_attr",
        "set_wrapper_attr",
        "env_method",
        "env_is_wrapped",
        "envs",
        "get_images",
        "num_envs",
        "seed",
        "step_async",
        "step_wait",
    }
)
"""What wrappers and training libraries ask of an env, besides what a client has."""


class _Client(type):
    """The type of clients, whose repr is what libraries show when they refuse one."""

    def __repr__(cls) -> str:
        public = f"{cls.__module__.partition('._')[0]}.{cls.__qualname__}"
        if getattr(cls, "_is_vector", False):
            return (
                f"<class '{public}' (for Gymnasium, take rlmesh.numpy.gym.RemoteVectorEnv;"
                " Stable-Baselines3 wants several rlmesh.numpy.gym.RemoteEnv)>"
            )
        return (
            f"<class '{public}' (for Gymnasium and Stable-Baselines3, take"
            " rlmesh.numpy.gym.RemoteEnv)>"
        )


class RemoteBase(NotCopied, metaclass=_Client):
    """What a served env and a served vector env have in common.

    Args:
        address: See `RemoteEnvBase`, for all of them.
        token: See there.
        connect_timeout: See there.
        step_timeout: See there.
        reset_timeout: See there.
        takeover: See there.
        busy_timeout: See there.
        device: See there.

    Raises:
        TypeError: A vector env is served where a single one was expected, or the other way round.
        RLMeshError: See there.
    """

    _holds = "a session with its server"
    _instead = "pass on its address, and make another client from that where it is needed"
    _backend: ClassVar[Backend]
    _is_vector: ClassVar[bool] = False
    _view: Any

    def __init__(
        self,
        address: str,
        *,
        token: str = "",
        connect_timeout: float = ENV_CONNECT_TIMEOUT,
        step_timeout: float = 60.0,
        reset_timeout: float = 300.0,
        takeover: bool = False,
        busy_timeout: float = 0.0,
        device: Optional[object] = None,
    ) -> None:
        token = Token(token)
        self._device = self._backend.as_device(device)
        self._client = EnvClient(
            address,
            token,
            connect_timeout=connect_timeout,
            step_timeout=step_timeout,
            reset_timeout=reset_timeout,
            takeover=takeover,
            busy_timeout=busy_timeout,
        )
        complete(self._client.connect(BLOCKING))
        vector = self.contract.num_envs is not None
        if vector != self._is_vector:
            self._client.close()
            kinds = ("an env: use RemoteEnv", "a vector env: use RemoteVectorEnv")
            raise TypeError(f"what is served at {address} is {kinds[vector]}")
        self._view = self.view(self._backend, device=self._device)
        self._attributes = RemoteAttributes(self._client, self._backend)

    @property
    def device(self) -> Optional[Any]:
        """Where observations arrive, in the framework's own terms; None for main memory."""
        return self._device

    @property
    def address(self) -> str:
        """The server's address."""
        return self._client.address

    @property
    def contract(self) -> EnvContract:
        """What the served env promises."""
        return self._client.contract

    @property
    def spec(self) -> Optional[EnvSpec]:
        """How the served env was made: its id, `max_episode_steps` and so on; None if unknown.

        `rlmesh.numpy.gym.RemoteEnv` has Gymnasium's own `EnvSpec`.
        """
        return self.contract.spec

    @property
    def observation_space(self) -> Space[Any]:
        """The space of every observation."""
        return self.contract.observation_space

    @property
    def action_space(self) -> Space[Any]:
        """The space of every action."""
        return self.contract.action_space

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The env's own metadata, such as `render_modes`."""
        return self.contract.metadata

    @property
    def render_mode(self) -> Optional[str]:
        """The mode in which the env was built; None if it does not render."""
        return self.contract.render_mode

    def render(self) -> Any:
        """Return what the env renders in its own mode: a frame, a list of frames, text, or None.

        Raises:
            NotReset: There was no `reset` yet.
            EnvError: The env raised.
        """
        return self._view.render()

    def get_attr(self, name: str) -> Any:
        """Return an attribute of the served env that its server exposes.

        Wrappers on the server's side are looked through, the outermost first. Values arrive as they
        are, with the framework's arrays in place of NumPy's; what cannot be carried is an error.

        Args:
            name: The attribute's name.

        Returns:
            The attribute; a function that calls it, if it is a method. Of a vector env, a tuple
            with the attribute of each sub-env, or what its method returns.

        Raises:
            UnknownAttribute: The server does not expose it, or the env has none of that name.
            InvalidValue: It is neither None, a number, text, bytes, an array, nor a list, tuple,
                set or dict of these.
            EnvError: The env raised.
            RequestTimeout, ConnectionFailed, SessionLost: The session ended.
        """
        return self._attributes.get(name)

    def set_attr(self, name: str, value: Any) -> None:
        """Set an attribute of the served env that its server exposes.

        It is set where `get_attr` finds it. An env instance keeps it when this client leaves; one
        that a factory made ends with its client. If the session is lost, and the attribute with it,
        this client does not open another: its calls raise `SessionLost`.

        Args:
            name: The attribute's name.
            value: Its value. Of a vector env, a list or tuple with the value for each sub-env, or
                one value for all of them.

        Raises:
            RLMeshError: See `get_attr`.
        """
        self._attributes.set(name, value)

    def call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the served env that its server exposes, exactly once.

        Args:
            name: The method's name.
            args: Its arguments, carried as the values of attributes are; see `get_attr`.
            kwargs: Its keyword arguments.

        Returns:
            What it returns; of a vector env, a tuple of what that of each sub-env returns.

        Raises:
            RLMeshError: See `get_attr`.
        """
        return self._attributes.call(name, *args, **kwargs)

    def close(self) -> None:
        """Free the env for other clients; calling it again does nothing."""
        self._client.close()

    def shutdown(self) -> None:
        """Shut the server down, if its `ServeOptions.allow_remote_shutdown` lets clients do that.

        Raises:
            SecurityError: It does not.
            RLMeshError: It does not answer.
        """
        self._client.shutdown()

    def view(self, backend: Backend, **options: Any) -> Any:
        """Return the same session with the values of another framework."""
        raise NotImplementedError

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        if name in _GYMNASIUM_NAMES:
            kind = "RemoteVectorEnv" if self._is_vector else "RemoteEnv"
            raise UnknownAttribute(
                f"{type(self).__name__}: there is no {name!r}; wrappers and training libraries take"
                f" rlmesh.numpy.gym.{kind}(address)"
            )
        return self._attribute(name)

    def _attribute(self, name: str) -> Any:
        """Return an attribute of the env, as if it was this object's."""
        if self._is_vector and name in self._attributes:
            raise UnknownAttribute(f"{name!r} is an attribute of sub-envs: use get_attr({name!r})")
        return self.get_attr(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_") or hasattr(type(self), name):
            super().__setattr__(name, value)
        elif self._is_vector and name in self._attributes:
            raise UnknownAttribute(f"{name!r} is an attribute of sub-envs: use set_attr({name!r})")
        else:
            self.set_attr(name, value)

    def __enter__(self: SelfT) -> SelfT:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        value: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        try:
            return f"{type(self).__name__}({self.contract.env_id!r}, {self.address!r})"
        except AttributeError:  # the traceback of a failed __init__ may show this
            return f"{type(self).__name__}(unfinished)"


SelfT = TypeVar("SelfT", bound=RemoteBase)


class RemoteEnvBase(RemoteBase, Generic[ObsT, ActT]):
    """A served env with Gymnasium's methods; subclasses choose the framework of its values.

    It holds the env until `close`: a second client gets `Busy`. When the session is lost (the
    server restarted, say), the next `reset` opens another.

    Args:
        address: Where the env is served: `tcp://host:port`, `host:port` or `unix:///path`.
        token: The server's secret; empty means `RLMESH_TOKEN`, or none.
        connect_timeout: Seconds to find the server, and to restore a broken connection.
        step_timeout: Seconds that one `step` may take.
        reset_timeout: Seconds that one `reset` or `render`, or the start of a new env, may take.
        takeover: End the session of a holder that cannot be reached, instead of waiting for it.
        busy_timeout: Seconds to wait for an env while others hold all that there are; first come,
            first served.
        device: Where observations arrive, in frameworks that know devices: `"cuda:0"`, say. None is
            the framework's default. Actions may come from any device.

    Raises:
        TypeError: A vector env is served there.
        InvalidValue: The framework knows no such device.
        AddressError: The address does not parse.
        ConnectionFailed: No server answered within `connect_timeout`.
        Busy: Another client holds the env, or others all envs that there may be.
        SecurityError: The server's token differs.
        ProtocolError: The server is none of ours, or of another version.
    """

    _view: BlockingView

    def reset(
        self, *, seed: Optional[int] = None, options: Optional[Mapping[str, Any]] = None
    ) -> Tuple[ObsT, Dict[str, Any]]:
        """Start an episode.

        Args:
            seed: The env's seed; None leaves its random state as it is.
            options: Passed to the env as plain data.

        Returns:
            The first observation, of `observation_space`, and info.

        Raises:
            EnvError: The env raised.
            InvalidValue: Its observation breaks its own space.
            RequestTimeout, ConnectionFailed, SessionLost: The session ended.
        """
        observation, info = self._view.reset(seed, options)
        return observation, info

    def step(self, action: ActT) -> Tuple[ObsT, float, bool, bool, Dict[str, Any]]:
        """Execute one action.

        Args:
            action: An action of `action_space`.

        Returns:
            Observation, reward, terminated, truncated, info.

        Raises:
            InvalidValue: The action does not fit its space, or the env broke its own.
            NotReset: There was no `reset` yet.
            EnvError: The env raised.
            RequestTimeout, ConnectionFailed, SessionLost: The session ended.
        """
        return self._view.step(action)

    def view(self, backend: Backend, **options: Any) -> BlockingView:
        """Return the same session with the values of another framework."""
        return BlockingView(EnvView(self._client, backend, **options))


class RemoteEnv(RemoteEnvBase[Value, Value]):
    """A served env with native values: `Tensor`, numbers, strings and containers."""

    _backend = NativeBackend()
