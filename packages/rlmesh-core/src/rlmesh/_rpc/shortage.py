"""What a machine may lack for a moment, which is neither the env's fault nor the model's."""

from __future__ import annotations

import errno
import os
from typing import Optional

from rlmesh.errors import Busy

_NUMBERS = {
    errno.EAGAIN,  # processes and threads, where one is started
    errno.EDQUOT,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOBUFS,
    errno.ENOMEM,
    errno.ENOSPC,
}


def shortage_of(exc: BaseException) -> Optional[Busy]:
    """Return what a client is told of an error that our own code met; None for any other error.

    Args:
        exc: An `OSError`, ZeroMQ's own, or a `MemoryError`; or one of ours that it caused.
    """
    for error in (exc, exc.__cause__):
        number = errno.ENOMEM if isinstance(error, MemoryError) else getattr(error, "errno", None)
        if number in _NUMBERS:
            return Busy(
                f"the server's machine is short of something: {os.strerror(number)}; with time, or"
                " fewer clients, that may pass",
                holder_gone=True,
            )
    return None
