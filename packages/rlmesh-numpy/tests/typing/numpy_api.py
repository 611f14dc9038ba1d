"""What type checkers infer of the public names; checked, never run."""

from __future__ import annotations

from typing import Any, Dict, Tuple

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

import rlmesh
import rlmesh.numpy
from rlmesh.numpy import NumpyValue


def evaluation(env: Any) -> None:
    model = rlmesh.numpy.Model(lambda observation: np.zeros(2))
    assert_type(model.run(env), rlmesh.RunResult)


def session(env: Any) -> None:
    joined = rlmesh.numpy.Model(lambda observation: 0).session(env)
    assert_type(joined, rlmesh.Session[NumpyValue, NumpyValue])
    assert_type(joined.reset(seed=1), Tuple[NumpyValue, Dict[str, Any]])
    assert_type(joined.predict(None), NumpyValue)
    assert_type(joined.step(0)[1], float)
    remote = rlmesh.numpy.RemoteModel("127.0.0.1:5555")
    assert_type(remote.run(env), rlmesh.RunResult)
    assert_type(remote.session(env), rlmesh.Session[NumpyValue, NumpyValue])
    assert_type(rlmesh.session(remote, env), rlmesh.Session[NumpyValue, NumpyValue])


def stepping() -> None:
    env = rlmesh.numpy.RemoteEnv("127.0.0.1:5555")
    assert_type(env.reset(), Tuple[NumpyValue, Dict[str, Any]])
    assert_type(env.step(np.zeros(2))[1], float)
    envs = rlmesh.numpy.RemoteVectorEnv("127.0.0.1:5555")
    assert_type(envs.reset(seed=[1, None]), Tuple[NumpyValue, Dict[str, Any]])
    assert_type(envs.step([0, 1])[1], NDArray[Any])


def values(array: NDArray[np.float32]) -> None:
    assert_type(rlmesh.numpy.from_array(array), rlmesh.Tensor)
    assert_type(rlmesh.numpy.asarray(rlmesh.numpy.from_array(array)), NDArray[Any])
