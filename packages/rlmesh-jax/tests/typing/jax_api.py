"""What type checkers infer of the public names; checked, never run."""

from __future__ import annotations

from typing import Any, Dict, Tuple

import jax
import jax.numpy as jnp
from typing_extensions import assert_type

import rlmesh
import rlmesh.jax
from rlmesh.jax import JaxValue


def evaluation(env: Any) -> None:
    model = rlmesh.jax.Model(lambda observation: jnp.zeros(2), device=jax.devices()[0])
    assert_type(model.run(env), rlmesh.RunResult)
    rlmesh.jax.Model(lambda observation: jnp.zeros(2), device="cpu")


def session(env: Any) -> None:
    joined = rlmesh.jax.Model(lambda observation: 0).session(env)
    assert_type(joined, rlmesh.Session[JaxValue, JaxValue])
    assert_type(joined.reset(seed=1), Tuple[JaxValue, Dict[str, Any]])
    assert_type(joined.predict(None), JaxValue)
    assert_type(joined.step(0)[1], float)
    remote = rlmesh.jax.RemoteModel("127.0.0.1:5555")
    assert_type(remote.run(env), rlmesh.RunResult)
    assert_type(remote.session(env), rlmesh.Session[JaxValue, JaxValue])
    assert_type(rlmesh.session(remote, env), rlmesh.Session[JaxValue, JaxValue])


def stepping() -> None:
    env = rlmesh.jax.RemoteEnv("127.0.0.1:5555")
    assert_type(env.reset(), Tuple[JaxValue, Dict[str, Any]])
    assert_type(env.step(jnp.zeros(2))[1], float)
    envs = rlmesh.jax.RemoteVectorEnv("127.0.0.1:5555")
    assert_type(envs.reset(seed=[1, None]), Tuple[JaxValue, Dict[str, Any]])
    assert_type(envs.step([0, 1])[1], jax.Array)


def values(array: jax.Array) -> None:
    assert_type(rlmesh.jax.from_array(array), rlmesh.Tensor)
    assert_type(rlmesh.jax.asarray(rlmesh.jax.from_array(array)), jax.Array)
    rlmesh.jax.asarray(rlmesh.jax.from_array(array), device="cpu:0")
