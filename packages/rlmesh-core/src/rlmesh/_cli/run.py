"""`rlmesh run`: a policy, here or served, against a served env."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Optional, Sequence

import typer

from rlmesh._models.evaluator import Evaluator
from rlmesh._models.remote import RemoteModel
from rlmesh._rpc.dial import MODEL_CONNECT_TIMEOUT
from rlmesh._rpc.waits import telling
from rlmesh._runtime.plan import plan_episodes
from rlmesh._runtime.results import RunResult
from rlmesh._transport.address import parse_address

from .load import load_model
from .report import ProgressBar, print_result


def run_model(
    policy: str,
    addresses: Sequence[str],
    seeds: Optional[str],
    max_episodes: Optional[int],
    backend: Optional[str],
    factory: bool = False,
    stateless: bool = False,
    **options: Any,
) -> None:
    """Evaluate a model, and print the result; also that of a run that did not get to its end.

    The exit status is 1 where episodes were given up.

    Args:
        policy: See `load_model`; or where the model is served.
        addresses: Where envs are served.
        seeds: See `parse_seeds`.
        max_episodes: See `Model.run`.
        backend: See `load_model`; a served model has its own.
        factory: See `load_model`; likewise.
        stateless: See `load_model`; likewise.
        **options: Further arguments of `Model.run`.

    Raises:
        ValueError: An argument does not parse, or there is no such policy.
        RLMeshError: An env or a served model cannot be reached, or failed.
    """
    for address in addresses:
        parse_address(address)
    chosen = None if seeds is None else parse_seeds(seeds)
    total = len(plan_episodes(chosen, max_episodes))
    result: Optional[RunResult] = None
    interrupted = False
    try:
        with ExitStack() as resources:
            progress = resources.enter_context(ProgressBar(policy, total))
            resources.enter_context(telling(progress.wait))
            timeout = options.get("connect_timeout")
            model = _evaluator(policy, backend, factory, stateless, timeout, resources)
            result = model.run(
                list(addresses),
                seeds=chosen,
                max_episodes=max_episodes,
                progress=progress.update,
                **options,
            )
    except BaseException as exc:
        result = getattr(exc, "run_result", None)
        interrupted = isinstance(exc, KeyboardInterrupt)
        if not interrupted:
            raise
    finally:
        if result is not None and options.get("on_error") != "record":
            # The one that ended the run is told below.
            result = replace(result, errors=())
        if result is not None and (result.episodes or result.errors):
            print_result(f"{policy} on {', '.join(addresses)}", result, total)
    if interrupted:
        typer.echo(_interrupted(result, options.get("journal")), err=True)
        raise typer.Exit(130)
    if result is not None and result.errors:
        raise typer.Exit(1)


def _interrupted(result: Optional[RunResult], journal: Optional[str]) -> str:
    """Return what to say of a run that Ctrl-C or SIGTERM has ended."""
    if journal is not None:
        return "rlmesh: interrupted; run the same command to go on"
    if result is not None and result.episodes:
        return (
            "rlmesh: interrupted; the same command would play all episodes again, as there is no"
            " --journal FILE"
        )
    return "rlmesh: interrupted before an episode was finished"


def _evaluator(
    name: str,
    backend: Optional[str],
    factory: bool,
    stateless: bool,
    connect_timeout: Optional[float],
    resources: ExitStack,
) -> Evaluator[Any, Any]:
    """Return the model of a name, or a client of the one at an address."""
    if not _is_address(name):
        return load_model(name, backend, factory, stateless)
    for option, given in (("backend", backend), ("factory", factory), ("stateless", stateless)):
        if given:
            raise ValueError(f"--{option}: the model at {name} has its own; got {given!r} besides")
    timeout = MODEL_CONNECT_TIMEOUT if connect_timeout is None else connect_timeout
    return resources.enter_context(RemoteModel(name, connect_timeout=timeout))


def _is_address(text: str) -> bool:
    """Whether a text cannot be MODULE:NAME, because it has a scheme or a port."""
    return "://" in text or re.search(r":\d+$", text) is not None


def parse_seeds(text: str) -> Sequence[int]:
    """Return the seeds that `0:20` (0 to 19), `1,5,9` or `7` stands for.

    Raises:
        ValueError: The text has none of these forms, or stands for no seed at all.
    """
    seeds: Sequence[int] = ()
    if re.fullmatch(r"\d+:\d+", text):
        start, stop = text.split(":")
        seeds = range(int(start), int(stop))
    elif re.fullmatch(r"\d+(,\d+)*", text):
        seeds = [int(seed) for seed in text.split(",")]
    if not seeds:
        raise ValueError(
            f"--seeds: expected non-negative integers as 0:20 (0 to 19), 1,5,9 or 7, got {text!r}"
        )
    return seeds
