"""Results in files: they come back as they were, and several make one."""

from __future__ import annotations

import dataclasses
import math
import os
import warnings
import zlib

import pytest
from disks import files_of_at_most
from hypothesis import given
from hypothesis import strategies as st
from results import PLAIN, TIMINGS, episodes, errors, finished, given_up

from rlmesh import EpisodeResult, RunResult
from rlmesh.errors import JournalError


@st.composite
def results(draw):
    made = [draw(episodes(i) | errors(i)) for i in range(draw(st.integers(0, 5)))]
    done = tuple(one for one in made if isinstance(one, EpisodeResult))
    metadata = draw(st.dictionaries(st.text(), PLAIN))
    metadata.pop("run", None)
    if draw(st.booleans()):
        metadata["run"] = draw(st.dictionaries(st.text(), PLAIN))
    return RunResult(
        done, metadata, draw(st.none() | TIMINGS), tuple(one for one in made if one not in done)
    )


def exactly(result):
    """Return all that a result says, in which NaN equals NaN."""
    return repr((result.episodes, result.errors, result.timing, dict(result.metadata)))


@given(result=results())
def test_a_saved_result_comes_back_as_it_was(tmp_path_factory, result):
    path = tmp_path_factory.getbasetemp() / "saved.jsonl"
    result.save(path)
    loaded = RunResult.load(path)
    assert exactly(dataclasses.replace(loaded, metadata={})) == exactly(
        dataclasses.replace(result, metadata={})
    )
    assert repr(sorted(loaded.metadata.items())) == repr(sorted(result.metadata.items()))


def test_numbers_that_are_not_finite_survive(tmp_path):
    rewards = [math.nan, math.inf, -math.inf, -0.0, 0.1 + 0.2, 5e-324]
    RunResult(tuple(finished(i, reward=r) for i, r in enumerate(rewards))).save(tmp_path / "r")
    loaded = [repr(one.reward) for one in RunResult.load(tmp_path / "r").episodes]
    assert loaded == list(map(repr, rewards))


def test_saving_replaces_what_was_there_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "result.jsonl"
    path.write_text("something else")
    RunResult((finished(0),)).save(str(path))
    assert RunResult.load(str(path)).num_episodes == 1
    assert os.listdir(tmp_path) == ["result.jsonl"]


def test_a_result_that_cannot_be_saved_leaves_the_old_file(tmp_path):
    path = tmp_path / "result.jsonl"
    RunResult((finished(0),)).save(path)
    before = path.read_bytes()
    many = RunResult(tuple(map(finished, range(100))))
    with files_of_at_most(len(before)), pytest.raises(JournalError, match="File too large"):
        many.save(path)
    with pytest.raises(TypeError):
        RunResult((), {"odd": object()}).save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["result.jsonl"]


def test_what_cannot_be_read_or_written_is_named(tmp_path):
    for call in (RunResult.load, RunResult(()).save):
        with pytest.raises(JournalError, match=r"no/such.*: No such file") as caught:
            call(tmp_path / "no" / "such")
        assert isinstance(caught.value.__cause__, FileNotFoundError)
        with pytest.raises(TypeError, match="path: expected a path, got 3"):
            call(3)
    with pytest.raises(JournalError, match="Is a directory"):
        RunResult.load(tmp_path)
    with pytest.raises(JournalError, match="Is a directory|not empty|exists"):
        RunResult(()).save(tmp_path)


HEADER = b'{"rlmesh_journal": 1, "run": null}\n'
EPISODE = b'{"episode": {"index": 0, "seed": 1, "steps": 1, "reward": 1.0, "terminated": true, '
EPISODE += b'"truncated": false, "success": null, "duration": 1.0, "env_seconds": 1.0, '
EPISODE += b'"wire_seconds": 1.0, "adapter_seconds": 0.0, "queue_seconds": 0.0, '
EPISODE += b'"predict_seconds": 0.0}}\n'


def test_a_file_without_the_fields_that_have_defaults_is_read(tmp_path):
    (tmp_path / "r").write_bytes(HEADER + EPISODE)
    (one,) = RunResult.load(tmp_path / "r").episodes
    assert (one.timed_out, one.attempts) == (False, 1)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"\n", "Expecting value"),
        (b"nonsense\n", "Expecting value"),
        (b"\xff\n", "decode"),
        (b"[" * 100_000 + b"\n", "recursion|Recursion|Expecting"),
        (b"[]\n", "expected an object"),
        (b'{"something": {}}\n', "expected an episode"),
        (b'{"episode": 3}\n', "expected the fields of EpisodeResult"),
        (b'{"metadata": 3, "timing": null}\n', "metadata: expected an object"),
        (b'{"error": {"index": 0, "seed": 1, "kind": "x"}}\n', "message: expected a value"),
        (EPISODE.replace(b"1.0", b'"1.0"', 1), "reward: expected float"),
        (EPISODE.replace(b"true", b"1", 1), "terminated: expected bool"),
        (EPISODE.replace(b'"steps": 1', b'"steps": true'), "steps: expected int"),
        (EPISODE.replace(b'"seed": 1', b'"seed": 1.5'), r"seed: expected Optional\[int\]"),
        (EPISODE.replace(b'"index": 0', b'"index": -1'), "index: expected at least 0"),
        (EPISODE.replace(b'"index": 0', b'"index": 0, "more": 1'), "more: not a field"),
        (EPISODE[:40] + b"\n", "delimiter|Unterminated"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, says):
    path = tmp_path / "r"
    path.write_bytes(HEADER + EPISODE + line + EPISODE)
    with pytest.raises(JournalError, match=says) as caught:
        RunResult.load(path)
    assert str(caught.value).startswith(f"{path}, line 3: ")


@pytest.mark.parametrize(
    "data", [b"PK\x03\x04", b"hello\n", b'{"a": 1}\n', b"[1]\n", b"\n", b'{"rlmesh', b"{}"]
)
def test_another_file_is_no_result(tmp_path, data):
    path = tmp_path / "r"
    path.write_bytes(data)
    if data == b'{"rlmesh':  # may be the beginning of one
        with pytest.warns(RuntimeWarning, match="cut off"):
            assert RunResult.load(path) == RunResult(())
        return
    with pytest.raises(JournalError, match="expected a journal or a saved result, got another"):
        RunResult.load(path)


def test_another_version_is_refused(tmp_path):
    for version in ("3", "true", "1.0", '"1"'):
        (tmp_path / "r").write_text(f'{{"rlmesh_journal": {version}, "run": null}}\n')
        with pytest.raises(JournalError, match=r"expected version 1 or 2, got"):
            RunResult.load(tmp_path / "r")


def flips(data):
    """Yield the number of a line, and the data with one bit of it turned over."""
    line = 1
    for i, byte in enumerate(data):
        for bit in range(8):
            yield line, data[:i] + bytes([byte ^ 1 << bit]) + data[i + 1 :]
        line += byte == ord("\n")


def test_a_bit_that_was_turned_over_is_noticed_wherever_it_is(tmp_path):
    path = tmp_path / "r"
    saved = RunResult((finished(0, 3, 0.1), finished(1, 4, -2.5)), {"run": {"a": 1}}, None)
    dataclasses.replace(saved, errors=(given_up(2, 5),)).save(path)
    whole = RunResult.load(path)
    count = 0
    for line, damaged in flips(path.read_bytes()):
        path.write_bytes(damaged)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                loaded, refusal = RunResult.load(path), ""
            except JournalError as exc:
                refusal = str(exc)
        if refusal:
            assert (line, refusal[: len(str(path)) + 9]) == (1, f"{path}, line 1:")
            continue
        assert set(loaded.episodes) <= set(whole.episodes)
        assert set(loaded.errors) <= set(whole.errors)
        ((text, location),) = [(str(one.message), one.filename) for one in caught]
        # A line that no longer ends where it did makes one line with the next.
        assert text.startswith(f"{path}, line"), text
        assert f"line {line}: " in text or f"lines {line}..{line + 1} (2): " in text, text
        assert location == __file__
        count += 1
    assert count > 5000


def test_a_version_with_a_matching_checksum_that_is_not_known_is_an_error(tmp_path):
    path = tmp_path / "r"
    RunResult((finished(0, 1),)).save(path)
    lines = path.read_bytes().splitlines(keepends=True)
    content = lines[1].rpartition(b', "crc32"')[0].replace(b'"index"', b'"more": 1, "index"')
    lines[1] = b'%s, "crc32": "%08x"}\n' % (content, zlib.crc32(content))
    path.write_bytes(b"".join(lines))
    with pytest.raises(JournalError, match="line 2: more: not a field of EpisodeResult"):
        RunResult.load(path)


def run_of(*seeds, **changed):
    return {"run": {"model": {"spec": None}, "seeds": list(seeds), "options": changed}}


def test_merged_results_are_numbered_in_the_order_given():
    first = RunResult((finished(0, 5), finished(1, 3)), run_of(5, 3), None)
    second = RunResult((finished(1, 9),), run_of(1, 9), None, (given_up(0, 1),))
    merged = first.merge(second)
    assert [(one.index, one.seed) for one in merged.episodes] == [(0, 5), (1, 3), (3, 9)]
    assert [(one.index, one.seed) for one in merged.errors] == [(2, 1)]
    assert merged.metadata == run_of(5, 3, 1, 9)
    assert merged.timing is None
    assert RunResult.merge(first, second) == merged
    assert RunResult.merge(second, first).episodes[0].seed == 9


def test_what_was_merged_can_be_merged_and_saved(tmp_path):
    parts = [RunResult((finished(0, seed),), run_of(seed)) for seed in range(4)]
    merged = parts[0].merge(parts[1]).merge(parts[2].merge(parts[3]))
    assert merged == parts[0].merge(*parts[1:])
    merged.save(tmp_path / "r")
    assert RunResult.load(tmp_path / "r") == merged
    assert RunResult.load(tmp_path / "r").metadata == merged.metadata


def test_a_seed_in_two_results_is_named():
    one = RunResult((finished(0, 5), finished(1, 6), finished(2, 7)))
    two = RunResult((finished(0, 7), finished(1, 6), finished(2, 8)))
    with pytest.raises(ValueError, match=r"more than one of 6\.\.7 \(2\)"):
        one.merge(two)
    with pytest.raises(ValueError, match=r"more than one of 5\.\.7"):
        one.merge(one)


def test_a_seed_may_be_twice_in_one_result_and_unseeded_episodes_are_all_different():
    one = RunResult((finished(0, 5), finished(1, 5), finished(2)))
    two = RunResult((finished(0),), errors=(given_up(1),))
    merged = one.merge(two)
    assert [episode.seed for episode in merged.episodes] == [5, 5, None, None]
    assert merged.num_errors == 1


def test_an_error_gives_way_to_a_finished_episode_of_its_seed_and_to_a_later_error():
    one = RunResult((finished(0, 1),), errors=(given_up(1, 2), given_up(2, 3)))
    two = RunResult((finished(0, 2),), errors=(given_up(1, 3, "SessionLost"),))
    for first, second in ((one, two), (two, one)):
        merged = first.merge(second)
        assert sorted(episode.seed for episode in merged.episodes) == [1, 2]
        assert [error.kind for error in merged.errors] == [second.errors[-1].kind]
        every = [*merged.episodes, *merged.errors]
        assert sorted(episode.index for episode in every) == [0, 1, 2]


def test_results_of_different_runs_are_refused_with_what_differs():
    one = RunResult((), run_of(1, horizon=1, same=[math.nan]))
    two = RunResult((), run_of(2, horizon=2, same=[math.nan]))
    with pytest.raises(ValueError, match="of different runs") as caught:
        one.merge(two)
    assert str(caught.value).splitlines()[1:] == ["  options.horizon: result 0 has 1, result 1 2"]
    for pair in ((one, RunResult(())), (RunResult(()), one)):
        with pytest.raises(ValueError, match="of different runs"):
            pair[0].merge(pair[1])


def test_metadata_that_all_agree_in_are_kept():
    one = RunResult((), {"pushdown": ["a"], "other": 1})
    assert one.merge(RunResult((), {"pushdown": ["a"], "other": 2})).metadata == {"pushdown": ["a"]}
