"""Runs whose connections break all the time, and what must be the same as if they did not."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Dict, List, NamedTuple

import envs
import pytest
from policies import Remembers
from proxies import Faults, Proxy
from servers import Servers

import rlmesh
import rlmesh.numpy
from rlmesh._rpc import client as rpc_client
from rlmesh._transport import client as transport_client
from rlmesh.errors import Busy

SMALL, IMAGES = 4, 224 * 224 * 3 // 4
LIMIT = 150.0
"""Seconds after which a run counts as hanging; it takes a fraction of that."""


class Case(NamedTuple):
    """What is run.

    Attributes:
        env: `instances`, or a factory whose workers are reached directly, or `relayed`.
        model: `local` or `served`.
        lanes: How many.
        size: Elements of an observation, and of an action.
    """

    env: str
    model: str
    lanes: int
    size: int

    def __str__(self) -> str:
        content = "images" if self.size == IMAGES else "small"
        return f"{self.env}-{self.model}-{self.lanes}-{content}"

    @property
    def every(self) -> int:
        """How many bytes pass between two faults, on average."""
        if self.env == "direct" and self.model == "local":
            return 500  # only what opens, closes and keeps sessions goes through the proxy
        return 1_500_000 if self.size == IMAGES else 3_000


def make_impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this process notice in moments what takes seconds otherwise."""
    monkeypatch.setattr(rpc_client, "RESEND_INTERVAL", 0.3)
    monkeypatch.setattr(transport_client, "HEARTBEAT_INTERVAL_MS", 200)
    monkeypatch.setattr(transport_client, "HEARTBEAT_TIMEOUT_MS", 600)


def check(
    case: Case,
    faults: Faults,
    serve: Servers,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    grace: float = 30.0,
) -> None:
    """Run until there were all the faults, and compare every run with an undisturbed one.

    Args:
        case: What is run.
        faults: What goes wrong meanwhile.
        serve: Starts servers.
        folder: For files.
        monkeypatch: Reverts what is changed in this process.
        grace: The servers' `session_grace`.
    """
    if case.env == "relayed":
        monkeypatch.setattr("rlmesh._envs.client.is_reachable", lambda worker: False)
    seeds = range(2 * case.lanes)
    with_remembers = rlmesh.numpy.Model(Remembers("predict_batch"))
    expected = with_remembers.run(envs.Counted(str(folder / "here"), case.size), seeds=seeds)
    log = folder / "log"
    addresses = serve_envs(case, serve, log, {"session_grace": grace})
    if case.model == "served":
        server = serve("policies:Remembers", kwargs={"corner": "predict_batch"}, model="numpy")
        addresses.append(server.address)
    runs, refused, started = 0, 0, time.monotonic()
    with Proxy(*addresses, faults=faults) as proxy:
        addresses = list(proxy.addresses)
        model = with_remembers
        if case.model == "served":
            model = rlmesh.RemoteModel(addresses.pop())
        target = addresses if case.env == "instances" else addresses[0]
        while not faults.done or runs == 0:
            assert time.monotonic() - started < LIMIT, (runs, faults.hits)
            try:
                result = model.run(target, seeds=seeds, concurrency=case.lanes, retries=0)
            except Busy as exc:
                # Not even a repeated goodbye got through.
                if not exc.holder_gone:
                    raise
                refused += 1
                continue
            assert result == expected
            runs += 1
        if case.model == "served":
            model.close()
    executed = Counter(log.read_text())
    assert executed["r"] == runs * len(seeds)
    assert executed["s"] == runs * expected.total_steps
    seconds = time.monotonic() - started
    print(
        f"{case}: {sum(faults.hits.values())} faults, {runs} runs, {refused} refused,"
        f" {seconds:.1f} s, {proxy.connections} connections, {dict(faults.hits)}"
    )


def serve_envs(case: Case, serve: Servers, log: Path, settings: Dict[str, float]) -> List[str]:
    """Serve what a case needs; return the addresses."""
    kwargs = {"log": str(log), "size": case.size}
    if case.env == "instances":
        arguments = ("envs:Counted", json.dumps(kwargs), json.dumps(settings), str(case.lanes))
        return serve.start("serve_many.py", *arguments).read_line().split()
    options = {**settings, "max_sessions": case.lanes}
    return [serve("envs:Counted", factory=True, kwargs=kwargs, options=options).address]
