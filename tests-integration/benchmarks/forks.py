"""Servers in processes that this one forks, before it has threads, so that all have its imports."""

from __future__ import annotations

import multiprocessing
import sys
from typing import Any, Callable

FORK = multiprocessing.get_context("fork")

Announce = Callable[[Any], None]


def fork(serve: Callable[..., None], *arguments: Any) -> Any:
    """Serve in a process that ends with this one; return what it announces.

    Args:
        serve: Called in the process, with the arguments and a function that announces once.
    """
    receiver, sender = FORK.Pipe(duplex=False)
    FORK.Process(target=serve, args=(*arguments, sender.send), daemon=True).start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        sys.exit(f"{serve.__name__} failed; what it said stands above")
