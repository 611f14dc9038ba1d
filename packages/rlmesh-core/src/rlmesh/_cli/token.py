"""`rlmesh token`: a fresh secret for both sides."""

from __future__ import annotations

import typer

from rlmesh._transport.security import new_token


def print_token() -> None:
    """Print a token that nobody guesses."""
    typer.echo(new_token())
