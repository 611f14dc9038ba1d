"""Servers and clients whose process has no more file descriptors, and later has some again."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import rlmesh
from rlmesh.errors import Busy

SERVER = """
import os, resource, sys, rlmesh
server = rlmesh.EnvServer("countdown:Countdown").start()
print(server.address, flush=True)
for line in sys.stdin:
    used = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + int(line), 1000))
    print("limited", flush=True)
"""

CLIENT = """
import os, resource, sys, rlmesh
held = [os.open("/", 0)]
first = rlmesh.RemoteEnv(sys.argv[1])
first.close()
resource.setrlimit(resource.RLIMIT_NOFILE, (held[0], 1000))
try:
    rlmesh.RemoteEnv(sys.argv[1])
except rlmesh.errors.ConnectionFailed as exc:
    print(exc)
resource.setrlimit(resource.RLIMIT_NOFILE, (1000, 1000))
env = rlmesh.RemoteEnv(sys.argv[1])
env.reset(seed=5)
connection = env._client._rpc.connection
resource.setrlimit(resource.RLIMIT_NOFILE, (held[0], 1000))
try:
    connection.reconnect()
except rlmesh.errors.ConnectionFailed:
    connection.send(b"which is lost")
resource.setrlimit(resource.RLIMIT_NOFILE, (1000, 1000))
print("went on with", env.step(1)[1])
"""


@pytest.fixture
def server():
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    process.address = process.stdout.readline().strip()

    def limit(more):
        process.stdin.write(f"{more}\n")
        process.stdin.flush()
        assert process.stdout.readline() == "limited\n"

    process.limit = limit
    yield process
    process.terminate()
    process.communicate()


@pytest.mark.usefixtures("way")
def test_a_server_without_descriptors_is_busy_and_serves_again_when_it_has_some(server):
    with rlmesh.RemoteEnv(server.address) as first:
        first.reset(seed=5)
        server.limit(4)
        with pytest.raises(Busy, match="machine is short of something: Too many open files"):
            rlmesh.RemoteEnv(server.address, connect_timeout=1)
        # Nobody else is disturbed.
        assert first.step(1)[1] == 5.0
        server.limit(100)
        with rlmesh.RemoteEnv(server.address) as second:
            second.reset(seed=7)
            assert second.step(1)[1] == 7.0
    assert server.poll() is None


def test_a_client_without_descriptors_says_so_and_goes_on_when_it_has_some(server):
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, server.address], capture_output=True, text=True, timeout=60
    )
    said = f"no connection to {server.address} can be made: Too many open files"
    assert done.stdout.splitlines() == [said, "went on with 5.0"], done.stderr
