"""Measure one step of a served env against other ways to step an env in another process.

    python step.py [--tcp] [--quick]

Every contender is a pair of processes that lives as long as its payload is measured:

    floor           a raw pyzmq and msgpack ping-pong of the same bytes; see `floor.py`
    ours            `rlmesh.numpy.RemoteEnv` and `EnvServer`
    AsyncVectorEnv  Gymnasium's, with one env, and with shared memory, which is its default
    peer            the public package `rlmesh` 0.1.0, under the Python that RLMESH_PEER_PYTHON
                    names; left out without it

In each round every contender has a turn, in random order, so that all meet the same noise. Times
are medians over all steps of all rounds; a ratio is the median of the rounds' ratios of medians.
After every step the client checks, untimed, a byte in each array that counts the steps.
AsyncVectorEnv uses its own pipes whatever the transport.
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
from typing import Any, Dict, List, NamedTuple

from payloads import PAYLOADS

_WORKER = Path(__file__).with_name("worker.py")
_PEER_VARIABLE = "RLMESH_PEER_PYTHON"
_RATIOS = [("ours", "floor"), ("AsyncVectorEnv", "ours"), ("peer", "ours")]


class Effort(NamedTuple):
    """How long to measure: the number of rounds, and seconds."""

    rounds: int
    turn: float
    warm_up: float


_FULL, _QUICK = Effort(31, 0.04, 0.2), Effort(3, 0.01, 0.01)


class Client:
    """A contender's client, which starts its server; `close` ends both.

    Attributes:
        versions: Of Python, and of the libraries that both use.
        turns: The nanoseconds of every step, by turn.
    """

    def __init__(self, name: str, python: str, payload: str, address: str) -> None:
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        # Empty asks the peer for its newest edition; unset, it warns.
        environment["RLMESH_WORKFLOW_EDITION"] = ""
        self._name = name
        self._process = subprocess.Popen(
            [python, str(_WORKER), "step", name, payload, address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.versions: Dict[str, str] = {}
        self.turns: List[List[int]] = []

    def warm_up(self, seconds: float) -> None:
        """Wait until the client is connected, then let it step for so long."""
        self.versions = self._read()
        self.take_turn(seconds)
        self.turns.clear()

    def take_turn(self, seconds: float) -> None:
        """Step for so long."""
        assert self._process.stdin is not None
        print(seconds, file=self._process.stdin, flush=True)
        self.turns.append(self._read())

    def close(self) -> None:
        """End the client, and with it its server."""
        self._process.communicate()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"{self._name}: failed; what it said stands above")
        return json.loads(line)


class Measurement(NamedTuple):
    """What was measured of one payload: each contender's turns, and the versions it used."""

    turns: Dict[str, List[List[int]]]
    versions: Dict[str, Dict[str, str]]

    def microseconds(self, name: str) -> float:
        """Return the median of all of a contender's steps."""
        return median(itertools.chain(*self.turns[name])) / 1000

    def ratio(self, name: str, other: str) -> float:
        """Return the median over the rounds of the ratio of two contenders' medians."""
        rounds = zip(self.turns[name], self.turns[other])
        return median(median(one) / median(two) for one, two in rounds)

    def checked(self) -> int:
        """Return how many observations were checked."""
        return sum(len(turn) for turns in self.turns.values() for turn in turns)


def measure(payload: str, transport: str, pythons: Dict[str, str], effort: Effort) -> Measurement:
    """Let every contender step an env of this payload, in turns."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        clients = {}
        for name, python in pythons.items():
            unix = f"unix://{folder}/{name}"
            address = unix if transport == "unix" else "tcp://127.0.0.1:0"
            clients[name] = Client(name, python, payload, address)
            stack.callback(clients[name].close)
        for client in clients.values():
            client.warm_up(effort.warm_up)
        order = random.Random(0)
        for _ in range(effort.rounds):
            for client in order.sample(list(clients.values()), len(clients)):
                client.take_turn(effort.turn)
        return Measurement(
            {name: client.turns for name, client in clients.items()},
            {name: client.versions for name, client in clients.items()},
        )


def print_table(transport: str, measurements: Dict[str, Measurement]) -> None:
    """Print one row for each payload, and what the numbers rest on."""
    (first, *_) = measurements.values()
    ratios = [pair for pair in _RATIOS if pair[0] in first.turns]
    columns = ["floor us", "ours us", *("/".join(pair) for pair in ratios)]
    width = max(map(len, PAYLOADS))
    print(f"\n{transport}: median step of {len(first.turns['floor'])} rounds\n")
    print("  ".join([f"{'payload':{width}}", *columns]))
    for payload, measured in measurements.items():
        numbers = [f"{measured.microseconds(name):.1f}" for name in ("floor", "ours")]
        numbers += [f"{measured.ratio(*pair):.2f}" for pair in ratios]
        cells = [f"{number:>{len(column)}}" for number, column in zip(numbers, columns)]
        print("  ".join([f"{payload:{width}}", *cells]))
    checked = sum(measured.checked() for measured in measurements.values())
    print(f"\nchecked the counting bytes of {checked} observations", flush=True)


def print_versions(measured: Measurement) -> None:
    """Print what ran: ours, and the peer."""
    for name, versions in measured.versions.items():
        if name in ("ours", "peer"):
            print(f"{name}:", ", ".join(" ".join(item) for item in versions.items()))
    if "peer" not in measured.versions:
        print(f"peer: left out, because {_PEER_VARIABLE} is not set")


def main() -> None:
    """Measure what the command line says."""
    parser = argparse.ArgumentParser(description="Measure one step of a served env.")
    parser.add_argument("--tcp", action="store_true", help="also measure over TCP loopback")
    parser.add_argument("--quick", action="store_true", help="a few steps, to see that it works")
    arguments = parser.parse_args()
    effort = _QUICK if arguments.quick else _FULL
    pythons = dict.fromkeys(["floor", "ours", "AsyncVectorEnv"], sys.executable)
    peer_python = os.environ.get(_PEER_VARIABLE)
    if peer_python:
        pythons["peer"] = peer_python
    print(f"machine: {platform.platform()}, {os.cpu_count()} CPUs", flush=True)
    for transport in ["unix", *(["tcp"] if arguments.tcp else [])]:
        measurements = {
            payload: measure(payload, transport, pythons, effort) for payload in PAYLOADS
        }
        print_table(transport, measurements)
    print_versions(next(iter(measurements.values())))


if __name__ == "__main__":
    main()
