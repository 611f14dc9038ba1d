"""Who takes part: what each serves, and the turns that its client can take."""

from __future__ import annotations

import functools
import socket
from typing import Any, Callable, Dict, List, NamedTuple, Optional

import gymnasium
import numpy as np
from payloads import ACTION, CountingEnv, counting_bytes
from server import Server
from turns import TimedPolicy, Turn, turn_of_an_episode, turn_of_steps

Announce = Callable[[str], None]
Predict = Callable[[Any], Any]

PARTS = ("env", "model")
"""What may be served, each by a process of its own, in the order in which `connect` gets them."""


class Contender(NamedTuple):
    """One way to step an env that lives in another process.

    Attributes:
        connect: Takes a payload, and a `Server` for each part that is served; returns the turns.
        serve_env: Serves a payload's env at an address, which it announces; None if `connect`
            starts the env's process itself.
        serve_model: Serves a model at an address, which it announces; None without one.
    """

    connect: Callable[..., Dict[str, Turn]]
    serve_env: Optional[Callable[[str, str, Announce], None]] = None
    serve_model: Optional[Callable[[Predict, str, Announce], None]] = None


def contender(name: str) -> Contender:
    """Return a contender by name, importing only what it needs."""
    if "floor" in name:
        import floor

        if name == "floor":
            return Contender(floor.connect, floor.serve_env)
        return Contender(floor.connect_both, floor.serve_env, floor.serve_model)
    if name.endswith("adapter"):
        import adapting

        return Contender(functools.partial(adapting.connect, name.partition(" ")[0]))
    return _OTHERS[name]


def _serve_our_env(payload: str, address: str, announce: Announce) -> None:
    import rlmesh

    server = rlmesh.EnvServer(CountingEnv(payload), address)
    announce(server.bind())
    server.serve()


def _serve_our_model(predict: Predict, address: str, announce: Announce) -> None:
    import rlmesh
    import rlmesh.numpy

    server = rlmesh.ModelServer(rlmesh.numpy.Model(predict), address)
    announce(server.bind())
    server.serve()


def _serve_peer_env(payload: str, address: str, announce: Announce) -> None:
    import rlmesh

    server: Any = rlmesh.EnvServer(CountingEnv(payload), address)
    announce(server.address)
    server.serve()


def _serve_peer_model(predict: Predict, address: str, announce: Announce) -> None:
    """Serve over TCP whatever the transport: the peer serves no model over unix sockets."""
    import rlmesh.numpy

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = "tcp://{}:{}".format(*free.getsockname())
    announce(address)
    rlmesh.numpy.Model(predict).serve(address)


def _connect_ours(payload: str, server: Server) -> Dict[str, Turn]:
    import rlmesh.numpy

    env = rlmesh.numpy.RemoteEnv(server.address)
    policy = TimedPolicy(payload)
    model = rlmesh.numpy.Model(policy.predict)

    def run(steps: int) -> None:
        model.run(env, max_episodes=1, max_episode_steps=steps)

    def run_by_hand(steps: int) -> None:
        with model.session(env, max_episode_steps=steps) as session:
            observation, _ = session.reset()
            while not session.over:
                observation, *_ = session.step(session.predict(observation))

    return {
        "step": _turn_of_remote_steps(payload, env),
        "run": turn_of_an_episode(run, policy.times),
        "session": turn_of_an_episode(run_by_hand, policy.times),
    }


def _connect_remote_env(payload: str, server: Server) -> Dict[str, Turn]:
    """Ours and the peer's have the same name and methods."""
    import rlmesh.numpy

    return {"step": _turn_of_remote_steps(payload, rlmesh.numpy.RemoteEnv(server.address))}


def _connect_both_of_ours(
    payload: str, env_server: Server, model_server: Server
) -> Dict[str, Turn]:
    import rlmesh.numpy

    env = rlmesh.numpy.RemoteEnv(env_server.address)
    model = rlmesh.numpy.RemoteModel(model_server.address)

    def run(steps: int) -> None:
        model.run(env, max_episodes=1, max_episode_steps=steps)

    return {"run": turn_of_an_episode(run, model_server.times)}


def _connect_both_of_peer(
    payload: str, env_server: Server, model_server: Server
) -> Dict[str, Turn]:
    import rlmesh.numpy

    env: Any = rlmesh.numpy.RemoteEnv(env_server.address)
    model: Any = rlmesh.numpy.RemoteModel(model_server.address)
    peer: Any = rlmesh

    def run(steps: int) -> None:
        peer.run(model, env, episodes=1, max_episode_steps=steps)

    return {"run": turn_of_an_episode(run, model_server.times)}


def _connect_async_vector_env(payload: str) -> Dict[str, Turn]:
    env = gymnasium.vector.AsyncVectorEnv([functools.partial(CountingEnv, payload)])
    step = functools.partial(env.step, ACTION[np.newaxis])
    return {"step": turn_of_steps(payload, step, _bytes_of_step, env.reset)}


def _turn_of_remote_steps(payload: str, env: Any) -> Turn:
    return turn_of_steps(payload, functools.partial(env.step, ACTION), _bytes_of_step, env.reset)


def _bytes_of_step(result: Any) -> List[int]:
    return counting_bytes(result[0])


_OTHERS: Dict[str, Contender] = {
    "ours": Contender(_connect_ours, _serve_our_env),
    "served": Contender(_connect_both_of_ours, _serve_our_env, _serve_our_model),
    "AsyncVectorEnv": Contender(_connect_async_vector_env),
    "peer": Contender(_connect_remote_env, _serve_peer_env),
    "served peer": Contender(_connect_both_of_peer, _serve_peer_env, _serve_peer_model),
}
