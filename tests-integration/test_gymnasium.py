"""`rlmesh.numpy.gym.RemoteEnv` is what Gymnasium's users expect of an env."""

from __future__ import annotations

import warnings
from typing import Any, Callable, Dict, List

import envs
import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import (
    ClipAction,
    FilterObservation,
    FlattenObservation,
    FrameStackObservation,
    NormalizeObservation,
    NormalizeReward,
    RecordEpisodeStatistics,
    RescaleAction,
    TimeAwareObservation,
    TimeLimit,
    TransformReward,
)
from rollouts import assert_same_episode, run_episode, sample_actions
from servers import ServerProcess, Servers

import rlmesh
from rlmesh.errors import Busy, SessionLost
from rlmesh.numpy.gym import ENV_ID, RemoteEnv

MADE = f"rlmesh.numpy.gym:{ENV_ID}"


@pytest.fixture(scope="module")
def servers(serve_module: Servers) -> Callable[..., ServerProcess]:
    """Serve an env once for all tests of this module."""
    started: Dict[str, ServerProcess] = {}

    def get(name: str, *, factory: bool = False, **kwargs: Any) -> ServerProcess:
        key = f"{name} {kwargs} {factory}"
        if key not in started:
            started[key] = serve_module(name, kwargs=kwargs, factory=factory)
        return started[key]

    return get


ENVS = pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("envs:make", {"env_id": "CartPole-v1", "render_mode": "rgb_array"}),
        ("envs:make", {"env_id": "HalfCheetah-v5"}),
        ("envs:make", {"env_id": "FrozenLake-v1", "render_mode": "ansi"}),
        ("envs:Everything", {}),
    ],
    ids=["CartPole", "HalfCheetah", "FrozenLake", "Everything"],
)

# What check_env cannot do without a spec, or has to say of the served env as well.
EXPECTED_WARNINGS = (
    "Not able to test alternative render modes due to the environment not having a spec",
    "A Box observation space maximum value is infinity",
    "A Box observation space minimum value is -infinity",
)


@ENVS
def test_the_bare_class_passes_check_env(
    name: str, kwargs: Dict[str, Any], servers: Callable[..., ServerProcess]
) -> None:
    # Of an env with a spec, check_env makes others, for which there must be room.
    with RemoteEnv(servers(name, factory=True, **kwargs).address) as env:
        assert (env.spec is None) == (name == "envs:Everything")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            check_env(env)
    unexpected = [
        text
        for text in (str(warning.message) for warning in caught)
        if not any(part in text for part in EXPECTED_WARNINGS)
    ]
    assert unexpected == []


@ENVS
def test_an_env_made_by_its_id_is_the_local_one(
    name: str, kwargs: Dict[str, Any], servers: Callable[..., ServerProcess]
) -> None:
    local = getattr(envs, name.partition(":")[2])(**kwargs)
    env = gymnasium.make(MADE, address=servers(name, **kwargs).address)
    assert env.observation_space == local.observation_space
    assert env.action_space == local.action_space
    modes = [] if local.render_mode is None else [local.render_mode]
    assert env.metadata == {**local.metadata, "render_modes": modes}
    assert env.render_mode == local.render_mode
    for seed in range(3):
        actions = sample_actions(local.action_space, seed, 50)
        assert repr(sample_actions(env.action_space, seed, 50)) == repr(actions)
        assert_same_episode(run_episode(env, seed, actions), run_episode(local, seed, actions))
    for each in (env, local):
        each.close()


def test_an_env_may_be_made_in_the_mode_in_which_it_renders_only(
    servers: Callable[..., ServerProcess],
) -> None:
    kwargs = {"env_id": "CartPole-v1", "render_mode": "rgb_array"}
    address = servers("envs:make", **kwargs).address
    for make in (RemoteEnv, lambda a, **k: gymnasium.make(MADE, address=a, **k)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with make(address, render_mode="rgb_array") as env:
                env.reset(seed=0)
                local = envs.make(**kwargs)
                local.reset(seed=0)
                np.testing.assert_array_equal(env.render(), local.render(), strict=True)
                local.close()
            with pytest.raises(ValueError, match=r"renders in mode 'rgb_array', got 'human'"):
                make(address, render_mode="human")
    RemoteEnv(address).close()


def test_text_renders_as_text(servers: Callable[..., ServerProcess]) -> None:
    kwargs = {"env_id": "FrozenLake-v1", "render_mode": "ansi", "is_slippery": False}
    local = envs.make(**kwargs)
    with RemoteEnv(servers("envs:make", **kwargs).address) as env:
        local.reset(seed=0)
        env.reset(seed=0)
        for action in (1, 1, 2, 1):
            local.step(action)
            env.step(action)
            assert env.render() == local.render()
    local.close()


def test_collected_frames_render_as_a_list(servers: Callable[..., ServerProcess]) -> None:
    kwargs = {"env_id": "CartPole-v1", "render_mode": "rgb_array_list"}
    local = envs.make(**kwargs)
    with RemoteEnv(servers("envs:make", **kwargs).address) as env:
        for each in (env, local):
            each.reset(seed=0)
            each.step(1)
        frames, expected = env.render(), local.render()
        assert len(frames) == len(expected) == 2
        for frame, other in zip(frames, expected):
            np.testing.assert_array_equal(frame, other, strict=True)
    local.close()


CARTPOLE, CHEETAH = {"env_id": "CartPole-v1"}, {"env_id": "HalfCheetah-v5"}

WRAPPERS: Dict[str, Any] = {
    "TimeLimit": (CARTPOLE, lambda env: TimeLimit(env, 7)),
    "RecordEpisodeStatistics": (CARTPOLE, RecordEpisodeStatistics),
    "FrameStackObservation": (CARTPOLE, lambda env: FrameStackObservation(env, 3)),
    "NormalizeObservation": (CARTPOLE, NormalizeObservation),
    "NormalizeReward": (CHEETAH, NormalizeReward),
    "TransformReward": (CHEETAH, lambda env: TransformReward(env, lambda r: r / 3)),
    "ClipAction": (CHEETAH, ClipAction),
    "RescaleAction": (CHEETAH, lambda env: RescaleAction(env, -2.0, 2.0)),
    "TimeAwareObservation": (CARTPOLE, lambda env: TimeAwareObservation(TimeLimit(env, 9))),
    "several": (
        CARTPOLE,
        lambda env: NormalizeObservation(RecordEpisodeStatistics(TimeLimit(env, 9))),
    ),
}


def without_times(steps: List[Any]) -> List[Any]:
    for step in steps:
        step[4].get("episode", {}).pop("t", None)
    return steps


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_wrappers_work_as_on_a_local_env(
    wrapper: str, servers: Callable[..., ServerProcess]
) -> None:
    kwargs, wrap = WRAPPERS[wrapper]
    local = wrap(envs.make(**kwargs))
    with wrap(RemoteEnv(servers("envs:make", **kwargs).address)) as env:
        assert env.observation_space == local.observation_space
        actions = sample_actions(local.action_space, 0, 60)
        for seed in range(2):
            ours, theirs = run_episode(env, seed, actions), run_episode(local, seed, actions)
            assert len(ours.steps) == len(theirs.steps)
            pairs = zip(without_times(ours.steps), without_times(theirs.steps))
            assert ours.reset[0].tobytes() == theirs.reset[0].tobytes()
            for our_step, their_step in pairs:
                assert our_step[0].dtype == their_step[0].dtype
                assert our_step[0].tobytes() == their_step[0].tobytes()
                assert our_step[1:] == their_step[1:]
    local.close()


def test_dict_observations_can_be_filtered_and_flattened(
    servers: Callable[..., ServerProcess],
) -> None:
    def wrap(env: Any) -> Any:
        return FlattenObservation(FilterObservation(env, ["camera", "state", "mode", "buttons"]))

    local = wrap(envs.Everything())
    with wrap(RemoteEnv(servers("envs:Everything").address)) as env:
        actions = sample_actions(local.action_space, 0, 5)
        for action in (None, *actions):
            if action is None:
                ours, theirs = env.reset(seed=0)[0], local.reset(seed=0)[0]
            else:
                ours, theirs = env.step(action)[0], local.step(action)[0]
            assert ours.dtype == theirs.dtype
            assert ours.tobytes() == theirs.tobytes()


@pytest.mark.parametrize(
    "vector", [gymnasium.vector.SyncVectorEnv, gymnasium.vector.AsyncVectorEnv]
)
def test_served_envs_make_up_a_vector_env(vector: Any, serve: Servers) -> None:
    """AsyncVectorEnv opens them in forked processes, after it has opened and closed the first."""
    addresses = [serve("envs:make", kwargs=CARTPOLE).address for _ in range(2)]
    RemoteEnv(addresses[0]).close()
    ours = vector([lambda address=address: RemoteEnv(address) for address in addresses])
    theirs = gymnasium.vector.SyncVectorEnv([lambda: envs.make(**CARTPOLE)] * 2)
    try:
        np.testing.assert_array_equal(ours.reset(seed=3)[0], theirs.reset(seed=3)[0], strict=True)
        for action in sample_actions(theirs.action_space, 0, 60):
            for our_part, their_part in zip(ours.step(action)[:4], theirs.step(action)[:4]):
                np.testing.assert_array_equal(our_part, their_part, strict=True)
    finally:
        ours.close()
        theirs.close()
    for address in addresses:
        RemoteEnv(address).close()


def test_what_the_env_was_opened_with_is_passed_on(serve: Servers) -> None:
    server = serve("envs:Countdown", token="a token of some length")
    env = gymnasium.make(
        MADE, address=server.address, token="a token of some length", step_timeout=30.0
    )
    with pytest.raises(Busy):
        RemoteEnv(server.address, token="a token of some length")
    env.close()
    with pytest.raises(SessionLost):
        env.reset()
    RemoteEnv(server.address, token="a token of some length").close()


def test_an_env_that_gymnasium_cannot_describe_is_given_up() -> None:
    class Bfloat16:
        observation_space = action_space = rlmesh.spaces.Box(0, 1, (2,), "bfloat16")
        reset = step = int

    with rlmesh.EnvServer(Bfloat16()) as server:
        for _ in range(2):
            with pytest.raises(rlmesh.errors.UnsupportedSpace, match="gymnasium has no bfloat16"):
                RemoteEnv(server.address)


def test_a_closed_env_may_be_closed_again(servers: Callable[..., ServerProcess]) -> None:
    env = RemoteEnv(servers("envs:make", **CARTPOLE).address)
    for _ in range(2):
        env.close()
