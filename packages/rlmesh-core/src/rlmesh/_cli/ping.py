"""`rlmesh ping` and `rlmesh stats`: who serves at an address, and how it is doing."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any, List

import typer

from rlmesh._rpc.health import Latency, ping, stats
from rlmesh._text import printable, printable_json

_LONGEST = 1000
"""Characters of a line at most."""


def ping_server(address: str, timeout: float) -> None:
    """Print what a server says of itself, and how long it takes to say it.

    Args:
        address: Where it serves.
        timeout: Seconds to find it.

    Raises:
        RLMeshError: It cannot be reached, or is none of ours.
    """
    found = ping(address, timeout=timeout)
    facts = {
        "rlmesh": f"{found.version} (protocol {found.protocol}), Python {found.python}",
        "uptime": _uptime(found.uptime),
        "sessions": found.sessions,
        "requests": found.requests,
        "workers": found.workers,
        "round trip": f"{found.round_trip * 1000:.2f} ms (median of 5)",
    }
    _print_facts(found.role, address, found.draining, facts)


def print_stats(address: str, timeout: float, as_json: bool) -> None:
    """Print what a server has done.

    Args:
        address: Where it serves.
        timeout: Seconds to find it.
        as_json: Whether to print a JSON object, with times in seconds.

    Raises:
        RLMeshError: It cannot be reached, or is none of ours.
    """
    found = stats(address, timeout=timeout)
    if as_json:
        typer.echo(printable_json(asdict(found), indent=2))
        return
    counts = (f"{count:,} {name}" for name, count in found.requests.items())
    facts = {
        "uptime": _uptime(found.uptime),
        "sessions": f"{found.sessions} of {found.capacity}",
        "workers": found.workers,
        "requests": ", ".join(counts) or "none",
        "errors": found.errors,
    }
    _print_facts(found.role, address, found.draining, facts)
    times = {phase: latency for phase, latency in found.latencies.items() if latency.count}
    if times:
        names = [name for name in asdict(Latency(0, 0, 0, 0, 0, 0)) if name != "count"]
        rows = [["ms", "count", *names]]
        rows += [[phase, *_cells(latency, names)] for phase, latency in times.items()]
        widths = [max(map(len, column)) for column in zip(*rows)]
        typer.echo()
        for name, *cells in rows:
            ends = (f"{cell:>{width + 2}}" for cell, width in zip(cells, widths[1:]))
            typer.echo(printable(f"  {name:<{widths[0]}}{''.join(ends)}", _LONGEST))


def _print_facts(role: str, address: str, draining: bool, facts: Any) -> None:
    state = ", shutting down" if draining else ""
    typer.echo(printable(f"{role} at {address}{state}"))
    for name, value in facts.items():
        if value is not None:
            typer.echo(printable(f"  {name:<10}  {value}", _LONGEST))


def _cells(latency: Latency, names: List[str]) -> List[str]:
    return [f"{latency.count:,}", *(f"{getattr(latency, name) * 1000:,.3f}" for name in names)]


def _uptime(seconds: float) -> str:
    return str(timedelta(seconds=int(seconds)))
