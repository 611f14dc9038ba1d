"""Runs at full speed for some minutes, and looks whether anything grows: `python soak.py MINUTES`.

Two env servers, one of them with a factory, a model server and an evaluator with four lanes play
short episodes with three cameras; every round opens and closes sessions of all kinds. Between two
rounds, when nothing is open, each process must have as many descriptors and threads as it had after
the warm-up. At the end its memory must have grown by less than 1 %: the median of the last quarter
of the minutes against that of the first. With `--any-memory` that is not looked at.

The warm-up comes before, and takes half as long: a server remembers the last 1024 sessions that
have ended, and there have been as many only after some minutes of this.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from policies import Counts
from servers import PATIENCE, PythonProcess, Servers

import rlmesh
import rlmesh.numpy

LANES = 4
EPISODES = range(40)
MOST_GROWTH = 0.01


class Sample(NamedTuple):
    """What a process has.

    Attributes:
        memory: Bytes in memory.
        descriptors: Number of open ones.
        threads: Number of them.
    """

    memory: int
    descriptors: int
    threads: int

    @classmethod
    def of(cls, process: PythonProcess) -> Sample:
        proc = Path(f"/proc/{process.process.pid}")
        return cls(process.memory, len(os.listdir(proc / "fd")), len(os.listdir(proc / "task")))


def evaluate(instance: str, factory: str, model: str) -> None:
    """Play a round for each line on stdin, and say when it is over."""
    here = rlmesh.numpy.Model(Counts())
    with rlmesh.RemoteModel(model) as served, rlmesh.numpy.RemoteModel(model) as seen:
        for _ in sys.stdin:
            rewards = set()
            for evaluator in (here, served):
                result = evaluator.run(factory, seeds=EPISODES, concurrency=LANES)
                rewards |= {episode.reward for episode in result.episodes}
                for _ in range(5):
                    result = evaluator.run(instance, seeds=EPISODES[:2])
                    rewards |= {episode.reward for episode in result.episodes}
            with rlmesh.numpy.RemoteEnv(instance) as env, seen.session(env) as session:
                observation, _ = session.reset()
                session.step(session.predict(observation))
            # Each action was the one for its observation.
            if len(rewards) != 1:
                raise AssertionError(f"rewards: expected all the same, got {rewards}")
            print("over", flush=True)


def soak(minutes: float, looks_at_memory: bool) -> int:
    """Return the exit status."""
    with Servers() as serve:
        instance = serve("envs:Cameras")
        factory = serve("envs:Cameras", factory=True, options={"max_sessions": LANES})
        model = serve("policies:Counts", model="numpy")
        addresses = [server.address for server in (instance, factory, model)]
        evaluator = serve.start("chaos/soak.py", "--evaluate", *addresses)
        processes: Dict[str, PythonProcess] = {
            "env": instance,
            "factory": factory,
            "model": model,
            "evaluator": evaluator,
        }
        started = time.monotonic()
        warm = started + 60 * minutes / 2
        end = warm + 60 * minutes
        samples: Dict[str, List[Sample]] = {name: [] for name in processes}
        rounds = 0
        while True:
            evaluator.tell("go")
            assert evaluator.read_line() == "over"
            rounds += 1
            if time.monotonic() < warm:
                continue
            for name, process in processes.items():
                first = samples[name][0] if samples[name] else None
                samples[name].append(quiet_sample(process, first))
            if time.monotonic() >= end and len(samples["env"]) >= 2:
                break
    print(f"{rounds} rounds in {(time.monotonic() - started) / 60:.1f} minutes", end="")
    print(f", {len(samples['env'])} of them after the warm-up\n")
    return report(samples, looks_at_memory)


def quiet_sample(process: PythonProcess, first: Optional[Sample]) -> Sample:
    """Return a sample, once everything is closed that a round has opened.

    Args:
        process: Whose.
        first: Its first sample, whose counts are waited for; None waits until they do not change.
    """
    deadline = time.monotonic() + PATIENCE
    before = Sample.of(process)
    while True:
        time.sleep(0.1 if first else 3.0)
        sample = Sample.of(process)
        if sample[1:] == (first or before)[1:] or time.monotonic() > deadline:
            return sample
        before = sample


def report(samples: Dict[str, List[Sample]], looks_at_memory: bool) -> int:
    print(
        f"{'process':<12}{'MB':>8}{'MB at end':>11}{'growth':>9}{'descriptors':>13}{'threads':>9}"
    )
    failures = []
    for name, found in samples.items():
        quarter = max(len(found) // 4, 1)
        first, last = (
            statistics.median(sample.memory for sample in part)
            for part in (found[:quarter], found[-quarter:])
        )
        growth = last / first - 1
        counts = [sorted({sample[i] for sample in found}) for i in (1, 2)]
        shown = ["/".join(map(str, count)) for count in counts]
        print(
            f"{name:<12}{first / 1e6:>8.1f}{last / 1e6:>11.1f}{growth:>9.2%}"
            f"{shown[0]:>13}{shown[1]:>9}"
        )
        if looks_at_memory and growth > MOST_GROWTH:
            failures.append(f"the memory of {name} has grown by {growth:.1%}")
        if any(len(count) > 1 for count in counts):
            failures.append(f"descriptors or threads of {name} are not always as many")
    print("\n".join(["", *failures]))
    return 1 if failures else 0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("minutes", nargs="?", type=float, default=10.0)
    parser.add_argument("--any-memory", action="store_true")
    parser.add_argument("--evaluate", nargs=3)
    arguments = parser.parse_args()
    if arguments.evaluate:
        evaluate(*arguments.evaluate)
    else:
        sys.exit(soak(arguments.minutes, not arguments.any_memory))


if __name__ == "__main__":
    main()
