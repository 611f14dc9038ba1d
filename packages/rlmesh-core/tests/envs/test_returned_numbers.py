"""What an env may return as a reward or a flag, and the error that names whatever is neither."""

from __future__ import annotations

import math
from fractions import Fraction
from types import SimpleNamespace

import pytest
from countdown import Countdown, Countdowns

from rlmesh import EnvServer, Model, RemoteEnv, RemoteVectorEnv, Tensor
from rlmesh._envs.local import LocalEnv
from rlmesh._envs.local_vector import LocalVectorEnv
from rlmesh.errors import InvalidValue

FLAGS = {True: [True, 1, 1.0, Fraction(1)], False: [False, 0, 0.0, -0.0, Fraction(0)]}
TENSORS = ("bool", "uint8", "int64", "float16", "float64", "bfloat16")
for flag, values in FLAGS.items():
    values += [Tensor.from_values(int(flag), dtype) for dtype in TENSORS]
    values += [Tensor.from_values([int(flag)], dtype) for dtype in TENSORS]

NO_FLAGS = {
    "nan": math.nan,
    "'False' (str)": "False",
    "'' (str)": "",
    "0.5 (float)": 0.5,
    "2 (int)": 2,
    "-1 (int)": -1,
    "None": None,
    "inf": math.inf,
    "integer of": 10**400,
    "[] (list)": [],
    "[True] (list)": [True],
    "{'a': 1} (dict)": {"a": 1},
    "1j (complex)": 1j,
    "(Tensor)": Tensor.from_values([True, False], "bool"),
    "object": object(),
}
NO_NUMBERS = {
    "expected a number, got '1.5' (str)": "1.5",
    "expected a number, got 'nan' (str)": "nan",
    "expected a number, got b'1' (bytes)": b"1",
    "expected a number, got None": None,
    "expected a number, got [1.0] (list)": [1.0],
    "expected a number, got 1j (complex)": 1j,
    "expected a number, got Tensor": Tensor.from_values([1.0, 2.0], "float64"),
    "expected a number that fits a float, got an integer of 1329 bits": 10**400,
    "expected a number that fits a float, got Fraction(": Fraction(10**400),
}


class Answering(Countdown):
    """Returns from `step` what it was told to."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def step(self, action):
        super().step(action)
        return self._observe(), *self.answer


@pytest.fixture(params=["here", "served"])
def step(request):
    """Takes what an env returns from `step` after the observation; gives what arrives."""

    def play(*answer):
        env = Answering(answer)
        if request.param == "here":
            env = LocalEnv(env)
            env.reset()
            return env.step(0)[1:]
        with EnvServer(env) as server, RemoteEnv(server.address) as remote:
            remote.reset()
            return remote.step(0)[1:]

    return play


@pytest.mark.parametrize("expected", FLAGS)
def test_what_is_a_flag(step, expected):
    for value in FLAGS[expected]:
        assert [one is expected for one in step(0.0, value, value, {})[1:3]] == [True, True]


@pytest.mark.parametrize("field", ["terminated", "truncated"])
@pytest.mark.parametrize("words", NO_FLAGS)
def test_what_is_no_flag_is_an_error_that_names_it(step, field, words):
    answer = {"terminated": False, "truncated": False, field: NO_FLAGS[words]}
    with pytest.raises(InvalidValue) as caught:
        step(1.0, answer["terminated"], answer["truncated"], {})
    assert str(caught.value).startswith(f"{field}: expected a bool, 0 or 1, got ")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("reward", "expected"),
    [
        (1, 1.0),
        (True, 1.0),
        (Fraction(1, 2), 0.5),
        (2**60 + 1, 2.0**60),
        (math.inf, math.inf),
        (-math.inf, -math.inf),
        (math.nan, math.nan),
        *((Tensor.from_values(1, dtype), 1.0) for dtype in TENSORS),
        (Tensor.from_values([[3]], "int8"), 3.0),
    ],
)
def test_any_real_number_is_a_reward(step, reward, expected):
    arrived = step(reward, False, False, {})[0]
    assert type(arrived) is float
    assert arrived == expected or (arrived != arrived and expected != expected)


@pytest.mark.parametrize("words", NO_NUMBERS)
def test_what_is_no_number_is_no_reward(step, words):
    with pytest.raises(InvalidValue) as caught:
        step(NO_NUMBERS[words], False, False, {})
    assert str(caught.value).startswith(f"reward: {words}")


@pytest.mark.parametrize("words", NO_FLAGS)
def test_the_done_of_a_legacy_env_is_a_flag(step, words):
    with pytest.raises(InvalidValue) as caught:
        step(1.0, NO_FLAGS[words], {})
    assert str(caught.value).startswith("done: expected a bool, 0 or 1, got ")


@pytest.mark.parametrize(
    ("done", "info", "expected"),
    [
        (0, {"TimeLimit.truncated": True}, (False, False)),
        (1.0, {}, (True, False)),
        (True, {"TimeLimit.truncated": None}, (True, False)),
        (True, {"TimeLimit.truncated": 0}, (True, False)),
        (True, {"TimeLimit.truncated": 1}, (False, True)),
        (True, None, (True, False)),
        (True, [1], (True, False)),
    ],
)
def test_a_legacy_env_says_whether_a_limit_cut_the_episode_off(step, done, info, expected):
    assert step(1.0, done, info)[1:3] == expected


@pytest.mark.parametrize("value", ["False", math.nan, 0.5])
def test_what_a_legacy_env_says_of_its_limit_is_a_flag(step, value):
    with pytest.raises(InvalidValue, match=r"info\['TimeLimit.truncated'\]: expected a bool"):
        step(1.0, True, {"TimeLimit.truncated": value})


@pytest.mark.parametrize("key", ["is_success", "success"])
@pytest.mark.parametrize("words", [words for words in NO_FLAGS if words != "None"])
def test_what_info_says_of_success_is_a_flag(key, words):
    with pytest.raises(InvalidValue) as caught:
        Model(lambda _: 0).run(Answering((1.0, True, False, {key: NO_FLAGS[words]})), seeds=[0])
    assert str(caught.value).startswith(f"info['{key}']: expected a bool, 0 or 1, got ")


@pytest.mark.parametrize("expected", FLAGS)
def test_success_may_be_any_flag(expected):
    # A Fraction in an info travels as text, as anything does that is no plain data.
    for value in (value for value in FLAGS[expected] if not isinstance(value, Fraction)):
        env = Answering((1.0, True, False, {"success": value}))
        assert Model(lambda _: 0).run(env).episodes[0].success is expected


def test_a_success_of_none_says_nothing():
    info = {"is_success": None, "success": 1.0}
    assert Model(lambda _: 0).run(Answering((1.0, True, False, info))).episodes[0].success is True
    info = {"is_success": None}
    assert Model(lambda _: 0).run(Answering((1.0, True, False, info))).episodes[0].success is None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((math.nan, True, False, {}), "episode 0 (seed 5)"),
        ((math.nan, False, False, {}), "episode 0 (seed 5)"),
    ],
)
def test_a_reward_of_nan_is_warned_of_once(answer, words):
    with pytest.warns(RuntimeWarning, match="reward: .* nan") as caught:
        result = Model(lambda _: 0).run(Answering(answer), seeds=[5, 6], max_episode_steps=2)
    assert [words in str(one.message) for one in caught] == [True]
    assert result.mean_reward != result.mean_reward


@pytest.fixture(params=["here", "served"])
def vector_step(request):
    """Takes rewards and flags of a vector env; gives what arrives."""

    def play(rewards, flags):
        env = Countdowns()
        env.rewards, env.flags = (lambda _: rewards), (lambda _: flags)
        if request.param == "here":
            env = LocalVectorEnv(env)
            env.reset()
            return env.step([0, 0, 0])[1:3]
        with EnvServer(env) as server, RemoteVectorEnv(server.address) as remote:
            remote.reset()
            return remote.step([0, 0, 0])[1:3]

    return play


@pytest.mark.parametrize("dtype", [*TENSORS, "int8", "int32", "uint64", "float32"])
def test_a_vector_env_may_return_rewards_of_any_real_dtype(vector_step, dtype):
    rewards, _ = vector_step(Tensor.from_values([1, 0, 1], dtype), [False] * 3)
    kept = dtype if dtype in ("float16", "float32", "float64") else "float64"
    assert rewards == Tensor.from_values([1.0, 0.0, 1.0], kept)


@pytest.mark.parametrize("dtype", [*TENSORS, "int8", "int32", "uint64", "float32"])
def test_a_vector_env_may_return_flags_of_any_real_dtype(vector_step, dtype):
    _, flags = vector_step([0.0] * 3, Tensor.from_values([1, 0, 1], dtype))
    assert flags == Tensor.from_values([True, False, True], "bool")


def test_a_vector_env_may_return_lists_of_what_a_single_env_returns(vector_step):
    flags = [FLAGS[True], FLAGS[False], FLAGS[True]]
    for one, two, three in zip(*flags):
        rewards, arrived = vector_step((one, two, three), [one, two, three])
        assert rewards == Tensor.from_values([1.0, float(two), 1.0], "float64")
        assert arrived == Tensor.from_values([True, False, True], "bool")


@pytest.mark.parametrize("words", NO_FLAGS)
def test_what_is_no_flag_of_a_sub_env_is_named(vector_step, words):
    with pytest.raises(InvalidValue) as caught:
        vector_step([0.0] * 3, [False, True, NO_FLAGS[words]])
    assert str(caught.value).startswith("terminations[2]: expected a bool, 0 or 1, got ")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (Tensor.from_values([0, 2, 0], "int64"), "terminations[1]: expected a bool, 0 or 1, got 2"),
        (Tensor.from_values([0, 0.5, 0], "float32"), "terminations[1]: expected a bool, 0 or 1"),
        (Tensor.from_values([0, math.nan, 0], "float32"), "terminations[1]: expected a bool"),
        (Tensor.from_values([0, 0], "bool"), "terminations.shape: expected (3,), got (2,)"),
        (Tensor.from_values([[0]] * 3, "bool"), "terminations.shape: expected (3,), got (3, 1)"),
        (Tensor.from_values(0, "bool"), "terminations: expected one for each of 3 sub-envs, got"),
        ([True], "terminations: expected one for each of 3 sub-envs, got [True] (list)"),
        (True, "terminations: expected one for each of 3 sub-envs, got True (bool)"),
        (None, "terminations: expected one for each of 3 sub-envs, got None"),
        ("abc", "terminations: expected one for each of 3 sub-envs, got 'abc' (str)"),
        ({0: 1, 1: 0, 2: 0}, "terminations: expected one for each of 3 sub-envs, got {0: 1"),
    ],
)
def test_flags_of_another_number_or_kind_are_named(vector_step, flags, words):
    with pytest.raises(InvalidValue) as caught:
        vector_step([0.0] * 3, flags)
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize("words", NO_NUMBERS)
def test_what_is_no_reward_of_a_sub_env_is_named(vector_step, words):
    with pytest.raises(InvalidValue) as caught:
        vector_step([1.0, NO_NUMBERS[words], 1.0], [False] * 3)
    assert str(caught.value).startswith(f"rewards[1]: {words}")


@pytest.mark.parametrize(("limit", "expected"), [(7, 7), (7.0, 7), (-1, None), (None, None)])
def test_the_spec_of_an_env_may_limit_its_episodes(limit, expected):
    env = Countdown()
    env.spec = SimpleNamespace(id="Countdown-v0", max_episode_steps=limit)
    assert LocalEnv(env).contract().max_episode_steps == expected


@pytest.mark.parametrize("limit", ["7", 0, 0.5, math.nan, 10**400])
def test_a_limit_that_is_no_number_of_steps_is_named(limit):
    env = Countdown()
    env.spec = SimpleNamespace(id="Countdown-v0", max_episode_steps=limit)
    with pytest.raises(InvalidValue, match=r"spec.max_episode_steps: expected a"):
        EnvServer(env)
    with pytest.raises(InvalidValue, match=r"spec.max_episode_steps: expected a"):
        Model(lambda _: 0).run(env)


@pytest.mark.parametrize("count", ["3", 2.5, 0, None])
def test_a_vector_env_has_a_whole_number_of_sub_envs(count):
    env = Countdowns()
    env.num_envs = count
    with pytest.raises(InvalidValue, match="num_envs: expected a"):
        EnvServer(env)
