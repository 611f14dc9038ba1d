"""Objects of real frameworks that are passed to `Model`, and what it says of them."""

from __future__ import annotations

import warnings
from typing import Any, Callable

import gymnasium
import numpy as np
import pytest
import torch

import rlmesh
import rlmesh.adapters as adapt
import rlmesh.numpy
import rlmesh.torch
from rlmesh.errors import InvalidValue


def cartpole() -> Any:
    return gymnasium.make("CartPole-v1")


def pendulum() -> Any:
    return gymnasium.make("Pendulum-v1")


def test_a_stable_baselines3_agent_is_told_how_to_be_a_policy() -> None:
    stable_baselines3 = pytest.importorskip("stable_baselines3")
    agent = stable_baselines3.PPO("MlpPolicy", "CartPole-v1", device="cpu", n_steps=8)
    sentence = "Model(lambda observation: agent.predict(observation, deterministic=True)[0])"
    for source in (agent, agent.predict, agent.policy, agent.policy.predict):
        with pytest.raises(TypeError) as caught:
            rlmesh.numpy.Model(source)
        assert sentence in str(caught.value)
    # What it says to write works.
    model = rlmesh.numpy.Model(
        lambda observation: agent.predict(observation, deterministic=True)[0]
    )
    assert model.run(cartpole(), seeds=[0]).total_steps > 0


@pytest.mark.parametrize("make", [rlmesh.Model, rlmesh.numpy.Model])
def test_a_torch_module_belongs_into_the_torch_model(make: Callable[..., Any]) -> None:
    network = torch.nn.Linear(3, 1)
    for source in (network, network.forward):
        with pytest.raises(TypeError, match=r"Linear is a torch.nn.Module.*rlmesh.torch.Model"):
            make(source).run(pendulum(), seeds=[0], max_episode_steps=2)
    result = rlmesh.torch.Model(network).run(pendulum(), seeds=[0], max_episode_steps=2)
    assert result.total_steps == 2


def test_a_module_that_takes_arrays_by_itself_is_left_alone() -> None:
    class Converts(torch.nn.Module):
        def forward(self, observation: Any) -> Any:
            return torch.as_tensor(observation)[:1].numpy()

    result = rlmesh.numpy.Model(Converts()).run(pendulum(), seeds=[0], max_episode_steps=2)
    assert result.total_steps == 2


def test_scores_in_place_of_an_action_name_the_argmax() -> None:
    network = torch.nn.Linear(4, 2)
    with pytest.raises(InvalidValue, match=r"return the best one's index: .argmax\(\)"):
        rlmesh.torch.Model(network).run(cartpole(), seeds=[0])
    model = rlmesh.torch.Model(lambda observation: network(observation).argmax())
    assert model.run(cartpole(), seeds=[0]).total_steps > 0


@pytest.mark.parametrize("layer", [torch.nn.Dropout, lambda: torch.nn.BatchNorm1d(3)])
def test_a_module_in_training_mode_warns(layer: Callable[[], Any]) -> None:
    network = torch.nn.Sequential(layer(), torch.nn.Linear(3, 1))
    with pytest.warns(RuntimeWarning, match=r"Sequential is in training mode, .*call its eval\(\)"):
        rlmesh.torch.Model(network)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rlmesh.torch.Model(network.eval())
        rlmesh.torch.Model(torch.nn.Linear(3, 1))


@pytest.mark.parametrize(
    ("make", "act", "words"),
    [
        (rlmesh.numpy.Model, lambda o: np.zeros(1), 'convert it: .astype."float32". in NumPy'),
        (
            rlmesh.torch.Model,
            lambda o: torch.zeros(1, dtype=torch.float64),
            "convert it: .* .float.* in torch",
        ),
        (rlmesh.torch.Model, lambda o: torch.zeros(1, 1), "of a batch of one, return its element"),
        (rlmesh.numpy.Model, lambda o: (np.zeros(1, np.float32), None), "return the action alone"),
        (rlmesh.torch.Model, lambda o: (torch.zeros(1), None), "return the action alone"),
    ],
)
def test_an_action_of_another_form_says_what_to_write(
    make: Callable[..., Any], act: Callable[[Any], Any], words: str
) -> None:
    with pytest.raises(InvalidValue, match=words):
        make(act).run(pendulum(), seeds=[0])
    with rlmesh.ModelServer(make(act)) as server, pytest.raises(InvalidValue, match=words):
        rlmesh.run(server.address, pendulum(), seeds=[0])


async def forgotten() -> None:
    """Is awaited by nobody."""


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (lambda: None, "did predict forget to return it"),
        (lambda: (np.zeros(1), None), "return the action alone"),
        (forgotten, "RLMesh does not await"),
    ],
)
def test_the_same_with_an_adapter_in_between(returned: Callable[[], Any], words: str) -> None:
    tags = adapt.EnvTags(
        observation=adapt.StateTag(adapt.JOINT_POS),
        action=adapt.Action(adapt.Actuator(adapt.ACTION_JOINT_POS, dim=1)),
    )
    spec = adapt.ModelSpec(
        input={"state": adapt.State(adapt.JOINT_POS)},
        output=adapt.Action(adapt.Actuator(adapt.ACTION_JOINT_POS, dim=1)),
    )
    env = adapt.tag(pendulum(), tags)
    with pytest.raises(InvalidValue, match=words):
        rlmesh.numpy.Model(lambda inputs: returned(), spec=spec).run(env, seeds=[0])
