from __future__ import annotations

import pytest
from countdown import Countdown

from rlmesh import EnvServer, Model, RemoteEnv, RLMeshError
from rlmesh.errors import ConnectionFailed, EnvError, InvalidValue, UnsupportedSpace


def always_one(observation):
    return 1


@pytest.fixture
def served(tmp_path):
    with EnvServer(Countdown(), f"unix://{tmp_path}/s") as server:
        yield server


def test_a_run_adds_up():
    run = Model(always_one).run(Countdown(), seeds=[2, 3])
    assert [(e.seed, e.steps, e.reward, e.success) for e in run.episodes] == [
        (2, 2, 3.0, True),
        (3, 3, 6.0, True),
    ]
    assert all(e.terminated and not e.truncated for e in run.episodes)


def test_a_local_env_a_server_an_address_and_a_client_give_the_same_result(served):
    model = Model(lambda observation: observation[0] % 2)
    here = model.run(Countdown(), seeds=range(1, 6))
    assert model.run(served, seeds=range(1, 6)) == here
    assert model.run(served.address, seeds=range(1, 6)) == here
    with RemoteEnv(served.address) as env:
        assert model.run(env, seeds=range(1, 6)) == here


def test_the_times_are_parts_of_the_duration(served):
    for env in (served, Countdown()):
        for e in Model(always_one).run(env, seeds=[5, 6]).episodes:
            assert min(e.env_seconds, e.wire_seconds, e.predict_seconds) >= 0
            assert e.env_seconds + e.wire_seconds + e.predict_seconds <= e.duration


def test_the_step_cap_truncates():
    (episode,) = Model(always_one).run(Countdown(), seeds=[50], max_episode_steps=7).episodes
    assert (episode.steps, episode.terminated, episode.truncated) == (7, False, True)
    (episode,) = Model(always_one).run(Countdown(), seeds=[7], max_episode_steps=7).episodes
    assert (episode.steps, episode.terminated, episode.truncated) == (7, True, False)


def test_results_are_told_as_they_come():
    told = []
    run = Model(always_one).run(Countdown(), seeds=[1, 2], on_result=told.append)
    assert tuple(told) == run.episodes


@pytest.mark.parametrize(("key", "success"), [("success", True), ("done_well", None)])
def test_success_is_what_the_last_info_says(key, success):
    run = Model(always_one).run(Countdown(key), seeds=[1])
    assert run.episodes[0].success is success


class Recorder:
    """Callbacks that write down when they were called."""

    def __init__(self, **broken):
        self.log = []
        self.broken = broken

    def _record(self, name, *details):
        self.log.append((name, *details))
        if name in self.broken:
            raise self.broken[name]

    def predict(self, observation):
        self._record("predict")
        return 1

    def reset(self, episode_id):
        self._record("reset", episode_id)

    def on_episode_end(self, episode_id):
        self._record("end", episode_id)

    def close(self):
        self._record("close")

    @property
    def names(self):
        return [entry[0] for entry in self.log]


def test_a_source_with_methods_is_called_in_order_and_told_the_episode():
    source = Recorder()
    Model(source).run(Countdown(), seeds=[2, 1])
    assert source.names == [
        *("reset", "predict", "predict", "end"),
        *("reset", "predict", "end"),
        "close",
    ]
    ids = [entry[1] for entry in source.log if len(entry) > 1]
    assert ids[0] == ids[1] != ids[2] == ids[3]


def test_given_callbacks_replace_the_sources_and_need_no_argument():
    source, calls = Recorder(), []
    Model(
        source,
        on_reset=lambda: calls.append("reset"),
        on_episode_end=lambda: calls.append("end"),
        on_close=lambda: calls.append("close"),
    ).run(Countdown(), seeds=[1])
    assert calls == ["reset", "end", "close"]
    assert source.names == ["predict"]


@pytest.mark.parametrize(
    ("broken", "names"),
    [
        ("predict", ["reset", "predict", "end", "close"]),
        ("reset", ["reset", "end", "close"]),
        ("end", ["reset", "predict", "end", "close"]),
        ("close", ["reset", "predict", "end", "close"]),
    ],
)
def test_callbacks_come_also_when_one_of_them_raises(broken, names):
    source = Recorder(**{broken: ZeroDivisionError("on purpose")})
    env = Countdown()
    with pytest.raises(ZeroDivisionError, match="on purpose"):
        Model(source).run(env, seeds=[1, 1] if broken != "close" else [1], close_env=True)
    assert source.names == names
    assert env.log[-1] == ("close", None)


def test_callbacks_come_also_when_the_env_raises(tmp_path):
    class Faulty(Countdown):
        def step(self, action):
            if self.count == 1:
                raise RuntimeError("the simulator fell over")
            return super().step(action)

    for make in (Faulty, lambda: EnvServer(Faulty(), f"unix://{tmp_path}/s").start()):
        source, env = Recorder(), make()
        with pytest.raises((RuntimeError, EnvError), match="the simulator fell over"):
            Model(source).run(env, seeds=[2, 2])
        assert source.names == ["reset", "predict", "predict", "end", "close"]
    env.shutdown()


def test_close_comes_also_when_nothing_could_be_opened():
    source = Recorder()
    env = Countdown()
    del env.action_space
    with pytest.raises(UnsupportedSpace, match="Countdown.action_space: expected"):
        Model(source).run(env)
    assert source.names == ["close"]


def test_an_env_object_is_closed_on_demand_only(served):
    env = Countdown()
    Model(always_one).run(env, seeds=[1])
    assert ("close", None) not in env.log
    Model(always_one).run(env, seeds=[1], close_env=True)
    assert env.log[-1] == ("close", None)
    with RemoteEnv(served.address) as remote:
        Model(always_one).run(remote, seeds=[1])
        remote.reset(seed=1)
        Model(always_one).run(remote, seeds=[1], close_env=True)
        with pytest.raises(RLMeshError, match="is over: it was closed"):
            remote.reset()


def test_a_dialed_env_is_free_again_after_the_run(served):
    for _ in range(3):
        Model(always_one).run(served.address, seeds=[1])


@pytest.mark.parametrize("source", [None, 3, "policy", object(), Recorder, Countdown()])
def test_a_wrong_source_is_an_error_that_says_what_is_right(source):
    with pytest.raises(TypeError, match=r"source: expected a callable.*predict\(observation\)"):
        Model(source)


def test_wrong_arguments_are_errors_that_name_them():
    model = Model(always_one)
    with pytest.raises(TypeError, match="on_reset: expected a callable, got 3"):
        Model(always_one, on_reset=3)
    with pytest.raises(TypeError, match="env_or_address: expected an env"):
        model.run(3)
    with pytest.raises(ValueError, match="max_episode_steps: expected at least 1, got 0"):
        model.run(Countdown(), max_episode_steps=0)
    with pytest.raises(ValueError, match="instruction: this model has no text input"):
        model.run(Countdown(), instruction="pick up the cup")
    with pytest.raises(TypeError, match="spec: expected an rlmesh.adapters.ModelSpec"):
        Model(always_one, spec={"input": {}})
    with pytest.raises(InvalidValue, match="action: expected an integer, got 'left'"):
        Model(lambda observation: "left").run(Countdown())


def test_nobody_at_the_address(tmp_path, monkeypatch):
    from rlmesh._envs import client

    monkeypatch.setitem(client.EnvClient.__init__.__kwdefaults__, "connect_timeout", 0.2)
    with pytest.raises(ConnectionFailed, match="no RLMesh server answered at unix://"):
        Model(always_one).run(f"unix://{tmp_path}/nobody")
