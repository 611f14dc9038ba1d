"""Rounds: in each, every contender has a turn, in random order, so that all meet the same noise.

A turn is one of those that a contender's client knows, in a process that lives as long as its
payload is measured. Times are medians over all steps of all rounds; what compares two is the median
over the rounds of what compares their medians of one round.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

_FOLDER = Path(__file__).parent
PEER_VARIABLE = "RLMESH_PEER_PYTHON"


class Effort(NamedTuple):
    """How long to measure: the number of rounds, and seconds."""

    rounds: int
    turn: float
    warm_up: float


_QUICK = Effort(3, 0.01, 0.01)


class Row(NamedTuple):
    """What is measured: one of a contender's turns."""

    contender: str
    turn: str = "step"


class Client:
    """A contender's client, which starts its servers; `close` ends them all.

    Args:
        name: The contender's.
        python: The Python that runs it.
        script: Of this folder.
        arguments: The script's.

    Attributes:
        versions: Of Python, and of the libraries that they use.
    """

    def __init__(self, name: str, python: str, script: str, *arguments: str) -> None:
        environment = dict(os.environ)
        if python != sys.executable:
            environment.pop("PYTHONPATH", None)
        # Empty asks the peer for its newest edition; unset, it warns.
        environment["RLMESH_WORKFLOW_EDITION"] = ""
        self._name = name
        self._process = subprocess.Popen(
            [python, str(_FOLDER / script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.versions: Dict[str, str] = {}

    def wait(self) -> None:
        """Wait until the client is connected."""
        self.versions = self._read()

    def ask(self, *words: object) -> Any:
        """Return its answer to a line of such words."""
        assert self._process.stdin is not None
        print(*words, file=self._process.stdin, flush=True)
        return self._read()

    def take(self, turn: str, seconds: float) -> List[int]:
        """Take steps for so long; return the nanoseconds of each."""
        times: List[int] = self.ask(turn, seconds)
        return times

    def close(self) -> None:
        """End the client, and with it its servers."""
        self._process.communicate()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"{self._name}: failed; what it said stands above")
        return json.loads(line)


class Measurement(NamedTuple):
    """What was measured of one payload: each row's turns, and the versions by contender."""

    turns: Dict[Row, List[List[int]]]
    versions: Dict[str, Dict[str, str]]

    def microseconds(self, row: Row) -> float:
        """Return the median of all of a row's steps."""
        return median(itertools.chain(*self.turns[row])) / 1000

    def ratio(self, row: Row, other: Row) -> float:
        """Return the ratio of two rows."""
        rounds = zip(self.turns[row], self.turns[other])
        return median(median(one) / median(two) for one, two in rounds)

    def excess(self, row: Row, other: Row, unit: Row) -> float:
        """Return by how much a row takes longer than another, as a part of a third."""
        rounds = zip(self.turns[row], self.turns[other], self.turns[unit])
        return median((median(a) - median(b)) / median(c) for a, b, c in rounds)

    def checked(self) -> int:
        """Return how many observations were checked."""
        return sum(len(turn) for turns in self.turns.values() for turn in turns)


def measure(
    payload: str, transport: str, rows: Iterable[Row], peer: Optional[str], effort: Effort
) -> Measurement:
    """Let every row have its turns.

    Args:
        payload: What the envs send.
        transport: `"unix"` or `"tcp"`.
        rows: What is measured.
        peer: The Python of contenders with `peer` in their name.
        effort: How long.
    """
    rows = list(rows)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        clients: Dict[str, Client] = {}
        for name in dict.fromkeys(row.contender for row in rows):
            python = peer if peer and "peer" in name else sys.executable
            unix = f"unix://{folder}/{name.replace(' ', '-')}"
            address = unix if transport == "unix" else "tcp://127.0.0.1:0"
            arguments = ("step", name, payload, address)
            clients[name] = Client(name, python, "worker.py", *arguments)
            stack.callback(clients[name].close)
        for client in clients.values():
            client.wait()
        for row in rows:
            clients[row.contender].take(row.turn, effort.warm_up)
        turns: Dict[Row, List[List[int]]] = {row: [] for row in rows}
        order = random.Random(0)
        for _ in range(effort.rounds):
            for row in order.sample(rows, len(rows)):
                turns[row].append(clients[row.contender].take(row.turn, effort.turn))
        return Measurement(turns, {name: client.versions for name, client in clients.items()})


class Options(NamedTuple):
    """What the command line and the environment say.

    Attributes:
        transports: What to measure over.
        effort: How long.
        peer: The Python that has the peer; None leaves it out.
    """

    transports: Sequence[str]
    effort: Effort
    peer: Optional[str]


def options(description: str, full: Effort) -> Options:
    """Parse the command line, and say which machine this is."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--tcp", action="store_true", help="also measure over TCP loopback")
    parser.add_argument("--quick", action="store_true", help="a few steps, to see that it works")
    arguments = parser.parse_args()
    print(f"machine: {platform.platform()}, {os.cpu_count()} CPUs", flush=True)
    transports = ["unix", *(["tcp"] if arguments.tcp else [])]
    effort = _QUICK if arguments.quick else full
    return Options(transports, effort, os.environ.get(PEER_VARIABLE))


def print_table(
    title: str,
    columns: Sequence[str],
    cells: Mapping[str, Sequence[float]],
    checked: str,
    rows: str = "payload",
) -> None:
    """Print one row of numbers for each payload, or whatever is compared.

    Args:
        title: Stands above.
        columns: The columns' names; those of microseconds end with `us`.
        cells: The numbers by payload.
        checked: What was checked.
        rows: What the rows are.
    """
    width = max(map(len, cells))
    print(f"\n{title}\n")
    print("  ".join([f"{rows:{width}}", *columns]))
    for payload, numbers in cells.items():
        texts = [
            f"{number:{len(column)}.{1 if column.endswith('us') else 2}f}"
            for number, column in zip(numbers, columns)
        ]
        print("  ".join([f"{payload:{width}}", *texts]))
    print(f"\nchecked {checked}", flush=True)


def print_versions(
    names: Sequence[Tuple[str, str]],
    versions: Mapping[str, Mapping[str, str]],
    variable: str = PEER_VARIABLE,
) -> None:
    """Print what ran.

    Args:
        names: Of contenders, each with what it is printed as.
        versions: Of those that ran.
        variable: What the others would have needed.
    """
    for name, shown in names:
        if name in versions:
            print(f"{shown}:", ", ".join(" ".join(item) for item in versions[name].items()))
        else:
            print(f"{shown}: left out, because {variable} is not set", flush=True)
