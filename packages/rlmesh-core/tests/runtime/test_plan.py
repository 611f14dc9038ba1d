from __future__ import annotations

import pytest

from rlmesh._runtime.plan import plan_episodes


@pytest.mark.parametrize(
    ("seeds", "max_episodes", "planned"),
    [
        (None, None, [None]),
        ([7], None, [7]),
        (range(3), None, [0, 1, 2]),
        ([3, 1, 2], 2, [3, 1]),
        ([3, 1], 4, [3, 1, None, None]),
        (None, 2, [None, None]),
        ([5, 5], 2, [5, 5]),
    ],
)
def test_seeds_and_max_episodes(seeds, max_episodes, planned):
    episodes = plan_episodes(seeds, max_episodes)
    assert [episode.seed for episode in episodes] == planned
    assert [episode.index for episode in episodes] == list(range(len(planned)))


@pytest.mark.parametrize(
    ("seeds", "max_episodes", "error", "words"),
    [
        ([], None, ValueError, "at least one episode"),
        ([1], 0, ValueError, "at least one episode"),
        (None, -1, ValueError, "at least one episode"),
        ([1, -1], None, ValueError, "non-negative integers, got -1"),
        ([1.5], None, TypeError, "seeds: expected a sequence of integers"),
        (3, None, TypeError, "seeds: expected a sequence of integers, got 3"),
        (None, "3", TypeError, "max_episodes: expected an integer, got '3'"),
    ],
)
def test_what_asks_for_no_episode_is_an_error(seeds, max_episodes, error, words):
    with pytest.raises(error, match=words):
        plan_episodes(seeds, max_episodes)
