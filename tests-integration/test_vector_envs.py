"""A served vector env is the local one, bit for bit, in every autoreset mode."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Sequence, Tuple

import envs
import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import (
    ClipReward,
    DictInfoToList,
    FlattenObservation,
    NormalizeObservation,
    NormalizeReward,
    RecordEpisodeStatistics,
    RescaleAction,
    TransformObservation,
)
from rollouts import assert_same, assert_same_info, sample_actions
from servers import ServerProcess, Servers

import rlmesh
import rlmesh.numpy
from rlmesh.errors import EnvError, InvalidValue, UnknownAttribute
from rlmesh.numpy.gym import VECTOR_ENV_ID, RemoteVectorEnv

MADE = f"rlmesh.numpy.gym:{VECTOR_ENV_ID}"
MODES = [mode.value for mode in AutoresetMode]
NUM_ENVS = 3

Server = Callable[..., ServerProcess]


@pytest.fixture(scope="module")
def servers(serve_module: Servers) -> Server:
    """Serve a vector env once for all tests of this module."""
    started: Dict[str, ServerProcess] = {}

    def get(**kwargs: Any) -> ServerProcess:
        if str(kwargs) not in started:
            started[str(kwargs)] = serve_module("envs:make_vector", kwargs=kwargs)
        return started[str(kwargs)]

    return get


def test_the_vector_env_of_atari_itself_is_served_though_its_rewards_are_integers() -> None:
    import ale_py

    gymnasium.register_envs(ale_py)

    def make() -> Any:
        return gymnasium.make_vec("ALE/Pong-v5", 2, vectorization_mode="vector_entry_point")

    local = make()
    actions = [np.array([step % 6, step % 5]) for step in range(40)]
    expected = [local.reset(seed=1), *map(local.step, actions)]
    with rlmesh.EnvServer(make()) as server, rlmesh.numpy.RemoteVectorEnv(server.address) as env:
        arrived = [env.reset(seed=1), *map(env.step, actions)]
    for ours, theirs in zip(arrived, expected):
        assert_same(ours[0], theirs[0], "observations")
    for ours, theirs in zip(arrived[1:], expected[1:]):
        assert theirs[1].dtype == np.int32
        assert ours[1].dtype == np.float64
        assert ours[1].tolist() == theirs[1].tolist()
        assert_same(ours[2:4], theirs[2:4], "flags")


def rollout(env: Any, seed: Any, actions: Sequence[Any], mode: str) -> List[Any]:
    """Reset and execute the actions; where nobody else does, reset what is finished."""
    returned = [env.reset(seed=seed)]
    for number, action in enumerate(actions):
        returned.append(env.step(action))
        done = np.logical_or(*returned[-1][2:4])
        if mode == "Disabled" and done.any():
            seeds = [number * 10 + i if i % 2 else None for i in range(NUM_ENVS)]
            returned.append(env.reset(seed=seeds, options={"reset_mask": done}))
    return returned


def assert_same_rollout(ours: List[Any], theirs: List[Any]) -> None:
    """Fail unless two rollouts are the same in every bit; NumPy scalars may be numbers."""
    assert len(ours) == len(theirs)
    for number, (our, their) in enumerate(zip(ours, theirs)):
        assert len(our) == len(their)
        for part, (one, other) in enumerate(zip(our[:-1], their[:-1])):
            assert_same(one, other, f"{number}.{part}")
        assert_same_infos(our[-1], their[-1], f"{number}.infos")


def assert_same_infos(ours: Any, theirs: Any, path: str) -> None:
    assert list(ours) == list(theirs), path
    for key, value in theirs.items():
        where = f"{path}[{key!r}]"
        if isinstance(value, dict):
            assert_same_infos(ours[key], value, where)
        elif value.dtype == object:
            assert (ours[key].dtype, ours[key].shape) == (value.dtype, value.shape), where
            compare = assert_same if key == "final_obs" else assert_same_info
            for i, (one, other) in enumerate(zip(ours[key], value)):
                compare(one, other, f"{where}[{i}]")
        else:
            assert_same(ours[key], value, where)


CARTPOLE: Tuple[Dict[str, Any], int] = ({"env_id": "CartPole-v1"}, 80)
MUJOCO: Tuple[Dict[str, Any], int] = ({"env_id": "Hopper-v5"}, 60)
EVERYTHING: Tuple[Dict[str, Any], int] = ({"env_id": "Everything", "render_mode": "rgb_array"}, 32)

ENVS = pytest.mark.parametrize(
    ("kwargs", "steps"),
    [CARTPOLE, MUJOCO, EVERYTHING],
    ids=["CartPole", "Hopper", "Everything"],
)


@ENVS
@pytest.mark.parametrize("mode", MODES)
def test_a_served_vector_env_is_the_local_one(
    kwargs: Dict[str, Any], steps: int, mode: str, servers: Server
) -> None:
    local = envs.make_vector(**kwargs, mode=mode)
    env = RemoteVectorEnv(servers(**kwargs, mode=mode).address)
    assert isinstance(env, gymnasium.vector.VectorEnv)
    assert env.num_envs == NUM_ENVS
    for space in ("", "single_"):
        for values in ("observation", "action"):
            name = f"{space}{values}_space"
            assert getattr(env, name) == getattr(local, name)
    assert env.metadata == local.metadata
    assert env.metadata["autoreset_mode"] is AutoresetMode(mode)
    assert env.render_mode == local.render_mode
    actions = sample_actions(local.action_space, 0, steps)
    for seed in (4, [5, None, 7]):
        if seed == 4 or mode != "SameStep":
            # The sub-env without a seed goes on with its random state, here as there.
            theirs = rollout(local, seed, actions, mode)
            assert_same_rollout(rollout(env, seed, actions, mode), theirs)
            assert any(np.logical_or(*one[2:4]).any() for one in theirs if len(one) == 5)
    for each in (env, local):
        each.close()


def test_one_in_processes_of_its_own_is_served_too(servers: Server) -> None:
    local = envs.make_vector(**CARTPOLE[0])
    with rlmesh.numpy.RemoteVectorEnv(servers(**CARTPOLE[0], kind="Async").address) as env:
        actions = sample_actions(local.action_space, 0, 40)
        assert_same_rollout(rollout(env, 1, actions, ""), rollout(local, 1, actions, ""))
    local.close()


def test_rewards_keep_their_dtype() -> None:
    """Gymnasium's own vectorized CartPole has float32."""

    def make() -> Any:
        return gymnasium.make_vec("CartPole-v1", NUM_ENVS, vectorization_mode="vector_entry_point")

    local = make()
    with rlmesh.EnvServer(make()) as server:
        env = RemoteVectorEnv(server.address)
        actions = sample_actions(local.action_space, 0, 40)
        theirs = rollout(local, 1, actions, "")
        assert theirs[1][1].dtype == np.float32
        assert_same_rollout(rollout(env, 1, actions, ""), theirs)
        env.close()
    local.close()


def test_frames_are_a_tuple(servers: Server) -> None:
    kwargs, _ = EVERYTHING
    local = envs.make_vector(**kwargs, mode="NextStep")
    env = RemoteVectorEnv(servers(**kwargs, mode="NextStep").address, render_mode="rgb_array")
    for each in (env, local):
        each.reset(seed=0)
        each.step(sample_actions(local.action_space, 0, 1)[0])
    assert_same(env.render(), local.render(), "frames")
    env.close()
    with pytest.raises(ValueError, match=r"renders in mode 'rgb_array', got 'human'"):
        RemoteVectorEnv(servers(**kwargs, mode="NextStep").address, render_mode="human")


def test_gymnasium_makes_one(servers: Server) -> None:
    address = servers(**CARTPOLE[0], mode="NextStep").address
    for number in ({}, {"num_envs": 1}, {"num_envs": NUM_ENVS}):
        env = gymnasium.make_vec(MADE, address=address, step_timeout=30.0, **number)
        assert env.num_envs == NUM_ENVS
        assert env.reset(seed=1)[0].shape == (NUM_ENVS, 4)
        assert env.spec is not None
        assert env.spec.id == VECTOR_ENV_ID
        env.close()
        env.close()
    with pytest.raises(ValueError, match=r"num_envs: the vector env at .* has 3, got 4"):
        gymnasium.make_vec(MADE, num_envs=4, address=address)
    with pytest.raises(TypeError, match="is a vector env: use RemoteVectorEnv"):
        gymnasium.make("rlmesh.numpy.gym:rlmesh/RemoteEnv-v0", address=address)


WRAPPERS: Dict[str, Any] = {
    "RecordEpisodeStatistics": (CARTPOLE, RecordEpisodeStatistics),
    "NormalizeObservation": (CARTPOLE, NormalizeObservation),
    "NormalizeReward": (CARTPOLE, NormalizeReward),
    "ClipReward": (CARTPOLE, lambda env: ClipReward(env, 0.2, 0.7)),
    "DictInfoToList": (CARTPOLE, lambda env: DictInfoToList(RecordEpisodeStatistics(env))),
    "TransformObservation": (CARTPOLE, lambda env: TransformObservation(env, lambda o: o * 2)),
    "FlattenObservation": (CARTPOLE, FlattenObservation),
    "RescaleAction": (MUJOCO, lambda env: RescaleAction(env, -2.0, 2.0)),
}


# Those of observations refuse any env that resets in the same step.
OF_OBSERVATIONS = ("NormalizeObservation", "TransformObservation", "FlattenObservation")


@pytest.mark.parametrize(
    ("wrapper", "mode"),
    [
        (wrapper, mode)
        for wrapper in WRAPPERS
        for mode in ("NextStep", "SameStep")
        if mode == "NextStep" or wrapper not in OF_OBSERVATIONS
    ],
)
def test_wrappers_work_as_on_a_local_vector_env(wrapper: str, mode: str, servers: Server) -> None:
    (kwargs, steps), wrap = WRAPPERS[wrapper]
    local = wrap(envs.make_vector(**kwargs, mode=mode))
    env = wrap(RemoteVectorEnv(servers(**kwargs, mode=mode).address))
    assert env.observation_space == local.observation_space
    actions = sample_actions(local.action_space, 0, steps)
    ours, theirs = rollout(env, 2, actions, mode), rollout(local, 2, actions, mode)
    for our, their in zip(ours, theirs):
        for one, other in zip(our[:-1], their[:-1]):
            assert (one.dtype, one.tobytes()) == (other.dtype, other.tobytes())
        assert repr(without_times(our[-1])) == repr(without_times(their[-1]))
    env.close()
    local.close()


def without_times(infos: Any) -> Any:
    for one in infos if isinstance(infos, list) else [infos]:
        one.get("episode", {}).pop("t", None)
    return infos


def test_partial_resets_keep_the_statistics_of_the_others(servers: Server) -> None:
    env = RecordEpisodeStatistics(RemoteVectorEnv(servers(**CARTPOLE[0], mode="Disabled").address))
    env.reset(seed=[1, 2, 3])
    for _ in range(3):
        env.step(np.array([0, 1, 0]))
    env.reset(options={"reset_mask": np.array([False, True, False])})
    assert env.episode_lengths.tolist() == [3, 0, 3]
    env.close()


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.array([True, False]), r"must have shape `\(3,\)`, got \(2,\)"),
        (np.array([1, 0, 0]), "must have `dtype=np.bool_`"),
        (np.zeros(3, bool), "at least one True"),
        ([True, False, False], "must be a numpy array"),
    ],
)
def test_a_wrong_mask_is_an_error_of_the_env(mask: Any, message: str, servers: Server) -> None:
    env = RemoteVectorEnv(servers(**CARTPOLE[0], mode="Disabled").address)
    env.reset(seed=1)
    with pytest.raises(EnvError, match=message):
        env.reset(options={"reset_mask": mask})
    env.close()


def test_a_finished_sub_env_must_be_reset_where_nobody_else_does(servers: Server) -> None:
    env = RemoteVectorEnv(servers(**CARTPOLE[0], mode="Disabled").address)
    env.reset(seed=1)
    while not env.step(np.zeros(3, int))[2].any():
        pass
    with pytest.raises(EnvError) as caught:
        env.step(np.zeros(3, int))
    assert caught.value.remote_type == "AssertionError"
    env.reset(seed=1)
    env.step(np.zeros(3, int))
    env.close()


def test_a_wrong_number_of_actions_or_seeds_is_refused(servers: Server) -> None:
    env = RemoteVectorEnv(servers(**CARTPOLE[0], mode="NextStep").address)
    env.reset(seed=1)
    with pytest.raises(InvalidValue, match=r"action.shape: expected \(3,\), got \(2,\)"):
        env.step(np.zeros(2, int))
    with pytest.raises(InvalidValue, match=r"seed: expected .* for each of 3 sub-envs, got 2"):
        env.reset(seed=[1, 2])
    env.step(np.zeros(3, int))
    env.close()


def test_sub_envs_are_out_of_reach_unless_exposed(servers: Server) -> None:
    env = RemoteVectorEnv(servers(**CARTPOLE[0], mode="NextStep").address)
    reaching: List[Callable[[], Any]] = [
        lambda: env.call("render"),
        lambda: env.get_attr("gravity"),
        lambda: env.set_attr("gravity", 9.0),
    ]
    for reach in reaching:
        with pytest.raises(UnknownAttribute, match=r"does not expose '(render|gravity)'|method of"):
            reach()
    env.close()


def test_a_native_mask_will_do(servers: Server) -> None:
    address = servers(**CARTPOLE[0], mode="Disabled").address
    with rlmesh.RemoteVectorEnv(address) as native:
        first, _ = native.reset(seed=[1, 2, 3])
        mask = rlmesh.Tensor.from_values([True, False, True], "bool")
        again, _ = native.reset(seed=[1, 2, 4], options={"reset_mask": mask})
        assert again[0] == first[0]
        assert again[1] == first[1]
        assert again[2] != first[2]


def test_a_server_counts_the_steps_of_a_vector_env() -> None:
    envs = gymnasium.make_vec("CartPole-v1", 2, vectorization_mode="sync")
    with rlmesh.EnvServer(envs) as server, rlmesh.RemoteVectorEnv(server.address) as env:
        env.reset(seed=0)
        env.step([0, 1])
        found = rlmesh.stats(server.address)
    assert found.requests == {"reset": 1, "step": 1}
    counts = {phase: latency.count for phase, latency in found.latencies.items()}
    assert counts == {"reset": 1, "step": 1, "render": 0, "codec": 2}
