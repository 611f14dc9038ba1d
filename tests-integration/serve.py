"""The server process of the tests: `python serve.py MODULE:CALLABLE ADDRESS OPTIONS`.

OPTIONS is a JSON object: the callable's `kwargs`, the `serve` options, what to `expose`, and the
`method`: `serve`, `start` (in a `with` block around `wait`), or `forget`, after which the program
just ends. Where it names a backend as `model`, the callable returns the source of one; else an env,
or a model that needs no source. With `factory`, workers call it instead, and it may be a Gymnasium
id. The first line on stdout is the address; envs and policies may print more.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

import rlmesh
from rlmesh import EnvServer, ModelServer, ServeOptions
from rlmesh._models.base import ModelBase


def main(name: str, address: str, text: str) -> None:
    options = json.loads(text)
    settings = ServeOptions(**options["serve"])
    expose = options["expose"]
    if options["factory"]:
        server: Any = EnvServer(
            name, address, options=settings, env_kwargs=options["kwargs"], expose=expose
        )
    else:
        module, _, attribute = name.partition(":")
        served = getattr(importlib.import_module(module), attribute)(**options["kwargs"])
        if options["model"]:
            served = model_class(options["model"])(served)
        if isinstance(served, ModelBase):
            server = ModelServer(served, address, options=settings)
        else:
            server = EnvServer(served, address, options=settings, expose=expose)
    print(server.bind(), flush=True)
    run(server, options["method"])


def model_class(backend: str) -> Any:
    package = rlmesh if backend == "native" else importlib.import_module(f"rlmesh.{backend}")
    return package.Model


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
