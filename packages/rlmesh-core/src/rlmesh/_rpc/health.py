"""`ping` and `stats`: how a server is doing, whoever it serves meanwhile."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import Any, Dict, List, Optional

from rlmesh._contract.fields import checked, count, field
from rlmesh._contract.peer import PROTOCOL_VERSION
from rlmesh._transport.security import Token
from rlmesh.errors import ProtocolError

from .dial import dial
from .histogram import Histogram

_ROUND_TRIPS = 5
_LONGEST_UPTIME = 1e12
_MALFORMED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)


@dataclass(frozen=True)
class Ping:
    """What a server says of itself.

    Attributes:
        role: What it serves, `"env"` or `"model"`.
        version: Its RLMesh version.
        python: Its Python version.
        protocol: The protocol version, which is ours as well.
        uptime: Seconds since it started.
        sessions: Number of clients that have a session.
        requests: Number of requests that it has executed for them since it started.
        workers: Number of its processes, where it makes an env for each client; else None.
        draining: Whether it was asked to shut down, and takes no new clients.
        round_trip: Seconds from asking to the answer, the connection being there; the median of 5.
    """

    role: str
    version: str
    python: str
    protocol: int
    uptime: float
    sessions: int
    requests: int
    workers: Optional[int]
    draining: bool
    round_trip: float


@dataclass(frozen=True)
class Latency:
    """How long one part of a server's work took, in seconds.

    Percentiles differ from the exact ones by at most 4 %.

    Attributes:
        count: How often it was measured.
        mean: The mean.
        p50: What half of the times did not exceed.
        p90: What nine tenths of them did not exceed.
        p99: What 99 of 100 did not exceed.
        max: The longest.
    """

    count: int
    mean: float
    p50: float
    p90: float
    p99: float
    max: float


@dataclass(frozen=True)
class Stats:
    """What a server has done since it started.

    Attributes:
        role: What it serves, `"env"` or `"model"`.
        uptime: Seconds since it started.
        draining: Whether it was asked to shut down, and takes no new clients.
        sessions: Number of clients that have a session.
        capacity: Number of clients that may have one at a time.
        workers: Number of its processes, where it makes an env for each client; else None.
        requests: How many requests it has executed, by operation: `"step"`, `"predict"` etc.
        errors: How many of these failed.
        latencies: How long they took, by phase. Of an env: `"reset"`, `"step"` and `"render"` in
            the env itself, and `"codec"`, the decoding and encoding around one of them. Of a model:
            `"predict"`, each forward pass; and for each observation `"adapter"`, `"codec"`, and
            `"queue"`, its wait for the forward pass since the server has read it. What arrives
            during a forward pass of less than 50 ms is read after it.
    """

    role: str
    uptime: float
    draining: bool
    sessions: int
    capacity: int
    workers: Optional[int]
    requests: Dict[str, int]
    errors: int
    latencies: Dict[str, Latency]


def ping(address: str, *, token: str = "", timeout: float = 5.0) -> Ping:
    """Ask a server how it is. It answers also while a step or a predict runs.

    Args:
        address: Where it serves: `tcp://host:port`, `host:port` or `unix:///path`.
        token: The server's secret; empty means `RLMESH_TOKEN`, or none.
        timeout: Seconds to find it, and for each of its answers.

    Raises:
        AddressError: The address does not parse.
        ConnectionFailed: Nobody answered in time.
        RequestTimeout: The server is there, but did not answer in time.
        SecurityError: The tokens differ.
        ProtocolError: The server is none of ours, or speaks another version.
    """
    token = Token(token)
    client = dial(address, token, timeout)
    try:
        peer = client.hello()
        status: Any = None
        round_trips: List[float] = []
        for _ in range(_ROUND_TRIPS):
            started = time.perf_counter()
            status = client.ping()
            round_trips.append(time.perf_counter() - started)
    finally:
        client.close()
    try:
        return Ping(
            role=field(status, "role", str),
            version=peer.version,
            python=peer.python,
            protocol=PROTOCOL_VERSION,
            uptime=_seconds(status["uptime"]),
            sessions=count(status["sessions"], "sessions"),
            requests=count(status["requests"], "requests"),
            workers=_workers(status),
            draining=field(status, "draining", bool),
            round_trip=median(round_trips),
        )
    except _MALFORMED as exc:
        raise _unreadable("ping", address, exc) from None


def stats(address: str, *, token: str = "", timeout: float = 5.0) -> Stats:
    """Ask a server what it has done. It answers also while a step or a predict runs.

    A server that makes an env for each client hears of their requests within about a second.

    Args:
        address: Where it serves: `tcp://host:port`, `host:port` or `unix:///path`.
        token: The server's secret; empty means `RLMESH_TOKEN`, or none.
        timeout: Seconds to find it, and for its answer.

    Raises:
        RLMeshError: As `ping`.
    """
    token = Token(token)
    client = dial(address, token, timeout)
    try:
        client.hello()
        body = client.stats()
    finally:
        client.close()
    try:
        return Stats(
            role=field(body, "role", str),
            uptime=_seconds(body["uptime"]),
            draining=field(body, "draining", bool),
            sessions=count(body["sessions"], "sessions"),
            capacity=count(body["capacity"], "capacity"),
            workers=_workers(body),
            requests={
                checked(op, "requests", str): count(number, f"requests[{op!r}]")
                for op, number in field(body, "requests", dict).items()
            },
            errors=count(body["errors"], "errors"),
            latencies={
                checked(phase, "latencies", str): _latency(times)
                for phase, times in field(body, "latencies", dict).items()
            },
        )
    except _MALFORMED as exc:
        raise _unreadable("stats", address, exc) from None


def _workers(status: Any) -> Optional[int]:
    return None if status.get("workers") is None else count(status["workers"], "workers")


def _seconds(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value < _LONGEST_UPTIME:
        raise TypeError(f"expected seconds, got {value!r}")
    return float(value)


def _latency(plain: Any) -> Latency:
    times = Histogram()
    times.merge(plain)
    p50, p90, p99 = (times.percentile(share) for share in (0.5, 0.9, 0.99))
    return Latency(times.count, times.mean, p50, p90, p99, times.largest)


def _unreadable(what: str, address: str, exc: Exception) -> ProtocolError:
    reason = f"expected {exc}" if isinstance(exc, KeyError) else exc
    return ProtocolError(
        f"what the server at {address} answered to {what} does not parse: {reason}"
    )
