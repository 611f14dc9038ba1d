"""A run of the tests: `python journaled.py JOURNAL SEEDS LANES [ADDRESS]`.

It plays CartPole, in this process or at ADDRESS, and prints the number of each episode when it is
told of it, and at the end the whole result. SEEDS is their number.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import envs

import rlmesh


def balance(observation: Any) -> int:
    return int(observation[2] + observation[3] > 0)


def main(journal: str, seeds: str, lanes: str, *address: str) -> None:
    env = address[0] if address else envs.make("CartPole-v1")
    result = rlmesh.Model(balance).run(
        env,
        seeds=range(int(seeds)),
        concurrency=int(lanes),
        journal=journal,
        on_result=lambda episode: print(episode.index, flush=True),
    )
    print(json.dumps([[e.index, e.seed, e.steps, e.reward] for e in result.episodes]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
