from __future__ import annotations

import contextlib

import pytest
from countdown import Countdown

import rlmesh
from rlmesh import EnvServer, Model, ModelServer, RemoteEnv, RemoteModel, Session
from rlmesh.errors import Busy, InvalidValue, NotReset, SessionLost


class Recorder:
    """Acts with 1, and writes down what is called."""

    def __init__(self):
        self.log = []

    def predict(self, observation):
        self.log.append("predict")
        return 1

    def reset(self, episode_id):
        self.log.append("reset")

    def on_episode_end(self, episode_id):
        self.log.append("end")

    def close(self):
        self.log.append("close")


@pytest.fixture(params=["here", "served"])
def joined(request, tmp_path):
    """Return a function that joins a source and an env, both here or both served."""
    with contextlib.ExitStack() as stack:

        def join(source, env, **options):
            if request.param == "here":
                return Model(source).session(env, **options)
            servers = [
                EnvServer(env, f"unix://{tmp_path}/env"),
                ModelServer(Model(source), f"unix://{tmp_path}/model"),
            ]
            for server in servers:
                stack.enter_context(server)
            return rlmesh.session(servers[1].address, servers[0].address, **options)

        yield join


def play(session, seed):
    observation, _ = session.reset(seed=seed)
    while not session.over:
        observation, *_ = session.step(session.predict(observation))
    return session.result()


def test_a_loop_of_ones_own_has_the_result_of_a_run(joined):
    with joined(lambda observation: observation[0] % 2, Countdown()) as session:
        results = [play(session, seed) for seed in (3, 5)]
    run = Model(lambda observation: observation[0] % 2).run(Countdown(), seeds=[3, 5])
    assert [(r.seed, r.steps, r.reward, r.success) for r in results] == [
        (e.seed, e.steps, e.reward, e.success) for e in run.episodes
    ]
    assert results[0].index == results[1].index == 0


def test_a_session_gives_what_the_env_gives(joined):
    with joined(Recorder(), Countdown()) as session:
        assert isinstance(session, Session)
        assert session.contract.env_id == "Countdown"
        observation, info = session.reset(seed=2, options={"any": 1})
        assert (observation.tolist(), info) == ([2], {})
        observation, reward, terminated, truncated, info = session.step(0)
        assert (observation.tolist(), reward, terminated, truncated) == ([1], 0.0, False, False)
        assert session.step(1)[1:] == (1.0, True, False, {"is_success": True})


def test_before_a_reset_nothing_but_a_reset_is_possible(joined):
    source = Recorder()
    with joined(source, Countdown()) as session:
        assert session.over
        with pytest.raises(NotReset, match=r"^predict: there is no episode yet; call reset\(\)"):
            session.predict(None)
        with pytest.raises(NotReset, match=r"^step: there is no episode yet; call reset\(\) first"):
            session.step(1)
        assert (session.result().steps, session.result().success) == (0, None)
    assert "reset" not in source.log
    assert "end" not in source.log


def test_after_an_episodes_end_nothing_but_a_reset_is_possible(joined):
    source, env = Recorder(), Countdown()
    with joined(source, env) as session:
        play(session, 2)
        for _ in range(2):
            with pytest.raises(NotReset, match="^predict: the episode is over; call reset"):
                session.predict(None)
            with pytest.raises(NotReset, match="^step: the episode is over; call reset"):
                session.step(1)
        assert session.result().steps == 2
        assert source.log == ["reset", "predict", "predict", "end"]
        assert len(env.log) == 3
        assert play(session, 1).steps == 1


def test_another_reset_ends_the_episode_and_starts_counting_anew(joined):
    source = Recorder()
    with joined(source, Countdown()) as session:
        session.reset(seed=9)
        session.step(1)
        session.reset(seed=8)
        assert not session.over
        assert source.log == ["reset", "end", "reset"]
        assert (session.result().seed, session.result().steps, session.result().reward) == (8, 0, 0)
        session.step(1)
        assert session.result().reward == 8


def test_a_result_may_be_asked_for_in_the_middle(joined):
    with joined(Recorder(), Countdown()) as session:
        session.reset(seed=5)
        session.step(1)
        result = session.result(index=7)
        assert (result.index, result.steps, result.reward) == (7, 1, 5.0)
        assert (result.terminated, result.truncated, result.success) == (False, False, None)
        assert result.env_seconds + result.wire_seconds + result.predict_seconds <= result.duration


def test_the_step_cap_ends_the_episode(joined):
    source = Recorder()
    with joined(source, Countdown(), max_episode_steps=2) as session:
        session.reset(seed=9)
        assert session.step(1)[3] is False
        assert session.step(1)[2:4] == (False, True)
        assert session.over
        assert session.result().truncated
        assert source.log == ["reset", "end"]


def test_an_action_need_not_be_the_models(joined):
    source, env = Recorder(), Countdown()
    with joined(source, env) as session:
        session.reset(seed=3)
        while not session.over:
            session.step(0)
        assert source.log == ["reset", "end"]
        assert session.result().reward == 0


def test_a_wrong_action_leaves_the_episode_running(joined):
    with joined(Recorder(), Countdown()) as session:
        session.reset(seed=3)
        with pytest.raises(InvalidValue, match="action: expected an integer, got 'left'"):
            session.step("left")
        assert not session.over
        assert session.step(1)[1] == 3.0


def test_a_chunk_is_replayed_whatever_is_observed(joined):
    class Chunks:
        def predict_chunk(self, observation):
            asked.append(observation[0])
            return [1, 0, 1]

    asked = []
    with joined(Chunks(), Countdown(), execution_horizon=3) as session:
        observation, _ = session.reset(seed=7)
        actions = []
        for _ in range(4):
            actions.append(session.predict(observation))
            observation, *_ = session.step(actions[-1])
        assert (actions, asked) == ([1, 0, 1, 1], [7, 4])
        session.reset(seed=7)
        session.predict(session.reset(seed=5)[0])
        assert asked == [7, 4, 5]


def test_a_model_here_is_closed_once_per_session():
    source = Recorder()
    session = Model(source).session(Countdown())
    session.reset()
    session.close()
    session.close()
    with session:
        pass
    assert source.log == ["reset", "end", "close"]
    assert session.over


def test_a_served_model_outlives_its_sessions(tmp_path):
    source = Recorder()
    with ModelServer(Model(source), f"unix://{tmp_path}/s") as server:
        with RemoteModel(server.address) as remote:
            session = remote.session(Countdown())
            session.reset()
            assert remote.ping()["sessions"] == 1
            session.close()
            session.close()
            assert remote.ping()["sessions"] == 0
            assert source.log == ["reset", "end"]
        with pytest.raises(SessionLost, match="it was closed"):
            session.reset()
    assert source.log == ["reset", "end", "close"]


def test_a_with_block_gives_up_an_env_that_was_dialed_and_no_other(tmp_path):
    env = Countdown()
    with EnvServer(env, f"unix://{tmp_path}/s") as server:
        with Model(Recorder()).session(server.address) as session:
            session.reset()
            with pytest.raises(Busy):
                RemoteEnv(server.address)
        with RemoteEnv(server.address) as remote:
            with Model(Recorder()).session(remote) as session:
                session.reset()
            remote.reset()
            with Model(Recorder()).session(remote, close_env=True) as session:
                session.reset()
            with pytest.raises(SessionLost, match="it was closed"):
                remote.reset()
    assert ("close", None) not in env.log
    with Model(Recorder()).session(env, close_env=True):
        pass
    assert env.log[-1] == ("close", None)


def test_everything_is_closed_when_no_session_comes_about(tmp_path):
    source, env = Recorder(), Countdown()
    with pytest.raises(ValueError, match="execution_horizon"):
        Model(source).session(env, close_env=True, execution_horizon=2)
    assert source.log == ["close"]
    assert env.log == [("close", None)]
    with EnvServer(Countdown(), f"unix://{tmp_path}/s") as server:
        for _ in range(2):
            with pytest.raises(ValueError, match="execution_horizon"):
                Model(source).session(server.address, execution_horizon=2)


def test_a_with_block_ends_the_episode_also_after_an_error(joined):
    source = Recorder()

    def fail():
        with joined(source, Countdown()) as session:
            session.reset()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert source.log[:2] == ["reset", "end"]


def test_what_is_closed_is_closed_also_when_the_end_of_the_episode_raises():
    class Fails(Recorder):
        def on_episode_end(self):
            raise ArithmeticError("no end")

    source, env = Fails(), Countdown()
    session = Model(source).session(env, close_env=True)
    session.reset()
    with pytest.raises(ArithmeticError, match="no end"):
        session.close()
    assert source.log[-1] == "close"
    assert env.log[-1] == ("close", None)


@pytest.mark.parametrize("model", [None, 3, Countdown(), Recorder()])
def test_what_is_no_model_is_named(model):
    for start in (rlmesh.run, rlmesh.session):
        with pytest.raises(TypeError, match="model: expected a Model, a RemoteModel or the add"):
            start(model, Countdown())
