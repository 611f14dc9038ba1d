"""A process of one contender. `step.py` starts these, each under the contender's own Python.

    worker.py serve CONTENDER PAYLOAD ADDRESS    print the address, and serve there
    worker.py step CONTENDER PAYLOAD ADDRESS     start the former, and take steps

The latter prints the versions of what it runs. Then it reads seconds, one number a line, steps for
so long, and prints the nanoseconds that each step took. Both end when their standard input does.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import sys
import threading
from importlib import metadata
from time import perf_counter_ns
from typing import Any, Dict, List

from contenders import contender
from payloads import arrays_of, check, initial_observation

_LIBRARIES = ("rlmesh-core", "rlmesh", "pyzmq", "msgpack", "numpy", "gymnasium")
_FEWEST_STEPS = 1


def main() -> None:
    """Do what the command line says."""
    command, name, payload, address = sys.argv[1:]
    if command == "serve":
        _serve(name, payload, address)
    else:
        _take_steps(name, payload, address)


def _serve(name: str, payload: str, address: str) -> None:
    def end_with_parent() -> None:
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=end_with_parent, daemon=True).start()
    serve = contender(name).serve
    assert serve is not None
    serve(payload, address, lambda bound: print(bound, flush=True))


def _take_steps(name: str, payload: str, address: str) -> None:
    if contender(name).serve is not None:
        address = _start_server(name, payload, address)
    step, counting_bytes = contender(name).connect(payload, address)
    arrays, steps = len(arrays_of(initial_observation(payload))), 0
    _answer(_versions())
    for line in sys.stdin:
        times: List[int] = []
        result: Any = None
        ended = perf_counter_ns()
        deadline = ended + int(float(line) * 1e9)
        while ended < deadline or len(times) < _FEWEST_STEPS:
            started = perf_counter_ns()
            # Freeing the result before this one is part of the price of a step.
            result = step()
            ended = perf_counter_ns()
            times.append(ended - started)
            steps += 1
            check(counting_bytes(result), arrays, steps)
        _answer(times)


def _start_server(name: str, payload: str, address: str) -> str:
    server = subprocess.Popen(
        [sys.executable, __file__, "serve", name, payload, address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    bound = server.stdout.readline().strip()
    if not bound:
        sys.exit(f"{name}: its server did not start")
    return bound


def _answer(data: Any) -> None:
    print(json.dumps(data), flush=True)


def _versions() -> Dict[str, str]:
    versions = {"Python": platform.python_version()}
    for library in _LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[library] = metadata.version(library)
    return versions


if __name__ == "__main__":
    main()
