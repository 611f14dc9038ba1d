"""What is to be seen of a run while it goes on."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Callable, Dict, Iterable, List, Optional, Sequence, Tuple, Union

from .lane import Lane
from .results import EpisodeError, EpisodeResult, RunResult

_INTERVAL = 0.2
"""Seconds between two updates, at least."""
_ENOUGH = 5
"""Episodes from which on a confidence interval says more than that there are few of them."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands.

    Attributes:
        result: The episodes that are finished or given up, in the order in which that happened.
        total: Number of episodes of the run.
        steps: Number of env steps up to now, those of running episodes included.
        seconds: Wall-clock seconds since the first reset.
        shares: Which part of the lanes' time went to `"env"`, `"wire"` and `"model"`: to the
            envs, to the way to them and to a served model, and to predict, the adapter and
            waiting for either.
        eta: Seconds that are left, if episodes go on as they did; None before the first is
            finished.
    """

    result: RunResult
    total: int
    steps: int
    seconds: float
    shares: Dict[str, float]
    eta: Optional[float]

    @property
    def done(self) -> int:
        """Number of episodes that are finished or given up."""
        return self.result.num_episodes + self.result.num_errors

    @property
    def steps_per_second(self) -> float:
        """Env steps per second, of all lanes together."""
        return self.steps / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        parts = [f"{self.result.num_episodes}/{self.total} episodes"]
        if self.result.errors:
            parts.append(f"{self.result.num_errors} given up")
        parts += [f"{name} {value}{interval}" for name, value, interval in estimates(self.result)]
        parts.append(f"{self.steps_per_second:,.0f} steps/s")
        parts.append(" ".join(f"{name} {share:.0%}" for name, share in self.shares.items()))
        if self.eta is not None:
            parts.append(f"{clock(self.eta)} left")
        return ", ".join(parts)


class Meter:
    """Watches the lanes of a run.

    Args:
        lanes: The lanes.
        total: Number of episodes.
        show: Called with the progress after each episode, and now and then in between.
        finished: Episodes that were finished before.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        total: int,
        show: Callable[[Progress], None],
        finished: Iterable[EpisodeResult] = (),
    ) -> None:
        self._lanes = lanes
        self._total = total
        self._show = show
        self._finished = list(finished)
        self._errors: List[EpisodeError] = []
        self._started = perf_counter()
        self._next = 0.0

    def add(self, episode: Union[EpisodeResult, EpisodeError]) -> None:
        """Take note of an episode that is finished, or given up."""
        if isinstance(episode, EpisodeResult):
            self._finished.append(episode)
        else:
            self._errors.append(episode)
        self._next = 0.0
        self.tick()

    def tick(self) -> None:
        """Show the progress, if it was not shown just before."""
        now = perf_counter()
        if now >= self._next:
            self._next = now + _INTERVAL
            self._show(self._progress(now - self._started))

    def _progress(self, seconds: float) -> Progress:
        result = RunResult(tuple(self._finished), errors=tuple(self._errors))
        usages = [lane.usage for lane in self._lanes]
        steps = sum(usage.steps for usage in usages)
        spent = {
            "env": sum(usage.env_seconds for usage in usages),
            "wire": sum(usage.wire_seconds for usage in usages),
            "model": sum(
                usage.predict_seconds + usage.adapter_seconds + usage.queue_seconds
                for usage in usages
            ),
        }
        total = sum(spent.values()) or 1.0
        shares = {name: part / total for name, part in spent.items()}
        eta = None
        if self._finished and steps:
            left = (self._total - result.num_episodes - result.num_errors) * result.mean_steps
            left -= sum(min(lane.steps, result.mean_steps) for lane in self._lanes if not lane.over)
            eta = max(left, 0.0) * seconds / steps
        return Progress(result, self._total, steps, seconds, shares, eta)


def estimates(result: RunResult) -> List[Tuple[str, str, str]]:
    """Return name, value and interval of each figure; no interval where it would say nothing."""
    if not result.num_episodes:
        return []
    low, high = result.reward_interval
    says = result.num_episodes >= _ENOUGH and low < high
    interval = f" [{low:.4g}, {high:.4g}]" if says else ""
    found = [("mean reward", f"{result.mean_reward:.6g}", interval)]
    rate = result.success_rate
    if rate is not None:
        reported = sum(episode.success is not None for episode in result.episodes)
        low, high = result.success_interval
        interval = f" [{low:.0%}, {high:.0%}]" if reported >= _ENOUGH else ""
        found.append(("success", f"{rate:.1%}", interval))
    return found


def clock(seconds: float) -> str:
    """Return minutes and seconds, and hours where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
