"""Tokens: from one shared secret, the CURVE key pair of a server.

Both sides derive the server's key pair from the token, so only its holders can connect, and all
traffic is encrypted and authenticated. The derived public key is as secret as the token.
"""

from __future__ import annotations

import os
import secrets
from functools import lru_cache
from typing import Any, Tuple

import zmq
from zmq.utils import z85

from rlmesh.errors import SecurityError

TOKEN_VARIABLE = "RLMESH_TOKEN"
_SALT = b"rlmesh/curve/1"
_MIN_LENGTH = 16
_TOKEN_BYTES = 32


class Token(str):
    """A secret that never shows itself in a repr, a log line or a traceback's locals.

    As text it only says that it is there. Every function that is given a token turns it into one of
    these before anything else, so that no frame has the secret among its locals.

    Args:
        text: The token; empty means the environment variable `RLMESH_TOKEN`, and none if that is
            unset. A `Token` is returned as it is.
    """

    __slots__ = ("_secret",)

    _secret: str

    def __new__(cls, text: str = "") -> Token:
        if isinstance(text, Token):
            return text
        secret = text or os.environ.get(TOKEN_VARIABLE, "")
        token = super().__new__(cls, "<token>" if secret else "")
        token._secret = secret
        return token

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Token) and self._secret == other._secret

    def __hash__(self) -> int:
        return hash(self._secret)

    def __repr__(self) -> str:
        return "Token(set)" if self else "Token(none)"

    def check(self) -> None:
        """Check that it may be used.

        Raises:
            SecurityError: It is shorter than 16 characters, or no text; or there is no CURVE.
        """
        if not self:
            return
        is_text: bool = isinstance(self._secret, str)
        if not is_text:
            kind = type(self._secret).__name__
            raise SecurityError(f"token: expected text, got a value of type {kind}")
        if len(self._secret) < _MIN_LENGTH:
            raise SecurityError(
                f"token: expected at least {_MIN_LENGTH} characters, got {len(self._secret)};"
                " `rlmesh token` prints a good one"
            )
        if not zmq.has("curve"):
            raise SecurityError("token: this libzmq was built without CURVE; reinstall pyzmq")

    def reveal(self) -> str:
        """Return the text, for the private pipe to a process that serves on our behalf."""
        return self._secret

    def secure_server(self, socket: Any) -> None:
        """Make a server socket accept only holders of this token; without one, anybody."""
        if self:
            socket.curve_server = True
            socket.curve_publickey, socket.curve_secretkey = _server_keys(self)

    def secure_client(self, socket: Any) -> None:
        """Make a client socket connect only to a holder of this token; without one, to anybody."""
        if self:
            socket.curve_serverkey = _server_keys(self)[0]
            socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()


def new_token() -> str:
    """Return a fresh token of 256 random bits, in characters that need no quotes anywhere."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


@lru_cache(maxsize=8)
def _server_keys(token: Token) -> Tuple[bytes, bytes]:
    """Return the public and secret key, in Z85, that belong to a token."""
    import hashlib  # slow to import, and seldom needed

    secret = z85.encode(
        hashlib.scrypt(
            # "surrogatepass", because the environment's bytes may be no text.
            token.reveal().encode("utf-8", "surrogatepass"),
            salt=_SALT,
            n=2**14,
            r=8,
            p=1,
            dklen=32,
        )
    )
    return zmq.curve_public(secret), secret
