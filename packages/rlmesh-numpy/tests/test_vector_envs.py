"""Vector envs of whatever Gymnasium is installed, 0.29 included."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

from rlmesh import EnvServer
from rlmesh.errors import InvalidValue
from rlmesh.numpy import Model, RemoteVectorEnv
from rlmesh.numpy.gym import RemoteVectorEnv as GymRemoteVectorEnv

AutoresetMode = getattr(gymnasium.vector, "AutoresetMode", None)
OLD = gymnasium.__version__.startswith("0.")
FINAL_OBS = "final_observation" if OLD else "final_obs"
SAME_STEP = {"autoreset_mode": "SameStep"} if AutoresetMode else {}
RESETS_AT_ONCE = OLD or AutoresetMode is not None  # 1.0 knows the next step only


class Counter(gymnasium.Env):
    """Counts to the seed; its info has one of everything."""

    def __init__(self):
        self.observation_space = gymnasium.spaces.Dict(
            {
                "count": gymnasium.spaces.Box(0, 99, (1,), np.float32),
                "large": gymnasium.spaces.Box(0, 255, (70, 80, 3), np.uint8),
                "pair": gymnasium.spaces.Tuple(
                    (gymnasium.spaces.Discrete(100), gymnasium.spaces.MultiBinary(2))
                ),
            }
        )
        self.action_space = gymnasium.spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.length = 3 if seed is None else seed
        self.count = 0
        return self._observe(), {"length": self.length, "options": options}

    def step(self, action):
        self.count += int(action)
        info = {"text": f"step {self.count}", "array": np.arange(3), "number": 1.5, "flag": True}
        if self.count % 2:
            info["nested"] = {"odd": self.count}
        return self._observe(), float(self.count), self.count >= self.length, False, info

    def _observe(self):
        return {
            "count": np.array([self.count], np.float32),
            "large": np.full((70, 80, 3), self.count, np.uint8),
            "pair": (self.count, np.array([1, 0], np.int8)),
        }


def make(**options):
    return gymnasium.vector.SyncVectorEnv([Counter] * 3, **options)


def exactly(one, other):
    """Whether two values are the same in structure, types, dtypes, shapes and bits."""
    if isinstance(other, np.ndarray) and other.dtype == object:
        return one.dtype == object and exactly(list(one), list(other))
    if isinstance(other, np.ndarray):
        same = (one.dtype, one.shape) == (other.dtype, other.shape)
        return same and one.tobytes() == other.tobytes()
    if isinstance(other, dict):
        return list(one) == list(other) and all(exactly(one[key], other[key]) for key in other)
    if isinstance(other, (tuple, list)):
        return type(one) is type(other) and len(one) == len(other) and all(map(exactly, one, other))
    return type(one) is type(other) and one == other


@pytest.mark.parametrize("client", [RemoteVectorEnv, GymRemoteVectorEnv])
def test_a_vector_env_arrives_as_it_is(client):
    local = make(**SAME_STEP)
    with EnvServer(make(**SAME_STEP)) as server:
        env = client(server.address)
        assert exactly(env.reset(seed=[2, 3, 4]), local.reset(seed=[2, 3, 4]))
        finals = []
        for actions in ([1, 2, 1], [1, 1, 1], [0, 2, 2]):
            ours, theirs = env.step(np.array(actions)), local.step(np.array(actions))
            assert exactly(ours, theirs)
            finals += [one for one in theirs[4].get(FINAL_OBS, ()) if one is not None]
        assert [int(one["pair"][0]) for one in finals] == ([2, 3, 4] if RESETS_AT_ONCE else [])
        env.close()
    local.close()


class Returning(gymnasium.vector.SyncVectorEnv):
    """Returns rewards and flags as it was told to."""

    def __init__(self, convert):
        super().__init__([Counter] * 3)
        self.convert = convert

    def step(self, actions):
        observations, rewards, terminations, truncations, infos = super().step(actions)
        flags = (self.convert(one) for one in (terminations, truncations))
        return observations, self.convert(rewards), *flags, infos


@pytest.mark.parametrize(
    "convert",
    [
        *(
            lambda column, dtype=dtype: column.astype(dtype)
            for dtype in ("int8", "int32", ">i8", "uint8", "float32", "longdouble", "object")
        ),
        list,
        np.ndarray.tolist,
        lambda column: [np.float32(one) for one in column],
        lambda column: [np.array(one) for one in column],
        lambda column: [np.array([one]) for one in column],
        lambda column: np.repeat(column, 2)[::2],
    ],
)
def test_rewards_and_flags_may_be_arrays_of_any_real_dtype_and_lists(convert):
    with EnvServer(Returning(convert)) as server, RemoteVectorEnv(server.address) as env:
        env.reset(seed=[1, 2, 3])
        rewards, terminations, truncations = env.step(np.array([1, 1, 1]))[1:4]
    assert rewards.tolist() == [1.0, 1.0, 1.0]
    assert rewards.dtype in ("float32", "float64")
    assert exactly(terminations, np.array([True, False, False]))
    assert exactly(truncations, np.array([False, False, False]))


@pytest.mark.parametrize(
    ("convert", "words"),
    [
        (lambda column: column.astype("complex64"), r"rewards\[0\]: expected a number, got "),
        (lambda column: column.astype("str"), r"rewards\[0\]: expected a number, got '1.0'"),
        (lambda column: column[:, None], r"rewards.shape: expected \(3,\), got \(3, 1\)"),
        (lambda column: column * 2, r"terminations\[0\]: expected a bool, 0 or 1, got 2"),
        (
            lambda column: np.where(column == 0, np.nan, column),
            r"terminations\[1\]: expected a bool, 0 or 1, got nan",
        ),
    ],
)
def test_rewards_and_flags_of_another_kind_are_named(convert, words):
    with EnvServer(Returning(convert)) as server, RemoteVectorEnv(server.address) as env:
        env.reset(seed=[1, 2, 3])
        with pytest.raises(InvalidValue, match=words):
            env.step(np.array([1, 1, 1]))


def test_the_mode_is_known_where_gymnasium_does_not_say():
    with EnvServer(make()) as server, RemoteVectorEnv(server.address) as env:
        assert env.autoreset_mode == ("SameStep" if OLD else "NextStep")


def test_it_is_a_vector_env_for_gymnasium():
    local = make(**SAME_STEP)
    with EnvServer(make(**SAME_STEP)) as server:
        env = GymRemoteVectorEnv(server.address)
        assert isinstance(env, gymnasium.vector.VectorEnv)
        assert env.num_envs == 3
        for space in ("observation_space", "action_space"):
            assert getattr(env, space) == getattr(local, space)
            assert getattr(env, f"single_{space}") == getattr(local, f"single_{space}")
        mode = env.metadata["autoreset_mode"]
        assert mode == (
            AutoresetMode.SAME_STEP if AutoresetMode else "SameStep" if OLD else "NextStep"
        )
        assert not env.closed
        env.close()
        env.close()
        assert env.closed
        RemoteVectorEnv(server.address).close()  # it was freed


def test_an_env_that_cannot_be_opened_leaves_nothing_behind():
    with EnvServer(make()) as server:
        for _ in range(2):
            with pytest.raises(ValueError, match="num_envs: the vector env at .* has 3, got 7"):
                GymRemoteVectorEnv(server.address, num_envs=7)
    with EnvServer(Counter()) as server:
        for _ in range(2):
            with pytest.raises(TypeError, match="is an env: use RemoteEnv"):
                GymRemoteVectorEnv(server.address)


@pytest.mark.filterwarnings("ignore:seeds:UserWarning")
@pytest.mark.parametrize("served", [False, True])
def test_a_run_plays_in_all_sub_envs(served):
    def act(observation):
        assert observation["large"].dtype == np.uint8
        assert type(observation["pair"][0]) is int
        return 1 + int(observation["count"][0]) % 2

    model = Model(act)
    single = model.run(Counter(), seeds=[4, 9, 2])
    with EnvServer(make()) as server:
        result = model.run(server if served else make(), seeds=[4, 9, 2, 7])
    assert [episode.seed for episode in result.episodes] == [None] * 4
    for ours, theirs in zip(result.episodes, single.episodes):
        assert (ours.steps, ours.reward) == (theirs.steps, theirs.reward)
    # The fourth is unseeded.
    assert result.episodes[3].steps == 2


@pytest.mark.filterwarnings("ignore:seeds:UserWarning")
def test_a_run_reads_the_last_info_of_an_episode():
    class Judged(Counter):
        def step(self, action):
            *result, info = super().step(action)
            return (*result, {**info, "is_success": self.length == 4} if result[2] else info)

    vector = gymnasium.vector.SyncVectorEnv([Judged] * 3)
    result = Model(lambda observation: 1).run(vector, seeds=[4, 5, 4], max_episodes=4)
    assert [episode.success for episode in result.episodes] == [True, False, True, False]


@pytest.mark.skipif(AutoresetMode is None, reason="Gymnasium has partial resets from 1.1 on")
def test_some_sub_envs_are_reset():
    with EnvServer(make(autoreset_mode="Disabled")) as server:
        env = GymRemoteVectorEnv(server.address)
        env.reset(seed=[1, 5, 5])
        assert env.step(np.array([1, 1, 1]))[2].tolist() == [True, False, False]
        options = {"reset_mask": np.array([True, False, False]), "more": 1}
        observations, infos = env.reset(seed=[6, None, None], options=options)
        assert observations["count"].tolist() == [[0], [1], [1]]
        assert infos["length"][0] == 6
        assert infos["_length"].tolist() == [True, False, False]
        assert infos["options"]["more"][0] == 1
        env.close()
