"""Serves env instances in one process: `python serve_many.py MODULE:CALLABLE KWARGS OPTIONS COUNT`.

COUNT is their number. KWARGS and OPTIONS, those of `ServeOptions`, are JSON. The first line on
stdout has the addresses.
"""

from __future__ import annotations

import importlib
import json
import sys
from contextlib import ExitStack

from rlmesh import EnvServer, ServeOptions


def main(name: str, kwargs: str, options: str, count: str) -> None:
    module, _, attribute = name.partition(":")
    make = getattr(importlib.import_module(module), attribute)
    settings = ServeOptions(**json.loads(options))
    with ExitStack() as stack:
        envs = [make(**json.loads(kwargs)) for _ in range(int(count))]
        servers = [stack.enter_context(EnvServer(env, options=settings)) for env in envs]
        print(*(server.address for server in servers), flush=True)
        servers[0].wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
