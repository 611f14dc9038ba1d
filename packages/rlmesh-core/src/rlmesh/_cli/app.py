"""The command line: what can be said, and which function it calls."""

from __future__ import annotations

from typing import List, Optional

import typer

from rlmesh._version import __version__

from .ping import ping_server
from .run import run_model
from .serve import serve_env, serve_model
from .token import print_token


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rlmesh {__version__}")
        raise typer.Exit


# Defaults, not Annotated: before Python 3.10, typer does not see through `annotations` to it.
VERSION = typer.Option(
    False, "--version", help="Print the version.", callback=_print_version, is_eager=True
)
ENV = typer.Argument(metavar="ENV", help="A Gymnasium id, or MODULE:CALLABLE that returns an env.")
SERVED_AT = typer.Option(
    "tcp://127.0.0.1:0",
    "--address",
    metavar="ADDRESS",
    help="tcp://HOST:PORT, HOST:PORT or unix:///PATH. Port 0 takes a free one.",
)
KWARGS = typer.Option(
    "{}", metavar="JSON", help="""Keyword arguments, e.g. '{"render_mode": "rgb_array"}'."""
)
MAX_SESSIONS = typer.Option(
    None,
    min=1,
    metavar="N",
    help="How many clients have an env at a time, each a process of its own; 256 unless given.",
)
POLICY_HELP = (
    "A callable that takes an observation and returns an action, an object or class with such a"
    " predict, or a Model"
)
POLICY = typer.Argument(metavar="MODULE:NAME", help=f"{POLICY_HELP}.")
MODEL = typer.Argument(
    metavar="MODULE:NAME|ADDRESS",
    help=f"{POLICY_HELP}; or where one is served: tcp://HOST:PORT, HOST:PORT or unix:///PATH",
)
ADDRESS = typer.Argument(metavar="ADDRESS", help="tcp://HOST:PORT, HOST:PORT or unix:///PATH")
ADDRESSES = typer.Argument(
    metavar="ADDRESS...", help="Of one or more envs: tcp://HOST:PORT, HOST:PORT or unix:///PATH"
)
SEEDS = typer.Option(
    None, metavar="SEEDS", help="One seed per episode: 0:20 (0 to 19), 1,5,9 or 7."
)
MAX_EPISODES = typer.Option(
    None,
    min=1,
    metavar="N",
    help="Number of episodes: fewer than seeds drops the last, more are unseeded.",
)
HORIZON = typer.Option(
    None,
    "--execution-horizon",
    min=1,
    metavar="N",
    help="How many actions of a chunk are executed before the next predict; 1 unless given.",
)
INSTRUCTION = typer.Option(None, metavar="TEXT", help="Text for the model's text inputs.")
BACKEND = typer.Option(
    None,
    metavar="native|numpy|torch|jax|...",
    help="What observations are: native, or the name of a backend. Unless given, numpy where"
    " rlmesh.numpy is installed, else native.",
)
CONCURRENCY = typer.Option(
    None,
    min=1,
    metavar="N",
    help="Number of episodes that run at once, over all addresses; one per address unless given.",
)
MAX_BATCH_SIZE = typer.Option(
    None,
    min=1,
    metavar="N",
    help="How many observations a policy here gets together at most, if it takes batches; 32"
    " unless given.",
)
BATCH_PADDING = typer.Option(
    False,
    "--batch-padding",
    help="Fill up every batch to that size, so that results do not depend on it.",
)
TIMEOUT = typer.Option(5.0, min=0.1, metavar="SECONDS", help="How long to look for the server.")
TOKEN_HELP = "The environment variable RLMESH_TOKEN holds the secret that both sides share, if any."

app = typer.Typer(
    help="Serve environments and policies, and evaluate policies on served environments.",
    epilog=TOKEN_HELP,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def _options(version: bool = VERSION) -> None:
    pass


@app.command(epilog=TOKEN_HELP)
def serve(
    env: str = ENV,
    address: str = SERVED_AT,
    kwargs: str = KWARGS,
    max_sessions: Optional[int] = MAX_SESSIONS,
) -> None:
    """Serve environments, one for each client, until Ctrl-C or SIGTERM."""
    serve_env(env, address, kwargs, max_sessions)


@app.command("serve-model", epilog=TOKEN_HELP)
def serve_policy(
    policy: str = POLICY, address: str = SERVED_AT, backend: Optional[str] = BACKEND
) -> None:
    """Serve a policy until Ctrl-C or SIGTERM."""
    serve_model(policy, address, backend)


@app.command(epilog=TOKEN_HELP)
def run(
    model: str = MODEL,
    addresses: List[str] = ADDRESSES,
    seeds: Optional[str] = SEEDS,
    max_episodes: Optional[int] = MAX_EPISODES,
    execution_horizon: Optional[int] = HORIZON,
    instruction: Optional[str] = INSTRUCTION,
    backend: Optional[str] = BACKEND,
    concurrency: Optional[int] = CONCURRENCY,
    max_batch_size: Optional[int] = MAX_BATCH_SIZE,
    batch_padding: bool = BATCH_PADDING,
) -> None:
    """Evaluate a policy, here or served, on served environments."""
    run_model(
        model,
        addresses,
        seeds,
        max_episodes,
        backend,
        execution_horizon=execution_horizon,
        instruction=instruction,
        concurrency=concurrency,
        max_batch_size=max_batch_size,
        batch_padding=batch_padding,
    )


@app.command(epilog=TOKEN_HELP)
def ping(address: str = ADDRESS, timeout: float = TIMEOUT) -> None:
    """Show who serves at an address, and how long a round trip takes."""
    ping_server(address, timeout)


@app.command()
def token() -> None:
    """Print a fresh token, for RLMESH_TOKEN on both sides."""
    print_token()
