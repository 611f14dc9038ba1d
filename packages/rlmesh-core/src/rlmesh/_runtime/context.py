"""What a predict may know besides the observation."""

from __future__ import annotations

import hashlib
from typing import NamedTuple, Optional


class Episode(NamedTuple):
    """An episode that is running.

    Attributes:
        id: Its own, drawn at random.
        seed: The seed of its reset; None for an unseeded one.
        instruction: The run's `instruction`; None without one.
    """

    id: str
    seed: Optional[int]
    instruction: Optional[str] = None


class PredictContext(NamedTuple):
    """Which step of which episode an observation belongs to.

    A predict gets it as its argument `context`, if it has one of that name; the batched ones get
    a list of them as `contexts`.

    Attributes:
        episode_id: The episode's id, as `on_reset` and `on_episode_end` get it.
        episode_seed: The seed of the episode's reset; None for an unseeded one.
        step: Number of env steps of the episode so far, also those that a chunk answered.
        instruction: The run's `instruction`, for a model whose spec is `DELEGATED`; else None.
    """

    episode_id: str
    episode_seed: Optional[int]
    step: int
    instruction: Optional[str] = None

    @property
    def seed(self) -> int:
        """A seed for whatever is drawn at random in this predict, from 0 to 2**63 - 1.

        It depends on the episode's seed (on its id where it has none) and the step alone, so that
        a stochastic policy acts the same whatever it is batched with, and wherever it runs.
        """
        start = self.episode_id if self.episode_seed is None else self.episode_seed
        digest = hashlib.blake2b(f"{start}:{self.step}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") >> 1
