"""Who takes part: how each serves a `CountingEnv`, and how it takes one step."""

from __future__ import annotations

import functools
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import gymnasium
import numpy as np
from payloads import ACTION, CountingEnv, counting_bytes

Announce = Callable[[str], None]
Stepping = Tuple[Callable[[], Any], Callable[[Any], List[int]]]
"""A function that does one step, and one that finds the counting bytes in its result."""


class Contender(NamedTuple):
    """One way to step an env that lives in another process.

    Attributes:
        serve: Serves a payload's env at an address, which it announces; None if `connect` starts
            the env's process itself.
        connect: Connects to that address.
    """

    serve: Optional[Callable[[str, str, Announce], None]]
    connect: Callable[[str, str], Stepping]


def contender(name: str) -> Contender:
    """Return a contender by name, importing only what it needs."""
    if name == "floor":
        import floor

        return Contender(floor.serve, floor.connect)
    return _OTHERS[name]


def _serve_ours(payload: str, address: str, announce: Announce) -> None:
    import rlmesh

    server = rlmesh.EnvServer(CountingEnv(payload), address)
    announce(server.bind())
    server.serve()


def _serve_peer(payload: str, address: str, announce: Announce) -> None:
    import rlmesh

    server: Any = rlmesh.EnvServer(CountingEnv(payload), address)
    announce(server.address)
    server.serve()


def _connect_remote_env(payload: str, address: str) -> Stepping:
    """Ours and the peer's have the same name and methods."""
    import rlmesh.numpy

    env = rlmesh.numpy.RemoteEnv(address)
    env.reset(seed=0)
    return functools.partial(env.step, ACTION), _bytes_of_step


def _connect_async_vector_env(payload: str, address: str) -> Stepping:
    env = gymnasium.vector.AsyncVectorEnv([functools.partial(CountingEnv, payload)])
    env.reset(seed=0)
    return functools.partial(env.step, ACTION[np.newaxis]), _bytes_of_step


def _bytes_of_step(result: Any) -> List[int]:
    return counting_bytes(result[0])


_OTHERS: Dict[str, Contender] = {
    "ours": Contender(_serve_ours, _connect_remote_env),
    "AsyncVectorEnv": Contender(None, _connect_async_vector_env),
    "peer": Contender(_serve_peer, _connect_remote_env),
}
