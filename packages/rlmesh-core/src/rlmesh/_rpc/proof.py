"""How a worker proves that it belongs to the server that named it.

A server gives each of its workers a secret, and each client the key of its session, which follows
from the secret. Whoever answers a client's challenge with that key was told the secret by the same
server; a socket that a hostile server merely names was not.
"""

from __future__ import annotations

import hmac
import os

SIZE = 32
"""Bytes of a secret, a key, a challenge and a proof."""


def new_secret() -> bytes:
    """Return what nobody can guess: a worker's secret, or a client's challenge."""
    return os.urandom(SIZE)


def session_key(secret: bytes, session: bytes) -> bytes:
    """Return the key of one session, from which the secret cannot be found."""
    return hmac.digest(secret, b"rlmesh session key" + session, "sha256")


def proof(key: bytes, challenge: bytes, boot: bytes) -> bytes:
    """Return the answer to a challenge.

    Args:
        key: The session's.
        challenge: What the client has sent.
        boot: The server's boot id, which its workers share.
    """
    return hmac.digest(key, b"rlmesh worker" + boot + challenge, "sha256")


def is_proof(answer: object, key: bytes, challenge: bytes, boot: bytes) -> bool:
    """Return whether an answer to a challenge is the right one."""
    expected = proof(key, challenge, boot)
    return isinstance(answer, bytes) and hmac.compare_digest(answer, expected)
