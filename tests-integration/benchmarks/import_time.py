"""Compare the time of `import rlmesh` with that of `import zmq, msgpack`, on which it stands.

    python import_time.py [RUNS]

Each statement runs in a new process, in turns with the others. What counts is the time of the
statement, without the start of the interpreter. As names of `rlmesh` may load when they are first
used, a third statement uses the main ones.
"""

from __future__ import annotations

import subprocess
import sys
from statistics import median
from typing import Dict, List

_BASE = "import zmq, msgpack"
_STATEMENTS = (_BASE, "import rlmesh", "from rlmesh import EnvServer, Model, RemoteEnv")
_TIMED = """
from time import perf_counter
started = perf_counter()
{}
print(perf_counter() - started)
"""


def milliseconds(statement: str) -> float:
    """Return how long a statement takes in a new interpreter."""
    command = [sys.executable, "-c", _TIMED.format(statement)]
    output = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    return float(output) * 1000


def main(runs: int = 15) -> None:
    """Print each median, and its ratio to that of the base."""
    times: Dict[str, List[float]] = {statement: [] for statement in _STATEMENTS}
    for _ in range(runs):
        for statement in _STATEMENTS:
            times[statement].append(milliseconds(statement))
    print(f"medians of {runs} runs")
    for statement in _STATEMENTS:
        ratio = median(one / base for one, base in zip(times[statement], times[_BASE]))
        print(f"{statement:48} {median(times[statement]):6.1f} ms  ratio {ratio:.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
