"""`rlmesh run --journal` and `rlmesh results`, in real processes."""

from __future__ import annotations

from printed import row
from results import finished

from rlmesh import RunResult


def save(path, seeds, planned=None):
    """Save the result of a run that `policies:one` may have made; return where."""
    run = {"model": {"name": "one"}, "seeds": planned or seeds}
    episodes = tuple(finished(i, seed, 3.0, success=True) for i, seed in enumerate(seeds))
    RunResult(episodes, {"run": run}).save(path)
    return str(path)


def test_the_same_command_goes_on_and_another_is_refused(rlmesh, address, tmp_path):
    path = tmp_path / "run.jsonl"
    run = ["run", "policies:one", address, "--journal", str(path), "--seeds"]
    for _ in range(2):
        status, out, err = rlmesh.run(*run, "0:4")
        assert (status, err, row(out)) == (0, "", ["4", "3", "100.0%", "12"])
        assert path.read_bytes().count(b'{"episode"') == 4
        # As if it had been killed before the last episode was written.
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:4]))
    status, out, err = rlmesh.run(*run, "0:5")
    assert (status, out) == (1, "")
    assert err == (
        f"rlmesh: {path}: this is the journal of another run:\n"
        "  seeds: the journal has 0..3 (4), this run 0..4 (5)\n"
    )


def test_results_are_shown_merged_and_saved(rlmesh, tmp_path):
    a = save(tmp_path / "a.jsonl", [0, 1, 2, 3])
    b = save(tmp_path / "b.jsonl", [4, 5])
    both = str(tmp_path / "both.jsonl")
    status, out, err = rlmesh.run("results", a, b, "--save", both)
    assert (status, err, row(out)) == (0, "", ["6", "3", "100.0%", "30"])
    assert [one.seed for one in RunResult.load(both).episodes] == [*range(6)]
    status, out, err = rlmesh.run("results", both, b)
    assert (status, out) == (1, "")
    assert err.endswith("more than one of 4..5 (2)\n")


def test_a_result_that_is_not_complete_says_so(rlmesh, tmp_path):
    path = save(tmp_path / "run.jsonl", [0, 1, 2], planned=[0, 1, 2, 3])
    with open(path, "ab") as file:
        file.write(b'{"epi')
    status, out, err = rlmesh.run("results", path)
    assert status == 0
    assert "cut off by a crash" in err
    assert row(out, 3) == ["3", "of", "4"]


def test_a_file_that_is_none_of_ours_is_named(rlmesh, tmp_path):
    path = tmp_path / "notes"
    path.write_text("hello")
    status, out, err = rlmesh.run("results", str(path))
    assert (status, out) == (1, "")
    expected = "expected a journal or a saved result, got another file"
    assert err.startswith(f"rlmesh: {path}, line 1: {expected}")
