"""A run's journal: every finished episode is on the disk before anybody hears of it."""

from __future__ import annotations

import contextlib
import os
import stat
import warnings
import weakref
from types import TracebackType
from typing import Any, Dict, List, Mapping, Optional, Sequence, Type

from rlmesh._copies import NotCopied
from rlmesh._text import printable
from rlmesh.errors import JournalError

from .differences import compare_runs, completed
from .episodes import EpisodeResult
from .files import PathLike, path_of, sync_folder, write_at
from .plan import PlannedEpisode
from .records import (
    Episode,
    Records,
    end_line,
    episode_line,
    header_line,
    parse,
    resume_line,
)
from .timing import Timing


class Journal(NotCopied):
    """The file that a run writes its episodes to, locked until `close`.

    Args:
        path: The file; it is made if it is not there.

    Raises:
        TypeError: `path` is none.
        JournalError: The file cannot be written, is none of ours, or another run writes it.
    """

    _holds = "an open file"
    _instead = "pass on its path"

    def __init__(self, path: PathLike) -> None:
        self._path = path_of(path, "journal")
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)
        except OSError as exc:
            raise self._unwritable(exc) from exc
        self._fd: Optional[int] = fd
        _open.add(self)
        try:
            self._lock(fd)
            with open(fd, "rb", closefd=False) as file:
                data = file.read()
            self._records: Records = parse(data, self._path)
        except BaseException:
            self.close()
            raise
        self._bytes = len(data)
        self._is_blank = not data.strip(b"\0")
        self._size = self._records.size

    def begin(
        self, run: Mapping[str, Any], planned: Sequence[PlannedEpisode]
    ) -> List[PlannedEpisode]:
        """Take up a run, or begin it; return the episodes that are still to be played.

        Args:
            run: The run's description, as plain data.
            planned: All of its episodes.

        Raises:
            JournalError: The journal is another run's, or cannot be written.
        """
        header = header_line(run)
        if not self._size:
            # Of a header that a crash cut off, there may be nothing but zeros.
            if self._is_blank and self._bytes > len(header):
                raise JournalError(f"{self._path}: expected a journal, got {self._bytes} zeros")
            self._append(header)
            try:
                sync_folder(self._path)
            except OSError as exc:
                raise self._unwritable(exc) from exc
            return list(planned)
        self._check(run, planned)
        finished = self._records.episodes
        rest = [episode for episode in planned if episode.index not in finished]
        if rest:
            self._append(resume_line(len(finished)))
        return rest

    @property
    def episodes(self) -> List[EpisodeResult]:
        """The episodes that were finished before this run took the journal up."""
        return list(self._records.episodes.values())

    @property
    def timing(self) -> Optional[Timing]:
        """The timing of the last call before this one that came to its end."""
        return self._records.timing

    def add(self, episode: Episode) -> None:
        """Write an episode that was finished, or given up.

        Raises:
            JournalError: It cannot be written; what was written before can still be taken up.
        """
        self._append(episode_line(episode))

    def finish(self, metadata: Mapping[str, Any], timing: Optional[Timing]) -> None:
        """Write how the run was made, now that it has come to its end, if that is not written yet.

        Raises:
            JournalError: It cannot be written.
        """
        if (metadata, timing) != (self._records.metadata, self._records.timing):
            self._append(end_line(metadata, timing))

    def close(self) -> None:
        """Let others have the file; calling it again does nothing."""
        if self._fd is not None:
            # A process that is being started may have a copy of the descriptor for a moment.
            with contextlib.suppress(OSError):
                _unlock(self._fd)
            self.disown()

    def disown(self) -> None:
        """Close the file, which another process may go on writing."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        value: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def _lock(self, fd: int) -> None:
        """Take the file for this object alone.

        Raises:
            JournalError: It is no regular file, cannot be locked, or another run has it.
        """
        import fcntl  # which Windows does not have

        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise JournalError(f"{self._path}: expected a regular file, got something else")
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalError(f"{self._path}: another run is writing this journal") from None
        except OSError as exc:
            raise JournalError(f"{self._path}: cannot be locked: {exc.strerror}") from exc

    def _check(self, run: Mapping[str, Any], planned: Sequence[PlannedEpisode]) -> None:
        """Check that the journal is this run's.

        Raises:
            JournalError: It is not.
        """
        recorded: Optional[Dict[str, Any]] = self._records.run
        if recorded is None:
            raise JournalError(f"{self._path}: does not say of which run it is")
        lines, left_out = compare_runs(
            completed(recorded), completed(run), ("the journal has", "this run")
        )
        if lines:
            told = "\n  ".join(lines)
            raise JournalError(f"{self._path}: this is the journal of another run:\n  {told}")
        if left_out:
            what = printable(", ".join(left_out))
            warnings.warn(
                f"{self._path}: either the journal or this run does not say {what};"
                " they are taken for the same run",
                RuntimeWarning,
                stacklevel=5,
            )
        for episode in self._records.episodes.values():
            # The seed is None where the env takes none.
            if episode.index >= len(planned) or episode.seed not in (
                None,
                planned[episode.index].seed,
            ):
                raise JournalError(
                    f"{self._path}: episode {episode.index} with seed {episode.seed} is none of"
                    " the run that it describes"
                )

    def _append(self, line: bytes) -> None:
        """Write a line after the last whole one.

        Raises:
            JournalError: It cannot be written; the file is as it was before, if that can be.
        """
        fd = self._fd
        if fd is None:
            raise JournalError(f"{self._path}: is not written any more")
        try:
            if self._bytes != self._size:
                os.ftruncate(fd, self._size)
            self._bytes = self._size + len(line)  # perhaps: Ctrl-C may come at any time
            write_at(fd, line, self._size)
        except OSError as exc:
            with contextlib.suppress(OSError):
                os.ftruncate(fd, self._size)
            self.close()
            raise self._unwritable(exc) from exc
        self._size = self._bytes

    def _unwritable(self, exc: OSError) -> JournalError:
        return JournalError(f"{self._path}: cannot be written: {exc.strerror}")


def _unlock(fd: int) -> None:
    import fcntl

    fcntl.flock(fd, fcntl.LOCK_UN)


_open: weakref.WeakSet[Journal] = weakref.WeakSet()


def _close_inherited() -> None:
    """Have a forked process give up its parent's locks, which would outlive the parent."""
    for journal in list(_open):
        journal.disown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_inherited)
