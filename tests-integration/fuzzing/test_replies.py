"""Clients whose server's replies are changed on their way: errors of ours, and no hang."""

from __future__ import annotations

import contextlib
import random
import warnings
from typing import Any, Iterator, List

import pytest
import zmq
from envs import Walk
from mutations import Mutator
from peers import receiving
from policies import Scripted
from servers import ServerProcess, Servers
from targets import KINDS, record

import rlmesh.numpy
from rlmesh.errors import RLMeshError

TRIALS = 60


@contextlib.contextmanager
def man_in_the_middle(server: str, mutator: Mutator, rng: random.Random) -> Iterator[str]:
    """Pass requests on, and replies with changes; yield the address."""
    context = zmq.Context()
    outside: Any = context.socket(zmq.ROUTER)
    inside: Any = context.socket(zmq.DEALER)
    port = outside.bind_to_random_port("tcp://127.0.0.1")
    inside.connect(server)
    client: List[bytes] = [b""]

    def pass_request() -> None:
        client[0], *frames = outside.recv_multipart()
        inside.send_multipart(frames)

    def pass_reply() -> None:
        frames = inside.recv_multipart()
        if rng.random() < 0.15:
            frames = mutator.reply_like(frames) or [b""]
        outside.send_multipart([client[0], *frames])

    with receiving(context, {outside: pass_request, inside: pass_reply}):
        yield f"tcp://127.0.0.1:{port}"


def play(kind: str, address: str) -> None:
    if kind == "model":
        with rlmesh.numpy.RemoteModel(
            address, connect_timeout=0.3, predict_timeout=0.3, episode_timeout=0.3
        ) as model:
            model.run(Walk(), seeds=[1])
    else:
        with rlmesh.numpy.RemoteEnv(
            address, connect_timeout=0.3, step_timeout=0.3, reset_timeout=0.3
        ) as env:
            rlmesh.numpy.Model(Scripted("numpy").predict).run(
                env, seeds=[1], retries=0, max_episode_steps=10
            )
            env.render()


@pytest.mark.parametrize("kind", ["env", "model"])
def test_a_client_ends_with_an_error_of_ours_whatever_arrives(kind: str, serve: Servers) -> None:
    server: ServerProcess = serve(**KINDS[kind].server)
    rng = random.Random(0)
    mutator = Mutator(record(KINDS[kind], server.address), rng)
    errors = 0
    for _ in range(TRIALS):
        middle = man_in_the_middle(server.address, mutator, rng)
        with middle as address, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                play(kind, address)
            except RLMeshError:
                errors += 1
    assert errors > TRIALS / 4
    KINDS[kind].play(server.address)
