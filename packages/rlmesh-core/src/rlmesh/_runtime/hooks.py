"""What is told of a run while it goes on."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Callable, ClassVar, Iterable, List, Mapping, Optional, Sequence, Tuple

from rlmesh._contract.contract import EnvContract
from rlmesh._tasks import Cancelled
from rlmesh.errors import NotReset

from .awaitables import refuse_async, refuse_awaitable
from .lane import Lane
from .plan import Attempt
from .results import EpisodeError, EpisodeResult, RunResult


@dataclass(frozen=True)
class RunEvent:
    """A run begins.

    Attributes:
        lanes: Number of lanes.
        total: Number of episodes.
        contracts: What the env of each lane promises; of a vector env, what each sub-env does.
        metadata: As the result will have it.
    """

    lanes: int
    total: int
    contracts: Tuple[EnvContract, ...]
    metadata: Mapping[str, Any]


class _Rendering:
    """How an event's env is rendered, for as long as hooks are told of the event.

    Args:
        watch: What tells them.
        lane: The lane of the env.
    """

    __slots__ = ("_lane", "_told", "_watch")

    def __init__(self, watch: Watch, lane: Lane) -> None:
        self._watch, self._lane, self._told = watch, lane, watch.told

    def render(self) -> Any:
        """Return what the env renders."""
        if self._told != self._watch.told:
            raise NotReset(
                "render: the run has gone on since this event; render while the hook is called"
            )
        try:
            return self._lane.env.render_now()
        except Exception as exc:
            self._watch.render_error = exc
            raise

    def __reduce__(self) -> Any:
        # A copy of an event that outlives the hook, or goes to another process, cannot be rendered.
        return _nothing, ()


def _nothing() -> None:
    """Return what copies have in place of a `_Rendering`."""


class _OfEnv:
    """An event of an env that can be rendered."""

    # No field: what a hook makes of an event's fields is not to hold a session.
    _rendering: ClassVar[Optional[_Rendering]] = None

    def render(self) -> Any:
        """Return what the env of the event's lane renders in its own mode: mostly a frame.

        It renders the env as it is at the event, in the run's own session with it. The run waits
        meanwhile. What the env raises fails the episode, as in `step`.

        Raises:
            NotReset: The hook has returned, and the run has gone on.
            InvalidValue: The lane is a sub-env of a vector env, which renders all of them together.
            EnvError: The env raised; a local env's exception is raised as it is.
            RLMeshError: The session with the env is lost.
        """
        if self._rendering is None:
            raise NotReset("render: this event, or what it is a copy of, comes from no run")
        return self._rendering.render()


@dataclass(frozen=True)
class EpisodeEvent(_OfEnv):
    """An episode was reset, and begins.

    Attributes:
        lane: Number of the lane that plays it.
        index: The episode's place in the run, from 0.
        seed: The seed of its reset; None for an unseeded one.
        attempt: The how manieth time it is played, from 1.
        observation: What the reset returned.
        info: What the reset returned besides.
    """

    lane: int
    index: int
    seed: Optional[int]
    attempt: int
    observation: Any
    info: Mapping[Any, Any]


@dataclass(frozen=True)
class StepEvent(_OfEnv):
    """An episode went one step on.

    Attributes:
        lane: Number of the lane that plays it.
        index: The episode's place in the run, from 0.
        seed: The seed of its reset; None for an unseeded one.
        attempt: The how manieth time it is played, from 1.
        step: Number of its steps before this one.
        observation: What the action was chosen for.
        action: What the env was given.
        reward: What the step earned.
        terminated: Whether the env ended the episode.
        truncated: Whether a limit cut it off: the env's own, or one of the run's.
        info: What the env said besides.
        next_observation: What the env returned.
    """

    lane: int
    index: int
    seed: Optional[int]
    attempt: int
    step: int
    observation: Any
    action: Any
    reward: float
    terminated: bool
    truncated: bool
    info: Mapping[Any, Any]
    next_observation: Any


class RunHooks:
    """Is told what happens in a run; a subclass overrides what it wants to know of.

    All of it is called on the thread of the run, which goes on when the hook returns. With several
    lanes, what is told of their episodes alternates: `index` and `attempt` say which one it is.
    What a hook raises ends the run. `event.render()` renders the env of an event.

    Observations, actions and infos are the env's, in the framework of the model and before its
    adapter; those of a served model in that of the `RemoteModel`.
    """

    def on_run_start(self, event: RunEvent) -> None:
        """Called before the first reset."""

    def on_episode_start(self, event: EpisodeEvent) -> None:
        """Called after a reset, before the first predict."""

    def on_step(self, event: StepEvent) -> None:
        """Called after each step of an env."""

    def on_episode_end(self, result: EpisodeResult) -> None:
        """Called with each finished episode; its `attempts` is the attempt that it ended with."""

    def on_episode_error(self, error: EpisodeError, retried: bool) -> None:
        """Called when an episode failed.

        Args:
            error: What it failed with; `attempts` is the number of the attempt, and 0 where there
                was no lane left to play it.
            retried: Whether it will be played again, so that it counts as no error of the run.
        """

    def on_run_end(self, result: RunResult) -> None:
        """Called at the end, also where an error ends the run, with what was finished by then."""


_METHODS = tuple(name for name in vars(RunHooks) if name.startswith("on_"))


class Watch:
    """Tells hooks what happens, and remembers that one raised.

    Args:
        hooks: The hooks.

    Attributes:
        failure: What a hook, `tick` or `tell` raised, which no episode has failed with. Nobody is
            told of anything afterwards, but of the run's end.
        told: How often anybody was told of anything.
        render_error: What rendering an env raised meanwhile.
        tick: What is called before each step; None for nothing.
        sees_starts: Whether a hook wants to know of the starts of episodes.
        sees_steps: Whether a hook wants to know of steps.
    """

    def __init__(self, hooks: Sequence[RunHooks] = ()) -> None:
        self.failure: Optional[BaseException] = None
        self.tick: Optional[Callable[[], None]] = None
        self._ticks: List[Callable[[], object]] = []
        self.told = 0
        self.render_error: Optional[Exception] = None
        self._hooks = hooks
        self._starts = _overriding(hooks, "on_episode_start")
        self._steps = _overriding(hooks, "on_step")
        self.sees_starts, self.sees_steps = bool(self._starts), bool(self._steps)

    @property
    def sees_values(self) -> bool:
        """Whether a hook looks at observations."""
        return self.sees_starts or self.sees_steps

    def before_steps(self, function: Callable[[], object]) -> None:
        """Have a function called before each step, after those that are called already."""
        self._ticks.append(function)
        self.tick = partial(self._call, self._ticks)

    def run_start(self, event: RunEvent) -> None:
        """Tell that the run begins."""
        self._call([hook.on_run_start for hook in self._hooks], event)

    def episode_start(
        self, lane: Lane, attempt: Attempt, observation: Any, info: Mapping[Any, Any]
    ) -> None:
        """Tell that an episode begins."""
        index, number = attempt.episode.index, attempt.number
        event = EpisodeEvent(lane.number, index, lane.seed, number, observation, info)
        object.__setattr__(event, "_rendering", _Rendering(self, lane))
        self._call(self._starts, event)

    def step(
        self, lane: Lane, attempt: Attempt, observation: Any, action: Any, step: Tuple[Any, ...]
    ) -> None:
        """Tell of a step.

        Args:
            lane: Where.
            attempt: Of which episode.
            observation: What the action was chosen for.
            action: The action.
            step: What the lane's `step` returned.
        """
        following, reward, terminated, truncated, info = step
        event = StepEvent(
            lane.number,
            attempt.episode.index,
            lane.seed,
            attempt.number,
            lane.steps - 1,
            observation,
            action,
            reward,
            terminated,
            truncated,
            info,
            following,
        )
        object.__setattr__(event, "_rendering", _Rendering(self, lane))
        self._call(self._steps, event)

    def episode_end(self, result: EpisodeResult) -> None:
        """Tell that an episode is finished."""
        self._call([hook.on_episode_end for hook in self._hooks], result)

    def episode_error(self, error: EpisodeError, retried: bool) -> None:
        """Tell that an episode failed."""
        self._call([hook.on_episode_error for hook in self._hooks], error, retried)

    def run_end(self, result: RunResult) -> None:
        """Tell that the run is over; all hooks, also when one raises."""
        with ExitStack() as stack:
            for hook in reversed(self._hooks):
                stack.callback(_end_run, hook, result)

    def tell(self, function: Callable[..., object], *arguments: Any) -> None:
        """Call a function of the user's as if it were a hook's."""
        self._call((function,), *arguments)

    def _call(self, functions: Sequence[Callable[..., object]], *arguments: Any) -> None:
        if self.failure is not None:
            # The run ends, as soon as the lane where that was raised has ended.
            raise Cancelled
        try:
            for function in functions:
                returned = function(*arguments)
                if returned is not None:
                    refuse_awaitable(getattr(function, "__name__", "hooks"), returned)
        except BaseException as exc:
            # What the env raised when it was rendered fails the episode, not the run.
            if exc is not self.render_error:
                self.failure = exc
            raise
        finally:
            self.told += 1
            self.render_error = None


def checked_hooks(hooks: Any) -> Sequence[RunHooks]:
    """Return hooks, of which there may be one or several.

    Raises:
        TypeError: There is something else.
    """
    several: List[Any] = [hooks]
    if isinstance(hooks, Iterable) and not isinstance(hooks, RunHooks):
        several = list(hooks)
    for hook in several:
        if not isinstance(hook, RunHooks):
            raise TypeError(f"hooks: expected RunHooks, or a sequence of them, got {hook!r}")
        for name in _METHODS:
            refuse_async(f"hooks.{name}", getattr(hook, name))
    return several


def _end_run(hook: RunHooks, result: RunResult) -> None:
    returned: object = hook.on_run_end(result)  # type: ignore[func-returns-value]
    refuse_awaitable("on_run_end", returned)


def _overriding(hooks: Sequence[RunHooks], name: str) -> List[Callable[..., object]]:
    """Return a method of those hooks that have one of their own."""
    methods = [getattr(hook, name) for hook in hooks]
    default = getattr(RunHooks, name)
    return [method for method in methods if getattr(method, "__func__", None) is not default]
