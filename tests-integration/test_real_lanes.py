"""Real envs in several lanes, with networks whose rows depend on the size of a batch."""

from __future__ import annotations

from typing import Any, Iterator

import pytest
import torch
from servers import Servers

import rlmesh
import rlmesh.torch

SEEDS = range(6)
LANES = 4
PADDED = {"batch_padding": True, "max_batch_size": LANES}


class Cheetah:
    """Moves as a network says that was never trained."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.network = torch.nn.Sequential(
            torch.nn.Linear(17, 256), torch.nn.Tanh(), torch.nn.Linear(256, 6), torch.nn.Tanh()
        )

    @torch.inference_mode()
    def predict_batch(self, observations: torch.Tensor) -> torch.Tensor:
        actions: torch.Tensor = self.network(observations.float())
        return actions


class Pong:
    """Looks at the frame through two convolutions, and presses what they say."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.network = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 8, stride=6),
            torch.nn.ReLU(),
            torch.nn.Conv2d(8, 16, 4, stride=3),
            torch.nn.Flatten(),
            torch.nn.LazyLinear(6),
        )
        self.network(torch.zeros(1, 3, 210, 160))

    @torch.inference_mode()
    def predict_batch(self, observations: torch.Tensor) -> torch.Tensor:
        frames = observations.permute(0, 3, 1, 2).float() / 255
        chosen: torch.Tensor = self.network(frames).argmax(dim=1)
        return chosen


@pytest.fixture(params=["HalfCheetah-v5", "ale_py:ALE/Pong-v5"])
def name(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def address(name: str) -> Iterator[str]:
    with Servers() as start:
        yield start(name, factory=True, options={"max_sessions": LANES}).address


def test_padded_batches_make_runs_equal_whatever_the_lanes(name: str, address: str) -> None:
    model = rlmesh.torch.Model(Cheetah() if "Cheetah" in name else Pong())
    one = model.run(address, seeds=SEEDS, max_episode_steps=60, **PADDED)
    many = model.run(address, seeds=SEEDS, max_episode_steps=60, concurrency=LANES, **PADDED)
    with rlmesh.ModelServer(model, options=rlmesh.ServeOptions(**PADDED)) as server:
        served = rlmesh.run(
            server.address, address, seeds=SEEDS, max_episode_steps=60, concurrency=LANES
        )
    assert len({episode.reward for episode in one.episodes}) > 1 or "Pong" in name
    assert many == one
    assert served == one
    assert (one.timing.lanes, many.timing.lanes, served.timing.lanes) == (1, LANES, LANES)
