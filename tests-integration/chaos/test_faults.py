"""Single faults, each at the moment at which it would be seen."""

from __future__ import annotations

import math
import time

import pytest
from disturbed import make_impatient
from proxies import Faults, Proxy
from servers import PATIENCE, Servers

import rlmesh
from rlmesh._rpc.dial import dial
from rlmesh._transport.security import Token


def test_a_worker_is_kept_while_its_client_uses_it_whatever_becomes_of_the_other_way(
    serve: Servers,
) -> None:
    options = {"session_grace": 2.5}
    server = serve("envs:Countdown", factory=True, kwargs={"length": 10**9}, options=options)
    with Proxy(server.address) as proxy, rlmesh.RemoteEnv(proxy.address) as env:
        env.reset()
        proxy.inflict("reset")
        # Two probes, and the grace; at the pace of a slow policy.
        until = time.monotonic() + 7
        while time.monotonic() < until:
            env.step(0)
            time.sleep(0.02)
        with rlmesh.RemoteEnv(server.address) as other:
            other.reset()
        assert env.step(0)[1] > 1


@pytest.mark.parametrize("kind", ["reset", "silence"])
def test_an_idle_client_keeps_its_env_when_its_connection_is_restored(
    kind: str, serve: Servers
) -> None:
    server = serve("envs:Countdown", options={"session_grace": 3.0})
    with Proxy(server.address) as proxy, rlmesh.RemoteEnv(proxy.address) as env:
        env.reset()
        pinging = dial(server.address, Token(), PATIENCE)
        proxy.inflict(kind)
        until = pinging.ping()["uptime"] + 9  # heartbeats, the grace, and two probes
        while pinging.ping()["uptime"] < until:
            time.sleep(0.1)
        assert proxy.connections > 1
        assert env.step(0)[1] == 1.0
        pinging.close()


@pytest.mark.parametrize("token", ["", "a long enough secret of ours"])
def test_handshakes_that_are_cut_are_no_question_of_security(
    token: str, serve: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_impatient(monkeypatch)
    server = serve("envs:Countdown", token=token)
    faults = Faults(0, 10, 8, ("close", "reset"))
    faults.due, faults_begin = math.inf, faults.due
    with Proxy(server.address, faults=faults) as proxy:
        with rlmesh.RemoteEnv(proxy.address, token=token) as env:
            env.reset()
            faults.due = faults_begin
            assert [env.step(0)[1] for _ in range(4)] == [1, 2, 3, 4]
        assert faults.done
