"""What type checkers infer of the public names; checked, never run."""

from __future__ import annotations

from typing import Any, Dict, Optional, Tuple

from typing_extensions import assert_type

import rlmesh
from rlmesh.types import Value


def evaluation(env: Any) -> None:
    model = rlmesh.Model(lambda observation: 0)
    run = model.run(env, seeds=[1, 2], max_episodes=3, close_env=True)
    assert_type(run, rlmesh.RunResult)
    assert_type(run.mean_reward, float)
    assert_type(run.success_rate, Optional[float])
    assert_type(run.episodes, Tuple[rlmesh.EpisodeResult, ...])
    assert_type(run.episodes[0].seed, Optional[int])


def serving(env: Any) -> None:
    with rlmesh.EnvServer(env, "127.0.0.1:0", options=rlmesh.ServeOptions()) as server:
        assert_type(server, rlmesh.EnvServer)
        assert_type(server.address, str)


def stepping() -> None:
    with rlmesh.RemoteEnv("127.0.0.1:5555") as env:
        assert_type(env, rlmesh.RemoteEnv)
        assert_type(env.reset(seed=1), Tuple[Value, Dict[str, Any]])
        assert_type(env.step(0), Tuple[Value, float, bool, bool, Dict[str, Any]])
        assert_type(env.contract, rlmesh.EnvContract)


def values() -> None:
    tensor = rlmesh.Tensor.from_values([1, 2], "int32")
    assert_type(tensor, rlmesh.Tensor)
    assert_type(tensor.shape, Tuple[int, ...])
    assert_type(tensor.data, memoryview)
