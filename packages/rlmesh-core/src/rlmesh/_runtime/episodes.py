"""What came of one episode: a result, or an error."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from .tables import html_of_record


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
        success: Whether it is a success by the run's rule, see `run(success=...)`; None if its
            infos do not say.
        duration: Wall-clock seconds from before reset to after the last step.
        env_seconds: Of these, spent in the env itself.
        wire_seconds: Of these, spent on the way to the env or a served model, and back.
        adapter_seconds: Of these, spent in the model's adapter.
        queue_seconds: Of these, spent waiting until the model was free, and for a fuller batch.
        predict_seconds: Of these, spent in predict.
        attempts: How often it was played, the last time to its end.
        success_at_end: What the info of the last step says of success; None if it says nothing.
        success_once: Whether the info of any step said that it was one; None if none says anything.
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
    success_at_end: Optional[bool] = None
    success_once: Optional[bool] = None

    @property
    def other_seconds(self) -> float:
        """What is left of `duration`: the loop itself, hooks and callbacks, other lanes' included.

        Starting the episode at a served model is in it, too.
        """
        spent = self.env_seconds + self.wire_seconds + self.adapter_seconds
        return max(self.duration - spent - self.queue_seconds - self.predict_seconds, 0.0)

    def _repr_html_(self) -> str:
        """Return the fields as a table, for a notebook."""
        return html_of_record(self)


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

    def _repr_html_(self) -> str:
        """Return the fields as a table, for a notebook."""
        return html_of_record(self)
