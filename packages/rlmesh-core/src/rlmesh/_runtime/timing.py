"""Where the time of a run went, and how busy its model and its lanes were."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Iterable


@dataclass
class Usage:
    """What one lane has used; of several predicts in one batch, each is charged its share.

    Attributes:
        steps: Number of env steps.
        env_seconds: Spent in the env.
        predictions: Number of observations that were predicted.
        batches: Number of forward passes.
        model_seconds: Spent in forward passes.
        queue_seconds: Spent waiting for them.
        longest_queue: The longest of these waits, in seconds.
    """

    steps: int = 0
    env_seconds: float = 0.0
    predictions: int = 0
    batches: float = 0.0
    model_seconds: float = 0.0
    queue_seconds: float = 0.0
    longest_queue: float = 0.0

    def predicted(self, seconds: float, batch_size: int, queued: float) -> None:
        """Add one observation's predict: the time of its whole batch, and how long it waited."""
        self.predictions += 1
        self.batches += 1 / batch_size
        self.model_seconds += seconds / batch_size
        self.queue_seconds += queued
        self.longest_queue = max(self.longest_queue, queued)


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


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
