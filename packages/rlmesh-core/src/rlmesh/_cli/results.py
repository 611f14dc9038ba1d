"""`rlmesh results`: what is in journals and saved results."""

from __future__ import annotations

from typing import Optional, Sequence

from rlmesh._runtime.results import RunResult

from .report import print_result


def show_results(paths: Sequence[str], save: Optional[str]) -> None:
    """Print the result in a file, or the one that several make together.

    Args:
        paths: Journals and saved results.
        save: Where to write the result; None for nowhere.

    Raises:
        JournalError: A file cannot be read or written, or is none of ours.
        ValueError: They are of different runs, or have seeds in common.
    """
    first, *others = map(RunResult.load, paths)
    result = first.merge(*others) if others else first
    if save is not None:
        result.save(save)
    planned = result.metadata.get("run", {}).get("seeds", ())
    total = max(len(planned), result.num_episodes + result.num_errors)
    print_result(", ".join(paths), result, total)
