"""The server process of the tests: `python serve.py MODULE:CALLABLE ADDRESS OPTIONS`.

OPTIONS is a JSON object: the callable's `kwargs`, the `serve` options, and the `method`: `serve`,
`start` (in a `with` block around `wait`), or `forget`, after which the program just ends. The first
line on stdout is the address; envs may print more.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

from rlmesh import EnvServer, ServeOptions


def main(name: str, address: str, text: str) -> None:
    options = json.loads(text)
    module, _, attribute = name.partition(":")
    env = getattr(importlib.import_module(module), attribute)(**options["kwargs"])
    server = EnvServer(env, address, options=ServeOptions(**options["serve"]))
    print(server.bind(), flush=True)
    run(server, options["method"])


def run(server: Any, method: str) -> None:
    if method == "serve":
        server.serve()
    elif method == "start":
        with server:
            server.wait()
    elif method == "forget":
        server.start()


if __name__ == "__main__":
    main(*sys.argv[1:])
