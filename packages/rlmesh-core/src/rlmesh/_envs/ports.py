"""The way to an env, whether it is an object here or an address elsewhere."""

from __future__ import annotations

from typing import Any, Optional, Sequence, Tuple

from rlmesh._transport.security import Token
from rlmesh._wire.messages import SELECT
from rlmesh.adapters.selection import Selection

from .client import EnvCalls, EnvClient
from .doors import local_env, new_service
from .remote import RemoteBase


def open_env(env_or_address: Any, token: str) -> Tuple[EnvCalls, bool]:
    """Return what executes requests on an env, and whether it was opened here.

    The caller must close what was opened here.

    Args:
        env_or_address: An env object, an object with an `address`, or an address.
        token: The server's secret, where an address is dialed.

    Raises:
        TypeError: It is none of these, or a vector env.
        RLMeshError: The env cannot be reached, or has no usable spaces.
    """
    if isinstance(env_or_address, RemoteBase):
        return _single(env_or_address._client), False
    if hasattr(env_or_address, "reset") and hasattr(env_or_address, "step"):
        return _single(LocalClient(env_or_address)), False
    address = getattr(env_or_address, "address", env_or_address)
    if not isinstance(address, str):
        raise TypeError(
            "env_or_address: expected an env with reset() and step(), an object with an address,"
            f" or an address such as '127.0.0.1:5555', got {env_or_address!r}"
        )
    client = EnvClient(address, Token(token))
    try:
        return _single(client), True
    except TypeError:
        client.close()
        raise


def _single(client: EnvCalls) -> EnvCalls:
    """Return what executes requests on an env, unless that is a vector env."""
    contract = client.contract
    if contract.num_envs is not None:
        raise TypeError(
            f"env_or_address: expected a single environment, got {contract.env_id!r}, which is a"
            f" vector of {contract.num_envs}"
        )
    return client


class LocalClient:
    """Takes the place of a session for an env, or a vector env, in this process.

    Values pass through the same codecs as those of a served env, so that a run's result does not
    depend on where the env is. Exceptions of the env arrive as they are.

    Args:
        env: The env.
    """

    def __init__(self, env: Any) -> None:
        self._env = local_env(env)
        self.contract = self._env.contract()
        self._service = new_service(self._env, self.contract)

    def call(
        self, op: int, body: Any, payload: Sequence[memoryview]
    ) -> Tuple[Any, Sequence[memoryview]]:
        """Execute one request on the env; copy its arrays, as the wire would."""
        reply, parts = self._service.call(op, body, _copied(payload))
        return reply, _copied(parts)

    def select(self, selection: Optional[Selection]) -> None:
        """From now on, return only this of observations; None: all of them."""
        self._service.call(SELECT, None if selection is None else selection.to_plain(), ())

    def close(self) -> None:
        """Close the env."""
        self._env.close()


def _copied(parts: Sequence[memoryview]) -> Sequence[memoryview]:
    return [memoryview(bytearray(part)) for part in parts]
