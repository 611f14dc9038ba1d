"""A process of one contender. `rounds.py` starts these, each under the contender's own Python.

    worker.py serve CONTENDER PART PAYLOAD ADDRESS  print the address, and serve the env or model
    worker.py step CONTENDER PAYLOAD ADDRESS        start the former, and take steps

The latter prints the versions of what it runs. Then it reads the name of one of the contender's
turns and seconds, a line for each turn, takes steps for so long, and prints the nanoseconds of
each. A served model prints its own times for each line. All end when their standard input does.
"""

from __future__ import annotations

import os
import sys
import threading

from answers import answer, versions
from contenders import PARTS, contender
from server import Server
from turns import TimedPolicy


def main() -> None:
    """Do what the command line says."""
    command, name, *arguments = sys.argv[1:]
    if command == "serve":
        _serve(name, *arguments)
    else:
        _take_turns(name, *arguments)


def _serve(name: str, part: str, payload: str, address: str) -> None:
    policy = TimedPolicy(payload)

    def obey_parent() -> None:
        for _ in sys.stdin:
            answer(policy.times())
        os._exit(0)

    threading.Thread(target=obey_parent, daemon=True).start()
    chosen = contender(name)

    def announce(bound: str) -> None:
        print(bound, flush=True)

    if part == "env":
        assert chosen.serve_env is not None
        chosen.serve_env(payload, address, announce)
    else:
        assert chosen.serve_model is not None
        chosen.serve_model(policy.predict, address, announce)


def _take_turns(name: str, payload: str, address: str) -> None:
    chosen = contender(name)
    servers = []
    for part in PARTS:
        if getattr(chosen, f"serve_{part}") is not None:
            own = f"{address}-{part}" if address.startswith("unix:") else address
            servers.append(Server(name, part, payload, own))
    turns = chosen.connect(payload, *servers)
    answer(versions())
    for line in sys.stdin:
        turn, seconds = line.split()
        answer(turns[turn](float(seconds)))


if __name__ == "__main__":
    main()
