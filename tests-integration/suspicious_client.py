"""A client process of the tests: `python suspicious_client.py ADDRESS NAME SIZE PACE`.

It prints "ready", waits for a line, runs the model at ADDRESS in a `Suspicious` env, and prints how
many of its actions were right.
"""

from __future__ import annotations

import sys

from envs import Suspicious

import rlmesh


def main(address: str, name: str, size: str, pace: str) -> None:
    slow = float(pace) > 0
    env = Suspicious(int(name), int(size), length=20 if slow else 150, pace=float(pace))
    with rlmesh.RemoteModel(address) as model:
        print("ready", flush=True)
        sys.stdin.readline()
        model.run(env, max_episodes=10)
    print(env.checked, "actions were right", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
