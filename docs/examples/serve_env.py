"""Serve CartPole-v1 until standard input is closed; needs rlmesh-core and gymnasium only."""

from __future__ import annotations

import sys

import gymnasium

import rlmesh

with rlmesh.EnvServer(gymnasium.make("CartPole-v1")) as server:
    print(server.address, flush=True)
    # Whoever started this process holds its standard input open. When it is gone, so are we.
    sys.stdin.read()
