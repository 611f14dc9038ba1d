"""Envs and clients may reuse their arrays: no frame is torn, late or changed afterwards."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Callable, Deque, Tuple

import numpy as np
import pytest
from envs import Reused
from servers import Servers

import rlmesh
import rlmesh.numpy

KEPT = 40
SMALL, IMAGE = (4,), (90, 160, 3)
SHAPES = pytest.mark.parametrize(
    ("shape", "steps"), [(SMALL, 6000), (IMAGE, 2000)], ids=["small", "image"]
)


def assert_step(values: Any, number: int) -> None:
    """Fail unless every element that an observation and info hold is of one step."""
    observation, info = values
    for name, array in (*observation.items(), ("info", info["step"])):
        assert array.dtype == np.uint32
        assert (array == number).all(), f"{name} of step {number} holds {np.unique(array)}"


def run(env: Any, shape: Tuple[int, ...], steps: int, pause: Callable[[int], None]) -> None:
    """Step at full speed with one action array; check each result now, and KEPT steps later."""
    action = np.zeros(shape, np.uint32)
    kept: Deque[Tuple[int, Any]] = deque()
    kept.append((0, env.reset()))
    for number in range(1, steps + 1):
        action.fill(number)
        observation, _, _, _, info = env.step(action)
        action.fill(2**32 - 1)
        assert_step((observation, info), number)
        kept.append((number, (observation, info)))
        if len(kept) > KEPT:
            then, values = kept.popleft()
            assert_step(values, then)
        pause(number)
    for then, values in kept:
        assert_step(values, then)


@SHAPES
@pytest.mark.parametrize("scheme", ["tcp", "unix"])
def test_every_frame_is_whole_and_of_its_step_at_full_speed(
    shape: Any, steps: int, scheme: str, serve: Servers, new_address: Callable[[str], str]
) -> None:
    server = serve("envs:Reused", new_address(scheme), kwargs={"shape": shape})
    with rlmesh.numpy.RemoteEnv(server.address) as env:
        run(env, shape, steps, lambda number: None)


@SHAPES
def test_every_frame_is_whole_for_a_client_of_uneven_pace(
    shape: Any, steps: int, serve: Servers
) -> None:
    def pause(number: int) -> None:
        if number % 7 == 0:
            time.sleep(0.002)

    server = serve("envs:Reused", kwargs={"shape": shape})
    with rlmesh.numpy.RemoteEnv(server.address) as env:
        run(env, shape, steps // 4, pause)


@SHAPES
@pytest.mark.parametrize("scheme", ["tcp", "unix", "inproc"])
def test_writing_into_received_arrays_changes_no_other(
    shape: Any, steps: int, scheme: str, new_address: Callable[[str], str]
) -> None:
    served = Reused(shape)
    address = "inproc://reused" if scheme == "inproc" else new_address(scheme)
    server = rlmesh.EnvServer(served, address)
    server.bind()
    with server, rlmesh.numpy.RemoteEnv(server.address) as env:
        first = env.reset()
        for number in range(1, steps // 10):
            observation, _, _, _, info = env.step(np.full(shape, number, np.uint32))
            assert_step((observation, info), number)
            assert_step((served.observation, served.info), number)
            for array in (*observation.values(), info["step"]):
                array.fill(2**32 - 1)
            assert_step((served.observation, served.info), number)
        assert_step(first, 0)


@SHAPES
def test_a_policy_may_keep_and_change_what_it_sees(shape: Any, steps: int) -> None:
    """Also for an env object in the same process, whose arrays it never gets."""
    seen = []

    def predict(observation: Any) -> Any:
        seen.append(observation)
        if len(seen) % 2:
            observation["action"].fill(77)
        return np.full(shape, len(seen), np.uint32)

    count = steps // 20
    rlmesh.numpy.Model(predict).run(Reused(shape), max_episode_steps=count)
    for number, observation in enumerate(seen):
        assert (observation["step"] == number).all()
        assert (observation["action"] == (number if number % 2 else 77)).all()
    assert len(seen) == count
