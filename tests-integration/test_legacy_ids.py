"""Ids of envs where only old `gym` is installed, or nothing at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict

import gym
import pytest
from servers import Servers

import rlmesh

HIDDEN = "raise ModuleNotFoundError(\"No module named '{name}'\", name={name!r})"

# The checker of gym 0.26 needs NumPy 1.
UNCHECKED: Dict[str, Any] = {"disable_env_checker": True}


def without(folder: Path, *names: str) -> Dict[str, str]:
    """Return the environment of a process in which some modules are not installed."""
    for name in names:
        (folder / f"{name}.py").write_text(HIDDEN.format(name=name))
    return {"PYTHONPATH": str(folder)}


def test_an_id_is_taken_from_gym_where_there_is_no_gymnasium(
    serve: Servers, tmp_path: Path
) -> None:
    local = gym.make("CartPole-v1", **UNCHECKED)
    environ = without(tmp_path, "gymnasium")
    server = serve("CartPole-v1", kwargs=UNCHECKED, factory=True, environ=environ)
    with rlmesh.RemoteEnv(server.address) as env:
        assert env.contract.env_id == "CartPole-v1"
        observation, _ = env.reset(seed=3)
        assert observation.tolist() == local.reset(seed=3)[0].tolist()
        for action in (0, 1, 1, 0, 1):
            ours, theirs = env.step(action), local.step(action)
            assert ours[0].tolist() == theirs[0].tolist()
            assert ours[1:4] == theirs[1:4]


@pytest.mark.parametrize(
    ("hidden", "name", "sentence"),
    [
        (
            ("gymnasium",),
            "Nowhere-v1",
            "env: gym 0.26.2, as there is no gymnasium here, says: Environment Nowhere",
        ),
        (
            ("gymnasium", "gym"),
            "CartPole-v1",
            "env: 'CartPole-v1' may be the id of a Gymnasium env, but neither gymnasium nor gym is"
            " installed here: pip install gymnasium",
        ),
        (
            ("gymnasium", "gym"),
            "math:Thing-v0",
            "env: 'math' has no callable 'Thing-v0': 'math:Thing-v0' may be the id of a Gymnasium",
        ),
        ((), "Nowhere-v1", "env: Environment `Nowhere` doesn't exist"),
    ],
)
def test_what_there_is_not_is_a_sentence(
    hidden: tuple[str, ...], name: str, sentence: str, serve: Servers, tmp_path: Path
) -> None:
    with pytest.raises(AssertionError) as caught:
        serve(name, factory=True, environ=without(tmp_path, *hidden))
    assert sentence in str(caught.value)
