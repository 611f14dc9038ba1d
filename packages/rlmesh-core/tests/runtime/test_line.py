"""The progress line: what fits, and nothing more."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import termios

import pytest
from hypothesis import given
from hypothesis import strategies as st
from results import finished, given_up

from rlmesh import RunResult
from rlmesh._rpc.waits import Wait
from rlmesh._runtime.line import ProgressLine, progress_line, wait_line
from rlmesh._runtime.progress import Progress

SHARES = {"env": 0.2, "wire": 0.05, "model": 0.75}


def progress(episodes, total=100, eta=754.0, errors=0, success=True):
    results = tuple(
        finished(index, index, -637.6 * index, success=success) for index in range(episodes)
    )
    lost = tuple(given_up(episodes + number) for number in range(errors))
    result = RunResult(results, errors=lost)
    return Progress(result, total, 5000, 100.0, SHARES, eta if episodes else None)


@given(
    st.integers(20, 300),
    st.integers(0, 12),
    st.sampled_from([12, 100, 100_000]),
    st.floats(0, 1e6),
    st.integers(0, 3),
    st.text(max_size=60),
    st.sampled_from([None, True]),
)
def test_it_fits_any_width_and_says_how_far_the_run_is(
    width, episodes, total, eta, errors, name, success
):
    shown = progress(episodes, total, eta, errors, success)
    line = progress_line(shown, width, name)
    assert len(line) < width
    assert line.isprintable()
    assert f"{episodes + errors}/{total}" in line


@pytest.mark.parametrize("width", [40, 80, 120])
def test_name_bar_and_time_left_stay_whatever_else_does(width):
    line = progress_line(progress(12), width, "my_policy:act")
    assert line.startswith("my_poli")
    assert {"━", "─"} <= set(line)
    assert "12/100 12:34 left" in line


def test_what_matters_most_is_shown_first():
    run = progress(12, errors=1)
    narrow, usual, wide = (progress_line(run, width, "my_policy:act") for width in (50, 80, 160))
    assert "1 given up" in narrow
    assert "success" not in narrow
    assert "1 given up, success 100.0%" in usual
    for part in ("success 100.0% [76%, 100%]", "mean reward ", "50 steps/s", "model 75%"):
        assert part in wide


def test_there_is_no_interval_below_five_episodes_or_where_all_are_the_same():
    assert "[" not in str(progress(4))
    assert "[" in str(progress(5))
    alike = RunResult(tuple(finished(index, index, 3.0) for index in range(9)))
    assert "mean reward 3," in str(Progress(alike, 10, 5, 1.0, SHARES, None))


def test_what_is_waited_for_fits_too():
    wait = Wait("an env at tcp://some.machine.example.org:5555", 0.0, 10.0, 3)
    assert wait_line([], 80) == ""
    assert "waiting for an env at tcp://" in wait_line([wait], 80)
    for width in range(20, 100):
        assert len(wait_line([wait, wait], width)) < width
        assert wait_line([wait, wait], width).endswith(" (and 1 more)")


@pytest.mark.parametrize("width", [20, 40, 80, 120])
def test_on_a_terminal_it_is_as_wide_as_that(width):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    with open(theirs, "w", encoding="utf-8") as stream:
        ProgressLine(stream)(progress(6))
        shown = os.read(ours, 10_000).decode()
    os.close(ours)
    assert shown.startswith("\r\x1b[K")
    assert shown[4:] == progress_line(progress(6), width)
    assert width > 20 or len(shown) <= 24


def test_elsewhere_a_wait_is_a_line_now_and_then():
    stream = io.StringIO()
    line = ProgressLine(stream)
    wait = Wait("an env at unix:///tmp/env", 0.0, 10.0)
    for _ in range(5):
        line.wait([wait])
    line.wait([])
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue().startswith("waiting for an env at unix:///tmp/env: ")
