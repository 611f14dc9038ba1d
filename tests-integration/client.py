"""The client process of the tests: `python client.py ADDRESS WHAT`.

It opens the env, resets it, prints "ready", and then does WHAT: `hold` it, `leave` without closing
it, `retry` a step that Ctrl-C interrupts, or `step` until the session is lost, which it prints.
"""

from __future__ import annotations

import signal
import sys

import rlmesh


def main(address: str, what: str) -> None:
    env = rlmesh.RemoteEnv(address)
    env.reset()
    print("ready", flush=True)
    if what == "hold":
        signal.pause()
    elif what == "retry":
        try:
            env.step(0)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        print(env.reset()[1], flush=True)
        print(env.step(0)[4], flush=True)
    elif what == "step":
        try:
            while True:
                env.step(0)
        except rlmesh.errors.SessionLost as exc:
            print(exc, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
