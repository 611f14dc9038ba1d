"""What type checkers infer of the public names; checked, never run."""

from __future__ import annotations

from typing import Any, Dict, Tuple

import torch
from typing_extensions import assert_type

import rlmesh
import rlmesh.torch
from rlmesh.torch import TorchValue


def evaluation(env: Any, module: torch.nn.Module) -> None:
    model = rlmesh.torch.Model(module, device=torch.device("cuda", 0))
    assert_type(model.run(env), rlmesh.RunResult)
    rlmesh.torch.Model(lambda observation: torch.zeros(2), device="cpu")


def session(env: Any) -> None:
    joined = rlmesh.torch.Model(lambda observation: 0).session(env)
    assert_type(joined, rlmesh.Session[TorchValue, TorchValue])
    assert_type(joined.reset(seed=1), Tuple[TorchValue, Dict[str, Any]])
    assert_type(joined.predict(None), TorchValue)
    assert_type(joined.step(0)[1], float)
    remote = rlmesh.torch.RemoteModel("127.0.0.1:5555")
    assert_type(remote.run(env), rlmesh.RunResult)
    assert_type(remote.session(env), rlmesh.Session[TorchValue, TorchValue])
    assert_type(rlmesh.session(remote, env), rlmesh.Session[TorchValue, TorchValue])


def stepping() -> None:
    env = rlmesh.torch.RemoteEnv("127.0.0.1:5555")
    assert_type(env.reset(), Tuple[TorchValue, Dict[str, Any]])
    assert_type(env.step(torch.zeros(2))[1], float)
    envs = rlmesh.torch.RemoteVectorEnv("127.0.0.1:5555")
    assert_type(envs.reset(seed=[1, None]), Tuple[TorchValue, Dict[str, Any]])
    assert_type(envs.step([0, 1])[1], torch.Tensor)


def values(array: torch.Tensor) -> None:
    assert_type(rlmesh.torch.from_tensor(array), rlmesh.Tensor)
    assert_type(rlmesh.torch.as_tensor(rlmesh.torch.from_tensor(array)), torch.Tensor)
    rlmesh.torch.as_tensor(rlmesh.torch.from_tensor(array), device="cuda:0")
