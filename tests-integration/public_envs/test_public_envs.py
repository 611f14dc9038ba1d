"""A served env gives what the local one gives, bit for bit; frames too."""

from __future__ import annotations

from typing import Any, List, Tuple

import numpy as np
import public_makers
import pytest
from public_table import Row
from rollouts import Episode, assert_same, assert_same_episode, sample_actions

import rlmesh
import rlmesh.numpy

SEEDS = (0, 1, 12345)
FRAMES = 5
"""How many steps are drawn, from the first on."""

Played = Tuple[Episode, List[Any]]


def play(env: Any, seed: int, actions: List[Any], draws: bool) -> Played:
    """Return an episode, and its first frames."""
    start = env.reset(seed=seed)
    frames = [env.render()] if draws else []
    steps: List[Any] = []
    for action in actions:
        steps.append(env.step(action))
        if draws and len(frames) <= FRAMES:
            frames.append(env.render())
        if steps[-1][2] or steps[-1][3]:
            break
    return Episode(start, steps), frames


def assert_same_play(ours: Played, theirs: Played) -> None:
    assert_same_episode(ours[0], theirs[0])
    assert len(ours[1]) == len(theirs[1])
    for i, (ours_frame, frame) in enumerate(zip(ours[1], theirs[1])):
        assert_same(ours_frame, np.ascontiguousarray(frame), f"frame {i}")


@pytest.mark.timeout(600)
def test_a_served_env_is_the_local_one(row: Row, draws: bool) -> None:
    kwargs = {**row.kwargs, **({"render_mode": row.render_mode} if draws else {})}
    local = public_makers.make(row.env_id, **kwargs)
    server = rlmesh.EnvServer("public_makers:make", env_kwargs={"env_id": row.env_id, **kwargs})
    with server, rlmesh.numpy.RemoteEnv(server.address) as remote:
        assert rlmesh.spaces.from_gymnasium(local.observation_space) == remote.observation_space
        assert rlmesh.spaces.from_gymnasium(local.action_space) == remote.action_space
        assert remote.render_mode == local.render_mode
        for seed in SEEDS:
            actions = sample_actions(local.action_space, seed, row.steps)
            expected = play(local, seed, actions, draws)
            assert_same_play(play(remote, seed, actions, draws), expected)
    local.close()
