"""The command line: what can be said, and which function it calls."""

from __future__ import annotations

from typing import Any, List, Optional

import typer

from rlmesh._rpc.options import ServeOptions
from rlmesh._runtime.lane import MAX_STEPS
from rlmesh._version import __version__

from .logs import log_to_stderr
from .ping import ping_server, print_stats
from .results import show_results
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
ENV = typer.Argument(
    metavar="ENV",
    help="A Gymnasium id (of old gym where there is no Gymnasium), or MODULE:CALLABLE that returns"
    " an env.",
)
SERVED_AT = typer.Option(
    "tcp://127.0.0.1:0",
    "--address",
    metavar="ADDRESS",
    help="tcp://HOST:PORT, HOST:PORT or unix:///PATH. Port 0 takes a free one.",
)
KWARGS = typer.Option(
    "{}", metavar="JSON", help="""Keyword arguments, e.g. '{"render_mode": "rgb_array"}'."""
)
EXPOSE = typer.Option(
    None,
    "--expose",
    metavar="NAME",
    help="An attribute or method of the env that clients may get, set and call; may be given"
    " several times. None unless given.",
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
MAX_EPISODE_STEPS = typer.Option(
    MAX_STEPS, min=1, metavar="N", help="Steps after which an episode is cut off."
)
MAX_EPISODE_SECONDS = typer.Option(
    None, metavar="S", help="Seconds after which an episode is cut off; no limit unless given."
)
RETRIES = typer.Option(
    3,
    min=0,
    metavar="N",
    help="How often an episode is played again whose env or model was lost.",
)
ON_ERROR = typer.Option(
    "raise",
    metavar="raise|record",
    help="Whether an episode that fails ends the run, or is noted, and the run goes on.",
)
HORIZON = typer.Option(
    None,
    "--execution-horizon",
    min=1,
    metavar="N",
    help="How many actions of a chunk are executed before the next predict; 1 unless given.",
)
CHUNK_BLEND = typer.Option(
    None,
    "--chunk-blend",
    metavar="ensemble[:K]",
    help="Execute the mean of what all chunks say of a step, weighted by exp(-K * i), 0 for the"
    " oldest; K is 0.01 unless given.",
)
INSTRUCTION = typer.Option(None, metavar="TEXT", help="Text for the model's text inputs.")
BACKEND = typer.Option(
    None,
    metavar="native|numpy|torch|jax|...",
    help="What observations are: native, or the name of a backend. Unless given, numpy where"
    " rlmesh.numpy is installed, else native.",
)
FACTORY = typer.Option(
    False,
    "--factory",
    help="NAME makes a policy: it is called once for each lane or client. A class need not say so.",
)
STATELESS = typer.Option(
    False,
    "--stateless",
    help="Lanes or clients may share the policy, although its reset takes no episode id.",
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
JOURNAL = typer.Option(
    None,
    metavar="FILE",
    help="Where each episode is written as soon as it is finished; the same command again plays"
    " only what is missing.",
)
SUCCESS = typer.Option(
    None,
    metavar="RULE",
    help="Which episodes count as a success: 'last' (unless given), by the info of the last step,"
    " or 'any', by that of any step; with a key of info, 'any:goal_reached', or a number to reach,"
    " 'last:coverage>=0.95'.",
)
CONNECT_TIMEOUT = typer.Option(
    None,
    min=0.1,
    metavar="S",
    help="Seconds to find a server, and to restore a broken connection; 10 for an env and 60 for a"
    " model unless given.",
)
NAME = typer.Option(
    None,
    metavar="TEXT",
    help="What you call this run; a journal of another name is refused.",
)
FILES = typer.Argument(metavar="FILE...", help="Journals and saved results.")
SAVE = typer.Option(None, "--save", metavar="FILE", help="Where to write the merged result.")
TIMEOUT = typer.Option(5.0, min=0.1, metavar="SECONDS", help="How long to look for the server.")
DRAIN_TIMEOUT = typer.Option(
    None,
    min=0.0,
    metavar="SECONDS",
    help="How long clients may go on after SIGTERM; 0 unless given. A second one ends that.",
)
SESSION_GRACE = typer.Option(
    None,
    min=0.0,
    metavar="SECONDS",
    help="How long a client that cannot be reached keeps its session; 30 unless given.",
)
READY_FILE = typer.Option(
    None, metavar="PATH", help="A file that has the address while clients are answered."
)
READY_FD = typer.Option(
    None,
    min=3,
    metavar="N",
    help="A file descriptor that gets the address once clients are answered.",
)
ALLOW_INSECURE = typer.Option(
    False, "--allow-insecure", help="Serve other machines without a token; anybody can connect."
)
LEVELS = "debug|info|warning|error"
LOG_HELP = "What is logged to stderr."
LOG_LEVEL = typer.Option("warning", "--log-level", metavar=LEVELS, help=LOG_HELP)
# A run says itself what came of its trouble.
RUN_LOG_LEVEL = typer.Option("error", "--log-level", metavar=LEVELS, help=LOG_HELP)
LOG_JSON = typer.Option(False, "--log-json", help="Log a JSON object a line.")
AS_JSON = typer.Option(False, "--json", help="Print a JSON object; times are in seconds.")
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
    expose: Optional[List[str]] = EXPOSE,
    max_sessions: Optional[int] = MAX_SESSIONS,
    drain_timeout: Optional[float] = DRAIN_TIMEOUT,
    session_grace: Optional[float] = SESSION_GRACE,
    ready_file: Optional[str] = READY_FILE,
    ready_fd: Optional[int] = READY_FD,
    allow_insecure: bool = ALLOW_INSECURE,
    log_level: str = LOG_LEVEL,
    log_json: bool = LOG_JSON,
) -> None:
    """Serve environments, one for each client, until Ctrl-C or SIGTERM."""
    log_to_stderr(log_level, log_json)
    options = _options_of(
        max_sessions=max_sessions,
        drain_timeout=drain_timeout,
        session_grace=session_grace,
        ready_file=ready_file,
        ready_fd=ready_fd,
        allow_insecure=allow_insecure,
    )
    serve_env(env, address, kwargs, options, expose or ())


@app.command("serve-model", epilog=TOKEN_HELP)
def serve_policy(
    policy: str = POLICY,
    address: str = SERVED_AT,
    backend: Optional[str] = BACKEND,
    factory: bool = FACTORY,
    stateless: bool = STATELESS,
    drain_timeout: Optional[float] = DRAIN_TIMEOUT,
    session_grace: Optional[float] = SESSION_GRACE,
    ready_file: Optional[str] = READY_FILE,
    ready_fd: Optional[int] = READY_FD,
    allow_insecure: bool = ALLOW_INSECURE,
    log_level: str = LOG_LEVEL,
    log_json: bool = LOG_JSON,
) -> None:
    """Serve a policy until Ctrl-C or SIGTERM."""
    log_to_stderr(log_level, log_json)
    options = _options_of(
        drain_timeout=drain_timeout,
        session_grace=session_grace,
        ready_file=ready_file,
        ready_fd=ready_fd,
        allow_insecure=allow_insecure,
    )
    serve_model(policy, address, backend, options, factory, stateless)


@app.command(epilog=TOKEN_HELP)
def run(
    model: str = MODEL,
    addresses: List[str] = ADDRESSES,
    seeds: Optional[str] = SEEDS,
    max_episodes: Optional[int] = MAX_EPISODES,
    max_episode_steps: int = MAX_EPISODE_STEPS,
    max_episode_seconds: Optional[float] = MAX_EPISODE_SECONDS,
    retries: int = RETRIES,
    on_error: str = ON_ERROR,
    execution_horizon: Optional[int] = HORIZON,
    chunk_blend: Optional[str] = CHUNK_BLEND,
    instruction: Optional[str] = INSTRUCTION,
    backend: Optional[str] = BACKEND,
    factory: bool = FACTORY,
    stateless: bool = STATELESS,
    concurrency: Optional[int] = CONCURRENCY,
    max_batch_size: Optional[int] = MAX_BATCH_SIZE,
    batch_padding: bool = BATCH_PADDING,
    journal: Optional[str] = JOURNAL,
    success: Optional[str] = SUCCESS,
    connect_timeout: Optional[float] = CONNECT_TIMEOUT,
    name: Optional[str] = NAME,
    log_level: str = RUN_LOG_LEVEL,
    log_json: bool = LOG_JSON,
) -> None:
    """Evaluate a policy, here or served, on served environments."""
    log_to_stderr(log_level, log_json)
    run_model(
        model,
        addresses,
        seeds,
        max_episodes,
        backend,
        factory,
        stateless,
        max_episode_steps=max_episode_steps,
        max_episode_seconds=max_episode_seconds,
        retries=retries,
        on_error=on_error,
        execution_horizon=execution_horizon,
        chunk_blend=chunk_blend,
        instruction=instruction,
        concurrency=concurrency,
        max_batch_size=max_batch_size,
        batch_padding=batch_padding,
        journal=journal,
        success=success,
        connect_timeout=connect_timeout,
        name=name,
    )


@app.command()
def results(files: List[str] = FILES, save: Optional[str] = SAVE) -> None:
    """Show what journals and saved results say, several as one run."""
    show_results(files, save)


@app.command(epilog=TOKEN_HELP)
def ping(address: str = ADDRESS, timeout: float = TIMEOUT) -> None:
    """Show who serves at an address, and how long a round trip takes."""
    ping_server(address, timeout)


@app.command("stats", epilog=TOKEN_HELP)
def show_stats(address: str = ADDRESS, timeout: float = TIMEOUT, as_json: bool = AS_JSON) -> None:
    """Show what a server has done: requests, errors, and how long its parts took."""
    print_stats(address, timeout, as_json)


@app.command()
def token() -> None:
    """Print a fresh token, for RLMESH_TOKEN on both sides."""
    print_token()


def _options_of(**given: Any) -> ServeOptions:
    """Return options for serving; the defaults for what is None."""
    return ServeOptions(**{name: value for name, value in given.items() if value is not None})
