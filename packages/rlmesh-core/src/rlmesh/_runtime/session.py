"""`Session`: one policy, one env, and the steps of an evaluation by hand."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any, Dict, Generic, Mapping, Optional, Tuple, Type, TypeVar

from rlmesh._contract.contract import EnvContract
from rlmesh._copies import NotCopied
from rlmesh._tasks import complete
from rlmesh._tracebacks import trimmed
from rlmesh.adapters.reading import Reader
from rlmesh.adapters.resolve import tags_of
from rlmesh.errors import CallUnderWay

from .lane import Lane
from .results import EpisodeResult
from .success import SuccessNotice

ObsT = TypeVar("ObsT")
ActT = TypeVar("ActT")


class Session(NotCopied, Generic[ObsT, ActT]):
    """A model and an env, joined: what `run` consists of, for loops of one's own.

    `Model.session` and `rlmesh.session` make it. It ends with its `with` block, or `close`.

    Args:
        lane: The env and the policy.
        resources: What is closed at the end.
        metadata: What a run's result shall say of how it was made.

    Attributes:
        metadata: As given.
    """

    _holds = "an env and an episode that is running"
    _instead = "make another one with session() where it is needed"

    def __init__(
        self,
        lane: Lane,
        resources: ExitStack,
        metadata: Optional[Mapping[str, Any]] = None,
    ) -> None:
        self.metadata: Mapping[str, Any] = metadata or {}
        self._lane = lane
        self._success = SuccessNotice(lane.success)
        self._resources = resources
        self._reader: Optional[Reader] = None

    @property
    def contract(self) -> EnvContract:
        """What the env promises: its spaces, metadata and limits."""
        return self._lane.env.contract

    def reset(
        self, *, seed: Optional[int] = None, options: Optional[Mapping[str, Any]] = None
    ) -> Tuple[ObsT, Dict[str, Any]]:
        """Start an episode; one that is not over is ended.

        Args:
            seed: The env's seed; None leaves its random state as it is.
            options: Passed to the env as plain data.

        Returns:
            The first observation and info.

        Raises:
            RLMeshError: The env or a served model failed. What a local model's callbacks raise is
                raised as it is.
        """
        try:
            return complete(self._lane.reset(seed, options))
        except Exception as exc:
            raise exc.with_traceback(trimmed(exc))  # noqa: B904 - it is the same one

    def predict(self, observation: ObsT) -> ActT:
        """Return the model's action for an observation.

        While a chunk lasts (`execution_horizon`), it is the chunk's next action, whatever the
        observation.

        Args:
            observation: What `reset` or `step` returned last.

        Raises:
            NotReset: No episode is running.
            ModelError: A served model raised. What a local one raises is raised as it is.
        """
        try:
            action: ActT = complete(self._lane.predict(observation))
            return action
        except Exception as exc:
            raise exc.with_traceback(trimmed(exc))  # noqa: B904 - it is the same one

    def step(self, action: ActT) -> Tuple[ObsT, float, bool, bool, Dict[str, Any]]:
        """Execute one action, the model's or another.

        Args:
            action: An action of the env's action space.

        Returns:
            Observation, reward, terminated, truncated, info.

        Raises:
            NotReset: No episode is running.
            InvalidValue: The action does not fit its space, or the env broke its own.
            RLMeshError: The env failed.
        """
        try:
            return complete(self._lane.step(action))
        except Exception as exc:
            raise exc.with_traceback(trimmed(exc))  # noqa: B904 - it is the same one

    def read(self, observation: ObsT, role: str, **form: Any) -> Any:
        """Return what an observation has of a role, in the form that is asked for.

        It reads what the env itself says, by its tags, and not what the model's spec makes of it.

        Args:
            observation: What `reset` or `step` returned.
            role: A role that the env tags, e.g. `rlmesh.adapters.EEF_ROT`.
            **form: Fields of `Image`, `State` or `Text`, e.g. `encoding="euler_xyz"` or `size=224`.
                By default an image is upright, in the env's size, and a state in the env's own
                encoding, as float32.

        Returns:
            An array of the session's framework; NumPy's for native values. A str for a text.

        Raises:
            AdapterResolutionError: The env has no tags, no such role, or cannot give it this form.
        """
        if self._reader is None:
            contract = self.contract
            tags = tags_of(contract.metadata, contract.env_id)
            self._reader = Reader(tags, contract.observation_space)
        return self._reader.read(observation, role, form)

    @property
    def over(self) -> bool:
        """Whether no episode is running: before the first `reset`, and after an episode's end."""
        return self._lane.over

    def result(self, index: int = 0) -> EpisodeResult:
        """Return what came of the last episode up to now.

        Args:
            index: The result's `index`.

        Raises:
            InvalidValue: What the session's function says of success is no flag.
        """
        result = self._lane.result(index)
        if self.over:
            self._success.check(result)
        return result

    def end_episode(self) -> None:
        """End the episode that is running, if one is; what is left of its chunk is dropped."""
        complete(self._lane.end_episode())

    def close(self) -> None:
        """End the episode, and free what the session holds; calling it again does nothing."""
        try:
            # A call that this interrupts, in a signal handler, say, ends with the session.
            with suppress(CallUnderWay):
                self.end_episode()
        finally:
            self._resources.close()

    def __enter__(self: SessionT) -> SessionT:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        value: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()


SessionT = TypeVar("SessionT", bound=Session[Any, Any])
