"""A policy for CartPole, trained in torch, and the same weights in NumPy and in JAX.

`python trained.py FILE` trains it and writes its weights. The models read that file as their only
artifact.
"""

from __future__ import annotations

import sys
from typing import Any, Dict, List

import numpy as np

import rlmesh.numpy

LAYERS = (4, 32, 32, 2)


def train(seed: int = 0, steps: int = 300) -> Dict[str, Any]:
    """Return the weights of a network that imitates a controller which balances the pole.

    Args:
        seed: Of the network and of the states that it sees.
        steps: Of the optimizer.
    """
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    scale = torch.tensor([2.4, 2.0, 0.2, 2.0], dtype=torch.float64)
    gains = torch.tensor([0.1, 0.3, 3.0, 1.0], dtype=torch.float64)
    layers: List[Any] = []
    for inputs, outputs in zip(LAYERS, LAYERS[1:]):
        layers += [torch.nn.Linear(inputs, outputs, dtype=torch.float64), torch.nn.Tanh()]
    network = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(steps):
        states = scale * torch.randn(256, 4, dtype=torch.float64)
        labels = ((states * gains).sum(1) > 0).long()
        loss = torch.nn.functional.cross_entropy(network(states), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return {name: value.numpy() for name, value in network.state_dict().items()}


def load(artifacts: Any) -> List[Any]:
    """Return the weights and biases of each layer, from the models' artifacts."""
    (path,) = artifacts
    with np.load(path) as arrays:
        return [(arrays[f"{2 * i}.weight"], arrays[f"{2 * i}.bias"]) for i in range(3)]


class NumpyPolicy(rlmesh.numpy.Model):
    """The network in NumPy."""

    def load(self, artifacts: Any) -> None:
        self.layers = load(artifacts)

    def predict(self, observation: Any) -> Any:
        hidden = observation.astype(np.float64)
        for i, (weight, bias) in enumerate(self.layers):
            hidden = weight @ hidden + bias
            hidden = np.tanh(hidden) if i < 2 else hidden
        return hidden.argmax()


def torch_policy(**arguments: Any) -> Any:
    """Return the network in torch, as a model."""
    import torch

    import rlmesh.torch

    class TorchPolicy(rlmesh.torch.Model):
        def load(self, artifacts: Any) -> None:
            self.network = torch.nn.Sequential(
                *(torch.nn.Linear(4, 32), torch.nn.Tanh()),
                *(torch.nn.Linear(32, 32), torch.nn.Tanh(), torch.nn.Linear(32, 2)),
            ).double()
            with np.load(artifacts[0]) as arrays:
                self.network.load_state_dict({k: torch.from_numpy(v) for k, v in arrays.items()})
            self.network.to(self.device)

        @torch.inference_mode()
        def predict_batch(self, observations: Any) -> Any:
            return self.network(observations.double()).argmax(-1)

    return TorchPolicy(**arguments)


def jax_policy(**arguments: Any) -> Any:
    """Return the network in JAX, as a model; it needs 64-bit numbers."""
    import jax
    import jax.numpy as jnp

    import rlmesh.jax

    @jax.jit
    def act(layers: Any, observation: Any) -> Any:
        hidden = observation.astype(jnp.float64)
        for i, (weight, bias) in enumerate(layers):
            hidden = weight @ hidden + bias
            hidden = jnp.tanh(hidden) if i < 2 else hidden
        return hidden.argmax()

    class JaxPolicy(rlmesh.jax.Model):
        def load(self, artifacts: Any) -> None:
            assert jax.config.jax_enable_x64
            self.layers = jax.tree.map(jnp.asarray, load(artifacts))

        def predict(self, observation: Any) -> Any:
            return act(self.layers, observation)

    return JaxPolicy(**arguments)


if __name__ == "__main__":
    np.savez(sys.argv[1], **train())
