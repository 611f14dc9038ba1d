"""Registers envs as packages do: on import."""

from __future__ import annotations

import gymnasium

gymnasium.register(
    id="Here/Cart-v0", entry_point="gymnasium.envs.classic_control:CartPoleEnv", max_episode_steps=5
)
gymnasium.register(id="Both", entry_point="gymnasium.envs.classic_control:CartPoleEnv")


def Both():  # noqa: N802
    return gymnasium.make("Acrobot-v1")
