"""Finding a server by its address."""

from __future__ import annotations

from typing import Optional

from rlmesh._contract.peer import Limits
from rlmesh._transport.client import ZmqConnection
from rlmesh._transport.security import Token
from rlmesh.errors import ProtocolError

from .client import RpcClient


def dial(
    address: str, token: Token, connect_timeout: float, role: Optional[str] = None
) -> RpcClient:
    """Return a client of whatever is served at an address.

    Args:
        address: Where.
        token: The server's secret.
        connect_timeout: Seconds to find the server, and to restore a broken connection.
        role: What must be served there, `"env"` or `"model"`; None asks nothing yet.

    Raises:
        AddressError: The address does not parse.
        ProtocolError: Something else is served there.
        RLMeshError: See `RpcClient.hello`.
    """
    limits = Limits()
    connection = ZmqConnection(address, token, max(limits.control, limits.payload))
    rpc = RpcClient(connection, address, connect_timeout)
    if role is None:
        return rpc
    try:
        found = rpc.hello().role
        if found != role:
            raise ProtocolError(f"{address} serves a {found}, expected a {role}")
        return rpc
    except BaseException:
        rpc.close()
        raise
