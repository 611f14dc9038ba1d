"""Several clients of one served model: each as if it were alone, at full speed and out of step."""

from __future__ import annotations

import ast
import contextlib
import threading
import time
from collections import Counter
from typing import Any, Callable, Iterator, List

import pytest
from envs import Suspicious
from policies import Remembers
from servers import PATIENCE, Servers
from traces import assert_soon

import rlmesh
import rlmesh.numpy

SMALL, LARGE = 4, 50_000
"""Elements of 4 bytes: inside the control frame, and a frame of their own."""
CORNERS = ["predict", "predict_chunk", "predict_batch", "predict_chunk_batch"]
SIZES = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
EPISODES = 6


def run_all(
    model: rlmesh.RemoteModel, acted_in: List[Suspicious], episodes: int = EPISODES, **options: Any
) -> None:
    """Run the model in each env, all at the same time."""
    errors: List[BaseException] = []

    def run(env: Suspicious) -> None:
        try:
            result = model.run(env, max_episodes=episodes, **options)
            assert result.total_steps == env.checked == episodes * env.length
        except BaseException as exc:
            errors.append(exc)

    threads = [threading.Thread(target=run, args=(env,)) for env in acted_in]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * PATIENCE)
    assert not any(thread.is_alive() for thread in threads)
    if errors:
        raise errors[0]


@contextlib.contextmanager
def serving(policy: Any, **options: Any) -> Iterator[rlmesh.numpy.RemoteModel]:
    """Serve a policy; yield a client of it."""
    server = rlmesh.ModelServer(rlmesh.numpy.Model(policy), options=rlmesh.ServeOptions(**options))
    with server, rlmesh.numpy.RemoteModel(server.address) as model:
        yield model


@SIZES
@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize("reuses", [False, True], ids=["", "one buffer"])
def test_no_client_gets_the_state_or_the_actions_of_another(
    reuses: bool, corner: str, size: int
) -> None:
    """Also where the policy returns all actions in the same memory."""
    policy = Remembers(corner, reuses)
    with serving(policy) as model:
        run_all(model, [Suspicious(name, size) for name in range(4)])
    assert policy.ended == 4 * EPISODES
    assert policy.fingerprints == {}
    assert sum(count * times for count, times in policy.sizes.items()) == 4 * EPISODES * 50
    if "batch" not in corner:
        assert set(policy.sizes) == {1}


@SIZES
def test_what_is_predicted_one_by_one_is_answered_one_by_one(size: int) -> None:
    """Although the model takes batches, too, but not of chunks."""
    policy = Remembers("predict_chunk+predict_batch", reuses=True)
    with serving(policy) as model:
        run_all(model, [Suspicious(name, size) for name in range(4)], execution_horizon=2)
    assert set(policy.sizes) == {1}


@pytest.mark.parametrize("corner", CORNERS)
def test_clients_of_different_pace_and_size_share_a_model(corner: str) -> None:
    policy = Remembers(corner)
    served = [
        Suspicious(0, SMALL, length=30, pace=0.003),
        Suspicious(1, SMALL, length=500),
        Suspicious(2, LARGE, length=100),
        Suspicious(3, SMALL, length=1),
    ]
    with serving(policy) as model:
        run_all(model, served, episodes=4)
    assert policy.ended == 4 * 4


@SIZES
@pytest.mark.parametrize("scheme", ["tcp", "unix"])
@pytest.mark.parametrize("corner", ["predict", "predict_batch"])
def test_clients_in_processes_of_their_own_share_a_model(
    corner: str, scheme: str, size: int, serve: Servers, new_address: Callable[[str], str]
) -> None:
    kwargs = {"corner": corner, "reuses": True}
    server = serve("policies:Remembers", new_address(scheme), kwargs=kwargs, model="numpy")
    paces = ["0", "0", "0.004"]
    clients = [
        serve.start("suspicious_client.py", server.address, str(name), str(size), pace)
        for name, pace in enumerate(paces)
    ]
    for client in clients:
        assert client.read_line() == "ready"
    for client in clients:
        client.tell("go")
    for client in clients:
        assert client.read_line().endswith("actions were right"), client.stderr
        assert client.wait() == 0
    server.signal(15)
    sizes = Counter(dict(ast.literal_eval(server.read_line())))
    assert server.wait() == 0
    assert sum(count * times for count, times in sizes.items()) == 2 * 1500 + 200
    if corner == "predict_batch":
        assert max(sizes) > 1


def test_whatever_waits_goes_into_one_batch_up_to_the_largest() -> None:
    """While the first predict runs, five others come; three and then two of them go together."""
    entered, go_on, batches = threading.Event(), threading.Event(), []

    class Waits:
        def predict_batch(self, observations: Any) -> Any:
            batches.append(sorted(observations[:, 0].tolist()))
            entered.set()
            assert go_on.wait(PATIENCE)
            return observations

    with serving(Waits(), max_batch_size=3) as model:
        sessions = [model.session(Suspicious(name)) for name in range(6)]
        observations = [session.reset()[0] for session in sessions]
        actions: List[Any] = [None] * 6

        def predict(name: int) -> None:
            actions[name] = sessions[name].predict(observations[name])

        threads = [threading.Thread(target=predict, args=(name,)) for name in range(6)]
        threads[0].start()
        assert entered.wait(PATIENCE)
        before = model.ping()["requests"]
        for thread in threads[1:]:
            thread.start()
        assert_soon(lambda: model.ping()["requests"] == before + 5)
        go_on.set()
        for thread in threads:
            thread.join(PATIENCE)
        for session in sessions:
            session.close()
    assert [len(batch) for batch in batches] == [1, 3, 2]
    assert sorted(batches[1] + batches[2]) == [1, 2, 3, 4, 5]
    for action, observation in zip(actions, observations):
        assert (action == observation).all()


def test_a_model_waits_for_a_fuller_batch_where_that_pays() -> None:
    """A forward pass that takes the same for one as for three is worth waiting for the others."""

    class Slow(Remembers):
        def _predict_batch(self, observations: Any, contexts: Any) -> Any:
            time.sleep(0.02)
            return super()._predict_batch(observations, contexts)

    policy = Slow("predict_batch")
    with serving(policy) as model:
        sessions = [model.session(Suspicious(name)) for name in range(3)]
        observations = [session.reset()[0] for session in sessions]

        def step(name: int) -> None:
            for _ in range(20):
                action = sessions[name].predict(observations[name])
                observations[name] = sessions[name].step(action)[0]

        threads = [threading.Thread(target=step, args=(name,)) for name in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        for session in sessions:
            session.close()
    assert sum(size * count for size, count in policy.sizes.items()) == 60
    # At once, each pass would have those that came during the last one: two, then one, and so on.
    assert policy.sizes[3] >= 10


def test_observations_of_different_spaces_never_share_a_batch() -> None:
    """If they did, a batch would be no array."""
    policy = Remembers("predict_chunk_batch")
    with serving(policy) as model:
        run_all(model, [Suspicious(name, 4 + name % 2) for name in range(4)])
    assert policy.ended == 4 * EPISODES
