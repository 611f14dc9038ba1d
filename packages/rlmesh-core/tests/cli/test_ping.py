"""`rlmesh ping`, in real processes."""

from __future__ import annotations

import platform
import re
import socket

from rlmesh import RemoteEnv, __version__

TOKEN = "a-token-that-is-long-enough"


def test_it_says_who_serves_and_how_long_a_round_trip_takes(rlmesh, address):
    status, out, err = rlmesh.run("ping", address)
    assert (status, err) == (0, "")
    first, *facts = out.splitlines()
    assert first == f"env at {address}"
    names, values = zip(*(re.split(r"\s{2,}", line.strip()) for line in facts))
    assert names == ("rlmesh", "uptime", "sessions", "requests", "workers", "round trip")
    assert values[0] == f"{__version__} (protocol 1), Python {platform.python_version()}"
    assert values[2:5] == ("0", "0", "1")
    assert re.fullmatch(r"\d+\.\d\d ms \(median of 5\)", values[5])


def test_it_counts_sessions_and_requests_and_disturbs_none(rlmesh, address):
    with RemoteEnv(address) as env:
        env.reset(seed=0)
        env.step(1)
        _, out, _ = rlmesh.run("ping", address)
        assert re.search(r"sessions +1\n", out)
        env.step(1)
    _, out, _ = rlmesh.run("ping", address)
    assert re.search(r"requests +3\n", out)


def test_it_says_that_a_model_is_served(rlmesh):
    _, model = rlmesh.serve_model()
    status, out, err = rlmesh.run("ping", model)
    assert (status, err) == (0, "")
    assert out.splitlines()[0] == f"model at {model}"


def test_an_unreachable_server_is_a_sentence(rlmesh):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        status, out, err = rlmesh.run("ping", address, "--timeout", "0.5")
    assert (status, out) == (1, "")
    assert err == f"rlmesh: no RLMesh server answered at {address} within 0.5 s\n"


def test_an_address_that_does_not_parse_is_a_sentence(rlmesh):
    status, out, err = rlmesh.run("ping", "tcp://127.0.0.1")
    assert (status, out) == (1, "")
    assert err.startswith("rlmesh: address: expected tcp://HOST:PORT")


def test_the_token_comes_from_the_environment(rlmesh):
    _, address = rlmesh.serve(RLMESH_TOKEN=TOKEN)
    assert rlmesh.run("ping", address, RLMESH_TOKEN=TOKEN)[0] == 0
    status, out, err = rlmesh.run("ping", address)
    assert (status, out) == (1, "")
    assert err.startswith("rlmesh: ")
    assert "token" in err
    assert err.count("\n") == 1


def test_the_table_of_stats_fits_a_terminal(rlmesh, address):
    rlmesh.run("run", "policies:one", address, "--seeds", "0:400")
    status, out, _ = rlmesh.run("stats", address)
    assert status == 0
    header = next(line for line in out.splitlines() if line.startswith("  ms "))
    assert header.split() == ["ms", "count", "mean", "p50", "p90", "p99", "max"]
    assert max(map(len, out.splitlines())) < 80
