"""`rlmesh ping`: who serves at an address."""

from __future__ import annotations

from datetime import timedelta
from statistics import median
from time import perf_counter

import typer

from rlmesh._contract.peer import PROTOCOL_VERSION
from rlmesh._rpc.client import RpcClient
from rlmesh._rpc.dial import dial
from rlmesh._transport.security import Token

_PINGS = 5


def ping_server(address: str, timeout: float) -> None:
    """Print what a server says of itself, and how long it takes to say it.

    Args:
        address: Where it serves.
        timeout: Seconds to find it.

    Raises:
        RLMeshError: It cannot be reached, or is none of ours.
    """
    client = dial(address, Token(), timeout)
    try:
        peer = client.hello()
        status = client.ping()
        round_trips = [_round_trip(client) for _ in range(_PINGS)]
    finally:
        client.close()
    facts = {
        "rlmesh": f"{peer.version} (protocol {PROTOCOL_VERSION}), Python {peer.python}",
        "uptime": str(timedelta(seconds=int(status["uptime"]))),
        "sessions": str(status["sessions"]),
        "requests": str(status["requests"]),
        **({"workers": str(status["workers"])} if "workers" in status else {}),
        "round trip": f"{median(round_trips) * 1000:.2f} ms (median of {_PINGS})",
    }
    typer.echo(f"{peer.role} at {address}")
    for name, value in facts.items():
        typer.echo(f"  {name:<10}  {value}")


def _round_trip(client: RpcClient) -> float:
    started = perf_counter()
    client.ping()
    return perf_counter() - started
