"""The same result wherever env and model are, whatever the framework, and however they are run."""

from __future__ import annotations

import contextlib
from importlib import import_module
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Tuple

import envs
import pytest
from policies import Scripted, digest
from rollouts import assert_same
from servers import Servers

import rlmesh
import rlmesh.numpy
from rlmesh._envs.client import BlockingView, EnvClient, EnvView
from rlmesh._rpc.calls import BLOCKING
from rlmesh._tasks import complete
from rlmesh._transport.security import Token
from rlmesh._wire.codec import Codec, Encoded
from rlmesh.backends import NumpyBridge

BACKENDS = ["native", "numpy", "torch", "jax"]
SEEDS = range(3)


class Case(NamedTuple):
    """An env to act in.

    Attributes:
        name: Of a function in envs.py that makes it.
        kwargs: For the function.
        max_episode_steps: Where its episodes are cut off.
    """

    name: str
    kwargs: Dict[str, Any]
    max_episode_steps: int

    def make(self) -> Any:
        return getattr(envs, self.name)(**self.kwargs)


CASES = {
    "CartPole": Case("make", {"env_id": "CartPole-v1"}, 500),
    "HalfCheetah": Case("make", {"env_id": "HalfCheetah-v5"}, 100),
    "Everything": Case("Everything", {}, 100),
}
ALL_CASES = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
ALL_BACKENDS = pytest.mark.parametrize("backend", BACKENDS)
PLACES = pytest.mark.parametrize(
    ("env_where", "model_where"),
    [("here", "here"), ("served", "here"), ("served", "served"), ("here", "served")],
)


class Addresses:
    """Where each env and each backend's model is served; the servers start when they are needed."""

    def __init__(self, serve: Servers, folder: Any) -> None:
        self.serve, self.folder = serve, folder
        self.found: Dict[str, str] = {}

    def env(self, case: Case) -> str:
        key = case.kwargs.get("env_id", case.name)
        if key not in self.found:
            self.found[key] = self.serve(f"envs:{case.name}", kwargs=case.kwargs).address
        return self.found[key]

    def model(self, backend: str) -> str:
        if backend not in self.found:
            # Both kinds of sockets, in turn.
            unix = BACKENDS.index(backend) % 2
            address = f"unix://{self.folder}/{backend}" if unix else "tcp://127.0.0.1:0"
            kwargs = {"backend": backend}
            server = self.serve("policies:Scripted", address, kwargs=kwargs, model=backend)
            self.found[backend] = server.address
        return self.found[backend]


@pytest.fixture(scope="module")
def addresses(serve_module: Servers, tmp_path_factory: pytest.TempPathFactory) -> Addresses:
    return Addresses(serve_module, tmp_path_factory.mktemp("sockets"))


def model_of(backend: str) -> Any:
    package = rlmesh if backend == "native" else import_module(f"rlmesh.{backend}")
    return package.Model(Scripted(backend))


def remote_model(backend: str, address: str) -> Any:
    package = rlmesh if backend == "native" else import_module(f"rlmesh.{backend}")
    return package.RemoteModel(address)


Outcome = Tuple[int, int, float, bool, bool]

_EXPECTED: Dict[str, List[Outcome]] = {}


def expected_of(case: Case) -> List[Outcome]:
    """Return seeds, lengths, rewards and ends of the episodes, from a loop without RLMesh."""
    key = str(case)
    if key not in _EXPECTED:
        env, policy = case.make(), Scripted("numpy")
        _EXPECTED[key] = [_episode(env, policy, seed, case.max_episode_steps) for seed in SEEDS]
        env.close()
    return _EXPECTED[key]


def _episode(env: Any, policy: Scripted, seed: int, max_episode_steps: int) -> Outcome:
    observation, _ = env.reset(seed=seed)
    steps, total, terminated, truncated = 0, 0.0, False, False
    while not (terminated or truncated):
        action = policy.predict(observation)
        observation, reward, terminated, truncated, _ = env.step(action)
        steps, total = steps + 1, total + float(reward)
        truncated = truncated or (steps == max_episode_steps and not terminated)
    return seed, steps, total, bool(terminated), bool(truncated)


def outcomes(episodes: Any) -> List[Outcome]:
    return [(e.seed, e.steps, e.reward, e.terminated, e.truncated) for e in episodes]


@contextlib.contextmanager
def target(case: Case, where: str, addresses: Addresses) -> Iterator[Any]:
    """Give an env object, or the address of a served one."""
    if where == "served":
        yield addresses.env(case)
        return
    env = case.make()
    yield env
    env.close()


@PLACES
@ALL_BACKENDS
@ALL_CASES
def test_a_run_has_the_result_of_a_loop_without_rlmesh(
    case: Case, backend: str, env_where: str, model_where: str, addresses: Addresses
) -> None:
    model = model_of(backend) if model_where == "here" else addresses.model(backend)
    with target(case, env_where, addresses) as env:
        result = rlmesh.run(model, env, seeds=SEEDS, max_episode_steps=case.max_episode_steps)
    assert outcomes(result.episodes) == expected_of(case)
    for part in (*result.episodes, result):
        times = (part.env_seconds, part.wire_seconds, part.predict_seconds)
        assert min(times) >= 0
        assert sum(times) <= part.duration


@PLACES
@ALL_BACKENDS
@ALL_CASES
def test_a_loop_of_ones_own_has_the_same_result(
    case: Case, backend: str, env_where: str, model_where: str, addresses: Addresses
) -> None:
    with contextlib.ExitStack() as stack:
        env = stack.enter_context(target(case, env_where, addresses))
        if model_where == "here":
            model = model_of(backend)
        else:
            model = stack.enter_context(remote_model(backend, addresses.model(backend)))
        session = stack.enter_context(model.session(env, max_episode_steps=case.max_episode_steps))
        policy, results = Scripted(backend), []
        for seed in SEEDS:
            observation, _ = session.reset(seed=seed)
            while not session.over:
                action = session.predict(observation)
                # What arrives here is what the model saw: it would act the same on it.
                expected = as_received(policy.predict(observation))
                assert digest(as_received(action)) == digest(expected)
                observation, *_ = session.step(action)
            results.append(session.result())
    assert outcomes(results) == expected_of(case)


def as_received(action: Any) -> Any:
    """Return an action with the ints that arrive for a Discrete space, whatever was sent."""
    return {**action, "grip": int(action["grip"])} if isinstance(action, dict) else action


@pytest.mark.parametrize("model_where", ["here", "served"])
@ALL_BACKENDS
@pytest.mark.parametrize("name", ["CartPole", "Everything"])
def test_a_worker_runs_the_same_episodes(
    name: str, backend: str, model_where: str, addresses: Addresses
) -> None:
    case = CASES[name]
    results: List[Any] = []
    with contextlib.ExitStack() as stack:
        if model_where == "here":
            model = model_of(backend)
        else:
            model = stack.enter_context(remote_model(backend, addresses.model(backend)))
        model.run_local_for_episodes(
            addresses.env(case), max_episodes=len(SEEDS), seeds=SEEDS, on_result=results.append
        )
    assert outcomes(results) == expected_of(case)


@pytest.mark.parametrize("scheme", ["tcp", "unix"])
def test_a_run_has_the_same_result_over_both_kinds_of_sockets(
    scheme: str, serve: Servers, new_address: Callable[[str], str]
) -> None:
    case = CASES["Everything"]
    kwargs = {"backend": "numpy"}
    model = serve("policies:Scripted", new_address(scheme), kwargs=kwargs, model="numpy")
    env = serve("envs:Everything", new_address(scheme).replace("env.sock", "other.sock"))
    assert outcomes(rlmesh.run(model.address, env.address, seeds=SEEDS).episodes) == expected_of(
        case
    )


def test_a_run_that_forwards_sends_the_model_no_arrays_of_info(addresses: Addresses) -> None:
    """They come in one message with the observation's, where both are large."""
    client = EnvClient(addresses.env(CASES["Everything"]), Token(""))
    complete(client.connect(BLOCKING))
    decoding, forwarding = (
        BlockingView(EnvView(client, NumpyBridge())),
        BlockingView(EnvView.forwarding(client)),
    )
    observation, _ = decoding.reset(0)
    parts: List[Any] = []
    body = Codec(client.contract.action_space, NumpyBridge(), "action").encode(
        Scripted("numpy").predict(observation), parts
    )
    action = Encoded(body, parts)
    expected, _, _, _, info = decoding.step(Scripted("numpy").predict(observation))
    assert forwarding.reset(0)[0].parts == [observation["camera"].tobytes()]
    forwarded, _, _, _, forwarded_info = forwarding.step(action)
    assert forwarded.parts == [expected["camera"].tobytes()]
    assert info["frame"].nbytes > len(body[0])
    assert forwarded_info["said"] == info["said"]
    assert_same(rlmesh.numpy.asarray(forwarded_info["frame"]), info["frame"], "frame")
    client.close()
