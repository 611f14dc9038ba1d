"""What an evaluation returns."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Iterable, Mapping, Optional, Tuple

from .statistics import mean_interval, rate_interval
from .timing import Timing


@dataclass(frozen=True)
class EpisodeResult:
    """One finished episode. Results are compared without their times.

    Attributes:
        index: The episode's place in the run, from 0.
        seed: The seed of its reset; None for an unseeded one.
        steps: Number of env steps.
        reward: Sum of the steps' rewards.
        terminated: Whether the env ended it.
        truncated: Whether a limit cut it off: the env's own, or one of the run's.
        timed_out: Whether that limit was the run's `max_episode_seconds`.
        success: The final info's `is_success` or `success`; None if it has neither.
        duration: Wall-clock seconds from before reset to after the last step.
        env_seconds: Of these, spent in the env itself.
        wire_seconds: Of these, spent on the way to the env and back.
        adapter_seconds: Of these, spent in the model's adapter.
        queue_seconds: Of these, spent waiting until the model was free, and for a fuller batch.
        predict_seconds: Of these, spent in predict.
        attempts: How often it was played, the last time to its end.
    """

    index: int
    seed: Optional[int]
    steps: int
    reward: float
    terminated: bool
    truncated: bool
    success: Optional[bool]
    duration: float = field(compare=False)
    env_seconds: float = field(compare=False)
    wire_seconds: float = field(compare=False)
    adapter_seconds: float = field(compare=False)
    queue_seconds: float = field(compare=False)
    predict_seconds: float = field(compare=False)
    timed_out: bool = False
    attempts: int = field(default=1, compare=False)


@dataclass(frozen=True)
class EpisodeError:
    """One episode that did not come to its end, which says nothing of the policy.

    Attributes:
        index: The episode's place in the run, from 0.
        seed: The seed of its reset; None for an unseeded one.
        kind: Name of the class of what was raised last, e.g. `"EnvCrashed"`.
        message: What it says.
        attempts: How often the episode was played.
    """

    index: int
    seed: Optional[int]
    kind: str
    message: str = field(compare=False)
    attempts: int = field(default=1, compare=False)


@dataclass(frozen=True, repr=False)
class RunResult:
    """The episodes of one run, ordered by index, and what they add up to.

    Rates and means are those of the finished episodes: an error counts neither for the policy nor
    against it.

    Attributes:
        episodes: One result per finished episode.
        timing: How busy the model and the lanes were; None for a result that no run made.
        metadata: What else is to be known of how the run was made, as plain data. `"pushdown"`
            lists the images that the env's side cropped and resized.
        errors: The episodes that were given up, ordered by index.
    """

    episodes: Tuple[EpisodeResult, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict, compare=False)
    timing: Optional[Timing] = field(default=None, compare=False)
    errors: Tuple[EpisodeError, ...] = ()

    @property
    def num_errors(self) -> int:
        """Number of episodes that were given up."""
        return len(self.errors)

    @property
    def num_episodes(self) -> int:
        """Number of finished episodes."""
        return len(self.episodes)

    @property
    def mean_reward(self) -> float:
        """Mean of the episodes' rewards."""
        return _mean(episode.reward for episode in self.episodes)

    @property
    def reward_interval(self) -> Tuple[float, float]:
        """95 % confidence interval of the mean reward, by Student's t; nan for one episode."""
        return mean_interval([episode.reward for episode in self.episodes])

    @property
    def mean_steps(self) -> float:
        """Mean of the episodes' lengths, in env steps."""
        return _mean(float(episode.steps) for episode in self.episodes)

    @property
    def success_rate(self) -> Optional[float]:
        """Share of successes among the episodes that report one; None if none does."""
        reported = [float(e.success) for e in self.episodes if e.success is not None]
        return _mean(reported) if reported else None

    @property
    def success_interval(self) -> Tuple[float, float]:
        """95 % confidence interval of the success rate, Wilson's; nan where none is reported."""
        reported = [e.success for e in self.episodes if e.success is not None]
        return rate_interval(sum(reported), len(reported))

    @property
    def total_reward(self) -> float:
        """Sum of the episodes' rewards."""
        return math.fsum(episode.reward for episode in self.episodes)

    @property
    def total_steps(self) -> int:
        """Number of env steps in all episodes."""
        return sum(episode.steps for episode in self.episodes)

    @property
    def duration(self) -> float:
        """Wall-clock seconds spent in episodes."""
        return math.fsum(episode.duration for episode in self.episodes)

    @property
    def env_seconds(self) -> float:
        """Seconds spent in the env itself."""
        return math.fsum(episode.env_seconds for episode in self.episodes)

    @property
    def wire_seconds(self) -> float:
        """Seconds spent on the way to the env and back."""
        return math.fsum(episode.wire_seconds for episode in self.episodes)

    @property
    def adapter_seconds(self) -> float:
        """Seconds spent in the model's adapter."""
        return math.fsum(episode.adapter_seconds for episode in self.episodes)

    @property
    def queue_seconds(self) -> float:
        """Seconds spent waiting until the model was free, and for fuller batches."""
        return math.fsum(episode.queue_seconds for episode in self.episodes)

    @property
    def predict_seconds(self) -> float:
        """Seconds spent in predict."""
        return math.fsum(episode.predict_seconds for episode in self.episodes)

    def __repr__(self) -> str:
        success = "" if self.success_rate is None else f", success_rate={self.success_rate:.1%}"
        failed = f", errors={self.num_errors}" if self.errors else ""
        others = {"adapter": self.adapter_seconds, "queue": self.queue_seconds}
        spent = "".join(f" {name} {seconds:.3g}s," for name, seconds in others.items() if seconds)
        return (
            f"RunResult(episodes={self.num_episodes}{failed},"
            f" mean_reward={self.mean_reward:.6g}{success},"
            f" steps={self.total_steps}, duration={self.duration:.3g}s:"
            f" env {self.env_seconds:.3g}s, wire {self.wire_seconds:.3g}s,"
            f"{spent} predict {self.predict_seconds:.3g}s)"
        )


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return math.fsum(numbers) / len(numbers) if numbers else math.nan
