"""The journal of a run: what it holds after a crash, and who may write it."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import threading
import warnings
from contextlib import contextmanager, suppress

import pytest
from disks import files_of_at_most, tiny_disk
from results import finished, given_up

from rlmesh import RunResult, Timing
from rlmesh._runtime.journal import Journal
from rlmesh._runtime.plan import plan_episodes
from rlmesh.errors import JournalError

SEEDS = [3, 1, 4, 15]
PLANNED = plan_episodes(SEEDS, 5)
RUN = {"model": {"name": "act"}, "seeds": [one.seed for one in PLANNED]}
ALL = [finished(one.index, one.seed, 0.1 * one.index) for one in PLANNED]
TIMING = Timing(1.0, 1, 2.0, 0.5, 0.5, 1.0, 0.0, 0.0)


def play(path, until=5, order=(0, 1, 2, 3, 4), planned=PLANNED):
    """Play what is missing, in this order; return the whole result and what was played."""
    with Journal(path) as journal:
        missing = [one.index for one in journal.begin(RUN, planned)]
        episodes = journal.episodes
        played = [index for index in order if index in missing][:until]
        for index in played:
            journal.add(ALL[index])
            episodes.append(ALL[index])
        if len(episodes) == len(planned):
            journal.finish({"pushdown": []}, TIMING)
    return sorted(episodes, key=lambda one: one.index), played


def has_open(pid, path):
    """Whether a process has a file open."""
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):  # it was closed just now
            if os.readlink(f"/proc/{pid}/fd/{fd}") == str(path):
                return True
    return False


@contextmanager
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_what_was_played_is_not_played_again(tmp_path):
    path = tmp_path / "run.jsonl"
    with no_warnings():
        assert play(path, 2, order=(3, 0, 1, 2, 4)) == ([ALL[0], ALL[3]], [3, 0])
        assert play(path) == (ALL, [1, 2, 4])
        before = path.read_bytes()
        assert play(path)[0] == ALL
        loaded = RunResult.load(path)
    assert loaded == RunResult(tuple(ALL))
    assert loaded.metadata == {"run": RUN, "pushdown": []}
    assert loaded.timing == TIMING
    # Of five episodes, five lines; nothing was written when there was nothing to play.
    assert before.count(b'{"episode"') == 5
    assert path.read_bytes().startswith(before)


def test_a_journal_cut_off_at_any_byte_is_taken_up_again(tmp_path):
    path = tmp_path / "run.jsonl"
    few = PLANNED[:2]
    play(path, 1, planned=few)
    with Journal(path) as journal:
        journal.begin(RUN, few)
        journal.add(given_up(1, 1))
    play(path, planned=few)
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        zeros = b"\0" * (size % 3)
        path.write_bytes(whole[:size] + zeros)
        is_torn = bool(zeros) or (size > 0 and whole[size - 1 : size] != b"\n")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            episodes, played = play(path, planned=few)
        assert (len(caught), episodes) == (is_torn, ALL[:2]), size
        kept = whole[: whole.rfind(b"\n", 0, size) + 1].count(b'{"episode"')
        assert len(played) == 2 - kept, size
        if played:
            with no_warnings():  # what was cut off is not there any more
                assert RunResult.load(path).episodes == tuple(ALL[:2])
            assert path.read_bytes().count(b'{"episode"') == 2


def test_zeros_in_place_of_a_part_of_the_last_line_are_cut_off(tmp_path):
    path = tmp_path / "run.jsonl"
    play(path, 3)
    whole = path.read_bytes()
    start = whole.rindex(b"\n", 0, -1) + 1
    path.write_bytes(whole[:start] + b"\0" * 40 + whole[start + 40 :])
    with pytest.warns(RuntimeWarning, match="cut off by a crash"):
        assert play(path) == (ALL, [2, 3, 4])


def test_zeros_are_no_journal_unless_they_may_be_a_header(tmp_path):
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"\0" * 20)
    with pytest.warns(RuntimeWarning):
        assert play(path)[0] == ALL
    path.write_bytes(b"\0" * 5000)
    with pytest.warns(RuntimeWarning), pytest.raises(JournalError, match="5000 zeros"):
        play(path)
    assert path.read_bytes() == b"\0" * 5000


def without_checksums(data):
    """Return a journal as the first version wrote it."""
    data = data.replace(b'{"rlmesh_journal": 2', b'{"rlmesh_journal": 1')
    return re.sub(rb', "crc32": "\w+"\}', b"}", data)


def test_a_bad_line_of_the_first_version_is_refused_and_nothing_is_changed(tmp_path):
    path = tmp_path / "run.jsonl"
    play(path, 3)
    lines = without_checksums(path.read_bytes()).split(b"\n")
    lines[2] = lines[2][:30]
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(JournalError, match=r"run\.jsonl, line 3: "):
        play(path)
    assert path.read_bytes() == b"\n".join(lines)


def test_damaged_episodes_are_played_again_wherever_they_stand(tmp_path):
    path = tmp_path / "run.jsonl"
    play(path)
    lines = path.read_bytes().split(b"\n")
    lines[2] = lines[2].replace(b'"steps": ', b'"steps": 1')
    lines[4] = lines[4][:30]
    path.write_bytes(b"\n".join(lines))
    with pytest.warns(RuntimeWarning) as caught:
        loaded = RunResult.load(path)
    assert [str(one.message) for one in caught] == [
        f"{path}, lines 3, 5 (2): do not match their checksums, and what was written there is left"
        " out; a run that takes the file up plays such episodes again"
    ]
    assert loaded.episodes == (ALL[0], ALL[2], ALL[4])
    with pytest.warns(RuntimeWarning, match="lines 3, 5"):
        assert play(path) == (ALL, [1, 3])
    with pytest.warns(RuntimeWarning, match="lines 3, 5"):
        assert RunResult.load(path).episodes == tuple(ALL)


def test_a_journal_whose_first_line_is_damaged_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "run.jsonl"
    play(path, 3)
    damaged = path.read_bytes().replace(b'"act"', b'"pct"', 1)
    path.write_bytes(damaged)
    with pytest.raises(JournalError, match=r"run\.jsonl, line 1: does not match its checksum"):
        play(path)
    assert path.read_bytes() == damaged


def test_a_journal_without_checksums_is_taken_up_and_mixes_both(tmp_path):
    path = tmp_path / "run.jsonl"
    play(path, 2)
    path.write_bytes(without_checksums(path.read_bytes()))
    with no_warnings():
        assert RunResult.load(path).episodes == tuple(ALL[:2])
        assert play(path, 2) == (ALL[:4], [2, 3])
        assert RunResult.load(path).episodes == tuple(ALL[:4])
    mixed = path.read_bytes()
    assert mixed.count(b"crc32") == 3  # that it was resumed, and two episodes
    # From the first line with a checksum on, there is none without.
    start = mixed.index(b"crc32")
    damaged = mixed[: start + 10] + without_checksums(mixed[start + 10 :])
    path.write_bytes(damaged)
    with pytest.warns(RuntimeWarning, match=r"lines 5\.\.6 \(2\): do not match"):
        assert play(path) == (ALL, [2, 3, 4])


def test_a_bit_that_was_turned_over_never_changes_a_result(tmp_path):
    path = tmp_path / "run.jsonl"
    few = PLANNED[:2]
    play(path, planned=few)
    whole = path.read_bytes()
    left_out = refused = 0
    for i, bit in itertools.product(range(len(whole)), range(8)):
        path.write_bytes(whole[:i] + bytes([whole[i] ^ 1 << bit]) + whole[i + 1 :])
        line = whole.count(b"\n", 0, i) + 1
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                kept, refusal = set(RunResult.load(path).episodes), ""
            except JournalError as exc:
                refusal = str(exc)
        if refusal:
            assert (line, refusal[: len(str(path)) + 9]) == (1, f"{path}, line 1:")
            refused += 1
            continue
        assert kept <= set(ALL[:2])
        assert len(caught) == 1
        assert re.search(rf"run\.jsonl, lines? {line}\b", str(caught[0].message))
        left_out += 2 - len(kept)
        if bit == i % 8:
            with pytest.warns(RuntimeWarning, match=rf"run\.jsonl, lines? {line}\b"):
                episodes, played = play(path, planned=few)
            assert (episodes, len(played)) == (ALL[:2], 2 - len(kept))
    assert left_out > 5000
    assert refused > 500


@pytest.mark.parametrize(
    "data", [b"# Notes\n", b"no newline", b'{"rlmesh_journal": 2, "run": null}\n', b"{}\n", b"\n\0"]
)
def test_a_file_that_is_no_journal_is_never_changed(tmp_path, data):
    path = tmp_path / "notes"
    path.write_bytes(data)
    with pytest.raises(JournalError, match="notes"):
        Journal(path)
    assert path.read_bytes() == data


def test_an_episode_that_is_none_of_the_run_is_refused(tmp_path):
    path = tmp_path / "run.jsonl"
    for episode in (finished(5, 3), finished(1, 3)):
        path.write_bytes(b"")
        with Journal(path) as journal:
            journal.begin(RUN, PLANNED)
            journal.add(episode)
        with pytest.raises(JournalError, match=f"episode {episode.index} with seed 3 is none"):
            play(path)


def test_what_was_given_up_is_played_again_and_the_latest_line_counts(tmp_path):
    path = tmp_path / "run.jsonl"
    with Journal(path) as journal:
        journal.begin(RUN, PLANNED)
        journal.add(given_up(1, 1))
        journal.add(given_up(2, 4))
    assert [error.seed for error in RunResult.load(path).errors] == [1, 4]
    assert play(path, 2) == (ALL[:2], [0, 1])
    loaded = RunResult.load(path)
    assert [error.seed for error in loaded.errors] == [4]
    assert loaded.episodes == tuple(ALL[:2])


def test_another_run_is_refused_with_what_differs(tmp_path):
    path = tmp_path / "run.jsonl"
    play(path, 2)
    before = path.read_bytes()
    other = {**RUN, "model": {"name": "other"}}
    with Journal(path) as journal, pytest.raises(JournalError) as caught:
        journal.begin(other, PLANNED)
    assert str(caught.value) == (
        f"{path}: this is the journal of another run:\n"
        '  model.name: the journal has "act", this run "other"'
    )
    assert path.read_bytes() == before


def test_a_saved_result_without_description_is_taken_up_by_nobody(tmp_path):
    RunResult(tuple(ALL)).save(tmp_path / "run.jsonl")
    with pytest.raises(JournalError, match="does not say of which run it is"):
        play(tmp_path / "run.jsonl")


def test_one_journal_at_a_time_in_this_process(tmp_path):
    path = tmp_path / "run.jsonl"
    with Journal(path):
        with pytest.raises(JournalError, match=r"run\.jsonl: another run is writing"):
            Journal(path)
        assert RunResult.load(path) == RunResult(())  # reading takes no lock
    play(path)


def test_children_do_not_keep_the_lock(tmp_path):
    path = tmp_path / "run.jsonl"
    journal = Journal(path)
    waits = "import sys; sys.stdin.read()"
    child = subprocess.Popen([sys.executable, "-c", waits], stdin=subprocess.PIPE, close_fds=False)
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads of other tests
        pid = os.fork()
    if not pid:
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    try:
        # Not before the forked child is there, and has given up what it has inherited.
        while has_open(pid, path):
            threading.Event().wait(0.001)
        journal.close()
        play(path)
    finally:
        os.write(write, b"x")
        os.waitpid(pid, 0)
        os.close(read)
        os.close(write)
        child.communicate()


def test_what_cannot_be_a_journal_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    for name, says in [
        ("", "Is a directory"),
        ("pipe", "expected a regular file"),
        ("no/such", "No such file"),
        ("file/run.jsonl", "Not a directory"),
    ]:
        with pytest.raises(JournalError, match=says):
            Journal(tmp_path / name)
    with pytest.raises(TypeError, match="journal: expected a path, got True"):
        Journal(True)


def test_an_episode_that_cannot_be_written_is_cut_off_again(tmp_path):
    path = tmp_path / "run.jsonl"
    play(path, 2)
    before = path.read_bytes()
    resumed = len(b'{"resumed": 2, "crc32": "00000000"}\n')
    with Journal(path) as journal:
        with files_of_at_most(len(before) + resumed + 20):
            journal.begin(RUN, PLANNED)
            with pytest.raises(JournalError, match=r"run\.jsonl: cannot be written") as caught:
                journal.add(ALL[2])
        assert isinstance(caught.value.__cause__, OSError)
        with pytest.raises(JournalError, match="not written any more"):
            journal.add(ALL[3])
    assert len(path.read_bytes()) == len(before) + resumed
    with no_warnings():
        assert play(path) == (ALL, [2, 3, 4])


def test_a_full_disk_is_found_before_the_first_episode(tmp_path):
    path = tmp_path / "run.jsonl"
    with files_of_at_most(30), pytest.raises(JournalError, match="cannot be written"):
        play(path)
    assert path.read_bytes() == b""
    play(path, 2)
    with files_of_at_most(path.stat().st_size + 3), pytest.raises(JournalError, match="cannot be"):
        play(path)
    with no_warnings():
        assert play(path)[0] == ALL


def test_a_disk_that_is_really_full_is_survived(tmp_path):
    planned = plan_episodes(range(100), None)
    run = {"seeds": [one.seed for one in planned]}
    done = []

    def play_on(path):
        with Journal(path) as journal:
            for one in journal.begin(run, planned):
                journal.add(finished(one.index, one.seed))
                done.append(one.index)

    with tiny_disk(tmp_path, 64) as disk:
        (disk / "filler").write_bytes(b"x" * 48 * 1024)
        with pytest.raises(JournalError, match="No space left on device"):
            play_on(disk / "run.jsonl")
        assert [one.index for one in RunResult.load(disk / "run.jsonl").episodes] == done
        assert 0 < len(done) < 100
        (disk / "filler").unlink()
        play_on(disk / "run.jsonl")
        assert done == [*range(100)]
        assert RunResult.load(disk / "run.jsonl").num_episodes == 100


def test_a_read_only_disk_is_refused(tmp_path):
    with tiny_disk(tmp_path, 64) as disk:
        play(disk / "run.jsonl", 2)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for name in ("run.jsonl", "other.jsonl"):
            with pytest.raises(JournalError, match="Read-only file system"):
                Journal(disk / name)
        assert RunResult.load(disk / "run.jsonl").num_episodes == 2
