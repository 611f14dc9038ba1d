"""What an evaluation returns."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, Mapping, Optional, Tuple

from .episodes import EpisodeError, EpisodeResult
from .files import PathLike, read_file, replace_file
from .merging import merge_episodes, merge_metadata
from .records import end_line, episode_line, header_line, parse
from .statistics import mean_interval, rate_interval
from .tables import html_of, html_table, rows_of
from .timing import Timing

__all__ = ["EpisodeError", "EpisodeResult", "RunResult"]

_OPTIONAL = ("adapter", "queue")
"""What a run need not have."""


@dataclass(frozen=True, repr=False)
class RunResult:
    """The episodes of one run, ordered by index, and what they add up to.

    Rates and means are those of the finished episodes: an error counts neither for the policy nor
    against it.

    Attributes:
        episodes: One result per finished episode.
        timing: How busy the model and the lanes were; None for a result that no run made.
        metadata: What else is to be known of how the run was made, as plain data. `"pushdown"`
            lists the images that the env's side cropped and resized, `"run"` describes the model,
            the env, the seeds and the options.
        errors: The episodes that were given up, ordered by index.
        from_journal: How many of the finished episodes the journal had before, so that this call
            did not play them.
    """

    episodes: Tuple[EpisodeResult, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict, compare=False)
    timing: Optional[Timing] = field(default=None, compare=False)
    errors: Tuple[EpisodeError, ...] = ()
    from_journal: int = field(default=0, compare=False)

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
        """Share of successes, by the run's rule, among the episodes that say; None if none does."""
        return _share(episode.success for episode in self.episodes)

    @property
    def success_at_end_rate(self) -> Optional[float]:
        """Share of the episodes whose last step was a success; None if none says."""
        return _share(episode.success_at_end for episode in self.episodes)

    @property
    def success_once_rate(self) -> Optional[float]:
        """Share of the episodes with any step that was a success; None if none says."""
        return _share(episode.success_once for episode in self.episodes)

    def success_rates(self) -> Dict[str, float]:
        """Return the success rate by its name, and those others that differ from it."""
        names = ("success_rate", "success_at_end_rate", "success_once_rate")
        rates = {name: getattr(self, name) for name in names}
        return {
            name: rate
            for name, rate in rates.items()
            if rate is not None and (name == "success_rate" or rate != rates["success_rate"])
        }

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
        """Seconds spent in episodes: the sum over all of them, also of those that ran at once.

        `timing.seconds` is the wall-clock time of the run.
        """
        return math.fsum(episode.duration for episode in self.episodes)

    @property
    def env_seconds(self) -> float:
        """Seconds spent in the env itself."""
        return math.fsum(episode.env_seconds for episode in self.episodes)

    @property
    def wire_seconds(self) -> float:
        """Seconds spent on the way to the env or a served model, and back."""
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

    @property
    def other_seconds(self) -> float:
        """Seconds of `duration` spent otherwise: in the loop itself, hooks and callbacks."""
        return math.fsum(episode.other_seconds for episode in self.episodes)

    @property
    def spent(self) -> Dict[str, float]:
        """What `duration` was spent on, in seconds by name; adapter and queue where they are."""
        parts = {
            "env": self.env_seconds,
            "wire": self.wire_seconds,
            "adapter": self.adapter_seconds,
            "queue": self.queue_seconds,
            "predict": self.predict_seconds,
            "other": self.other_seconds,
        }
        return {name: part for name, part in parts.items() if part or name not in _OPTIONAL}

    def save(self, path: PathLike) -> None:
        """Write this result to a file, which is whole or unchanged whatever happens.

        Args:
            path: Where to; a file that is there is replaced.

        Raises:
            JournalError: It cannot be written.
            TypeError: The metadata are no plain data.
        """
        metadata = dict(self.metadata)
        lines = [header_line(metadata.pop("run", None))]
        lines += map(episode_line, self.episodes)
        lines += map(episode_line, self.errors)
        replace_file(path, b"".join([*lines, end_line(metadata, self.timing)]))

    @classmethod
    def load(cls, path: PathLike) -> RunResult:
        """Read a saved result, or a journal up to where it is; see `run(journal=...)`.

        The last line of a journal that a crash cut off is dropped, with a warning.

        Raises:
            JournalError: The file cannot be read, or is none of ours.
        """
        name, data = read_file(path)
        records = parse(data, name)
        run = {} if records.run is None else {"run": records.run}
        return cls(
            tuple(records.episodes[index] for index in sorted(records.episodes)),
            {**records.metadata, **run},
            records.timing,
            tuple(records.errors[index] for index in sorted(records.errors)),
        )

    def merge(self, *others: RunResult) -> RunResult:
        """Return one result of this one's episodes and others', numbered in this order.

        The runs must have the same description but for their seeds, or none of them may have one.
        No seed may be finished in two of them. An error gives way to a finished episode of its seed
        in another one, and to a later error. Unseeded episodes are all different. The `timing` is
        None.

        Args:
            *others: Results of the same model, env and options.

        Raises:
            ValueError: They are not, or have finished seeds in common.
        """
        results = (self, *others)
        metadata = merge_metadata([result.metadata for result in results])
        merged = merge_episodes([(result.episodes, result.errors) for result in results])
        if "run" in metadata:
            metadata["run"] = {**metadata["run"], "seeds": [one.seed for one in merged]}
        return RunResult(
            tuple(one for one in merged if isinstance(one, EpisodeResult)),
            metadata,
            None,
            tuple(one for one in merged if isinstance(one, EpisodeError)),
        )

    def _repr_html_(self) -> str:
        """Return the figures, the episodes and the errors as tables, for a notebook."""
        run = self.metadata.get("run")
        name = run.get("name") if isinstance(run, dict) else None
        episodes, errors = html_table(rows_of(self.episodes)), html_table(rows_of(self.errors))
        caption = "RunResult" if name is None else f"RunResult of {name}"
        return html_of(caption, html_table([_shown(self)]), episodes, errors)

    def __repr__(self) -> str:
        success = "".join(f", {name}={rate:.1%}" for name, rate in self.success_rates().items())
        failed = f", errors={self.num_errors}" if self.errors else ""
        if self.from_journal:
            failed += f", from_journal={self.from_journal}"
        spent = ", ".join(f"{name} {seconds:.3g}s" for name, seconds in self.spent.items())
        wall = summed = ""
        if self.timing is not None and self.timing.lanes > 1:
            wall = f" wall={self.timing.seconds:.3g}s,"
            summed = f" summed over {self.timing.lanes} lanes"
        return (
            f"RunResult(episodes={self.num_episodes}{failed},"
            f" mean_reward={self.mean_reward:.6g}{success},"
            f" steps={self.total_steps},{wall} duration={self.duration:.3g}s{summed}: {spent})"
        )


def _shown(result: RunResult) -> Dict[str, Any]:
    """Return the figures of a result as a notebook shows them."""
    figures: Dict[str, Any] = {"episodes": result.num_episodes, "errors": result.num_errors}
    figures["mean reward"] = _with_interval("{:.6g}", result.mean_reward, result.reward_interval)
    for name, rate in result.success_rates().items():
        text = f"{rate:.1%}"
        if name == "success_rate":
            text = _with_interval("{:.1%}", rate, result.success_interval)
        figures[name.replace("_", " ")] = text
    figures["steps"] = f"{result.total_steps:,}"
    if result.timing is not None:
        figures["wall clock"] = f"{result.timing.seconds:.3g} s"
    figures["from the journal"] = result.from_journal
    return {name: value for name, value in figures.items() if value != 0 or name == "episodes"}


def _with_interval(form: str, value: float, interval: Tuple[float, float]) -> str:
    if any(map(math.isnan, interval)):
        return form.format(value)
    return f"{form.format(value)} [{', '.join(map(form.format, interval))}]"


def _share(flags: Iterable[Optional[bool]]) -> Optional[float]:
    known = [float(flag) for flag in flags if flag is not None]
    return _mean(known) if known else None


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return math.fsum(numbers) / len(numbers) if numbers else math.nan
