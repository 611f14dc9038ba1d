"""An evaluator process of the tests: `python evaluator.py MODEL ENV JOURNAL SEEDS SAVED`.

It runs the model served at MODEL in the envs served at ENV, with a journal, and saves the result.
"""

from __future__ import annotations

import sys

import rlmesh


def main(model: str, env: str, journal: str, seeds: str, saved: str) -> None:
    result = rlmesh.run(model, env, seeds=range(int(seeds)), concurrency=4, journal=journal)
    result.save(saved)


if __name__ == "__main__":
    main(*sys.argv[1:])
