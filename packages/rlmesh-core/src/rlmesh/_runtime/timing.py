"""Where the time of a run went, and how busy its model and its lanes were."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Iterable

from .tables import html_of_record


@dataclass
class Usage:
    """What one lane has used up to now. Times are in seconds.

    Attributes:
        steps: Number of env steps.
        env_seconds: Spent in the env.
        wire_seconds: Spent on the way to the env, and to a served model.
        adapter_seconds: Spent in the model's adapter.
        queue_seconds: Spent waiting for forward passes to begin.
        predict_seconds: Spent waiting for them to end.
        busy_seconds: Spent waiting for this process, which was busy with other lanes, though not
            with predicting.
        longest_queue: The longest wait of an observation for its forward pass.
        queued: How long the observation that is predicted next has waited so far.
        predictions: Number of observations that were predicted.
        batches: Number of forward passes; a part of one that had others' observations, too.
        model_seconds: Spent in forward passes; of such ones, the same part.
    """

    steps: int = 0
    env_seconds: float = 0.0
    wire_seconds: float = 0.0
    adapter_seconds: float = 0.0
    queue_seconds: float = 0.0
    predict_seconds: float = 0.0
    busy_seconds: float = 0.0
    longest_queue: float = 0.0
    queued: float = 0.0
    predictions: int = 0
    batches: float = 0.0
    model_seconds: float = 0.0

    @property
    def seconds(self) -> float:
        """What all of it took, in env and model and between."""
        return (
            self.env_seconds
            + self.wire_seconds
            + self.adapter_seconds
            + self.queue_seconds
            + self.predict_seconds
            + self.busy_seconds
        )

    def acted(
        self, env_seconds: float, elapsed: float, unread: float = 0.0, predicting: float = 0.0
    ) -> None:
        """Add a reset or a step.

        Args:
            env_seconds: What the env took.
            elapsed: What was waited.
            unread: For how much of that the reply lay unread.
            predicting: For how much of that this process predicted for other lanes.
        """
        if not 0 <= env_seconds <= elapsed:
            # A clock of its own may go faster.
            env_seconds = elapsed if env_seconds > 0 else 0.0
        self.env_seconds += env_seconds
        self.wire_seconds += elapsed - env_seconds - unread
        if unread:
            queued = min(unread, predicting)
            self.queued = queued
            self.queue_seconds += queued
            self.busy_seconds += unread - queued

    def predicted(
        self,
        predict_seconds: float,
        batch_size: int,
        queue_seconds: float,
        adapter_seconds: float,
        wire_seconds: float,
    ) -> None:
        """Add a predict: what its batch, its queue, the adapter and the way to the model took."""
        self.predictions += 1
        self.batches += 1 / batch_size
        self.model_seconds += predict_seconds / batch_size
        self.predict_seconds += predict_seconds
        self.queue_seconds += queue_seconds
        self.adapter_seconds += adapter_seconds
        self.wire_seconds += wire_seconds
        self.longest_queue = max(self.longest_queue, self.queued + queue_seconds)
        self.queued = 0.0


class ModelClock:
    """Counts for how long the model of this process has predicted.

    Attributes:
        seconds: For all lanes together, up to now.
    """

    def __init__(self) -> None:
        self.seconds = 0.0


@dataclass(frozen=True)
class Timing:
    """How a run used its time. Steps and predicts of episodes played again count, too.

    Attributes:
        seconds: Wall-clock seconds from the first reset to the last step.
        lanes: Number of lanes.
        steps_per_second: Env steps of all lanes per second of these.
        model_utilization: Share of the time in which the model was predicting for this run.
        lane_utilization: Share of the lanes' time in which their envs were stepping or resetting.
        mean_batch_size: Observations per forward pass; of a served model, others' included.
        mean_queue_seconds: How long an observation waited until its forward pass began.
        max_queue_seconds: The longest of these waits.
    """

    seconds: float
    lanes: int
    steps_per_second: float
    model_utilization: float
    lane_utilization: float
    mean_batch_size: float
    mean_queue_seconds: float
    max_queue_seconds: float

    @classmethod
    def of(cls, usages: Iterable[Usage], seconds: float) -> Timing:
        """Return what the lanes of a run used in so many seconds."""
        lanes = list(usages)
        total = Usage(*(sum(getattr(lane, f.name) for lane in lanes) for f in fields(Usage)))
        return cls(
            seconds=seconds,
            lanes=len(lanes),
            steps_per_second=_ratio(total.steps, seconds),
            model_utilization=_ratio(total.model_seconds, seconds),
            lane_utilization=_ratio(total.env_seconds, seconds * len(lanes)),
            mean_batch_size=_ratio(total.predictions, total.batches),
            mean_queue_seconds=_ratio(total.queue_seconds, total.predictions),
            max_queue_seconds=max((lane.longest_queue for lane in lanes), default=0.0),
        )

    def _repr_html_(self) -> str:
        """Return the fields as a table, for a notebook."""
        return html_of_record(self)

    def __str__(self) -> str:
        noun = "lane" if self.lanes == 1 else "lanes"
        return (
            f"{self.lanes} {noun} for {self.seconds:.3g} s: {self.steps_per_second:,.0f} steps/s;"
            f" {self.lane_utilization:.0%} of their time in envs,"
            f" model {self.model_utilization:.0%} busy with batches of {self.mean_batch_size:.3g};"
            f" observations wait {_milliseconds(self.mean_queue_seconds)},"
            f" at most {_milliseconds(self.max_queue_seconds)}"
        )


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms"


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
