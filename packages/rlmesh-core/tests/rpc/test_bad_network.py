"""Real services and their clients over a network that loses, doubles, delays and cuts messages.

Whatever it does, each step is executed once, and all that comes of it is the same.
"""

from __future__ import annotations

import contextlib
import random
import threading
import zlib
from collections import Counter
from typing import Any, Callable, Dict, Iterator, List, Tuple

import pytest
import worlds
from carriers import MemoryConnection, Network
from worlds import SOON, World, assert_soon

import rlmesh
from rlmesh import Tensor
from rlmesh._envs.doors import local_env, new_service
from rlmesh._rpc import client as client_module
from rlmesh._rpc import reception
from rlmesh._rpc.client import RpcClient
from rlmesh.spaces import Box, Discrete

CLIENTS = 8
FAULTS = 3000
LONG = 120.0
SIZE = 4096


class Demanding:
    """Raises unless each action is the one that `act` finds for the observation before it."""

    def __init__(self) -> None:
        self.observation_space = Box(0, 255, (SIZE,), "uint8")
        self.action_space = Discrete(2**16)
        self.executed: List[Any] = []

    def reset(self, *, seed: Any = None, options: Any = None) -> Tuple[Any, Dict[str, Any]]:
        self.executed.append("reset")
        self.rng = random.Random(seed)
        self.left = self.rng.randrange(3, 12)
        return self._observe(), {}

    def step(self, action: int) -> Tuple[Any, float, bool, bool, Dict[str, Any]]:
        assert action == act(self.observation), f"{action} is no answer to what was observed last"
        self.executed.append("step")
        self.left -= 1
        return self._observe(), float(action), self.left == 0, False, {"left": self.left}

    def _observe(self) -> Tensor:
        data = self.rng.getrandbits(64).to_bytes(8, "little") * (SIZE // 8)
        self.observation = Tensor(data, "uint8", (SIZE,))
        return self.observation


def act(observation: Tensor) -> int:
    return zlib.crc32(observation.data) % 2**16


def run(seed: int, env: Any = None) -> List[float]:
    """Return the rewards of an episode."""
    env, rewards, over = env or Demanding(), [], False
    observation, _ = env.reset(seed=seed)
    while not over:
        observation, reward, over, _, _ = env.step(act(observation))
        rewards.append(reward)
    return rewards


class Saboteur:
    """Makes a network bad until `FAULTS` faults have befallen it.

    Attributes:
        faults: How many there were of each kind.
    """

    def __init__(self, network: Network, seed: int) -> None:
        self.network = network
        self.rng = random.Random(seed)
        self.faults: Counter[str] = Counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    @property
    def done(self) -> bool:
        return sum(self.faults.values()) >= FAULTS

    def _fate(self, control: bytes) -> int:
        count = 1 if self.done else self.rng.choice((0, 1, 1, 1, 1, 1, 2, 3))
        if count != 1:
            self.faults["doubled" if count else "lost"] += 1
        return count

    def _work(self) -> None:
        while not self._stop.wait(self.rng.random() * 0.01):
            self.network.deliver_late()
            if not self.done:
                name = self.rng.choice(("cut_one", "stall_one"))
                getattr(self.network, name)(self.rng.randrange(1000))
                self.faults[name] += 1

    def __enter__(self) -> Saboteur:
        self.network.to_server = self.network.to_client = self._fate
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join(LONG)
        self.network.to_server = self.network.to_client = lambda control: 1
        self.network.deliver_late()


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Any]:
    """Serve a service in a world whose clients know no other way than its network."""
    monkeypatch.setattr(reception, "PROBE_INTERVAL", 0.05)
    monkeypatch.setattr(client_module, "_GOODBYE_TIMEOUT", SOON)

    @contextlib.contextmanager
    def serving(service: Any) -> Iterator[World[Any]]:
        service.go_on = threading.Event()
        with worlds.serving(lambda: service) as world:

            def dial(
                address: str, token: Any, connect_timeout: float, role: str, lane: Any = None
            ) -> RpcClient:
                return RpcClient(MemoryConnection(world.network), address, connect_timeout, role)

            monkeypatch.setattr("rlmesh._envs.client.dial", dial)
            monkeypatch.setattr("rlmesh._models.remote.dial", dial)
            yield world

    return serving


def in_threads(work: Callable[[int], None]) -> None:
    """Have all clients work, and raise what one of them raised."""
    failures: List[BaseException] = []

    def attempt(number: int) -> None:
        try:
            work(number)
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
        assert not thread.is_alive()
    if failures:
        raise failures[0]


@pytest.mark.parametrize("seed", [0, 1])
def test_clients_that_take_turns_at_an_env_step_it_once_each_time(seed: int, serve: Any) -> None:
    env = Demanding()
    local = local_env(env)
    played: List[Tuple[int, List[float]]] = []
    with serve(new_service(local, local.contract(None))) as world:
        with Saboteur(world.network, seed) as saboteur:

            def work(number: int) -> None:
                episode = number
                while not saboteur.done or episode == number:
                    # Those before it each have the env for a few episodes.
                    with rlmesh.RemoteEnv("memory", busy_timeout=LONG) as remote:
                        for _ in range(3):
                            played.append((episode, run(episode, remote)))
                            episode += CLIENTS

            in_threads(work)
        assert sum(saboteur.faults.values()) >= FAULTS
        assert all(rewards == run(episode) for episode, rewards in played)
        steps = sum(len(rewards) for _, rewards in played)
        assert Counter(env.executed) == {"reset": len(played), "step": steps}
        # And nobody holds it: not even somebody whose opening came late.
        world.server._sessions._grace = 0.0
        with rlmesh.RemoteEnv("memory"):
            pass


@pytest.mark.parametrize("seed", [0, 1])
def test_each_client_of_a_model_has_its_own_answers_once(seed: int, serve: Any) -> None:
    predicted: List[int] = []

    class Model:
        def predict_batch(self, observations: List[Tensor], contexts: List[Any]) -> List[int]:
            predicted.append(len(contexts))
            return [act(observation) for observation in observations]

    steps: Counter[int] = Counter()
    model = rlmesh.Model(Model())
    with serve(model.new_service(rlmesh.ServeOptions())) as world:
        with Saboteur(world.network, seed) as saboteur:

            def work(number: int) -> None:
                with rlmesh.RemoteModel("memory") as remote:
                    first = number
                    while not saboteur.done or first == number:
                        seeds = [first, first + CLIENTS]
                        result = remote.run(Demanding(), seeds=seeds)
                        expected = [sum(run(one)) for one in seeds]
                        assert [episode.reward for episode in result.episodes] == expected
                        steps[number] += result.total_steps
                        first += 2 * CLIENTS

            in_threads(work)
        assert sum(saboteur.faults.values()) >= FAULTS
        assert sum(predicted) == sum(steps.values())
        # A goodbye may be lost for good, and then it is the grace that ends the session.
        world.server._sessions._grace = 0.0
        with rlmesh.RemoteModel("memory") as remote:
            assert_soon(lambda: remote.ping()["sessions"] == 0)
