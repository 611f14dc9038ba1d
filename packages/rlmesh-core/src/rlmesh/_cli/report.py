"""What a run shows: a progress line while it goes on, and a table at the end."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Optional, Sequence, Type

from rich import box, progress
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from rlmesh._runtime.line import ProgressLine, progress_line, wait_line
from rlmesh._runtime.progress import Progress
from rlmesh._runtime.results import EpisodeError, RunResult
from rlmesh._text import printable

_LONGEST = 1000
"""Characters of an episode's error that are shown."""


class ProgressBar:
    """A progress line on stderr while the `with` block runs; nothing where that is no terminal.

    What is waited for is shown in its place; without a terminal, on a line now and then.

    Args:
        name: What is run.
        total: Number of episodes.
    """

    def __init__(self, name: str, total: int) -> None:
        column = _Line(name, total)
        self._line = progress.Progress(
            column,
            console=Console(stderr=True),
            transient=True,
            # A policy's prints belong where stdout goes, unless they would break the line.
            redirect_stdout=sys.stdout.isatty(),
            disable=not sys.stderr.isatty(),
        )
        self._column = column
        self._plain = ProgressLine()
        self._line.add_task("", total=total)

    def update(self, progress: Progress) -> None:
        """Show how the run gets on."""
        self._column.progress = progress

    def wait(self, waits: Sequence[object]) -> None:
        """Show what is waited for."""
        self._column.waits = waits
        if self._line.disable:
            self._plain.wait(waits)

    def __enter__(self) -> ProgressBar:
        self._line.start()
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        value: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self._line.stop()


class _Line(progress.ProgressColumn):
    """What a run shows, as much of it as the terminal has room for."""

    def __init__(self, name: str, total: int) -> None:
        super().__init__()
        self.progress: Optional[Progress] = None
        self.waits: Sequence[object] = ()
        self._name, self._total = name, total

    def render(self, task: progress.Task) -> RenderableType:
        """Return the line, whose width is known when it is drawn."""
        return _Fitted(self)

    def text(self, width: int) -> str:
        """Return what fits."""
        line = progress_line(self.progress, width, self._name, self._total)
        return wait_line(self.waits, width) or line


class _Fitted:
    def __init__(self, line: _Line) -> None:
        self._line = line

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(self._line.text(console.width), no_wrap=True, overflow="crop")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(1, console.width)


def print_result(title: str, result: RunResult, total: int) -> None:
    """Print a table of one run to stdout.

    Args:
        title: What was run.
        result: What came of it.
        total: Number of episodes that the run was to have.
    """
    count = result.num_episodes
    rates = result.success_rates()
    success = rates.pop("success_rate", None)
    cells = {
        "episodes": str(count) if count == total else f"{count} of {total}",
        "mean reward": f"{result.mean_reward:.6g}",
        "success": "-" if success is None else f"{success:.1%}",
        "steps": f"{result.total_steps:,}",
    }
    if result.timing is not None:
        cells["wall clock"] = _seconds(result.timing.seconds)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for header in cells:
        table.add_column(header, justify="right")
    table.add_row(*cells.values())
    console = Console()
    console.print(Text(printable(title), style="bold"), soft_wrap=True)
    console.print(table)
    if rates:
        told = ", ".join(f"{name} {rate:.1%}" for name, rate in rates.items())
        console.print(Text(told), soft_wrap=True)
    duration = result.duration or 1.0
    parts = (f"{name} {part / duration:.0%}" for name, part in result.spent.items())
    text = f"{_seconds(result.duration)} in episodes: {', '.join(parts)}"
    console.print(Text(text), soft_wrap=not console.is_terminal)
    if result.timing is not None and result.timing.lanes > 1:
        console.print(Text(str(result.timing)), soft_wrap=True)
    if result.from_journal:
        rest = "; nothing was played" if result.from_journal == total else ""
        told = f"{result.from_journal} of {total} episodes are from the journal{rest}"
        console.print(Text(told), soft_wrap=True)
    if result.errors:
        print_errors(console, result.errors)


def print_errors(console: Console, errors: Sequence[EpisodeError]) -> None:
    """Print a line for each episode that was given up.

    Args:
        console: Where.
        errors: What became of them; at least one.
    """
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for header in ("episode", "seed", "attempts"):
        table.add_column(header, justify="right")
    for header in ("error", "message"):
        table.add_column(header, overflow="fold")
    for error in errors:
        seed = "-" if error.seed is None else str(error.seed)
        shown = (Text(printable(text, _LONGEST)) for text in (error.kind, _first_line(error)))
        table.add_row(str(error.index), seed, str(error.attempts), *shown)
    one = len(errors) == 1
    given_up = "episode was given up, and counts" if one else "episodes were given up, and count"
    console.print(f"{len(errors)} {given_up} for nothing above", highlight=False)
    console.print(table)


def _first_line(error: EpisodeError) -> str:
    return error.message.partition("\n")[0]


def _seconds(seconds: float) -> str:
    return f"{seconds:,.2f} s"
