"""Journals of real processes, which are killed, and meet each other."""

from __future__ import annotations

import contextlib
import json
import random
import threading
from pathlib import Path
from typing import Any, List

import envs
import pytest
import robots
from journaled import balance
from robots import Robot, watching_model
from servers import Servers
from test_vector_runs import SEEDS, Walker, walks

import rlmesh
import rlmesh.adapters as adapt
import rlmesh.numpy
from rlmesh.errors import JournalError

EPISODES = 60


@pytest.fixture(scope="module")
def undisturbed() -> List[Any]:
    result = rlmesh.Model(balance).run(envs.make("CartPole-v1"), seeds=range(EPISODES))
    return [[e.index, e.seed, e.steps, e.reward] for e in result.episodes]


def episode_lines(path: Path) -> List[int]:
    """Return the number of each episode that is in a journal, in whole lines, as often as it is."""
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    lines = [json.loads(line) for line in whole.splitlines()]
    return [line["episode"]["index"] for line in lines if "episode" in line]


@pytest.mark.filterwarnings("ignore:.*cut off by a crash:RuntimeWarning")
@pytest.mark.parametrize("lanes", [1, 2])
def test_a_killed_run_goes_on_and_nothing_is_lost_or_doubled(
    serve: Servers, tmp_path: Path, undisturbed: List[Any], lanes: int
) -> None:
    server = [serve("CartPole-v1", factory=True).address] if lanes > 1 else []
    path = tmp_path / "run.jsonl"
    arguments = [str(path), str(EPISODES), str(lanes), *server]
    told: List[int] = []
    chance = random.Random(lanes)
    for _ in range(3):
        process = serve.start("journaled.py", *arguments)
        told += [int(process.read_line()) for _ in range(chance.randrange(1, 6))]
        threading.Event().wait(chance.random() * 0.02)  # the moment is to be any
        process.kill()
        assert process.process.stdout is not None
        told += [int(line) for line in process.process.stdout if line.strip().isdecimal()]
        written = episode_lines(path)
        assert len(written) == len(set(written))
        assert set(told) <= set(written)
    process = serve.start("journaled.py", *arguments)
    while not (line := process.read_line()).startswith("["):
        told.append(int(line))
    assert json.loads(line) == undisturbed
    assert process.wait() == 0
    assert len(told) == len(set(told))
    assert sorted(episode_lines(path)) == [*range(EPISODES)]


def test_two_processes_do_not_share_a_journal(serve: Servers, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    first = serve.start("journaled.py", str(path), "3000", "1")
    first.read_line()
    second = serve.start("journaled.py", str(path), "3000", "1")
    assert second.wait() == 1
    assert f"JournalError: {path}: another run is writing this journal" in second.stderr
    assert first.process.poll() is None
    # What it has written can be read meanwhile, and by all after its end.
    assert rlmesh.RunResult.load(path).num_episodes > 0
    first.kill()
    with pytest.raises(JournalError, match=r"seeds: the journal has 0\.\.2999 \(3000\), this run"):
        rlmesh.Model(balance).run(envs.make("CartPole-v1"), seeds=[1], journal=path)


class Stop(Exception):
    """Ends a run."""


def stop_after(count: int) -> Any:
    seen: List[Any] = []

    def on_result(episode: Any) -> None:
        seen.append(episode)
        if len(seen) == count:
            raise Stop

    return on_result


def test_a_vector_env_goes_on_whatever_its_size(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    model = rlmesh.numpy.Model(Walker())
    with pytest.raises(Stop):
        model.run(walks(), seeds=SEEDS, journal=path, on_result=stop_after(3))
    assert model.run(walks(num_envs=2), seeds=SEEDS, journal=path) == model.run(
        envs.Walk(), seeds=SEEDS
    )
    # One that resets its sub-envs itself cannot reproduce them.
    with pytest.raises(JournalError, match=r'env\.autoreset_mode: .* null, this run "NextStep"'):
        model.run(walks("NextStep"), seeds=SEEDS, journal=path)


@pytest.mark.parametrize("where", ["here", "served"])
def test_a_spec_is_the_same_here_and_served_and_another_is_refused(
    tmp_path: Path, where: str
) -> None:
    path = tmp_path / "run.jsonl"
    env = Robot()
    first = watching_model().run(env, seeds=[1, 2], journal=path)
    assert first.metadata["run"]["env"]["tags"]["kind"] == "env_tags"
    with rlmesh.ModelServer(watching_model()) as server:
        again = rlmesh.run(server.address, env, seeds=[1, 2], journal=path)
    assert again == first
    image = adapt.Image(adapt.IMAGE_PRIMARY, size=12, fit="crop")
    spec = adapt.ModelSpec({**robots.SPEC.input, "image": image}, robots.SPEC.output)
    other = rlmesh.numpy.Model(robots.Watcher(), spec=spec)
    with contextlib.ExitStack() as stack:
        served = stack.enter_context(rlmesh.ModelServer(other)) if where == "served" else None
        model = other if served is None else served.address
        with pytest.raises(
            JournalError, match=r"model\.spec\.input.*\.image\.\w+: the journal has"
        ):
            rlmesh.run(model, env, seeds=[1, 2], journal=path)


def test_a_served_model_with_another_padding_is_refused(tmp_path: Path) -> None:
    class Batched:
        def predict_batch(self, observations: Any) -> Any:
            return [balance(observation) for observation in observations]

    path = tmp_path / "run.jsonl"
    env = envs.make("CartPole-v1")
    rlmesh.numpy.Model(Batched()).run(env, seeds=[1], journal=path, batch_padding=True)
    for size in (32, 16):
        options = rlmesh.ServeOptions(batch_padding=True, max_batch_size=size)
        with rlmesh.ModelServer(rlmesh.numpy.Model(Batched()), options=options) as server:
            if size == 32:
                rlmesh.run(server.address, env, seeds=[1], journal=path)
                continue
            with pytest.raises(
                JournalError, match="batch_padding: the journal has 32, this run 16"
            ):
                rlmesh.run(server.address, env, seeds=[1], journal=path)
