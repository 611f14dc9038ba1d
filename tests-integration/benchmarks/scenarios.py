"""The first part of `parallel.py`: eight lanes whose envs and model only sleep.

Every contender plays the same episodes in every round; see `sleeping.py` for what sleeps how long.
The seconds are those from the first reset to the end of the last step, taken by the envs: what is
started and connected before does not count.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import time
from random import Random
from statistics import median
from typing import Dict, List, Optional, Tuple

from lanes import EnvSeconds, Work
from rounds import PEER_VARIABLE, Client, print_table, print_versions
from schedules import best_rule
from sleeping import LANES, MAX_BATCH, SCENARIOS, Play, Scenario

VLA_EVAL_VARIABLE = "VLA_EVAL_PYTHON"
_OURS = ("local", "served")
_FULL, _QUICK = Play(20, 50), Play(12, 4)
_PROMISES = {
    "a": {"local/reference": 1.05, "served/reference": 1.10},
    **{letter: {"local/best": 1.10, "served/best": 1.10} for letter in "bcd"},
}


def measure(rounds: int, quick: bool) -> None:
    """Print both tables, the promises, and what ran."""
    play = _QUICK if quick else _FULL
    in_a = {
        "factory": sys.executable,
        "peer": os.environ.get(PEER_VARIABLE),
        "vla-eval": os.environ.get(VLA_EVAL_VARIABLE),
    }
    names = ["reference", *_OURS]
    columns = ["reference s", "best s", "local s", "served s"]
    pairs = [(name, other) for other in ("reference", "best") for name in _OURS]
    ratios = [f"{name}/{other}" for name, other in pairs]
    cells, promises, versions = {}, [], {}
    others: Dict[str, List[float]] = {}
    late = _sleep(0.005) - 0.005
    for letter, scenario in SCENARIOS.items():
        pythons: Dict[str, Optional[str]] = dict.fromkeys(names, sys.executable)
        if letter == "a":
            pythons.update(in_a)
        times, started = _play(letter, pythons, play, rounds)
        versions.update(started)
        for other in in_a:
            if other in times:
                ratio = _ratio(times[other], times["local"])
                others[other] = [median(times[other]), ratio]
        _, best = best_schedule(scenario, play, late)
        times["best"] = [best] * rounds
        found = {f"{name}/{other}": _ratio(times[name], times[other]) for name, other in pairs}
        medians = [median(times[column.split()[0]]) for column in columns]
        cells[f"{letter}: {scenario.title}"] = [*medians, *found.values()]
        promises += [
            f"promise, {letter}: {name} {found[name]:.3f}, at most {most:.2f}"
            for name, most in _PROMISES[letter].items()
        ]
    title = (
        f"{LANES} lanes, {play.episodes} episodes of {play.steps} steps: median of {rounds} rounds"
    )
    checked = "that every action of every contender is the one for its observation"
    print_table(f"scenarios: {title}", [*columns, *ratios], cells, checked, "scenario")
    print_table(f"others, a: {title}", ["seconds", "other/local"], others, checked, "other")
    print(
        "\n".join(
            ["", *promises, "", f"sleeps take {1000 * late:.2f} ms longer here, simulated ones too"]
        )
    )
    print_versions([("local", "ours")], versions)
    print_versions([("peer", "peer")], versions)
    print_versions([("vla-eval", "vla-eval")], versions, VLA_EVAL_VARIABLE)


def best_schedule(scenario: Scenario, play: Play, late: float = 0.0) -> Tuple[str, float]:
    """Return the best schedule of the simulator's, with the same episodes, and its seconds.

    Args:
        scenario: What sleeps how long.
        play: How many episodes, of how many steps.
        late: By how many seconds sleeps take longer than they should.
    """

    def make() -> Work:
        seeds = iter(range(play.episodes))
        draws = [Random(0)] * LANES

        def reset(lane: int) -> EnvSeconds:
            def take(_: Random) -> float:
                draws[lane] = Random(next(seeds))
                return 0.0

            return take

        def step(lane: int) -> EnvSeconds:
            return lambda _: scenario.step(lane, draws[lane]) + late

        steps, resets = [[make(lane) for lane in range(LANES)] for make in (step, reset)]

        def forward(size: int) -> float:
            return scenario.forward(size) + late

        return Work(steps, forward, play.episodes, play.steps, resets)

    return best_rule(make, MAX_BATCH)


def _play(
    letter: str, pythons: Dict[str, Optional[str]], play: Play, rounds: int
) -> Tuple[Dict[str, List[float]], Dict[str, Dict[str, str]]]:
    """Return the seconds of each contender that has a Python, by round, and its versions."""
    clients: Dict[str, Client] = {}
    with contextlib.ExitStack() as stack:
        for name, python in pythons.items():
            if python:
                arguments = (name, letter, str(play.episodes), str(play.steps))
                clients[name] = Client(name, python, "sleeping_lanes.py", *arguments)
                stack.callback(clients[name].close)
        for client in clients.values():
            client.wait()
        times: Dict[str, List[float]] = {name: [] for name in clients}
        order = random.Random(letter)
        for _ in range(rounds):
            for name in order.sample(list(clients), len(clients)):
                times[name].append(clients[name].ask("play"))
        return times, {name: client.versions for name, client in clients.items()}


def _ratio(times: List[float], others: List[float]) -> float:
    return median(one / other for one, other in zip(times, others))


def _sleep(seconds: float) -> float:
    """Return what a sleep really takes."""
    times = []
    for _ in range(20):
        started = time.monotonic()
        time.sleep(seconds)
        times.append(time.monotonic() - started)
    return median(times)
