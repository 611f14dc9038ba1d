"""`rlmesh serve` and `rlmesh serve-model`: something at an address, until it is stopped."""

from __future__ import annotations

import shlex
import socket
from contextlib import suppress
from typing import NamedTuple, Optional, Sequence

import typer

from rlmesh._envs.server import EnvServer
from rlmesh._models.server import ModelServer
from rlmesh._rpc.hosting import ServerBase
from rlmesh._rpc.options import ServeOptions
from rlmesh._text import printable
from rlmesh._transport.address import parse_address
from rlmesh._transport.security import TOKEN_VARIABLE, Token
from rlmesh._transport.server import ALLOW_INSECURE
from rlmesh.errors import SecurityError

from .load import keyword_arguments, load_model


class _Use(NamedTuple):
    """How to reach what is served, with a `{}` for the address.

    Attributes:
        what: What the lines below do.
        command: A line for the shell.
        python: A line of Python.
    """

    what: str
    command: str
    python: str


_ENV = _Use(
    "Evaluate a policy on it",
    "rlmesh run MODULE:POLICY {} --seeds 0:20",
    'rlmesh.Model(policy).run("{}", seeds=range(20))',
)
_MODEL = _Use(
    "Evaluate it on a served env",
    "rlmesh run {} ENV_ADDRESS --seeds 0:20",
    'rlmesh.run("{}", env, seeds=range(20))',
)


def serve_env(
    name: str, address: str, arguments: str, options: ServeOptions, expose: Sequence[str] = ()
) -> None:
    """Serve envs, and say how to reach them.

    Args:
        name: See `EnvServer`.
        address: Where to serve.
        arguments: Keyword arguments for the env, as a JSON object.
        options: How to serve.
        expose: See `EnvServer`.

    Raises:
        ValueError: The arguments do not parse, a name cannot be exposed, or the ready file or
            descriptor is none.
        RLMeshError: There is no such env, it is none, or the address cannot be taken.
    """
    kwargs = keyword_arguments(arguments)
    server = EnvServer(name, address, options=options, env_kwargs=kwargs, expose=expose)
    with suppress(KeyboardInterrupt):
        _serve(server, name, _ENV)
    typer.echo("stopped")


def serve_model(
    name: str,
    address: str,
    backend: Optional[str],
    options: ServeOptions,
    factory: bool = False,
    stateless: bool = False,
) -> None:
    """Serve a model, and say how to reach it.

    Args:
        name: See `load_model`.
        address: Where to serve.
        backend: See `load_model`.
        options: How to serve.
        factory: See `load_model`.
        stateless: See `load_model`.

    Raises:
        ValueError: There is no such policy, or no such backend, or the ready file or descriptor is
            none.
        RLMeshError: The address cannot be taken, or the backend is not installed.
    """
    parse_address(address)
    with suppress(KeyboardInterrupt):
        model = load_model(name, backend, factory, stateless)
        _serve(ModelServer(model, address, options=options), name, _MODEL)
    typer.echo("stopped")


def _serve(server: ServerBase, name: str, use: _Use) -> None:
    try:
        _announce(name, _bound(server), use)
        server.serve()
    finally:
        server.shutdown()


def _bound(server: ServerBase) -> str:
    """Bind a server, and return its address; an error names the command's own option."""
    try:
        return server.bind()
    except SecurityError as exc:
        raise SecurityError(str(exc).replace(ALLOW_INSECURE, "--allow-insecure")) from None


def _announce(name: str, address: str, use: _Use) -> None:
    """Print the address, and the lines to copy for the other side."""
    bound = parse_address(address)
    name, address = printable(name), printable(address)
    if bound.host in ("0.0.0.0", "::"):
        bound = bound._replace(host=socket.gethostname())
    reached = printable(bound)
    token = f" (with this {TOKEN_VARIABLE})" if Token() else ""
    command = use.command.format(shlex.quote(reached))
    python = use.python.format(reached)
    # All at once: whoever has read the address may stop us.
    typer.echo(
        f"Serving {name} at {address}\n"
        f"\n{use.what} from another terminal{token}:"
        f"\n  {typer.style(command, bold=True)}"
        "\nor from Python:"
        f"\n  {typer.style(python, bold=True)}\n"
        "\nCtrl-C stops it."
    )
