"""A run's progress on one line, however wide the terminal is."""

from __future__ import annotations

import os
import sys
from time import monotonic
from typing import List, Optional, Sequence, TextIO, Tuple

from rlmesh._text import printable

from .progress import Progress, clock, estimates

_BAR = 5, 20
"""Least and largest width of the bar."""
_NAME = 6, 30
"""Least and largest width of the name."""


def progress_line(progress: Optional[Progress], width: int, name: str = "", total: int = 0) -> str:
    """Return what fits into a line: first how far the run is, then what it has shown so far.

    Args:
        progress: Where the run stands; None before it has begun.
        width: Number of columns, from 20.
        name: What is run.
        total: Number of episodes.
    """
    done, eta = 0, None
    if progress is not None:
        done, eta, total = progress.done, progress.eta, progress.total
    name = printable(name)
    # The last column stays free: some terminals go to the next line after it.
    left = width - 1 - len(f"{done}/{total}")
    texts = [f"{done}/{total}"]
    if eta is not None and left > len(clock(eta)):
        texts.append(f"{clock(eta)} left")
        if left <= len(texts[-1]):
            texts[-1] = clock(eta)
        left -= len(texts[-1]) + 1
    bar = _BAR[0] if left > _BAR[0] else 0
    left -= bar + bool(bar)
    title = min(len(name), max(_NAME[0], width // 5), _NAME[1])
    title = title if title and left > title else 0
    left -= title + bool(title)
    for variants in _details(progress):
        found = next((text for text in variants if len(text) + 2 <= left), None)
        if found is not None:
            texts.append(found)
            left -= len(found) + 2
    wider = min(left, min(len(name), _NAME[1]) - title) if title else 0
    longer = min(left - wider, _BAR[1] - bar) if bar else 0
    head = [_cut(name, title + wider)] if title else []
    if bar:
        head.append(_bar(done / total if total else 0.0, bar + longer))
    # The count and the time that is left belong to the bar, the rest is a list.
    count = 2 if eta is not None and len(texts) > 1 and texts[1].startswith(clock(eta)) else 1
    return ", ".join([" ".join([*head, *texts[:count]]), *texts[count:]])


class ProgressLine:
    """Shows the progress on one line of a terminal; elsewhere, a line now and then.

    Args:
        stream: Where.
        every: Seconds between two lines where it is no terminal.
    """

    def __init__(self, stream: Optional[TextIO] = None, every: float = 30.0) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._is_terminal = self._stream.isatty()
        self._every = 0.0 if self._is_terminal else every
        self._next = self._every
        self._waited = -every
        self._last: Optional[Progress] = None

    def __call__(self, progress: Progress) -> None:
        """Show it."""
        self._last = progress
        is_last = progress.done == progress.total
        if progress.seconds < self._next and not is_last:
            return
        self._next = progress.seconds + self._every
        self._write(progress_line(progress, self._width), str(progress), is_last)

    def wait(self, waits: Sequence[object]) -> None:
        """Show what is waited for, or the progress again where nothing is."""
        text = wait_line(waits, self._width) or progress_line(self._last, self._width)
        if self._is_terminal:
            self._write(text if waits or self._last else "")
        elif waits and monotonic() >= self._waited + self._every:
            self._waited = monotonic()
            self._write("", "; ".join(map(str, waits)))

    @property
    def _width(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except (OSError, ValueError):
            return 80

    def _write(self, short: str, long: str = "", is_last: bool = False) -> None:
        if self._is_terminal:
            self._stream.write(f"\r\x1b[K{short}" + ("\n" if is_last else ""))
        else:
            self._stream.write(f"{long}\n")
        self._stream.flush()


def wait_line(waits: Sequence[object], width: int) -> str:
    """Return what is waited for, as far as it fits into a line."""
    more = f" (and {len(waits) - 1} more)" if len(waits) > 1 else ""
    return _cut(str(waits[0]), max(width - 1 - len(more), 1)) + more if waits else ""


def _details(progress: Optional[Progress]) -> List[Tuple[str, ...]]:
    """Return what else there is to say, the most important first, in ever shorter words."""
    if progress is None:
        return []
    result = progress.result
    details: List[Tuple[str, ...]] = []
    if result.errors:
        details.append((f"{result.num_errors} given up",))
    details += [
        (f"{name} {value}{interval}", f"{name} {value}")
        for name, value, interval in reversed(estimates(result))
    ]
    details.append((f"{progress.steps_per_second:,.0f} steps/s",))
    details.append((" ".join(f"{name} {share:.0%}" for name, share in progress.shares.items()),))
    return details


def _bar(share: float, width: int) -> str:
    full = round(width * min(share, 1.0))
    return "━" * full + "─" * (width - full)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"
