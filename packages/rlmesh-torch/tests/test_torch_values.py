"""Torch values from one process to another, and models on real envs."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch

import rlmesh
from rlmesh import EnvServer
from rlmesh.errors import InvalidValue
from rlmesh.torch import Model, RemoteEnv

s = gymnasium.spaces


class Echo(gymnasium.Env):
    """Returns the last action, and keeps what it was made of when it arrived."""

    def __init__(self, space):
        self.observation_space = self.action_space = space

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.action_space.seed(seed)
        return self.action_space.sample(), {}

    def step(self, action):
        self.received = action
        return action, 0.0, False, False, {}


@pytest.fixture
def echo(tmp_path):
    """Send a value to an env of a space; return what the env and the sender got."""

    def send(space, value):
        address = f"unix://{tmp_path}/s"
        env = Echo(space)
        with EnvServer(env, address), RemoteEnv(address) as remote:
            remote.reset(seed=1)
            returned = remote.step(value)[0]
        return env.received, returned

    return send


def box(dtype, *shape):
    return s.Box(-9, 9, shape, np.dtype(dtype).type)


@pytest.mark.parametrize("size", [4, 100_000])
def test_what_arrives_is_a_writable_tensor(echo, size):
    value = torch.arange(size, dtype=torch.float64) % 9
    received, returned = echo(box("float64", size), value)
    assert (received == value.numpy()).all()
    assert torch.equal(returned, value)
    returned.fill_(1)


def test_tensors_may_be_anywhere_in_a_nested_action(echo):
    space = s.Dict(
        arm=s.Tuple([box("float32", 2, 3), s.Discrete(5)]),
        choices=s.MultiDiscrete([3, 4]),
        history=s.Sequence(s.Dict(a=box("int16", 2), b=s.Discrete(3))),
    )
    action = {
        "arm": (torch.arange(6.0).view(3, 2).t().requires_grad_(), torch.tensor(4)),
        "choices": torch.tensor([2, 3]),
        "history": ({"a": torch.tensor([7, 8], dtype=torch.int16), "b": torch.tensor(2)},),
    }
    received, returned = echo(space, action)
    assert received in space
    assert received["arm"][0].tolist() == [[0, 2, 4], [1, 3, 5]]
    assert (received["arm"][1], received["history"][0]["b"]) == (4, 2)
    assert torch.equal(returned["arm"][0], action["arm"][0])
    assert torch.equal(returned["history"][0]["a"], action["history"][0]["a"])


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8, torch.uint16])
def test_an_integer_tensor_without_axes_is_a_discrete_action(echo, dtype):
    received, returned = echo(s.Discrete(5), torch.tensor(3, dtype=dtype))
    assert (received, returned) == (3, 3)
    assert type(returned) is int


def test_a_narrower_tensor_widens_exactly(echo):
    received, returned = echo(box("float64", 2), torch.tensor([1.5, -2], dtype=torch.bfloat16))
    assert received.tolist() == [1.5, -2]
    assert torch.equal(returned, torch.tensor([1.5, -2], dtype=torch.float64))


@pytest.mark.parametrize(
    ("space", "value", "message"),
    [
        (box("float32", 2), torch.zeros(2).double(), "action.dtype: expected float32, got float64"),
        (box("float32", 2), torch.zeros(3), "action.shape: expected (2,), got (3,)"),
        (box("float32", 2), torch.zeros(2, device="meta"), "action.device: expected one with mem"),
        (box("float32", 2), torch.zeros(2).cfloat(), "action.dtype: expected one of bool"),
        (box("float32", 2, 2), torch.eye(2).to_sparse(), "action.layout: expected a dense tensor"),
        (s.Discrete(3), torch.tensor(1.0), "action: expected an integer, got tensor(1.)"),
        (s.Discrete(3), torch.tensor(True), "action: expected an integer, got tensor(True)"),
        (s.Discrete(3), torch.tensor([1]), "action: expected an integer, got tensor([1])"),
        (s.Discrete(3), torch.tensor(1, device="meta"), "action: expected an integer"),
    ],
)
def test_an_action_that_does_not_fit_is_refused_where_it_is_made(echo, space, value, message):
    with pytest.raises(InvalidValue) as caught:
        echo(space, value)
    assert message in str(caught.value)


class Policy(torch.nn.Module):
    """Pushes the cart towards the side to which the pole is falling."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 2, bias=False)
        with torch.no_grad():
            self.layer.weight.copy_(torch.tensor([[0.0, 0, -1, -1], [0, 0, 1, 1]]))

    def forward(self, observation):
        return self.layer(observation).argmax()


def falling(observation):
    return int(observation[2] + observation[3] > 0)


@pytest.mark.parametrize("served", [False, True], ids=["here", "served"])
@pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param(
            "cuda:0",
            marks=[
                pytest.mark.gpu,
                pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA"),
            ],
        ),
    ],
)
def test_a_module_is_a_model_and_its_observations_are_on_its_device(tmp_path, served, device):
    seen = set()
    policy = Policy().to(device)

    def act(observation):
        seen.add((observation.dtype, observation.shape, str(observation.device)))
        return policy(observation)

    env, model = gymnasium.make("CartPole-v1"), Model(act, device=device)
    assert model.device == torch.device(device)
    expected = rlmesh.Model(falling).run(env, seeds=range(3))
    if served:
        with EnvServer(env, f"unix://{tmp_path}/s") as server:
            assert model.run(server.address, seeds=range(3)) == expected
    else:
        assert model.run(env, seeds=range(3)) == expected
    assert seen == {(torch.float32, (4,), device)}
    assert expected.mean_reward > 100
