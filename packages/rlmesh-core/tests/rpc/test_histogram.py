from __future__ import annotations

import random
from typing import List

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlmesh._rpc.histogram import RELATIVE_ERROR, Histogram

SHARES = (0.0, 0.1, 0.5, 0.9, 0.99, 1.0)


def histogram_of(durations: List[int]) -> Histogram:
    histogram = Histogram()
    for duration in durations:
        histogram.add(duration)
    return histogram


def assert_close(histogram: Histogram, durations: List[int]) -> None:
    ordered = sorted(durations)
    assert histogram.count == len(ordered)
    assert histogram.mean == pytest.approx(sum(ordered) * 1e-9 / len(ordered))
    assert histogram.largest == pytest.approx(ordered[-1] * 1e-9)
    for share in SHARES:
        rank = max(-(-len(ordered) * share // 1), 1)
        exact = ordered[int(rank) - 1] * 1e-9
        assert histogram.percentile(share) == pytest.approx(exact, rel=RELATIVE_ERROR)


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1))
def test_percentiles_are_nearly_exact_whatever_the_durations(durations: List[int]) -> None:
    assert_close(histogram_of(durations), durations)


@pytest.mark.parametrize("power", [*range(0, 64, 7), 63])
def test_durations_around_a_power_of_two_are_nearly_exact(power: int) -> None:
    for duration in (2**power - 1, 2**power, 2**power + 1):
        assert_close(histogram_of([duration]), [duration])


@given(st.lists(st.integers(0, 10**12)), st.lists(st.integers(0, 10**12), min_size=1))
def test_merged_histograms_are_that_of_all_durations(few: List[int], more: List[int]) -> None:
    merged = histogram_of(few)
    merged.merge(histogram_of(more).to_plain())
    assert_close(merged, few + more)
    assert merged.to_plain() == histogram_of(few + more).to_plain()


def test_percentiles_of_many_durations_are_nearly_exact() -> None:
    rng = random.Random(0)
    durations = [int(rng.lognormvariate(11, 1.5)) for _ in range(10_000)]
    assert_close(histogram_of(durations), durations)


def test_an_empty_histogram_has_zeros() -> None:
    empty = Histogram()
    assert [empty.count, empty.mean, empty.largest, empty.percentile(0.5)] == [0, 0, 0, 0]
    assert empty.to_plain() == {"total": 0, "largest": 0, "counts": []}
