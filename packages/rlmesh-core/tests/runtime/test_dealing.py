from __future__ import annotations

import pytest

from rlmesh._runtime.dealing import Standing, is_worthwhile


@pytest.mark.parametrize("episodes", [1, 3, 100])
def test_lanes_that_are_alike_all_play(episodes):
    assert is_worthwhile(1.0, [Standing(left, 1.0) for left in (0.0, 0.1, 0.5)], episodes)


def test_a_lane_that_is_alone_plays_however_slow_it_is():
    assert is_worthwhile(1000.0, [], 1)


def test_a_slow_lane_leaves_to_others_what_they_finish_sooner():
    others = [Standing(0.25, 1.0)] * 6
    # Six of 1.25 s each are over before one of 4 s; so are 18, but not 24.
    assert not is_worthwhile(4.0, others, 6)
    assert not is_worthwhile(4.0, others, 18)
    assert is_worthwhile(4.0, others, 24)


def test_what_the_others_still_have_to_do_counts():
    assert not is_worthwhile(4.0, [Standing(0.5, 1.0)], 1)
    assert is_worthwhile(4.0, [Standing(3.5, 1.0)], 1)


def test_it_always_plays_where_there_is_enough_for_all():
    assert is_worthwhile(100.0, [Standing(0.0, 1.0)] * 7, 1000)
