"""Whatever wrappers and training code call on an env reaches the served one, or is refused."""

from __future__ import annotations

import contextlib
import functools
import warnings
from typing import Any, Iterator, List

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv
from gymnasium.wrappers import RecordEpisodeStatistics, TimeLimit
from gymnasium.wrappers.vector import RecordEpisodeStatistics as RecordVectorStatistics
from levels import Level, wrapped
from proxies import Faults, Proxy

import rlmesh
import rlmesh.jax
import rlmesh.torch
from rlmesh.errors import EnvError, UnknownAttribute
from rlmesh.numpy.gym import RemoteEnv, RemoteVectorEnv

NAMES = ["level", "goal", "add", "compute_reward", "action_masks"]


@pytest.fixture(params=[Level, wrapped], ids=["bare", "wrapped"])
def env(request: Any) -> Iterator[RemoteEnv]:
    serving = rlmesh.EnvServer(request.param(), expose=NAMES)
    with serving as server, RemoteEnv(server.address) as remote:
        yield remote


@pytest.fixture
def closed_env() -> Iterator[RemoteEnv]:
    """An env whose server exposes nothing."""
    with rlmesh.EnvServer(Level()) as server, RemoteEnv(server.address) as remote:
        yield remote


def test_gymnasiums_own_ways_reach_the_served_env(env: RemoteEnv) -> None:
    local: Any = Level()
    for one in (env, local):
        one.set_wrapper_attr("level", 3)
        one.unwrapped.level += 1
    for one in (env, local):
        assert one.has_wrapper_attr("level")
        assert not one.has_wrapper_attr("lebel")
        assert one.get_wrapper_attr("level") == one.level == one.unwrapped.level == 4
        assert one.get_wrapper_attr("add")(2) == 6
        assert one.add(more=1) == one.unwrapped.add(0) == 7
        assert one.reset(seed=0)[0].tolist() == [7, 3]
        assert one.step(0)[1] == 7
        assert one.render().max() == 7
        assert one.action_masks().tolist() == [True, False, True]
    goals = np.arange(6, dtype=np.float32).reshape(3, 2)
    infos = np.array([{}, {"a": np.float32(1)}, {}], dtype=object)
    for batch in ((goals, goals + 1, infos), (goals[0], goals[1], {})):
        ours, theirs = env.compute_reward(*batch), local.compute_reward(*batch)
        assert type(ours) is type(theirs)
        assert ours.dtype == theirs.dtype
        assert (ours == theirs).all()


def test_through_wrappers_on_this_side(env: RemoteEnv) -> None:
    stack = RecordEpisodeStatistics(TimeLimit(env, 5))
    assert stack.get_wrapper_attr("level") == 1
    assert stack.set_wrapper_attr("level", 8)
    assert stack.unwrapped is env
    assert env.level == 8
    stack.reset()
    assert stack.step(0)[1] == 8
    # The wrapper has these itself.
    assert stack.get_wrapper_attr("_max_episode_steps") == 5


@pytest.mark.parametrize("name", ["level", "add", "compute_reward", "action_masks"])
def test_what_is_not_exposed_is_refused_by_name(closed_env: RemoteEnv, name: str) -> None:
    env: Any = closed_env
    sentence = rf"does not expose {name!r}; serve with expose=\[{name!r}\]"
    for use in (
        lambda: getattr(env, name),
        lambda: getattr(env.unwrapped, name),
        lambda: env.get_wrapper_attr(name),
        lambda: env.set_wrapper_attr(name, 5),
        lambda: setattr(env, name, 5),
        lambda: setattr(env.unwrapped, name, 5),
    ):
        with pytest.raises(UnknownAttribute, match=sentence):
            use()
    assert not env.has_wrapper_attr(name)
    with pytest.raises(AttributeError) as caught:
        TimeLimit(env, 5).get_wrapper_attr(name)
    assert isinstance(caught.value.__cause__, UnknownAttribute)


def test_what_gymnasium_sets_stays_on_this_side(closed_env: RemoteEnv) -> None:
    env = closed_env
    env.spec = gymnasium.spec("CartPole-v1")
    env.metadata = {"render_fps": 5}
    env.observation_space = spaces.Box(0, 1, (2,), np.float32)
    env.action_space = spaces.Discrete(2)
    env.render_mode = "rgb_array"
    env._np_random = None
    assert env.reset()[0].tolist() == [1, 0]
    with pytest.raises(ValueError, match="renders in mode 'rgb_array', got 'human'"):
        env.render_mode = "human"


def test_the_generator_is_this_sides_own(env: RemoteEnv) -> None:
    assert env.np_random_seed == -1
    env.np_random.random()
    assert env.np_random_seed == -1  # which is not the seed of the served env
    env.reset(seed=7)
    assert env.np_random_seed == 7
    assert env.np_random.random() == np.random.default_rng(7).random()
    with pytest.raises(UnknownAttribute, match=r"seed it with reset\(seed=...\)"):
        env.np_random = np.random.default_rng(0)


def test_a_subclass_may_have_attributes_of_its_own() -> None:
    class Counting(RemoteEnv):
        count = 0

    with rlmesh.EnvServer(Level()) as server, Counting(server.address) as env:
        env.count += 1
        assert env.count == 1


def test_made_by_gymnasium() -> None:
    with rlmesh.EnvServer(Level(), expose=NAMES) as server:
        made = gymnasium.make("rlmesh.numpy.gym:rlmesh/RemoteEnv-v0", address=server.address)
        made.set_wrapper_attr("level", 4)
        assert made.reset()[0].tolist() == [4, 0]
        assert made.get_wrapper_attr("add")() == 5
        made.close()


@pytest.mark.parametrize("backend", [rlmesh.torch, rlmesh.jax])
def test_values_are_the_frameworks_own(backend: Any) -> None:
    serving = rlmesh.EnvServer(Level(), expose=NAMES)
    with serving as server, backend.RemoteEnv(server.address) as env:
        goal = env.get_attr("goal")
        assert env._backend.is_array(goal)
        env.set_attr("goal", goal + 1)
        assert env.goal.tolist() == [2, 3]
        assert env.call("compute_reward", goal, goal, {}).tolist() == 0.0


def test_calls_are_executed_once_over_a_bad_network() -> None:
    faults = Faults(seed=0, every=1500, count=15, kinds=("reset", "close"))
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(rlmesh.EnvServer(Level(0), expose=NAMES))
        proxy = stack.enter_context(Proxy(server.address, faults=faults))
        env = stack.enter_context(RemoteEnv(proxy.address))
        total = 0
        while not faults.done:
            total += 1
            assert env.add(1) == total
            assert env.level == total
        env.level = 0
        assert env.reset()[0].tolist() == [0, total]


VECTORS = pytest.mark.parametrize(
    "kind",
    # JAX and torch in this process have threads, which a forked child would miss.
    [SyncVectorEnv, functools.partial(AsyncVectorEnv, context="spawn")],
    ids=["sync", "async"],
)


@VECTORS
def test_vector_envs_reach_their_sub_envs(kind: Any) -> None:
    makers: List[Any] = [functools.partial(wrapped, level) for level in (1, 2)]
    local = kind(makers)
    vector = kind(makers)
    with rlmesh.EnvServer(vector, expose=NAMES) as server:
        remote = RecordVectorStatistics(RemoteVectorEnv(server.address))
        inner: Any = remote.unwrapped
        for one in (inner, local):
            assert one.get_attr("level") == (1, 2)
            one.set_attr("level", [5, 6])
            assert one.call("level") == (5, 6)
            assert one.call("add", 2) == (7, 8)
            one.set_attr("level", 3)
            assert one.get_attr("level") == (3, 3)
            goals = one.get_attr("goal")
            assert [goal.tolist() for goal in goals] == [[1, 2], [1, 2]]
            assert one.reset(seed=3)[0].tolist() == [[3, 1], [3, 1]]
            assert one.np_random_seed == (3, 4)
            with pytest.raises(Exception, match=r"level|4|2"):
                one.set_attr("level", [1, 2, 3, 4])
        with pytest.raises(UnknownAttribute, match=r"serve with expose=\['calls'\]"):
            inner.get_attr("calls")
        with pytest.raises(UnknownAttribute, match=r"sub-envs: use set_attr\('level'\)"):
            inner.level = 5
        with pytest.raises(UnknownAttribute, match=r"serve with expose=\['lebel'\]"):
            inner.lebel = 5
        with pytest.raises(UnknownAttribute, match=r"seed it with reset"):
            inner.np_random = np.random.default_rng(0)
        remote.close()
    local.close()
    vector.close()


def test_the_seeds_of_sub_envs_are_those_of_their_last_seeded_reset() -> None:
    vector = SyncVectorEnv([Level] * 2, autoreset_mode=gymnasium.vector.AutoresetMode.DISABLED)
    with rlmesh.EnvServer(vector) as server:
        env = RemoteVectorEnv(server.address)
        assert env.np_random_seed == (-1, -1)
        env.reset(seed=[5, None])
        env.reset()
        assert env.np_random_seed == (5, -1)
        mask = np.array([False, True])
        env.reset(seed=[None, 9], options={"reset_mask": mask})
        assert env.np_random_seed == (5, 9)
        env.close()


def test_old_wrappers_that_pass_on_with_a_warning_are_looked_through() -> None:
    class Old:
        """As `gymnasium.Wrapper` of 0.29 does."""

        def __init__(self, env: Any) -> None:
            self.env = env
            self.observation_space, self.action_space = env.observation_space, env.action_space
            self.reset, self.step, self.close = env.reset, env.step, env.close
            self.metadata, self.spec, self.unwrapped = env.metadata, env.spec, env.unwrapped
            self.render_mode = env.render_mode

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):
                raise AttributeError(name)
            warnings.warn(f"env.{name} to get variables from other wrappers", stacklevel=2)
            return getattr(self.env, name)

    served = Old(Old(Level()))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with rlmesh.EnvServer(served, expose=NAMES) as server, RemoteEnv(server.address) as env:
            env.level = 4
            assert env.add() == 5
    assert served.env.env.level == 5
    assert not [one for one in caught if "to get variables" in str(one.message)]


def test_what_an_env_passes_on_itself_is_found() -> None:
    class Proxying(Level):
        def __getattr__(self, name: str) -> Any:
            if name == "hidden":
                return 42
            raise AttributeError(name)

    serving = rlmesh.EnvServer(Proxying(), expose=["hidden", "other"])
    with serving as server, RemoteEnv(server.address) as env:
        assert env.hidden == 42
        with pytest.raises(UnknownAttribute, match="has no attribute 'other'"):
            env.other  # noqa: B018


def test_a_method_that_raises_is_the_envs_error() -> None:
    with rlmesh.EnvServer(Level(), expose=["add"]) as server:
        env = RemoteEnv(server.address)
        with pytest.raises(EnvError, match=r"call of the env at .* raised TypeError"):
            env.add("one")
        env.close()
