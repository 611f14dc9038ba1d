"""Finding a server by its address, and saying goodbye to it in any case."""

from __future__ import annotations

import os
import weakref
from typing import Optional

from rlmesh._contract.peer import Limits
from rlmesh._transport.client import ZmqConnection
from rlmesh._transport.security import Token

from .client import RpcClient

ENV_CONNECT_TIMEOUT = 10.0
"""Seconds to find an env's server, unless the caller says otherwise."""
MODEL_CONNECT_TIMEOUT = 60.0
"""Seconds to find a model's server, which may have to import torch or JAX before it answers."""


def dial(
    address: str,
    token: Token,
    connect_timeout: float,
    role: Optional[str] = None,
    lane: Optional[int] = None,
) -> RpcClient:
    """Return a client of whatever is served at an address; nothing is asked of it yet.

    Args:
        address: Where.
        token: The server's secret.
        connect_timeout: Seconds to find the server, and to restore a broken connection.
        role: What must be served there, `"env"` or `"model"`; None asks for nothing.
        lane: The number of the run's lane that waits for it, where there are several.

    Raises:
        AddressError: The address does not parse.
    """
    limits = Limits()
    connection = ZmqConnection(address, token, max(limits.control, limits.payload))
    return RpcClient(connection, address, connect_timeout, role, lane=lane)


def goodbye(owner: object, rpc: RpcClient) -> weakref.finalize[..., object]:
    """Return what closes a session: once, at the latest when its owner or the program ends.

    Otherwise the server would keep what it holds for a client that may come back. It may be called
    from anywhere, as `RpcClient.close` may.

    Args:
        owner: Whose end closes it.
        rpc: The session.
    """
    return weakref.finalize(owner, _close, rpc, os.getpid())


def _close(rpc: RpcClient, pid: int) -> None:
    # A forked child that ends must leave its parent's session alone.
    if os.getpid() == pid:
        rpc.close()
