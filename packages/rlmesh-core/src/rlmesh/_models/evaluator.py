"""What a model in this process and a served one have in common: running against an env."""

from __future__ import annotations

import itertools
import operator
import signal
from contextlib import ExitStack, suppress
from threading import Event
from typing import Callable, Generic, Iterable, Optional, Sequence, Tuple, TypeVar

from rlmesh._envs.client import EnvCalls
from rlmesh._envs.ports import open_env
from rlmesh._rpc.signals import on_signal
from rlmesh._runtime.driver import run_episode, run_episodes
from rlmesh._runtime.plan import PlannedEpisode, plan_episodes
from rlmesh._runtime.ports import EnvPort, Policy
from rlmesh._runtime.results import EpisodeResult, RunResult
from rlmesh._runtime.session import MAX_STEPS, Session
from rlmesh.adapters.selection import Selection
from rlmesh.errors import RLMeshError

ObsT = TypeVar("ObsT")
ActT = TypeVar("ActT")

OnResult = Callable[[EpisodeResult], None]


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
        max_steps: int = MAX_STEPS,
        on_result: Optional[OnResult] = None,
        pushdown: Optional[str] = None,
    ) -> RunResult:
        """Drive this model against an env, and return what came of it.

        Args:
            env_or_address: An env object with `reset` and `step`, an object with an `address`, or
                an address to dial, such as `"127.0.0.1:5555"`.
            seeds: One seed per episode. Neither seeds nor `max_episodes`: one unseeded episode.
            max_episodes: Number of episodes: fewer than seeds drops the last seeds, more adds
                unseeded episodes.
            instruction: Text for the model's text inputs.
            close_env: Close the env object at the end. A dialed env is always given up.
            token: The env server's secret, where an address is dialed; empty means `RLMESH_TOKEN`.
            execution_horizon: How many actions of a chunk are executed before the next predict, for
                a model with `predict_chunk` or `predict_chunk_batch`; None is 1.
            max_steps: Steps after which an episode is cut off and marked truncated.
            on_result: Called with each finished episode.
            pushdown: `"images"` has the env's side crop and resize the images that a spec makes
                smaller, so that less is sent; the result's `metadata` say which. It computes with
                NumPy, OpenCV and Pillow, whatever the model's framework.

        Raises:
            ValueError: No episode is asked for, an instruction for a model without text input, a
                horizon for one without chunks, or an unknown `pushdown`.
            TypeError: `env_or_address` or a seed is of the wrong type.
            InvalidValue: An action does not fit the env's action space, or an observation its own.
            RLMeshError: The env or a served model cannot be reached, or failed.
        """
        episodes = plan_episodes(seeds, max_episodes)
        with self._join(
            env_or_address,
            instruction,
            close_env,
            token,
            execution_horizon,
            max_steps,
            unattended=True,
            pushdown=pushdown,
        ) as session:
            return run_episodes(session, episodes, on_result)

    def session(
        self,
        env_or_address: object,
        *,
        instruction: Optional[str] = None,
        close_env: bool = False,
        token: str = "",
        execution_horizon: Optional[int] = None,
        max_steps: int = MAX_STEPS,
    ) -> Session[ObsT, ActT]:
        """Return this model and an env as a session, for a loop of one's own.

        Args:
            env_or_address: As for `run`.
            instruction: As for `run`.
            close_env: As for `run`.
            token: As for `run`.
            execution_horizon: As for `run`.
            max_steps: As for `run`.

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
        return self._join(
            env_or_address,
            instruction,
            close_env,
            token,
            execution_horizon,
            max_steps,
            unattended=False,
        )

    def run_local(
        self,
        env_address: str,
        *,
        token: str = "",
        execution_horizon: Optional[int] = None,
        on_result: Optional[OnResult] = None,
    ) -> None:
        """Run unseeded episodes against a served env until Ctrl-C or SIGTERM, then return.

        Args:
            env_address: Where the env is served.
            token: As for `run`.
            execution_horizon: As for `run`.
            on_result: As for `run`.

        Raises:
            TypeError: The address is no str.
            ValueError, RLMeshError: As `run`.
        """
        episodes = (PlannedEpisode(index, None) for index in itertools.count())
        stop = Event()

        def interrupt() -> None:
            # What a signal raises is lost where it comes in the middle of a finalizer.
            stop.set()
            raise KeyboardInterrupt

        try:
            with on_signal(interrupt, signal.SIGINT, signal.SIGTERM):
                self._work(env_address, token, execution_horizon, episodes, on_result, stop)
        except KeyboardInterrupt:
            return

    def run_local_for_episodes(
        self,
        env_address: str,
        *,
        token: str = "",
        max_episodes: int,
        seeds: Optional[Sequence[int]] = None,
        execution_horizon: Optional[int] = None,
        on_result: Optional[OnResult] = None,
    ) -> None:
        """Run a number of episodes against a served env.

        Args:
            env_address: Where the env is served.
            token: As for `run`.
            max_episodes: How many.
            seeds: As for `run`.
            execution_horizon: As for `run`.
            on_result: As for `run`.

        Raises:
            TypeError: The address is no str, or the number no integer.
            ValueError, RLMeshError: As `run`.
        """
        episodes = plan_episodes(seeds, max_episodes)
        self._work(env_address, token, execution_horizon, episodes, on_result)

    def _work(
        self,
        env_address: str,
        token: str,
        execution_horizon: Optional[int],
        episodes: Iterable[PlannedEpisode],
        on_result: Optional[OnResult],
        stop: Optional[Event] = None,
    ) -> None:
        """Run episodes against a served env, and keep nothing of them."""
        if not isinstance(env_address, str):
            raise TypeError(
                f"env_address: expected an address such as '127.0.0.1:5555', got {env_address!r}"
            )
        with self._join(
            env_address, None, False, token, execution_horizon, MAX_STEPS, unattended=True
        ) as session:
            for episode in episodes:
                result = run_episode(session, episode, stop)
                if on_result is not None:
                    on_result(result)

    def _join(
        self,
        env_or_address: object,
        instruction: Optional[str],
        close_env: bool,
        token: str,
        execution_horizon: Optional[int],
        max_steps: int,
        *,
        unattended: bool,
        pushdown: Optional[str] = None,
    ) -> Session[ObsT, ActT]:
        """Return a session, whose values nobody else looks at if it is unattended."""
        if max_steps < 1:
            raise ValueError(f"max_steps: expected at least 1, got {max_steps}")
        if pushdown not in (None, "images"):
            raise ValueError(f"pushdown: expected 'images' or None, got {pushdown!r}")
        horizon = _horizon(execution_horizon)
        self._check(instruction)
        with ExitStack() as resources:
            resources.callback(self._finish)
            client, opened = open_env(env_or_address, token)
            if opened or close_env:
                resources.callback(client.close)
            env, policy, selection = self._connect(
                client, instruction, horizon, pushdown is not None, unattended, resources
            )
            metadata = {}
            if pushdown is not None:
                lines = selection.lines(client.contract.observation_space) if selection else []
                metadata["pushdown"] = lines
            return Session(
                env,
                policy,
                instruction=instruction,
                max_steps=max_steps,
                resources=resources.pop_all(),
                metadata=metadata,
            )

    def _check(self, instruction: Optional[str]) -> None:
        """Raise ValueError where it is known already that there is no use for an instruction."""

    def _finish(self) -> None:
        """Do what is to be done at the end of each session, also when none came about."""

    def _connect(
        self,
        client: EnvCalls,
        instruction: Optional[str],
        execution_horizon: int,
        pushdown: bool,
        unattended: bool,
        resources: ExitStack,
    ) -> Tuple[EnvPort, Policy, Optional[Selection]]:
        """Return an env's port and the policy, with values of the same kind, and what is sent.

        Args:
            client: Executes requests on the env.
            instruction: The run's instruction.
            execution_horizon: Number of actions of a chunk that are executed.
            pushdown: Whether the env's side shall crop and resize images.
            unattended: Whether nobody but the policy will look at the values.
            resources: Takes what is to be closed at the end.
        """
        raise NotImplementedError


def select(client: EnvCalls, selection: Optional[Selection], resources: ExitStack) -> None:
    """Have only this of observations sent, for as long as the resources are held."""
    if selection is not None:
        client.select(selection)
        resources.callback(_select_all, client)


def _select_all(client: EnvCalls) -> None:
    # An env that was lost meanwhile selects nothing any more.
    with suppress(RLMeshError):
        client.select(None)


def _horizon(requested: Optional[int]) -> int:
    """Return how many actions of a chunk are to be executed."""
    try:
        return 1 if requested is None else operator.index(requested)
    except TypeError:
        raise TypeError(f"execution_horizon: expected an integer, got {requested!r}") from None
