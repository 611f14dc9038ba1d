from __future__ import annotations

from dataclasses import replace

import pytest
from countdown import Countdown, Countdowns

from rlmesh import EnvContract, EnvServer, Model, RemoteEnv, RemoteVectorEnv, Tensor
from rlmesh._envs.client import EnvClient
from rlmesh._envs.local_vector import LocalVectorEnv
from rlmesh._envs.ports import LocalClient
from rlmesh._envs.vector_lanes import split_infos
from rlmesh._envs.vector_view import BlockingVectorView, VectorView
from rlmesh._rpc.calls import BLOCKING
from rlmesh._tasks import complete
from rlmesh._transport.security import Token
from rlmesh._wire.messages import RESET
from rlmesh.backends import NativeBackend
from rlmesh.errors import Busy, EnvError, InvalidValue, NotReset, ProtocolError, SessionLost
from rlmesh.spaces import Box, Discrete

ROWS = Tensor.from_values([[1, 2], [3, 4]], "int8")


@pytest.fixture
def env():
    return Countdowns()


@pytest.fixture
def served(env):
    with EnvServer(env) as server:
        yield server.address


@pytest.fixture(params=["served", "here"])
def view(request, env):
    """The same env behind both doors."""
    if request.param == "here":
        yield BlockingVectorView(VectorView(LocalClient(env), NativeBackend()))
    else:
        with EnvServer(env) as server, RemoteVectorEnv(server.address) as remote:
            yield remote.view(NativeBackend())


def test_the_contract_tells_of_both_kinds_of_spaces(served, env):
    with RemoteVectorEnv(served) as remote:
        assert remote.num_envs == 3
        assert remote.autoreset_mode == "Disabled"
        assert remote.observation_space == env.observation_space == Box(0, 100, (3, 1), "int64")
        assert remote.single_observation_space == Box(0, 100, (1,), "int64")
        assert remote.action_space == env.action_space
        assert remote.single_action_space == Discrete(2)
        assert remote.render_mode == "ansi"
        assert remote.metadata["autoreset_mode"] == "Disabled"
        assert EnvContract.from_dict(remote.contract.to_dict()) == remote.contract


def test_the_contract_of_a_single_env_says_nothing_of_vectors():
    contract = EnvContract("x", Discrete(2), Discrete(2))
    assert contract.num_envs is None
    assert sorted(contract.to_dict()) == [
        *("action_space", "env_id", "max_episode_steps", "metadata", "observation_space"),
        *("origin", "render_mode", "spec"),
    ]
    assert EnvContract.from_dict(contract.to_dict()) == contract


@pytest.mark.parametrize("wrong", [7, {}, {"num_envs": "many"}])
def test_a_contract_that_does_not_parse_is_a_protocol_error(wrong, env):
    plain = {**LocalVectorEnv(env).contract().to_dict(), "vector": wrong}
    with pytest.raises(ProtocolError, match="an env contract that does not parse"):
        EnvContract.from_dict(plain)


def test_sub_envs_are_seeded_stepped_and_reset_on_their_own(view, env):
    observations, infos = view.reset(seed=[2, 3, None])
    assert observations == Tensor.from_values([[2], [3], [10]], "int64")
    view.step([1, 0, 1])
    observations, rewards, terminations, truncations, infos = view.step(
        Tensor.from_values([1, 1, 0], "int64")
    )
    assert observations == Tensor.from_values([[0], [1], [8]], "int64")
    assert rewards == Tensor.from_values([1.0, 2.0, 0.0], "float64")
    assert terminations == Tensor.from_values([True, False, False], "bool")
    assert truncations == Tensor.from_values([False, False, False], "bool")
    assert infos == {}
    mask = Tensor.from_values([True, False, False], "bool")
    observations, infos = view.reset(seed=[7, None, None], options={"reset_mask": mask, "a": [1]})
    assert observations == Tensor.from_values([[7], [1], [8]], "int64")
    assert infos == {"mask": mask}
    assert (env.seed, env.options) == ([7, None, None], {"a": [1]})
    assert view.render() == ("7", "1", "8")


def test_one_seed_reaches_the_env_as_it_is(view, env):
    view.reset(seed=5)
    assert env.seed == 5
    view.reset()
    assert env.seed is None


def test_rewards_keep_their_floats(view, env):
    env.rewards = lambda rewards: Tensor.from_values(rewards, "float32")
    view.reset()
    assert view.step([1, 1, 1])[1] == Tensor.from_values([10.0, 10.0, 10.0], "float32")


@pytest.mark.parametrize("seed", [[1, 2], [1, 2, 3, 4], ()])
def test_as_many_seeds_as_sub_envs_are_wanted(view, seed):
    with pytest.raises(InvalidValue, match=r"seed: expected .* one for each of 3 sub-envs, got"):
        view.reset(seed=seed)


@pytest.mark.parametrize("seed", [-1, [1, 2.5, 3], [1, 2, -3], "abc"])
def test_seeds_are_integers(view, seed):
    with pytest.raises(InvalidValue, match="seed: expected an integer"):
        view.reset(seed=seed)


@pytest.mark.parametrize("seed", ["a", [1, 2], [1, 2, "a"]])
def test_a_server_checks_seeds_as_well(served, seed):
    client = EnvClient(served, Token(""))
    complete(client.connect(BLOCKING))
    with pytest.raises(ProtocolError, match="reset: expected an integer seed"):
        complete(client.call(RESET, (seed, None), ()))
    client.close()


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        ([1, 1], r"action.shape: expected \(3,\), got \(2,\)"),
        (1, r"action.shape: expected \(3,\), got \(\)"),
        ([1, 1, "a"], "action"),
        (None, "action"),
    ],
)
def test_actions_that_do_not_fit_are_refused(view, actions, message):
    view.reset()
    with pytest.raises(InvalidValue, match=message):
        view.step(actions)
    view.step([1, 1, 1])


def test_a_step_before_the_first_reset_is_refused(view):
    with pytest.raises(NotReset):
        view.step([1, 1, 1])
    with pytest.raises(NotReset):
        view.render()


def test_what_the_env_raises_arrives(served):
    with RemoteVectorEnv(served) as remote:
        remote.reset(seed=[1, 5, 5])
        remote.step([0, 0, 0])
        with pytest.raises(EnvError, match="raised RuntimeError: reset what is finished"):
            remote.step([0, 0, 0])
        remote.reset()
        remote.step([0, 0, 0])


@pytest.mark.parametrize(
    ("attribute", "returned", "message"),
    [
        ("rewards", [1.0], "rewards: expected one for each of 3 sub-envs"),
        ("rewards", 1.0, "rewards: expected one for each of 3 sub-envs"),
        ("rewards", ["a", "b", "c"], r"rewards\[0\]: expected a number, got 'a'"),
        ("flags", [[True, True, True]], "terminations: expected one for each of 3 sub-envs"),
        ("flags", Tensor.from_values([0, 2, 0], "int64"), r"terminations\[1\]: expected a bool"),
        ("flags", None, "terminations: expected one for each of 3 sub-envs, got None"),
    ],
)
def test_what_the_env_returns_must_fit(view, env, attribute, returned, message):
    setattr(env, attribute, lambda right: returned)
    view.reset()
    with pytest.raises(InvalidValue, match=message):
        view.step([1, 1, 1])


def test_a_vector_env_returns_five_values(env):
    door = LocalVectorEnv(env)
    env.reset = lambda **arguments: 1
    with pytest.raises(InvalidValue, match="reset: expected observations and infos from the env"):
        door.reset()
    env.step = lambda actions: (1, 2, 3, 4)
    with pytest.raises(InvalidValue, match="step: expected 5 values from the vector env, got 4"):
        door.step([1, 1, 1])


def test_one_client_at_a_time_holds_all_sub_envs(served):
    with RemoteVectorEnv(served), pytest.raises(Busy):
        RemoteVectorEnv(served)
    RemoteVectorEnv(served).close()


def test_each_kind_of_client_names_the_other(served):
    for _ in range(2):  # the env was freed
        with pytest.raises(TypeError, match=r"served at .* is a vector env: use RemoteVectorEnv"):
            RemoteEnv(served)
    with EnvServer(Countdown()) as server:
        for _ in range(2):
            with pytest.raises(TypeError, match=r"served at .* is an env: use RemoteEnv"):
                RemoteVectorEnv(server.address)


def test_a_session_wants_a_single_env(served, env):
    model = Model(lambda observation: 0)
    message = r"expected a single environment, got 'Countdowns', which is a vector of 3"
    for _ in range(2):
        with pytest.raises(TypeError, match=message):
            model.session(served)
    with pytest.raises(TypeError, match=message):
        model.session(env)
    with RemoteVectorEnv(served) as remote, pytest.raises(TypeError, match=message):
        model.session(remote)


@pytest.mark.parametrize("where", ["here", "served"])
def test_a_run_plays_in_all_sub_envs(where, served, env):
    model = Model(lambda observation: observation[0] % 2)
    single = model.run(Countdown(), seeds=[2, 7, 3, 5, 4])
    result = model.run(env if where == "here" else served, seeds=[2, 7, 3, 5, 4])
    for ours, theirs in zip(result.episodes, single.episodes):
        # The single env's info has a success, too.
        assert ours == replace(theirs, success=None, success_at_end=None, success_once=None)
    assert [episode.steps for episode in result.episodes] == [2, 7, 3, 5, 4]
    assert result.timing.lanes == 3


def test_a_partial_reset_is_not_made_in_another_session(served, env):
    with RemoteVectorEnv(served) as remote:
        remote.reset(seed=[2, 3, 4])
        remote._client._rpc.close()
        mask = Tensor.from_values([True, False, False], "bool")
        with pytest.raises(SessionLost):
            remote.reset(options={"reset_mask": mask})
        assert remote.reset(seed=[5, 6, 7])[0].tolist() == [[5], [6], [7]]


@pytest.mark.parametrize(
    ("infos", "first", "second"),
    [
        ({"a": [1, 2], "_a": [True, False]}, {"a": 1}, {}),
        ({"a": [1, 2]}, {"a": 1}, {"a": 2}),
        ({"a": {"b": [1, 2], "_b": [False, True]}, "_a": [False, True]}, {}, {"a": {"b": 2}}),
        ({"a": [{"b": 1}, None], "_a": [True, False]}, {"a": {"b": 1}}, {}),
        ({"a": "of all", "b": [1, 2, 3], 7: [1, 2]}, {7: 1}, {7: 2}),
        ({"_a": [1, 2]}, {"_a": 1}, {"_a": 2}),
        ({"a": ROWS}, {"a": ROWS[0]}, {"a": ROWS[1]}),
    ],
)
def test_infos_of_one_sub_env(infos, first, second):
    assert split_infos(infos, 2) == [first, second]


def test_the_mask_of_an_info_is_made_of_flags():
    assert split_infos({"a": [1, 2], "_a": [0.0, 1]}, 2) == [{}, {"a": 2}]
    with pytest.raises(InvalidValue, match=r"infos\['_a'\]: expected a bool, 0 or 1, got 'False'"):
        split_infos({"a": [1, 2], "_a": ["False", True]}, 2)


def test_a_single_env_is_no_vector_env():
    with pytest.raises(TypeError, match=r"expected a vector environment, got .* a single one"):
        LocalVectorEnv(Countdown())


@pytest.mark.parametrize(
    "finals",
    [
        [Tensor.from_values([1.5], "float64"), None, Tensor.from_values([2], "int64")],
        [None, None],
        7,
    ],
)
def test_what_is_no_observation_of_the_space_travels_as_info(view, env, finals):
    step = env.step
    env.step = lambda actions: (*step(actions)[:4], {"a": 1, "final_obs": finals, "b": 2})
    view.reset()
    infos = view.step([1, 1, 1])[4]
    assert infos == {"a": 1, "final_obs": finals, "b": 2}
    assert list(infos) == ["a", "final_obs", "b"]
