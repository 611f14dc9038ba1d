"""What a model in this process and a served one have in common: running against an env."""

from __future__ import annotations

import itertools
import operator
import signal
from contextlib import ExitStack, suppress
from functools import partial
from threading import Event
from time import perf_counter
from typing import (
    Any,
    Callable,
    Dict,
    Generic,
    Iterable,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Protocol,
    Sequence,
    Tuple,
    TypeVar,
    Union,
)

from rlmesh._envs.client import EnvCalls
from rlmesh._envs.ports import LaneEnv, find_env, give_back
from rlmesh._envs.vector_lanes import SubEnv
from rlmesh._once import warnings_once
from rlmesh._rpc.calls import BLOCKING, LONG, Caller, Calls
from rlmesh._rpc.signals import on_signal
from rlmesh._rpc.waits import telling
from rlmesh._runtime.awaitables import checked
from rlmesh._runtime.collector import Collector
from rlmesh._runtime.driver import Driver
from rlmesh._runtime.files import PathLike
from rlmesh._runtime.hooks import RunEvent, RunHooks, Watch, checked_hooks
from rlmesh._runtime.journal import Journal
from rlmesh._runtime.lane import MAX_STEPS, Lane
from rlmesh._runtime.line import ProgressLine
from rlmesh._runtime.plan import PlannedEpisode, plan_episodes
from rlmesh._runtime.ports import EnvPort, Policy
from rlmesh._runtime.progress import Meter, Progress
from rlmesh._runtime.results import EpisodeResult, RunResult
from rlmesh._runtime.session import Session
from rlmesh._runtime.success import Success, SuccessNotice, SuccessRule
from rlmesh._runtime.timing import ModelClock, Timing
from rlmesh._tasks import run_together
from rlmesh._tracebacks import trimmed
from rlmesh._transport.security import Token
from rlmesh.adapters.selection import Selection
from rlmesh.errors import Busy, RunCancelled

from .blending import ChunkBlend, Ensemble
from .cancelling import Cancellation, in_thread
from .description import describe_env, describe_run, warn_if_unclear
from .lanes import Targets, Terms, targets_of, vector_lanes

ObsT = TypeVar("ObsT")
ActT = TypeVar("ActT")

OnResult = Callable[[EpisodeResult], None]
OnProgress = Callable[[Progress], None]

_NEVER = Cancellation(None)


class Evaluator(Generic[ObsT, ActT]):
    """Runs against envs; `ModelBase` and `RemoteModelBase` say what acts in them."""

    def run(
        self,
        env_or_address: object,
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
        on_result: Optional[OnResult] = None,
        pushdown: Optional[str] = None,
        concurrency: Optional[int] = None,
        retries: int = 3,
        on_error: str = "raise",
        hooks: Union[RunHooks, Sequence[RunHooks]] = (),
        max_batch_size: Optional[int] = None,
        max_wait: Optional[float] = None,
        batch_padding: bool = False,
        progress: Union[bool, OnProgress] = False,
        journal: Optional[PathLike] = None,
        success: Optional[Success] = None,
        connect_timeout: Optional[float] = None,
        name: Optional[str] = None,
        cancel: Optional[Event] = None,
    ) -> RunResult:
        """Drive this model against an env, or several at once, and return what came of it.

        Args:
            env_or_address: An env object with `reset` and `step`, an object with an `address`, or
                an address to dial, such as `"127.0.0.1:5555"`. Of a list of these, all are used,
                and of a vector env all sub-envs.
            seeds: One seed per episode. Neither seeds nor `max_episodes`: one unseeded episode. A
                vector env whose autoreset mode is not `"Disabled"` seeds only the first episode of
                each sub-env, and results record no seed.
            max_episodes: Number of episodes: fewer than seeds drops the last seeds, more adds
                unseeded episodes.
            instruction: Text for the model's text inputs.
            close_env: Close the env object at the end. A dialed env is always given up.
            token: The env server's secret, where an address is dialed; empty means `RLMESH_TOKEN`.
            execution_horizon: How many actions of a chunk are executed before the next predict, for
                a model with `predict_chunk` or `predict_chunk_batch`; None is 1.
            chunk_blend: `"ensemble"` executes the weighted mean of what all chunks of the episode
                say of a step, in the env's units, with the weights of ACT; an `Ensemble` has
                others. None executes what the newest chunk says.
            max_episode_steps: Steps after which an episode is cut off and marked truncated.
            max_episode_seconds: Wall-clock seconds after its reset from which on an episode is cut
                off between two steps, and marked truncated and timed out. How many steps it has
                then depends on how fast everything is.
            on_result: Called with each finished episode.
            pushdown: `"images"` has the env's side crop and resize the images that a spec makes
                smaller, so that less is sent; the result's `metadata` say which. It computes with
                NumPy, OpenCV and Pillow, whatever the model's framework.
            concurrency: Number of lanes, each of which plays one episode after the other; the
                lanes of several addresses are spread evenly. None is one for each env or address,
                and as many as it has sub-envs for a vector env, which allows no other number.
            retries: How often an episode is played again, from its seed, because its env crashed,
                or the env or a served model was lost or did not answer in time.
            on_error: What becomes of an episode that fails for another reason, or more often:
                `"raise"` ends the run with that error, whose `run_result` has what was finished;
                `"record"` notes it in the result's `errors`, and goes on.
            hooks: Told what happens; see `RunHooks`. Where one overrides `on_episode_start` or
                `on_step`, whole observations are sent and decoded.
            max_batch_size: Observations of different lanes that a model with `predict_batch` or
                `predict_chunk_batch` gets together at most; None is 32. A served model has its own.
            max_wait: Seconds that an observation may be held back for a fuller batch. By default
                that follows from how long the model and the envs are seen to take.
            batch_padding: Fill every batch up to `max_batch_size` by repeating its last
                observation, so that a result does not depend on the size of its batch.
            progress: Show how the run gets on, on a line of stderr; or a function that is called
                with a `Progress` after each episode, and a few times a second.
            journal: A file to which each episode is written as soon as it is finished. The same
                call again plays only what is missing, and returns the whole result.
            success: Which episodes count as a success: `"last"`, those whose last step is one;
                `"any"`, those with any step that is one. A step is one if its info says so under
                `is_success` or, without that, `success`; `"any:goal_reached"` reads another key,
                `"last:coverage>=0.95"` a number that must be reached. Or a function, which is
                called at the end of each episode with the infos of its reset and all its steps, and
                returns a bool, or None for an episode that says nothing. None is `"last"`, with one
                warning where an episode was a success earlier and not at its end.
            connect_timeout: Seconds to find the server of an address that is dialed, and to restore
                a broken connection to it; None is 10. What is waited for is logged after 2 s, and
                shown by `progress=True`. A `RemoteModel` or `RemoteEnv` has its own.
            name: What you call this run, e.g. `"pi0-step30k"`. It tells journals and results of
                models apart that otherwise look the same, such as two checkpoints.
            cancel: A `threading.Event`. Once it is set, by another thread, the run ends before its
                next step with `RunCancelled`, as it does after Ctrl-C. `run_async` sets one.

        Raises:
            ValueError: No episode is asked for, an instruction for a model without text input, a
                horizon or blending for one without chunks, an unknown `chunk_blend`, `pushdown`,
                `on_error` or `success`, or more lanes than an env object can have.
            TypeError: `env_or_address`, a seed or a hook is of the wrong type.
            InvalidValue: An action does not fit the env's action space, or an observation its own.
            ModelError: With several lanes, predict raised; the error says for which.
            JournalError: The journal is another run's, or no journal; another run writes it; or it
                cannot be written. `run_result` has what was finished, if that was in mid-run.
            RunCancelled: `cancel` was set. `run_result` has what was finished.
            RLMeshError: The env or a served model cannot be reached, or failed.
        """
        token = Token(token)
        planned = plan_episodes(seeds, max_episodes)
        targets = targets_of(env_or_address, concurrency, len(planned))
        watch = Watch(checked_hooks(hooks))
        terms = Terms(
            instruction,
            _horizon(execution_horizon),
            max_episode_steps,
            max_episode_seconds,
            unattended=not watch.sees_values,
            pushdown=_is_pushed_down(pushdown),
            max_batch_size=max_batch_size,
            max_wait=max_wait,
            batch_padding=batch_padding,
            concurrency=concurrency,
            episodes=len(planned),
            connect_timeout=connect_timeout,
            retries=retries,
            on_error=on_error,
            success=SuccessRule.of(success),
            name=name,
            blend=Ensemble.of(chunk_blend),
        )
        show: Optional[OnProgress] = None
        if progress:
            show = ProgressLine() if progress is True else checked("progress", progress)
        tell = on_result and checked("on_result", on_result)
        collector = Collector(watch, tell, terms.success)
        cancellation = Cancellation(cancel)
        if cancellation:
            watch.before_steps(cancellation.check)
        try:
            with warnings_once(), telling(getattr(show, "wait", None)), ExitStack() as resources:
                if journal is not None:
                    collector.journal = resources.enter_context(Journal(journal))
                joined = self._join(targets, terms, token, close_env, resources, cancellation)
                timing = _play(joined, planned, terms, collector, watch, show)
        except BaseException as exc:
            error: Any = exc
            with suppress(AttributeError, TypeError):
                error.run_result = collector.result()
            raise exc.with_traceback(trimmed(exc))  # noqa: B904 - it is the same one
        return collector.result(timing)

    async def run_async(self, env_or_address: object, **options: Any) -> RunResult:
        """Do what `run` does on a thread of its own, while the event loop goes on.

        Cancelling the task that awaits this ends the run before its next step: its connections are
        closed, the episodes that it has finished are in its journal, and `run_result` of the
        `CancelledError` has them.

        Args:
            env_or_address: As for `run`. An env object is stepped on that thread.
            **options: All other arguments of `run` but `cancel`.

        Raises:
            asyncio.CancelledError: The task was cancelled.
            ValueError, TypeError, RLMeshError: As `run`.
        """
        if "cancel" in options:
            raise TypeError("cancel: expected none for run_async; cancel its task")
        options["token"] = Token(options.get("token", ""))
        return await in_thread(lambda cancel: self.run(env_or_address, cancel=cancel, **options))

    def session(
        self,
        env_or_address: object,
        *,
        instruction: Optional[str] = None,
        close_env: bool = False,
        token: str = "",
        execution_horizon: Optional[int] = None,
        chunk_blend: ChunkBlend = None,
        max_episode_steps: int = MAX_STEPS,
        success: Optional[Success] = None,
        connect_timeout: Optional[float] = None,
    ) -> Session[ObsT, ActT]:
        """Return this model and an env as a session, for a loop of one's own.

        Args:
            env_or_address: As for `run`.
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

        Examples:
            >>> import gymnasium, rlmesh
            >>> model = rlmesh.Model(lambda observation: int(observation[2] > 0))
            >>> with model.session(gymnasium.make("CartPole-v1")) as session:
            ...     observation, info = session.reset(seed=0)
            ...     while not session.over:
            ...         action = session.predict(observation)
            ...         observation, reward, terminated, truncated, info = session.step(action)
            >>> session.result().steps
            41
        """
        token = Token(token)
        terms = Terms(
            instruction,
            _horizon(execution_horizon),
            max_episode_steps,
            session=True,
            success=SuccessRule.of(success),
            connect_timeout=connect_timeout,
            blend=Ensemble.of(chunk_blend),
        )
        with ExitStack() as resources:
            joined = self._join(Targets([env_or_address], []), terms, token, close_env, resources)
            return Session(joined.lanes[0], resources.pop_all())

    def run_local(
        self,
        env_address: str,
        *,
        token: str = "",
        execution_horizon: Optional[int] = None,
        chunk_blend: ChunkBlend = None,
        on_result: Optional[OnResult] = None,
        success: Optional[Success] = None,
        connect_timeout: Optional[float] = None,
        cancel: Optional[Event] = None,
    ) -> None:
        """Run unseeded episodes against a served env until Ctrl-C or SIGTERM, then return.

        Args:
            env_address: Where the env is served.
            token: As for `run`.
            execution_horizon: As for `run`.
            chunk_blend: As for `run`.
            on_result: As for `run`.
            success: As for `run`.
            connect_timeout: As for `run`.
            cancel: As for `run`; this then returns, as after Ctrl-C.

        Raises:
            TypeError: The address is no str.
            ValueError, RLMeshError: As `run`.
        """
        token = Token(token)
        episodes = (PlannedEpisode(index, None) for index in itertools.count())
        stopped = False

        def interrupt() -> None:
            # What a signal raises is lost where it comes in the middle of a finalizer.
            nonlocal stopped
            stopped = True
            raise KeyboardInterrupt

        def check() -> None:
            if stopped:
                raise KeyboardInterrupt

        try:
            with on_signal(interrupt, signal.SIGINT, signal.SIGTERM):
                self._work(
                    env_address,
                    token,
                    execution_horizon,
                    chunk_blend,
                    episodes,
                    on_result,
                    success,
                    connect_timeout,
                    cancel,
                    check,
                )
        except (KeyboardInterrupt, RunCancelled):
            return

    def run_local_for_episodes(
        self,
        env_address: str,
        *,
        token: str = "",
        max_episodes: int,
        seeds: Optional[Sequence[int]] = None,
        execution_horizon: Optional[int] = None,
        chunk_blend: ChunkBlend = None,
        on_result: Optional[OnResult] = None,
        success: Optional[Success] = None,
        connect_timeout: Optional[float] = None,
        cancel: Optional[Event] = None,
    ) -> None:
        """Run a number of episodes against a served env.

        Args:
            env_address: Where the env is served.
            token: As for `run`.
            max_episodes: How many.
            seeds: As for `run`.
            execution_horizon: As for `run`.
            chunk_blend: As for `run`.
            on_result: As for `run`.
            success: As for `run`.
            connect_timeout: As for `run`.
            cancel: As for `run`.

        Raises:
            TypeError: The address is no str, or the number no integer.
            ValueError, RLMeshError: As `run`.
        """
        token = Token(token)
        episodes = plan_episodes(seeds, max_episodes)
        self._work(
            env_address,
            token,
            execution_horizon,
            chunk_blend,
            episodes,
            on_result,
            success,
            connect_timeout,
            cancel,
        )

    def _work(
        self,
        env_address: str,
        token: Token,
        execution_horizon: Optional[int],
        chunk_blend: ChunkBlend,
        episodes: Iterable[PlannedEpisode],
        on_result: Optional[OnResult],
        success: Optional[Success],
        connect_timeout: Optional[float],
        cancel: Optional[Event],
        tick: Optional[Callable[[], None]] = None,
    ) -> None:
        """Run episodes against a served env, and keep nothing of them."""
        if not isinstance(env_address, str):
            raise TypeError(
                f"env_address: expected an address such as '127.0.0.1:5555', got {env_address!r}"
            )
        rule = SuccessRule.of(success)
        terms = Terms(
            None,
            _horizon(execution_horizon),
            MAX_STEPS,
            unattended=True,
            connect_timeout=connect_timeout,
            success=rule,
            blend=Ensemble.of(chunk_blend),
        )
        notice = SuccessNotice(rule)
        tell = _forget if on_result is None else checked("on_result", on_result)

        def report(result: EpisodeResult) -> None:
            notice.check(result)
            tell(result)

        watch, cancellation, targets = Watch(), Cancellation(cancel), Targets([env_address], [])
        if tick is not None:
            watch.before_steps(tick)
        if cancellation:
            watch.before_steps(cancellation.check)
        try:
            with warnings_once(), ExitStack() as resources:
                joined = self._join(targets, terms, token, False, resources, cancellation)
                Driver(
                    joined.lanes, episodes, report, _forget, retries=0, goes_on=False, watch=watch
                ).run(joined.wait)
        except Exception as exc:
            raise exc.with_traceback(trimmed(exc))  # noqa: B904 - it is the same one

    def _join(
        self,
        targets: Targets,
        terms: Terms,
        token: Token,
        close_env: bool,
        resources: ExitStack,
        cancellation: Cancellation = _NEVER,
    ) -> Joined:
        """Return lanes, one for each target, or for each sub-env of vector envs.

        Args:
            targets: Envs and addresses.
            terms: What is asked for.
            token: The env servers' secret.
            close_env: Whether env objects are closed at the end.
            resources: Takes what is to be done at the end.
            cancellation: What may end this.
        """
        terms.check()
        self._check(terms)
        resources.callback(self._finish)
        calls = Calls()
        receive = cancellation.watching(calls.wait)
        wait = partial(receive, LONG)
        several = len(targets.first) + len(targets.more) > 1

        def connect(envs: Sequence[object], first: int = 0) -> List[EnvCalls]:
            clients: List[EnvCalls] = []
            for env in envs:
                client, is_ours = find_env(env, token, terms.connect_timeout)
                resources.callback(give_back, client, is_ours or close_env)
                clients.append(client)
            caller = calls if several or cancellation else BLOCKING
            try:
                numbered = enumerate(clients, first)
                run_together(
                    [one.connect(caller, lane if several else None) for lane, one in numbered], wait
                )
            except Busy as exc:
                if not several:
                    raise
                count = len(targets.first) + len(targets.more)
                raise Busy(f"there is no env for each of {count} lanes: {exc}") from exc
            return clients

        clients = connect(targets.first)
        if any(client.contract.num_envs is not None for client in clients):
            envs = vector_lanes(clients, terms)
        else:
            envs = [*clients, *connect(targets.more, len(clients))]
        caller = calls if len(envs) > 1 or cancellation else BLOCKING
        policies = self._policies(terms, caller, len(envs))
        joined = Joined([], partial(policies.wait, receive), {}, [], {})
        if terms.pushdown:
            joined.metadata["pushdown"] = []

        async def open_lane(number: int, env: LaneEnv) -> None:
            port, policy, selection = await policies.join(number, env, resources)
            if selection is not None and not isinstance(env, SubEnv):
                await env.select(selection)
                if terms.pushdown:
                    lines = selection.lines(env.contract.observation_space)
                    joined.metadata["pushdown"] = lines
            limits = terms.max_episode_steps, terms.max_episode_seconds
            clock = policies.clock if len(envs) > 1 else None
            lane = Lane(number, port, policy, terms.instruction, *limits, clock, terms.success)
            joined.lanes.append(lane)
            joined.envs.append(describe_env(env))

        run_together([open_lane(number, env) for number, env in enumerate(envs)], wait)
        joined.lanes.sort(key=lambda lane: lane.number)
        joined.model.update(policies.describe())
        return joined

    def _check(self, terms: Terms) -> None:
        """Raise ValueError where it is known already that there is no use for something."""

    def _finish(self) -> None:
        """Do what is to be done at the end of each session, also when none came about."""

    def _policies(self, terms: Terms, caller: Caller, lanes: int) -> Policies:
        """Return what makes the policy of each lane.

        Args:
            terms: What is asked for.
            caller: How servers are waited for.
            lanes: How many lanes there will be.
        """
        raise NotImplementedError


class Policies(Protocol):
    """Makes the policies of one run's lanes.

    Attributes:
        clock: Counts for how long this process predicts.
    """

    clock: ModelClock

    async def join(
        self, lane: int, env: LaneEnv, resources: ExitStack
    ) -> Tuple[EnvPort, Policy, Optional[Selection]]:
        """Return an env's port and its policy, with values of the same kind, and what is sent.

        Args:
            lane: The number of the env's lane.
            env: The env, or one sub-env of a vector env, of which all is sent.
            resources: Takes what is to be done at the end.
        """
        ...

    def describe(self) -> Mapping[str, Any]:
        """Return what is known of the model, once a lane has joined; see `describe_model`."""
        ...

    def wait(self, receive: Callable[[float], bool]) -> None:
        """Do what is to be done when all lanes wait.

        Args:
            receive: Waits for so many seconds until something arrives, and says whether it did.
        """
        ...


class Joined(NamedTuple):
    """The lanes of a run.

    Attributes:
        lanes: The lanes.
        wait: Waits until one of them can go on.
        metadata: What a result shall say of how it was made.
        envs: See `describe_run`.
        model: Likewise.
    """

    lanes: List[Lane]
    wait: Callable[[], None]
    metadata: Dict[str, Any]
    envs: List[Dict[str, Any]]
    model: Dict[str, Any]


def _play(
    joined: Joined,
    planned: Sequence[PlannedEpisode],
    terms: Terms,
    collector: Collector,
    watch: Watch,
    show: Optional[OnProgress],
) -> Optional[Timing]:
    """Play the episodes of a run that its journal does not have yet; return its timing.

    Args:
        joined: The lanes.
        planned: All episodes.
        terms: What is asked for.
        collector: Takes what comes of them.
        watch: Is told what happens.
        show: Called with the progress.
    """
    lanes, journal = joined.lanes, collector.journal
    seeds = [episode.seed for episode in planned]
    run = describe_run(joined.model, joined.envs, seeds, terms.options, terms.name)
    collector.metadata.update(joined.metadata, run=run)
    missing = planned
    if journal is not None:
        warn_if_unclear(run)
        missing = journal.begin(run, planned)
        collector.take_up(journal.episodes, len(planned))
    if show is not None:
        collector.meter = Meter(lanes, len(planned), show, collector.finished)
        watch.before_steps(collector.meter.tick)
    started, timing = perf_counter(), None
    try:
        contracts = tuple(lane.env.contract for lane in lanes)
        watch.run_start(RunEvent(len(lanes), len(planned), contracts, collector.metadata))
        Driver(
            lanes,
            missing,
            collector.finish,
            collector.give_up,
            retries=terms.retries,
            goes_on=terms.on_error == "record",
            watch=watch,
        ).run(joined.wait)
        timing = Timing.of((lane.usage for lane in lanes), perf_counter() - started)
        if journal is not None:
            timing = timing if missing else journal.timing
            journal.finish(joined.metadata, timing)
        return timing
    finally:
        watch.run_end(collector.result(timing))


def _horizon(requested: Optional[int]) -> int:
    """Return how many actions of a chunk are to be executed."""
    try:
        return 1 if requested is None else operator.index(requested)
    except TypeError:
        raise TypeError(f"execution_horizon: expected an integer, got {requested!r}") from None


def _is_pushed_down(requested: Optional[str]) -> bool:
    """Return whether the env's side shall crop and resize images."""
    if requested not in (None, "images"):
        raise ValueError(f"pushdown: expected 'images' or None, got {requested!r}")
    return requested is not None


def _forget(result: object) -> None:
    """Do nothing with what came of an episode."""
