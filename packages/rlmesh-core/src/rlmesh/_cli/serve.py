"""`rlmesh serve`: an env at an address, until it is stopped."""

from __future__ import annotations

import shlex
import socket

import typer

from rlmesh._envs.server import EnvServer
from rlmesh._transport.address import parse_address
from rlmesh._transport.security import TOKEN_VARIABLE, Token

from .load import load_env


def serve_env(name: str, address: str, arguments: str) -> None:
    """Serve an env, and say how to reach it.

    Args:
        name: See `load_env`.
        address: Where to serve.
        arguments: See `load_env`.

    Raises:
        ValueError: There is no such env, or it is none.
        RLMeshError: The address cannot be taken, or the env's spaces are unknown.
    """
    parse_address(address)
    try:
        env = load_env(name, arguments)
        try:
            _serve(env, name, address)
        finally:
            if callable(getattr(env, "close", None)):
                env.close()
    except KeyboardInterrupt:
        pass
    typer.echo("stopped")


def _serve(env: object, name: str, address: str) -> None:
    try:
        server = EnvServer(env, address)
    except TypeError as exc:
        raise ValueError(f"env: {name!r} cannot be served: {exc}") from exc
    try:
        _announce(name, server.bind())
        server.serve()
    finally:
        server.shutdown()


def _announce(name: str, address: str) -> None:
    """Print the address, and the lines to copy for the other side."""
    bound = parse_address(address)
    if bound.host in ("0.0.0.0", "::"):
        bound = bound._replace(host=socket.gethostname())
    reached = str(bound)
    token = f" (with this {TOKEN_VARIABLE})" if Token() else ""
    command = f"rlmesh run MODULE:POLICY {shlex.quote(reached)} --seeds 0:20"
    python = f'rlmesh.Model(policy).run("{reached}", seeds=range(20))'
    # All at once: whoever has read the address may stop us.
    typer.echo(
        f"Serving {name} at {address}\n"
        f"\nEvaluate a policy on it from another terminal{token}:"
        f"\n  {typer.style(command, bold=True)}"
        "\nor from Python:"
        f"\n  {typer.style(python, bold=True)}\n"
        "\nCtrl-C stops it."
    )
