"""`rlmesh.run` and `rlmesh.session`: any model, here or served, and any env, here or served."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from threading import Event
from typing import Any, Callable, Iterator, Optional, Sequence, TypeVar, Union, overload

from rlmesh._rpc.calls import LONG, Calls
from rlmesh._rpc.dial import MODEL_CONNECT_TIMEOUT
from rlmesh._rpc.waits import telling
from rlmesh._runtime.files import PathLike
from rlmesh._runtime.hooks import RunHooks
from rlmesh._runtime.lane import MAX_STEPS
from rlmesh._runtime.line import ProgressLine
from rlmesh._runtime.progress import Progress
from rlmesh._runtime.results import EpisodeResult, RunResult
from rlmesh._runtime.session import Session
from rlmesh._runtime.success import Success
from rlmesh._tasks import run_together
from rlmesh._transport.security import Token
from rlmesh.types import Value

from .blending import ChunkBlend
from .cancelling import Cancellation, in_thread
from .evaluator import Evaluator
from .remote import RemoteModel

ObsT = TypeVar("ObsT")
ActT = TypeVar("ActT")


def run(
    model: Union[Evaluator[Any, Any], str],
    env: object,
    *,
    seeds: Optional[Sequence[int]] = None,
    max_episodes: Optional[int] = None,
    instruction: Optional[str] = None,
    close_env: bool = False,
    token: str = "",
    execution_horizon: Optional[int] = None,
    chunk_blend: ChunkBlend = None,
    max_episode_steps: int = MAX_STEPS,
    max_episode_seconds: Optional[float] = None,
    on_result: Optional[Callable[[EpisodeResult], None]] = None,
    pushdown: Optional[str] = None,
    concurrency: Optional[int] = None,
    retries: int = 3,
    on_error: str = "raise",
    hooks: Union[RunHooks, Sequence[RunHooks]] = (),
    max_batch_size: Optional[int] = None,
    max_wait: Optional[float] = None,
    batch_padding: bool = False,
    progress: Union[bool, Callable[[Progress], None]] = False,
    journal: Optional[PathLike] = None,
    success: Optional[Success] = None,
    connect_timeout: Optional[float] = None,
    name: Optional[str] = None,
    cancel: Optional[Event] = None,
) -> RunResult:
    """Drive a model against an env, wherever they are, and return what came of it.

    Args:
        model: A `Model`, a `RemoteModel`, or the address of a served model.
        env: An env object, an object with an `address`, or an address; see `Model.run`.
        seeds: See `Model.run`.
        max_episodes: See `Model.run`.
        instruction: See `Model.run`.
        close_env: See `Model.run`.
        token: The secret of whatever is dialed; empty means `RLMESH_TOKEN`.
        execution_horizon: See `Model.run`.
        chunk_blend: See `Model.run`.
        max_episode_steps: See `Model.run`.
        max_episode_seconds: See `Model.run`.
        on_result: See `Model.run`.
        pushdown: See `Model.run`.
        concurrency: See `Model.run`.
        retries: See `Model.run`.
        on_error: See `Model.run`.
        hooks: See `Model.run`.
        max_batch_size: See `Model.run`.
        max_wait: See `Model.run`.
        batch_padding: See `Model.run`.
        progress: See `Model.run`.
        journal: See `Model.run`.
        success: See `Model.run`.
        connect_timeout: Seconds to find whatever is dialed, and to restore a broken connection to
            it; None is 10 for an env, and 60 for a model, which may have to import torch or JAX
            first. See `Model.run`.
        name: See `Model.run`.
        cancel: See `Model.run`.

    Raises:
        ValueError, TypeError, RLMeshError: As `Model.run`.
    """
    token = Token(token)
    if progress is True:
        progress = ProgressLine()
    with telling(getattr(progress, "wait", None)), _evaluator(
        model, token, connect_timeout, cancel
    ) as evaluator:
        return evaluator.run(
            env,
            seeds=seeds,
            max_episodes=max_episodes,
            instruction=instruction,
            close_env=close_env,
            token=token,
            execution_horizon=execution_horizon,
            chunk_blend=chunk_blend,
            max_episode_steps=max_episode_steps,
            max_episode_seconds=max_episode_seconds,
            on_result=on_result,
            pushdown=pushdown,
            concurrency=concurrency,
            retries=retries,
            on_error=on_error,
            hooks=hooks,
            max_batch_size=max_batch_size,
            max_wait=max_wait,
            batch_padding=batch_padding,
            progress=progress,
            journal=journal,
            success=success,
            connect_timeout=connect_timeout,
            name=name,
            cancel=cancel,
        )


async def run_async(
    model: Union[Evaluator[Any, Any], str], env: object, **options: Any
) -> RunResult:
    """Do what `run` does on a thread of its own, while the event loop goes on.

    Cancelling the task that awaits this ends the run; see `Model.run_async`.

    Args:
        model: See `run`.
        env: See `run`. An env object is stepped on that thread.
        **options: All other arguments of `run` but `cancel`.

    Raises:
        asyncio.CancelledError: The task was cancelled.
        ValueError, TypeError, RLMeshError: As `run`.
    """
    if "cancel" in options:
        raise TypeError("cancel: expected none for run_async; cancel its task")
    options["token"] = Token(options.get("token", ""))
    return await in_thread(lambda cancel: run(model, env, cancel=cancel, **options))


@overload
def session(
    model: Evaluator[ObsT, ActT],
    env: object,
    *,
    instruction: Optional[str] = None,
    close_env: bool = False,
    token: str = "",
    execution_horizon: Optional[int] = None,
    chunk_blend: ChunkBlend = None,
    max_episode_steps: int = MAX_STEPS,
    success: Optional[Success] = None,
    connect_timeout: Optional[float] = None,
) -> Session[ObsT, ActT]: ...


@overload
def session(
    model: str,
    env: object,
    *,
    instruction: Optional[str] = None,
    close_env: bool = False,
    token: str = "",
    execution_horizon: Optional[int] = None,
    chunk_blend: ChunkBlend = None,
    max_episode_steps: int = MAX_STEPS,
    success: Optional[Success] = None,
    connect_timeout: Optional[float] = None,
) -> Session[Value, Value]: ...


def session(
    model: Union[Evaluator[Any, Any], str],
    env: object,
    *,
    instruction: Optional[str] = None,
    close_env: bool = False,
    token: str = "",
    execution_horizon: Optional[int] = None,
    chunk_blend: ChunkBlend = None,
    max_episode_steps: int = MAX_STEPS,
    success: Optional[Success] = None,
    connect_timeout: Optional[float] = None,
) -> Session[Any, Any]:
    """Return a model and an env as a session, for a loop of one's own.

    Args:
        model: As for `run`; the session of an address has native values.
        env: As for `run`.
        instruction: As for `run`.
        close_env: As for `run`.
        token: As for `run`.
        execution_horizon: As for `run`.
        chunk_blend: As for `run`.
        max_episode_steps: As for `run`.
        success: As for `run`.
        connect_timeout: As for `run`.

    Raises:
        ValueError, TypeError, RLMeshError: As `run`.
    """
    token = Token(token)
    with _evaluator(model, token, connect_timeout) as evaluator:
        return evaluator.session(
            env,
            instruction=instruction,
            close_env=close_env,
            token=token,
            execution_horizon=execution_horizon,
            chunk_blend=chunk_blend,
            max_episode_steps=max_episode_steps,
            success=success,
            connect_timeout=connect_timeout,
        )


class _CancellableModel(RemoteModel):
    """A client whose search for its server is ended by an event, too.

    Args:
        cancel: The event.
        address: See `RemoteModel`.
        token: See `RemoteModel`.
        connect_timeout: See `RemoteModel`.
    """

    def __init__(self, cancel: Event, address: str, token: Token, connect_timeout: float) -> None:
        self._cancellation = Cancellation(cancel)
        super().__init__(address, token=token, connect_timeout=connect_timeout)

    def _greet(self) -> None:
        calls = Calls()
        wait = partial(self._cancellation.watching(calls.wait), LONG)

        async def greet() -> None:
            await calls.complete(self._rpc, self._rpc.greeting())

        run_together([greet()], wait)


@contextmanager
def _evaluator(
    model: object,
    token: Token,
    connect_timeout: Optional[float],
    cancel: Optional[Event] = None,
) -> Iterator[Evaluator[Any, Any]]:
    """Give what runs: the model itself, or for an address a client, which is closed after it."""
    if isinstance(model, Evaluator):
        yield model
    elif isinstance(model, str):
        timeout = MODEL_CONNECT_TIMEOUT if connect_timeout is None else connect_timeout
        if cancel is None:
            remote = RemoteModel(model, token=token, connect_timeout=timeout)
        else:
            remote = _CancellableModel(cancel, model, token, timeout)
        with remote:
            yield remote
    else:
        raise TypeError(
            "model: expected a Model, a RemoteModel or the address of a served model, got"
            f" {model!r} ({type(model).__name__}); rlmesh.numpy.Model(policy) makes one of a policy"
        )
