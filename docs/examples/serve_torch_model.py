"""Serve a small torch model until standard input is closed; needs rlmesh-torch only."""

from __future__ import annotations

import sys

import torch

import rlmesh
from rlmesh.torch import Model


class Policy(torch.nn.Module):
    """Scores both pushes of the cart (0: left, 1: right), and takes the better one."""

    def __init__(self) -> None:
        super().__init__()
        self.scores = torch.nn.Linear(4, 2)

    def learn(self) -> None:
        """Learn, from random states, to push the cart to where the pole is about to fall."""
        torch.manual_seed(0)
        states = torch.randn(1024, 4)
        pushes = (states[:, 2] + 0.5 * states[:, 3] > 0).long()
        optimizer = torch.optim.Adam(self.parameters(), lr=0.1)
        for _ in range(100):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(self.scores(states), pushes).backward()
            optimizer.step()

    @torch.inference_mode()
    def predict_batch(self, observations: torch.Tensor) -> torch.Tensor:
        """Return a push for each state: the observations of all clients that wait."""
        return self.scores(observations).argmax(dim=1)


policy = Policy()
policy.learn()
with rlmesh.ModelServer(Model(policy)) as server:
    print(server.address, flush=True)
    # Whoever started this process holds its standard input open. When it is gone, so are we.
    sys.stdin.read()
