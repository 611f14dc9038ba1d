"""What has come of a run's episodes so far, and who is told of each."""

from __future__ import annotations

import math
import warnings
from typing import Any, Callable, Dict, List, Optional, Sequence, Union

from rlmesh import _logs

from .hooks import Watch
from .journal import Journal
from .progress import Meter
from .results import EpisodeError, EpisodeResult, RunResult
from .success import SuccessNotice, SuccessRule
from .timing import Timing


class Collector:
    """Collects the episodes of a run; of each, the journal is told first.

    Args:
        watch: Tells hooks.
        on_result: Called with each finished episode.
        success: What counts as a success.

    Attributes:
        journal: Where episodes are written; None for nowhere.
        meter: What shows the progress; None for nothing.
        metadata: How the run was made.
        finished: The finished episodes, those that the journal had before included.
    """

    def __init__(
        self,
        watch: Watch,
        on_result: Optional[Callable[[EpisodeResult], None]],
        success: SuccessRule,
    ) -> None:
        self.journal: Optional[Journal] = None
        self.meter: Optional[Meter] = None
        self.metadata: Dict[str, Any] = {}
        self.finished: List[EpisodeResult] = []
        self._errors: List[EpisodeError] = []
        self._watch = watch
        self._on_result = on_result
        self._success = SuccessNotice(success)
        self._has_warned_of_nan = False
        self._from_journal = 0

    def take_up(self, episodes: Sequence[EpisodeResult], total: int) -> None:
        """Take the episodes that the journal had before, of so many of the run."""
        self.finished += episodes
        self._from_journal = len(episodes)
        if episodes:
            rest = "nothing is" if len(episodes) == total else f"{total - len(episodes)} are"
            text = f"{len(episodes)} of {total} episodes are in the journal; {rest} played now"
            _logs.info(_logs.RUN, "run_resumed", text, finished=len(episodes), total=total)

    def finish(self, episode: EpisodeResult) -> None:
        """Take a finished episode."""
        self.finished.append(episode)
        if math.isnan(episode.reward) and not self._has_warned_of_nan:
            self._has_warned_of_nan = True
            warnings.warn(
                f"reward: the rewards of episode {episode.index} (seed {episode.seed}) add up to"
                " nan, and so does the mean of this run; this warning is given once",
                RuntimeWarning,
                stacklevel=2,
            )
        self._success.check(episode)
        if self.journal is not None:
            self.journal.add(episode)
        if self._on_result is not None:
            self._watch.tell(self._on_result, episode)
        self._watch.episode_end(episode)
        if self.meter is not None:
            self.meter.add(episode)

    def give_up(self, error: EpisodeError) -> None:
        """Take an episode that came to no end."""
        self._errors.append(error)
        if self.journal is not None:
            self.journal.add(error)
        self._watch.episode_error(error, False)
        if self.meter is not None:
            self.meter.add(error)

    def result(self, timing: Optional[Timing] = None) -> RunResult:
        """Return what there is, ordered by index."""
        finished, errors = sorted(self.finished, key=_index), sorted(self._errors, key=_index)
        return RunResult(tuple(finished), self.metadata, timing, tuple(errors), self._from_journal)


def _index(episode: Union[EpisodeResult, EpisodeError]) -> int:
    return episode.index
