"""A client process of the tests: `python model_client.py ADDRESS NAME [leave]`.

It opens a session with a served model, predicts once for a `Suspicious` env, prints "acted", and
keeps the session, or leaves it without closing it.
"""

from __future__ import annotations

import signal
import sys

from envs import Suspicious

import rlmesh.numpy


def main(address: str, name: str, what: str = "hold") -> None:
    session = rlmesh.numpy.RemoteModel(address).session(Suspicious(int(name)))
    session.predict(session.reset()[0])
    print("acted", flush=True)
    if what == "hold":
        signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
