"""Evaluate two policies on an env that lives in another process, and compare them.

    python demo.py --env-python /path/to/venv/bin/python

That Python serves the env, so it needs rlmesh-core and gymnasium, and nothing of the model's side.
This one needs rlmesh-numpy and rich, and no gymnasium.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from rlmesh import RunResult
from rlmesh.numpy import Model

EPISODES = 20


def scripted(observation: Any) -> int:
    """Push the cart (0: left, 1: right) to where the pole is about to fall."""
    _, _, angle, angular_velocity = observation
    return int(angle + 0.5 * angular_velocity > 0)


class RandomPolicy:
    """Pushes the cart left or right by chance, the same way in each run of this program."""

    def __init__(self) -> None:
        self._random = random.Random(0)

    def predict(self, observation: Any) -> int:
        return self._random.randrange(2)


@contextmanager
def served_env(python: str) -> Iterator[str]:
    """Serve the env from another process for the length of a `with` block; give its address."""
    script = Path(__file__).with_name("serve_env.py")
    pipe = subprocess.PIPE
    # Ctrl-C is for this process; at the end of the block, the other sees its input closed and ends.
    with subprocess.Popen(
        [python, str(script)], stdin=pipe, stdout=pipe, text=True, start_new_session=True
    ) as process:
        for line in process.stdout or ():
            if line.startswith("tcp://"):
                yield line.strip()
                return
    sys.exit(f"{python} served no env; it needs rlmesh-core and gymnasium")


def evaluate(name: str, policy: Any, address: str) -> RunResult:
    """Run the episodes of one policy, with a progress line."""
    columns = TextColumn("{task.description:9}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, TextColumn("episodes")) as progress:
        task = progress.add_task(name, total=EPISODES)
        return Model(policy).run(
            address, seeds=range(EPISODES), on_result=lambda episode: progress.advance(task)
        )


def table_of(results: Dict[str, RunResult]) -> Table:
    """Return a table with a row per policy; times are the sums over all episodes."""
    table = Table("policy", box=box.SIMPLE_HEAD, collapse_padding=True)
    for header in "episodes", "mean reward", "success", "steps", "env", "wire", "predict":
        table.add_column(header, justify="right")
    for name, result in results.items():
        rate = result.success_rate
        seconds = result.env_seconds, result.wire_seconds, result.predict_seconds
        table.add_row(
            name,
            str(result.num_episodes),
            f"{result.mean_reward:.2f}",
            "-" if rate is None else f"{rate:.0%}",
            str(result.total_steps),
            *(f"{phase:.2f} s" for phase in seconds),
        )
    return table


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--env-python", default=sys.executable, help="serves the env")
    env_python = parser.parse_args().env_python
    policies = {"scripted": scripted, "random": RandomPolicy()}
    with served_env(env_python) as address:
        print(f"CartPole-v1 at {address}, served by {env_python}")
        results = {name: evaluate(name, policy, address) for name, policy in policies.items()}
    Console().print(table_of(results))
