"""Several results as one."""

from __future__ import annotations

import dataclasses
import warnings
from collections import Counter
from typing import Any, Dict, List, Mapping, Sequence, Set, Tuple, Union

from rlmesh._text import printable

from .differences import abbreviated, compare_runs, completed
from .episodes import EpisodeError, EpisodeResult

Episodes = Tuple[Sequence[EpisodeResult], Sequence[EpisodeError]]


def merge_metadata(metadata: Sequence[Mapping[str, Any]]) -> Dict[str, Any]:
    """Return the metadata that all results agree in.

    Raises:
        ValueError: They are of runs that differ in more than their seeds, or that might.
    """
    first = metadata[0]
    run = first.get("run")
    for i, other in enumerate(metadata[1:], 1):
        lines, left_out = compare_runs(
            _without_seeds(run), _without_seeds(other.get("run")), ("result 0 has", f"result {i}")
        )
        if lines:
            raise ValueError("merge: the results are of different runs:\n  " + "\n  ".join(lines))
        if left_out:
            what = printable(", ".join(left_out))
            warnings.warn(
                f"merge: either result 0 or result {i} does not say {what}; they are"
                " taken for results of the same model and env",
                RuntimeWarning,
                stacklevel=3,
            )
    agreed = {
        key: value
        for key, value in first.items()
        if all(key in other and other[key] == value for other in metadata[1:])
    }
    return agreed if run is None else {**agreed, "run": run}


def merge_episodes(results: Sequence[Episodes]) -> List[Union[EpisodeResult, EpisodeError]]:
    """Return the episodes of several results, numbered in this order.

    Raises:
        ValueError: A seed is finished in two of them.
    """
    finished = [_seeds(episodes) for episodes, _ in results]
    counts = Counter(seed for seeds in finished for seed in seeds)
    twice = sorted(seed for seed, count in counts.items() if count > 1)
    if twice:
        raise ValueError(
            f"merge: expected results of different seeds, got more than one of {abbreviated(twice)}"
        )
    merged: List[Union[EpisodeResult, EpisodeError]] = []
    for i, (episodes, errors) in enumerate(results):
        elsewhere: Set[int] = set().union(*finished[:i], *finished[i + 1 :])
        elsewhere.update(*(_seeds(later) for _, later in results[i + 1 :]))
        kept = [error for error in errors if error.seed not in elsewhere]
        merged += sorted([*episodes, *kept], key=lambda one: one.index)
    return [dataclasses.replace(one, index=index) for index, one in enumerate(merged)]


def _seeds(episodes: Sequence[Union[EpisodeResult, EpisodeError]]) -> Set[int]:
    """Return the seeds of episodes that have one."""
    return {episode.seed for episode in episodes if episode.seed is not None}


def _without_seeds(run: Any) -> Any:
    return run and {key: value for key, value in completed(run).items() if key != "seeds"}
