"""A served env gives exactly what it gives locally, for the same seeds and actions."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict

import envs
import numpy as np
import pytest
from rollouts import assert_same_episode, run_episode, sample_actions
from servers import Servers

import rlmesh
import rlmesh.numpy

GYMNASIUM = "envs:make"
SCHEMES = pytest.mark.parametrize("scheme", ["tcp", "unix"])


@SCHEMES
@pytest.mark.parametrize(
    ("factory", "kwargs", "steps"),
    [
        (GYMNASIUM, {"env_id": "CartPole-v1"}, 500),
        (GYMNASIUM, {"env_id": "HalfCheetah-v5"}, 300),
        (GYMNASIUM, {"env_id": "ALE/Pong-v5"}, 120),
        ("envs:Everything", {}, 40),
    ],
    ids=["CartPole", "HalfCheetah", "Pong", "Everything"],
)
def test_episodes_are_those_of_a_local_run(
    scheme: str,
    factory: str,
    kwargs: Dict[str, Any],
    steps: int,
    serve: Servers,
    new_address: Callable[[str], str],
) -> None:
    local = getattr(envs, factory.partition(":")[2])(**kwargs)
    server = serve(factory, new_address(scheme), kwargs=kwargs)
    with rlmesh.numpy.RemoteEnv(server.address) as remote:
        for seed in (0, 1, 12345):
            actions = sample_actions(local.action_space, seed, steps)
            expected = run_episode(local, seed, actions)
            assert_same_episode(run_episode(remote, seed, actions), expected)
            assert len(expected.steps) > 5
    local.close()


@SCHEMES
def test_native_values_are_those_of_a_local_run(
    scheme: str, serve: Servers, new_address: Callable[[str], str]
) -> None:
    local = envs.make("CartPole-v1")
    server = serve(GYMNASIUM, new_address(scheme), kwargs={"env_id": "CartPole-v1"})
    with rlmesh.RemoteEnv(server.address) as remote:
        for seed in range(5):
            actions = [int(action) for action in sample_actions(local.action_space, seed, 500)]
            ours, theirs = run_episode(remote, seed, actions), run_episode(local, seed, actions)
            observations = [theirs.reset[0], *(step[0] for step in theirs.steps)]
            tensors = [ours.reset[0], *(step[0] for step in ours.steps)]
            assert all(isinstance(tensor, rlmesh.Tensor) for tensor in tensors)
            assert [tensor.dtype for tensor in tensors] == ["float32"] * len(observations)
            assert [tensor.shape for tensor in tensors] == [(4,)] * len(observations)
            assert [bytes(tensor.data) for tensor in tensors] == [o.tobytes() for o in observations]
            assert [step[1:] for step in ours.steps] == [step[1:] for step in theirs.steps]


def test_what_an_env_is_arrives_with_it(serve: Servers) -> None:
    local = envs.make("HalfCheetah-v5", render_mode="rgb_array")
    server = serve(GYMNASIUM, kwargs={"env_id": "HalfCheetah-v5", "render_mode": "rgb_array"})
    with rlmesh.numpy.RemoteEnv(server.address) as remote:
        assert remote.contract.env_id == "HalfCheetah-v5"
        assert remote.contract.max_episode_steps == 1000
        assert remote.metadata == local.metadata
        assert remote.render_mode == "rgb_array"
        assert rlmesh.spaces.to_gymnasium(remote.observation_space) == local.observation_space
        assert rlmesh.spaces.to_gymnasium(remote.action_space) == local.action_space
    local.close()


@pytest.mark.parametrize("env_id", ["CartPole-v1", "ALE/Pong-v5"])
def test_rendered_frames_are_those_of_a_local_run(env_id: str, serve: Servers) -> None:
    kwargs = {"env_id": env_id, "render_mode": "rgb_array"}
    local, server = envs.make(**kwargs), serve(GYMNASIUM, kwargs=kwargs)
    with rlmesh.numpy.RemoteEnv(server.address) as remote:
        local.reset(seed=3)
        remote.reset(seed=3)
        for action in (0, 1, 1):
            local.step(action)
            remote.step(action)
            np.testing.assert_array_equal(remote.render(), local.render(), strict=True)
    local.close()


@pytest.mark.parametrize("name", ["a b.sock", "ä漢$%20.sock"])
def test_a_unix_path_may_hold_any_characters(name: str, serve: Servers, tmp_path: Path) -> None:
    server = serve("envs:Countdown", f"unix://{tmp_path}/{name}")
    assert server.address == f"unix://{tmp_path}/{name}"
    assert rlmesh.Model(lambda observation: 0).run(server).total_steps == 4


@pytest.mark.parametrize("kind", [rlmesh.RemoteEnv, rlmesh.numpy.RemoteEnv])
def test_a_remote_env_may_be_served_on(kind: Any, serve: Servers) -> None:
    local, origin = envs.Everything(), serve("envs:Everything")
    actions = sample_actions(local.action_space, 5, 15)
    expected = run_episode(local, 5, actions)
    with kind(origin.address) as between, rlmesh.EnvServer(between) as server:
        remote = rlmesh.numpy.RemoteEnv(server.address)
        assert_same_episode(run_episode(remote, 5, actions), expected)
        remote.close()
