"""The way to an env, whether it is an object here or an address elsewhere."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Optional, Sequence, Tuple, Union

from rlmesh._rpc.arrivals import Unread
from rlmesh._rpc.calls import BLOCKING, Caller
from rlmesh._rpc.dial import ENV_CONNECT_TIMEOUT
from rlmesh._runtime.ports import EnvPort
from rlmesh._tasks import complete
from rlmesh._transport.security import Token
from rlmesh._wire.messages import SELECT
from rlmesh.adapters.selection import Selection
from rlmesh.backends import Backend
from rlmesh.errors import RLMeshError

from .client import EnvCalls, EnvClient, EnvView
from .doors import local_env, new_service
from .remote import RemoteBase
from .vector_lanes import SubEnv

LaneEnv = Union[EnvCalls, SubEnv]
"""What a lane steps in: an env, or one sub-env of a vector env."""


def find_env(
    env_or_address: Any, token: Token, connect_timeout: Optional[float] = None
) -> Tuple[EnvCalls, bool]:
    """Return what executes requests on an env, and whether it was made here.

    Args:
        env_or_address: An env object, an object with an `address`, or an address.
        token: The server's secret, where an address is dialed.
        connect_timeout: Seconds to find that server; None is `ENV_CONNECT_TIMEOUT`.

    Raises:
        TypeError: It is none of these.
        RLMeshError: The address does not parse, or the env has no usable spaces.
    """
    if isinstance(env_or_address, RemoteBase):
        return env_or_address._client, False
    if hasattr(env_or_address, "reset") and hasattr(env_or_address, "step"):
        return LocalClient(env_or_address), False
    address = getattr(env_or_address, "address", env_or_address)
    if not isinstance(address, str):
        raise TypeError(
            "env_or_address: expected an env with reset() and step(), an object with an address,"
            f" or an address such as '127.0.0.1:5555', got {env_or_address!r}"
        )
    if connect_timeout is None:
        connect_timeout = ENV_CONNECT_TIMEOUT
    return EnvClient(address, Token(token), connect_timeout=connect_timeout), True


def open_port(
    env: LaneEnv,
    backend: Backend,
    device: Optional[Any] = None,
    selection: Optional[Selection] = None,
) -> EnvPort:
    """Return an env with the values of one framework, as the runtime uses it.

    Args:
        env: The env.
        backend: Whose arrays observations hold.
        device: Where these live; see `Backend.as_device`.
        selection: What was selected of observations, not of a sub-env's; None: all of them.

    Raises:
        TypeError: It is a whole vector env.
        UnsupportedSpace: See `SubEnv.port`.
    """
    if isinstance(env, SubEnv):
        return env.port(backend, device)
    return EnvView(env, backend, device=device, selection=selection)


def give_back(client: EnvCalls, close: bool) -> None:
    """Leave an env as it was found.

    Args:
        client: Executes requests on the env.
        close: Whether to close it.
    """
    if close:
        client.close()
        return

    async def restore() -> None:
        await client.connect(BLOCKING)
        await client.select(None)

    # An env that was lost meanwhile selects nothing any more.
    with suppress(RLMeshError):
        complete(restore())


class LocalClient:
    """Takes the place of a session for an env, or a vector env, in this process.

    Values pass through the same codecs as those of a served env, so that a run's result does not
    depend on where the env is. Exceptions of the env arrive as they are.

    Args:
        env: The env.
    """

    unread = Unread()

    def __init__(self, env: Any) -> None:
        self._env = local_env(env)
        self.contract = self._env.contract()
        self._service = new_service(self._env, self.contract)

    async def connect(self, caller: Caller, lane: Optional[int] = None) -> None:
        """Do nothing: an env in this process is there, and is waited for by calling it."""

    async def call(
        self, op: int, body: Any, payload: Sequence[memoryview], *, goes_on: bool = False
    ) -> Tuple[Any, Sequence[memoryview]]:
        """Execute one request on the env; copy its arrays, as the wire would."""
        reply, parts = self._service.call(op, body, _copied(payload))
        return reply, _copied(parts)

    def call_now(
        self, op: int, body: Any, payload: Sequence[memoryview]
    ) -> Tuple[Any, Sequence[memoryview]]:
        """Execute one request on the env."""
        return complete(self.call(op, body, payload))

    async def recover(self) -> None:
        """Do nothing: an env in this process is there."""

    async def select(self, selection: Optional[Selection]) -> None:
        """From now on, return only this of observations; None: all of them."""
        self._service.call(SELECT, None if selection is None else selection.to_plain(), ())

    def close(self) -> None:
        """Close the env."""
        self._env.close()


def _copied(parts: Sequence[memoryview]) -> Sequence[memoryview]:
    return [memoryview(bytearray(part)) for part in parts]
