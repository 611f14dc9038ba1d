"""Tokens: from one shared secret, the CURVE key pair of a server.

Both sides derive the server's key pair from the token, so only its holders can connect, and all
traffic is encrypted and authenticated. The derived public key is as secret as the token.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any, Tuple

import zmq
from zmq.utils import z85

from rlmesh.errors import SecurityError

TOKEN_VARIABLE = "RLMESH_TOKEN"
_SALT = b"rlmesh/curve/1"
_MIN_LENGTH = 16


class Token:
    """A secret that never shows itself in a repr, a log line or a traceback's locals.

    Args:
        text: The token; empty means the environment variable `RLMESH_TOKEN`, and none if that is
            unset.

    Raises:
        SecurityError: The token is shorter than 16 characters.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text or os.environ.get(TOKEN_VARIABLE, "")
        if self._text and len(self._text) < _MIN_LENGTH:
            raise SecurityError(
                f"token: expected at least {_MIN_LENGTH} characters, got {len(self._text)};"
                " python -c 'import secrets; print(secrets.token_urlsafe())' makes a good one"
            )

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "Token(set)" if self._text else "Token(none)"

    def reveal(self) -> str:
        """Return the text, for the private pipe to a process that serves on our behalf."""
        return self._text

    def secure_server(self, socket: Any) -> None:
        """Make a server socket accept only holders of this token; without one, anybody."""
        if self._text:
            public, secret = _server_keys(self._text)
            socket.curve_server = True
            socket.curve_publickey, socket.curve_secretkey = public, secret

    def secure_client(self, socket: Any) -> None:
        """Make a client socket connect only to a holder of this token; without one, to anybody."""
        if self._text:
            socket.curve_serverkey = _server_keys(self._text)[0]
            socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()


@lru_cache(maxsize=8)
def _server_keys(text: str) -> Tuple[bytes, bytes]:
    """Return the public and secret key, in Z85, that belong to a token."""
    import hashlib  # slow to import, and seldom needed

    seed = hashlib.scrypt(text.encode(), salt=_SALT, n=2**14, r=8, p=1, dklen=32)
    secret = z85.encode(seed)
    return zmq.curve_public(secret), secret
