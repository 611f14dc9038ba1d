"""Policies that keep state on themselves: one lane, one client, or one instance for each."""

from __future__ import annotations

import contextlib
import functools
import gc
import threading

import pytest
from countdown import Countdown

import rlmesh
from rlmesh import EnvServer, Model, ModelServer, RemoteModel
from rlmesh.errors import Busy, ModelError

SEEDS = [7, 1, 12, 3, 5, 2, 9, 4]
WORDS = r"takes no episode id.*Model\(factory=.*reset\(self, episode_id\).*stateless=True"


class Queued:
    """Plans three actions at a time, as policies with action chunks do."""

    closed = 0

    def __init__(self):
        self.queue = []

    def reset(self):
        self.queue = []

    def predict(self, observation):
        if not self.queue:
            self.queue = [int(observation[0]) % 2] * 3
        return self.queue.pop()

    def close(self):
        type(self).closed += 1


class Keyed:
    """The same, by the episode's id."""

    def __init__(self):
        self.queues = {}

    def reset(self, episode_id):
        self.queues[episode_id] = []

    def predict(self, observation, context):
        queue = self.queues[context.episode_id]
        if not queue:
            queue += [int(observation[0]) % 2] * 3
        return queue.pop()

    def on_episode_end(self, episode_id):
        del self.queues[episode_id]


class Own(Model):
    """A model that predicts itself, and keeps its queue on itself."""

    def load(self, planned=3):
        self.planned = planned
        self.queue = []

    def reset(self):
        self.queue = []

    def predict(self, observation):
        if not self.queue:
            self.queue = [int(observation[0]) % 2] * self.planned
        return self.queue.pop()


@pytest.fixture(scope="module")
def served():
    with EnvServer("countdown:Countdown") as server:
        yield server.address


@pytest.fixture(scope="module")
def expected():
    return Model(Queued()).run(Countdown(), seeds=SEEDS)


@pytest.mark.parametrize("lanes", [2, 4])
@pytest.mark.parametrize("model", [lambda: Model(Queued()), Own], ids=["source", "subclass"])
def test_several_lanes_are_refused_with_the_ways_out(served, model, lanes):
    with pytest.raises(ValueError, match=WORDS) as caught:
        model().run(served, seeds=SEEDS, concurrency=lanes)
    name = "Own" if model is Own else "Queued"
    assert str(caught.value).startswith(f"lanes: expected one, got {lanes}: {name}.reset() takes")
    assert f"factory=lambda: {name}(...)" in str(caught.value)


def test_one_lane_is_one_lane_however_many_were_asked_for(served):
    assert Model(Queued()).run(served, seeds=[3], concurrency=4).total_steps == 3


def test_several_addresses_are_several_lanes(served):
    with pytest.raises(ValueError, match=WORDS):
        Model(Queued()).run([served, served], seeds=SEEDS)


@pytest.mark.parametrize("name", ["on_reset", "on_episode_end"])
def test_a_given_callback_without_the_id_is_refused_too(served, name):
    for arguments in ({"source": lambda observation: 1}, {"factory": Queued}):
        model = Model(**arguments, **{name: lambda: None})
        with pytest.raises(ValueError, match=f"got 2: {name} {WORDS}"):
            model.run(served, seeds=SEEDS, concurrency=2)


@pytest.mark.parametrize(
    "callback",
    [
        lambda *ignored: None,
        lambda seed=None: None,
        functools.partial(lambda note, episode_id=None: None, "note", episode_id=3),
        type("Callable", (), {"__call__": lambda self: None})(),
    ],
)
def test_what_need_not_be_the_episodes_id_does_not_count_as_one(served, callback):
    model = Model(lambda observation: 1, on_reset=callback)
    with pytest.raises(ValueError, match=WORDS):
        model.run(served, seeds=SEEDS, concurrency=2)


@pytest.mark.parametrize(
    "callback",
    [
        lambda episode: None,
        lambda episode_id=None: None,
        [].append,
        functools.partial(lambda note, episode: None, "note"),
    ],
)
def test_what_takes_the_episodes_id_may_have_several_lanes(served, callback):
    model = Model(lambda observation: 1, on_reset=callback)
    assert len(model.run(served, seeds=SEEDS, concurrency=2).episodes) == len(SEEDS)


def test_state_by_episode_gives_the_same_with_any_number_of_lanes(served, expected):
    assert Model(Keyed()).run(served, seeds=SEEDS, concurrency=4) == expected


@pytest.mark.parametrize(
    "factory",
    [
        Queued,
        lambda: Queued(),
        lambda: Model(Queued()),
        Own,
        lambda: Own(load_kwargs={"planned": 3}),
        functools.partial(Own, load_kwargs={"planned": 3}),
        Keyed,
    ],
)
@pytest.mark.parametrize("lanes", [1, 4])
def test_a_factory_gives_the_same_with_any_number_of_lanes(served, expected, factory, lanes):
    model = Model(factory=factory)
    for _ in range(2):
        assert model.run(served, seeds=SEEDS, concurrency=lanes) == expected


def test_each_lane_has_an_instance_which_is_closed_once_after_it(served):
    made, closed, ends = [], [], []

    class Counted(Queued):
        def __init__(self):
            super().__init__()
            made.append(self)

        def close(self):
            closed.append(self)

    model = Model(factory=Counted, on_close=lambda: ends.append(len(closed)))
    assert (len(made), closed) == (1, [])  # so that what is wrong with it is seen at once
    model.run(served, seeds=SEEDS, concurrency=3)
    assert len(made) == len(closed) == 3
    assert {id(one) for one in made} == {id(one) for one in closed}
    assert ends == [3]
    model.run(served, seeds=SEEDS)
    assert len(made) == len(closed) == 4
    with model.session(Countdown()) as session:
        session.reset(seed=1)
        assert (len(made), len(closed)) == (5, 4)
    assert len(closed) == 5


def test_a_factory_that_returns_the_same_object_again_is_refused(served):
    policy = Queued()
    for factory in (lambda: policy, lambda: policy.predict):
        model = Model(factory=factory, on_reset=lambda episode_id: None)
        assert len(model.run(served, seeds=SEEDS).episodes) == len(SEEDS)
        with pytest.raises(ValueError, match="factory: expected a new object .* same Queued again"):
            model.run(served, seeds=SEEDS, concurrency=2)


def test_a_factory_that_cannot_be_one_is_named_when_the_model_is_made():
    with pytest.raises(TypeError, match="factory: expected a callable without arguments .* got 3"):
        Model(factory=3)
    with pytest.raises(TypeError, match="source: expected none beside a factory, got <built-in"):
        Model(len, factory=Queued)
    with pytest.raises(TypeError, match="factory: expected none, because Own predicts itself"):
        Own(factory=Queued)
    with pytest.raises(TypeError, match="source: expected a callable"):
        Model(factory=lambda: 3)
    with pytest.raises(ZeroDivisionError):
        Model(factory=lambda: 1 // 0)
    with pytest.raises(TypeError, match="factory: the models that it makes have their own callbac"):
        Model(factory=Own, on_reset=print)
    with pytest.raises(TypeError, match="have their own callbacks, and no factory"):
        Model(factory=lambda: Model(factory=Queued))
    with pytest.raises(TypeError, match="stateless: expected True or False, got 'no'"):
        Model(len, stateless="no")


def test_a_factorys_models_bring_their_spec():
    model = Model(factory=lambda: Model(len, spec=rlmesh.DELEGATED))
    assert model.spec is rlmesh.DELEGATED


class Stateless:
    stateless = True

    def reset(self):
        """Clear a cache, say."""

    def predict(self, observation):
        return 1


def test_a_stateless_source_says_so(served):
    one = Model(Stateless()).run(served, seeds=SEEDS)
    assert Model(Stateless()).run(served, seeds=SEEDS, concurrency=4) == one
    model = Model(lambda observation: 1, on_reset=lambda: None, stateless=True)
    assert model.run(served, seeds=SEEDS, concurrency=4) == one

    class OwnStateless(Own):
        stateless = True

        def predict(self, observation):
            return 1

    assert OwnStateless().run(served, seeds=SEEDS, concurrency=4) == one
    batched = type("Batched", (Stateless,), {"predict_batch": lambda self, o: [1] * len(o)})
    with ModelServer(Model(batched())) as server:
        assert rlmesh.run(server.address, served, seeds=SEEDS, concurrency=4) == one


def test_two_sessions_may_not_play_at_the_same_time():
    model = Model(Queued())
    with model.session(Countdown()) as first, model.session(Countdown()) as second:
        first.reset(seed=4)
        with pytest.raises(ValueError, match=f"another episode of it is running; .*{WORDS}"):
            second.reset(seed=4)
        first.end_episode()
        second.reset(seed=4)
        second.reset(seed=5)
        with pytest.raises(ValueError, match="another episode of it is running"):
            model.run(Countdown(), seeds=[2])
    assert len(model.run(Countdown(), seeds=[2]).episodes) == 1


def test_the_episode_of_a_session_that_is_gone_is_over():
    model = Model(Queued())
    session = model.session(Countdown())
    session.reset(seed=4)
    del session
    gc.collect()
    assert len(model.run(Countdown(), seeds=[2]).episodes) == 1


def test_two_threads_may_not_run_one_policy():
    policy, inside, go_on = Queued(), threading.Event(), threading.Event()

    def act(observation):
        inside.set()
        assert go_on.wait(60)
        return policy.predict(observation)

    model = Model(act, on_reset=policy.reset)
    results = []
    thread = threading.Thread(target=lambda: results.append(model.run(Countdown(), seeds=[5])))
    thread.start()
    try:
        assert inside.wait(60)
        with pytest.raises(ValueError, match="another episode of it is running; on_reset takes no"):
            model.run(Countdown(), seeds=[5])
    finally:
        go_on.set()
        thread.join(60)
    assert results[0] == Model(Queued()).run(Countdown(), seeds=[5])


@pytest.mark.parametrize("model", [lambda: Model(Queued()), Own], ids=["source", "subclass"])
def test_a_served_policy_has_one_client_after_the_other(served, expected, model):
    with ModelServer(model()) as server, RemoteModel(server.address) as remote:
        assert remote.run(served, seeds=SEEDS) == expected
        busy = pytest.raises(Busy, match=f"held by another client; .*{WORDS}")
        with remote.session(Countdown()), busy:
            remote.run(served, seeds=SEEDS)
        assert remote.run(served, seeds=SEEDS) == expected
        with pytest.raises(Busy, match=WORDS):
            remote.run(served, seeds=SEEDS, concurrency=2)
        assert remote.run(served, seeds=SEEDS) == expected


def test_a_client_may_wait_until_a_served_policy_is_free(expected, served):
    with ModelServer(Model(Queued())) as server, contextlib.ExitStack() as stack:
        models = [RemoteModel(server.address, busy_timeout=120) for _ in range(4)]
        results = []

        def evaluate(model):
            results.append(model.run(served, seeds=SEEDS))

        threads = [threading.Thread(target=evaluate, args=[model]) for model in models]
        for thread, model in zip(threads, models):
            stack.callback(model.close)
            thread.start()
        for thread in threads:
            thread.join(120)
        assert results == [expected] * 4


@pytest.mark.parametrize("factory", [Queued, Own])
def test_each_client_of_a_served_factory_has_an_instance(served, expected, factory):
    Queued.closed = 0
    with ModelServer(Model(factory=factory)) as server, RemoteModel(server.address) as remote:
        assert remote.run(served, seeds=SEEDS, concurrency=4) == expected
        with remote.session(Countdown()) as session:
            session.reset(seed=9)
            assert remote.run(served, seeds=SEEDS, concurrency=2) == expected
    assert Queued.closed == (7 if factory is Queued else 0)


def test_what_a_factory_raises_for_a_client_reaches_that_client(served):
    made = []

    def make():
        made.append(1)
        if len(made) == 2:
            raise MemoryError("no room for another one")
        return Queued()

    with ModelServer(Model(factory=make)) as server, RemoteModel(server.address) as remote:
        fails = pytest.raises(ModelError, match="MemoryError: no room for another one")
        with remote.session(Countdown()):
            with fails:
                remote.run(Countdown(), seeds=[2])
            assert len(remote.run(Countdown(), seeds=[2]).episodes) == 1


def test_a_served_policy_that_is_run_here_meanwhile_is_refused():
    model = Model(Queued())
    with ModelServer(model) as server, RemoteModel(server.address) as remote:
        with model.session(Countdown()) as session:
            session.reset(seed=3)
            with pytest.raises(ModelError, match=f"another episode of it is running.*{WORDS}"):
                remote.run(Countdown(), seeds=[3])
        assert len(remote.run(Countdown(), seeds=[3]).episodes) == 1


def test_a_method_in_place_of_its_object_warns_that_nobody_resets_it(served):
    policy = Queued()
    wrapped = functools.wraps(policy.predict)(lambda observation: policy.predict(observation))
    for source in (policy.predict, functools.partial(policy.predict), wrapped):
        with pytest.warns(RuntimeWarning, match=r"Queued\.reset\(\) is not called .* on_reset"):
            model = Model(source)
        with pytest.raises(ValueError, match=WORDS):
            model.run(served, seeds=SEEDS, concurrency=2)
    model = Model(policy.predict, on_reset=policy.reset)
    with pytest.raises(ValueError, match=WORDS):
        model.run(served, seeds=SEEDS, concurrency=2)
    # Nothing to say of objects without a reset, and of those that say that they need none.
    Model(Keyed.predict.__get__(object()))
    Model(Stateless().predict)
