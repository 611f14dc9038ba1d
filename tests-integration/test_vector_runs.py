"""`run` over vector envs: an episode in every sub-env at once, in every autoreset mode."""

from __future__ import annotations

import warnings
from typing import Any, Callable, Dict, Iterator, List

import envs
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from policies import Scripted
from robots import STEPS, Robot, watching_model
from servers import Servers

import rlmesh
import rlmesh.jax
import rlmesh.numpy
import rlmesh.torch
from rlmesh.errors import InvalidValue, SessionLost, UnsupportedSpace

MODES = [mode.value for mode in AutoresetMode]
AUTORESETTING = pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
SEEDS = list(range(10, 18))
FRAMEWORKS: Dict[str, Any] = {
    "native": rlmesh.Model,
    "numpy": rlmesh.numpy.Model,
    "torch": rlmesh.torch.Model,
    "jax": rlmesh.jax.Model,
}


class Walker:
    """A policy for `Walk` that records what it is asked."""

    def __init__(self) -> None:
        self.contexts: List[Any] = []

    def predict(self, observation: Any, context: Any) -> Any:
        assert type(observation["steps"]) is int
        assert observation["steps"] == context.step
        self.contexts.append(context)
        return np.clip(-observation["at"] / 2, -1, 1)


class BatchWalker(Walker):
    """Predicts batches, whose rows do not depend on each other, and records their sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: List[int] = []

    def predict_batch(self, observations: Any, contexts: Any) -> Any:
        assert observations["steps"].tolist() == [context.step for context in contexts]
        self.contexts += contexts
        self.sizes.append(len(contexts))
        return np.clip(-observations["at"] / 2, -1, 1)


def walks(mode: str = "Disabled", num_envs: int = 3, kind: str = "Sync") -> Any:
    return envs.make_vector("Walk", num_envs, mode, kind)


@pytest.fixture(scope="module")
def alone() -> Any:
    """What comes of the episodes in a single env."""
    result = rlmesh.numpy.Model(Walker()).run(envs.Walk(), seeds=SEEDS)
    assert {episode.success for episode in result.episodes} == {True, False}
    assert len({episode.steps for episode in result.episodes}) > 3
    return result


@pytest.fixture(scope="module")
def served(serve_module: Servers) -> Callable[[str], str]:
    """Serve walks in a process of their own, of each mode once."""
    started: Dict[str, str] = {}

    def get(mode: str) -> str:
        if mode not in started:
            kwargs = {"env_id": "Walk", "mode": mode}
            started[mode] = serve_module("envs:make_vector", kwargs=kwargs).address
        return started[mode]

    return get


@pytest.fixture(params=["a local model", "a local model of batches", "a served model"])
def model(request: Any) -> Iterator[Any]:
    if request.param != "a served model":
        yield rlmesh.numpy.Model(BatchWalker() if "batch" in request.param else Walker())
        return
    server = rlmesh.ModelServer(rlmesh.numpy.Model(BatchWalker()))
    with server, rlmesh.RemoteModel(server.address) as remote:
        yield remote


@pytest.mark.parametrize("where", ["Sync", "Async", "served", "RemoteVectorEnv"])
def test_seeded_episodes_are_those_of_a_single_env(
    where: str, model: Any, served: Callable[[str], str], alone: Any
) -> None:
    if where == "served":
        assert model.run(served("Disabled"), seeds=SEEDS) == alone
    elif where == "RemoteVectorEnv":
        with rlmesh.RemoteVectorEnv(served("Disabled")) as remote:
            assert model.run(remote, seeds=SEEDS) == alone
            assert remote.reset(seed=0)[0]["steps"].tolist() == [0, 0, 0]
    else:
        env = walks(kind=where)
        assert rlmesh.run(model, env, seeds=SEEDS, concurrency=3) == alone
        env.close()


@AUTORESETTING
@pytest.mark.parametrize("where", ["Sync", "served"])
def test_envs_that_reset_themselves_record_no_seeds(
    where: str, mode: str, model: Any, served: Callable[[str], str], alone: Any
) -> None:
    env = served(mode) if where == "served" else walks(mode)
    with pytest.warns(UserWarning, match=f"autoreset mode '{mode}'") as caught:
        result = model.run(env, seeds=SEEDS)
    assert sum("seeds:" in str(one.message) for one in caught) == 1
    assert [episode.index for episode in result.episodes] == list(range(len(SEEDS)))
    assert {episode.seed for episode in result.episodes} == {None}
    # The first episode of each sub-env is seeded nevertheless.
    for ours, theirs in zip(result.episodes[:3], alone.episodes):
        assert (ours.steps, ours.reward) == (theirs.steps, theirs.reward)
        assert (ours.terminated, ours.success) == (theirs.terminated, theirs.success)
    assert all(episode.success == episode.terminated for episode in result.episodes)


@AUTORESETTING
def test_a_policy_knows_no_seed_where_the_env_knows_none(mode: str) -> None:
    policy = Walker()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = walks(mode)
        result = rlmesh.numpy.Model(policy).run(env, max_episodes=5, close_env=True)
    assert len(policy.contexts) == result.total_steps
    assert {context.episode_seed for context in policy.contexts} == {None}
    assert len({context.episode_id for context in policy.contexts}) == 5


@AUTORESETTING
def test_every_episode_is_what_the_env_returned(mode: str) -> None:
    """The rewards of a run are those that the sub-envs gave, episode for episode."""
    env = walks(mode)
    given = [spy(sub_env) for sub_env in env.envs]
    result = rlmesh.numpy.Model(BatchWalker()).run(env, max_episodes=9)
    played = {(sum(rewards), len(rewards)) for episodes in given for rewards in episodes}
    assert len({episode.reward for episode in result.episodes}) == 9
    assert {(episode.reward, episode.steps) for episode in result.episodes} <= played


def spy(env: Any) -> List[List[float]]:
    """Return the rewards of each episode of an env, the running one included."""
    reset, step = env.reset, env.step
    episodes: List[List[float]] = []

    def spied_reset(**arguments: Any) -> Any:
        episodes.append([])
        return reset(**arguments)

    def spied_step(action: Any) -> Any:
        result = step(action)
        episodes[-1].append(result[1])
        return result

    env.reset, env.step = spied_reset, spied_step
    return episodes


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_all_kinds_of_spaces_arrive_in_each_framework(framework: str) -> None:
    model = FRAMEWORKS[framework](Scripted(framework))
    alone = model.run(envs.Everything(), seeds=[3, 4, 5], max_episode_steps=4)
    vector = envs.make_vector("Everything", 2, "Disabled")
    assert model.run(vector, seeds=[3, 4, 5], max_episode_steps=4) == alone
    vector.close()


@pytest.mark.parametrize("corner", ["predict", "predict_chunk", "predict_chunk_batch"])
@pytest.mark.parametrize(
    ("backend", "mode"), [("torch", "Disabled"), ("numpy", "SameStep"), ("native", "NextStep")]
)
def test_every_lane_has_its_own_adapter(backend: str, mode: str, corner: str) -> None:
    robots: Any = SyncVectorEnv([Robot] * 3, autoreset_mode=mode)
    local = watching_model(backend, corner)
    with rlmesh.ModelServer(watching_model(backend, corner)) as server:
        for model in (local, rlmesh.RemoteModel(server.address)):
            horizon = None if corner == "predict" else 3
            result = model.run(robots, max_episodes=6, execution_horizon=horizon)
            # A robot fails where it is given the action that belongs to another.
            assert [episode.steps for episode in result.episodes] == [STEPS] * 6


def test_a_batch_has_an_observation_of_every_sub_env() -> None:
    policy = BatchWalker()
    rlmesh.numpy.Model(policy).run(walks(), seeds=range(30), max_batch_size=8)
    # One forward pass of a part is spent on learning what it costs; at the end there are fewer.
    assert policy.sizes.count(3) > 0.7 * len(policy.sizes)
    assert policy.sizes[:2] == [3, 3]


def test_resets_are_made_together() -> None:
    env = walks()
    resets, reset = [], env.reset
    env.reset = lambda **arguments: (resets.append(arguments), reset(**arguments))[1]
    rlmesh.numpy.Model(Walker()).run(env, seeds=SEEDS[:6], max_episode_steps=2)
    assert [one["seed"] for one in resets] == [[10, 11, 12], [13, 14, 15]]


@pytest.mark.parametrize("mode", MODES)
def test_fewer_episodes_than_sub_envs(mode: str, alone: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        result = rlmesh.numpy.Model(BatchWalker()).run(walks(mode, 4), seeds=SEEDS[:2])
    assert result.timing.lanes == 2
    assert [one.steps for one in result.episodes] == [one.steps for one in alone.episodes[:2]]
    assert [one.reward for one in result.episodes] == [one.reward for one in alone.episodes[:2]]


def test_several_vector_envs(model: Any, served: Callable[[str], str], alone: Any) -> None:
    env = walks(num_envs=2)
    result = model.run([served("Disabled"), env], seeds=SEEDS, concurrency=5)
    assert result == alone
    assert result.timing.lanes == 5
    assert model.run([env, envs.Walk()], seeds=SEEDS) == alone
    env.close()


@pytest.mark.parametrize("mode", MODES)
def test_the_step_cap(mode: str) -> None:
    model = rlmesh.numpy.Model(Walker())
    if mode == "Disabled":
        alone = model.run(envs.Walk(), seeds=SEEDS, max_episode_steps=3)
        assert model.run(walks(), seeds=SEEDS, max_episode_steps=3) == alone
        return
    with pytest.raises(
        InvalidValue, match=f"max_episode_steps: .* 'Disabled' only; .* mode '{mode}'"
    ):
        model.run(walks(mode), max_episodes=8, max_episode_steps=2)
    assert model.run(walks(mode), max_episodes=8, max_episode_steps=12).num_episodes == 8


def test_episodes_are_played_again_after_a_lost_session(
    model: Any, new_address: Callable[[str], str], alone: Any
) -> None:
    servers = [rlmesh.EnvServer(walks(), new_address("unix")).start()]
    address = servers[0].address

    def replace(result: Any) -> None:
        if len(servers) == 1:
            servers[0].shutdown()
            servers.append(rlmesh.EnvServer(walks(), address).start())

    assert model.run(address, seeds=SEEDS, on_result=replace) == alone
    del servers[0]
    with pytest.raises(SessionLost):
        model.run(address, seeds=SEEDS, on_result=replace, retries=0)
    servers[1].shutdown()


@AUTORESETTING
def test_what_a_policy_raises_ends_the_run(mode: str) -> None:
    def fails(observation: Any, context: Any) -> Any:
        if context.step == 2:
            raise RuntimeError("out of ideas")
        return np.zeros(2, np.float32)

    env = walks(mode)
    steps, step = [], env.step
    env.step = lambda actions: (steps.append(actions), step(actions))[1]
    with pytest.raises(RuntimeError, match="out of ideas"):
        rlmesh.numpy.Model(fails).run(env, max_episodes=5)
    assert len(steps) == 2


class Recorder(rlmesh.RunHooks):
    """Keeps what it is told of each episode."""

    def __init__(self) -> None:
        self.starts: Dict[int, Any] = {}
        self.steps: Dict[int, List[Any]] = {}

    def on_episode_start(self, event: Any) -> None:
        self.starts[event.index] = event
        self.steps[event.index] = []

    def on_step(self, event: Any) -> None:
        self.steps[event.index].append(event)


@pytest.mark.parametrize("mode", MODES)
def test_hooks_see_every_sub_env(mode: str, model: Any, alone: Any) -> None:
    recorder, env = Recorder(), walks(mode)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        result = model.run(env, seeds=SEEDS, hooks=recorder)
    if mode == "Disabled":
        assert result == alone
    for episode in result.episodes:
        start, steps = recorder.starts[episode.index], recorder.steps[episode.index]
        assert {one.lane for one in steps} == {start.lane}
        assert sum(one.reward for one in steps) == episode.reward
        assert [one.observation["steps"] for one in steps] == list(range(episode.steps))
        assert [one.next_observation["steps"] for one in steps] == list(range(1, episode.steps + 1))
        assert steps[0].observation is start.observation
        assert steps[-1].terminated == episode.terminated
        assert steps[-1].info["is_success"] == episode.success
        assert np.allclose(
            steps[0].action, np.clip(-rlmesh_numpy(start.observation["at"]) / 2, -1, 1)
        )


def rlmesh_numpy(value: Any) -> Any:
    return rlmesh.numpy.asarray(value) if isinstance(value, rlmesh.Tensor) else value


class Gives(Walker):
    """In the third step of an episode whose first observation is unlucky, it fails."""

    def __init__(self, fails: Callable[[], Any]) -> None:
        super().__init__()
        self.fails = fails
        self.unlucky: set[str] = set()

    def predict(self, observation: Any, context: Any) -> Any:
        action = super().predict(observation, context)
        if context.step == 0 and observation["at"][0] > 0:
            self.unlucky.add(context.episode_id)
        if context.step == 2 and context.episode_id in self.unlucky:
            return self.fails()
        return action


def raises() -> Any:
    raise RuntimeError("out of ideas")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("num_envs", [1, 3])
@pytest.mark.parametrize(
    "fails", [raises, lambda: np.zeros(3, np.float32)], ids=["raises", "misfit"]
)
def test_the_others_go_on_when_one_episode_fails(
    fails: Callable[[], Any], num_envs: int, mode: str, alone: Any
) -> None:
    env = walks(mode, num_envs)
    given = [spy(sub_env) for sub_env in env.envs]
    seeds = SEEDS if mode == "Disabled" else None
    model = rlmesh.numpy.Model(Gives(fails))
    result = model.run(env, seeds=seeds, max_episodes=len(SEEDS), on_error="record")
    together = sorted([*result.episodes, *result.errors], key=lambda one: one.index)
    assert [one.index for one in together] == list(range(len(SEEDS)))
    assert {error.kind for error in result.errors} <= {"RuntimeError", "InvalidValue"}
    played = [(sum(rewards), len(rewards)) for episodes in given for rewards in episodes]
    assert all((one.reward, one.steps) in played for one in result.episodes)
    if mode == "Disabled":
        assert result.num_errors > 1
        assert list(result.episodes) == [alone.episodes[one.index] for one in result.episodes]


@pytest.mark.parametrize("mode", MODES)
def test_episodes_are_cut_off_after_so_many_seconds(mode: str, model: Any, alone: Any) -> None:
    env = walks(mode)
    if mode != "Disabled":
        with pytest.raises(
            InvalidValue, match=f"max_episode_seconds: .* 'Disabled' only; .* mode '{mode}'"
        ):
            model.run(env, seeds=SEEDS, max_episode_seconds=60)
        return
    assert model.run(env, seeds=SEEDS, max_episode_seconds=1e6) == alone
    result = model.run(env, seeds=SEEDS, max_episode_seconds=1e-6)
    assert [(one.seed, one.steps, one.timed_out) for one in result.episodes] == [
        (seed, 1, True) for seed in SEEDS
    ]


def test_an_action_that_does_not_fit_is_named() -> None:
    with pytest.raises(InvalidValue, match=r"action.shape: expected \(2,\), got \(3,\)"):
        rlmesh.numpy.Model(lambda observation: np.zeros(3, np.float32)).run(walks())


def test_what_makes_no_sense_is_refused() -> None:
    model, env = rlmesh.numpy.Model(Walker()), walks()
    with pytest.raises(ValueError, match=r"concurrency: .* 3 lanes in all; .* got 2"):
        model.run(env, seeds=SEEDS, concurrency=2)
    with pytest.raises(ValueError, match="pushdown: a vector env sends whole observations"):
        model.run(env, pushdown="images")
    with pytest.raises(TypeError, match="session: expected a single environment"):
        model.session(env)
    with pytest.raises(ValueError, match="concurrency: an env object is one lane"):
        model.run([env, env], seeds=SEEDS)
    env.metadata["autoreset_mode"] = None
    with pytest.raises(InvalidValue, match=r"metadata\['autoreset_mode'\] .* got None"):
        model.run(env)


def test_spaces_that_are_no_batches_are_refused() -> None:
    env = walks()
    env.single_observation_space["at"] = envs.spaces.Box(-1, 1, (3,), np.float32)
    with pytest.raises(UnsupportedSpace, match=r"observation\['at'\]: expected the space of 3 sub"):
        rlmesh.numpy.Model(Walker()).run(env)


def test_workers_play_in_all_sub_envs(served: Callable[[str], str], alone: Any) -> None:
    finished: List[Any] = []
    rlmesh.numpy.Model(Walker()).run_local_for_episodes(
        served("Disabled"), max_episodes=len(SEEDS), seeds=SEEDS, on_result=finished.append
    )
    assert tuple(sorted(finished, key=lambda one: one.index)) == alone.episodes
