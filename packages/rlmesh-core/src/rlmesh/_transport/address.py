"""Addresses: `tcp://host:port`, `host:port`, `unix:///path` and, within a process, `inproc://`."""

from __future__ import annotations

import ipaddress
import os
import re
from typing import NamedTuple

from rlmesh.errors import AddressError

_FORMS = "tcp://HOST:PORT, HOST:PORT or unix:///PATH"
_MAX_UNIX_PATH = 107
"""Bytes of a path that fit `sun_path` on Linux, the final NUL excluded."""

_HOST_PORT = re.compile(r"(?P<host>\[[0-9a-fA-F:.%\w]+\]|[\w.\-*]+):(?P<port>\d{1,5})")


class Address(NamedTuple):
    """One parsed address.

    Attributes:
        scheme: `"tcp"`, `"unix"` or `"inproc"`.
        host: Host for tcp, without brackets; empty otherwise.
        port: Port for tcp, 0 for any free one; 0 otherwise.
        path: Absolute path for unix, name for inproc; empty otherwise.
    """

    scheme: str
    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.scheme != "tcp":
            return f"{self.scheme}://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        if self.scheme != "tcp" or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_address(text: str) -> Address:
    """Parse an address.

    Args:
        text: `tcp://host:port`, `host:port`, `unix:///path` or `inproc://name`.

    Raises:
        AddressError: The text has none of these forms, the port is above 65535, or the unix path
            is longer than 107 bytes.
    """
    if not isinstance(text, str):
        raise AddressError(f"address: expected {_FORMS}, got {text!r}")
    try:
        is_readable = "\0" not in os.fsdecode(os.fsencode(text))
    except UnicodeEncodeError:
        is_readable = False
    if not is_readable:
        raise AddressError(f"address: expected text without NUL or lone surrogates, got {text!r}")
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "tcp", text
    if scheme == "tcp":
        return _parse_tcp(rest, text)
    if scheme == "unix" and rest:
        path = os.path.abspath(rest)
        size = len(os.fsencode(path))
        if size > _MAX_UNIX_PATH:
            raise AddressError(
                f"address: a unix socket path may have {_MAX_UNIX_PATH} bytes, {path!r} has {size}"
            )
        return Address("unix", path=path)
    if scheme == "inproc" and rest:
        return Address("inproc", path=rest)
    raise AddressError(f"address: expected {_FORMS}, got {text!r}")


def _parse_tcp(rest: str, text: str) -> Address:
    match = _HOST_PORT.fullmatch(rest)
    if match is None:
        raise AddressError(f"address: expected {_FORMS}, got {text!r}")
    port = int(match["port"])
    if port > 65535:
        raise AddressError(f"address: expected a port up to 65535, got {port} in {text!r}")
    host = match["host"].strip("[]")
    return Address("tcp", host="0.0.0.0" if host == "*" else host, port=port)
