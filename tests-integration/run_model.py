"""A client process of the tests: `python run_model.py MODULE:CALLABLE KWARGS ADDRESS SEEDS`.

It makes a model, runs it in the env at ADDRESS, and prints seeds, steps and rewards. KWARGS and
SEEDS, the number of them, are JSON.
"""

from __future__ import annotations

import importlib
import json
import sys


def main(name: str, kwargs: str, address: str, seeds: str) -> None:
    module, _, attribute = name.partition(":")
    model = getattr(importlib.import_module(module), attribute)(**json.loads(kwargs))
    result = model.run(address, seeds=range(json.loads(seeds)))
    print(json.dumps([[e.seed, e.steps, e.reward] for e in result.episodes]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
