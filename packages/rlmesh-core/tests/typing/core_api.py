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
    assert_type(rlmesh.RunResult.load("run.jsonl").merge(run, run), rlmesh.RunResult)


def evaluation_of_a_served_model(env: Any) -> None:
    with rlmesh.RemoteModel("127.0.0.1:5555") as model:
        assert_type(model, rlmesh.RemoteModel)
        assert_type(model.run(env, execution_horizon=4), rlmesh.RunResult)
    assert_type(rlmesh.run(model, env, seeds=[1]), rlmesh.RunResult)
    assert_type(rlmesh.run("127.0.0.1:5555", env), rlmesh.RunResult)


def session(env: Any) -> None:
    model = rlmesh.Model(lambda observation: 0, spec=rlmesh.DELEGATED)
    with model.session(env, instruction="go") as joined:
        assert_type(joined, rlmesh.Session[Value, Value])
        observation, info = joined.reset(seed=1)
        assert_type(observation, Value)
        assert_type(info, Dict[str, Any])
        assert_type(joined.predict(observation), Value)
        assert_type(joined.step(0), Tuple[Value, float, bool, bool, Dict[str, Any]])
        assert_type(joined.over, bool)
        assert_type(joined.result(), rlmesh.EpisodeResult)
        assert_type(joined.contract, rlmesh.EnvContract)
    assert_type(rlmesh.session(model, env), rlmesh.Session[Value, Value])
    assert_type(rlmesh.session("127.0.0.1:5555", env), rlmesh.Session[Value, Value])


def workers() -> None:
    model = rlmesh.Model(lambda observation: 0)
    model.run_local("127.0.0.1:5555")
    model.run_local_for_episodes("127.0.0.1:5555", max_episodes=3)
    model.serve("127.0.0.1:0", options=rlmesh.ServeOptions(max_batch_size=8))


def context(given: rlmesh.PredictContext) -> None:
    assert_type(given.episode_seed, Optional[int])
    assert_type(given.step, int)
    assert_type(given.seed, int)


def serving(env: Any) -> None:
    with rlmesh.EnvServer(env, "127.0.0.1:0", options=rlmesh.ServeOptions()) as server:
        assert_type(server, rlmesh.EnvServer)
        assert_type(server.address, str)
    with rlmesh.ModelServer(rlmesh.Model(lambda observation: 0)) as models:
        assert_type(models, rlmesh.ModelServer)
        assert_type(models.wait(), bool)


def stepping() -> None:
    with rlmesh.RemoteEnv("127.0.0.1:5555") as env:
        assert_type(env, rlmesh.RemoteEnv)
        assert_type(env.reset(seed=1), Tuple[Value, Dict[str, Any]])
        assert_type(env.step(0), Tuple[Value, float, bool, bool, Dict[str, Any]])
        assert_type(env.contract, rlmesh.EnvContract)
    envs = rlmesh.RemoteVectorEnv("127.0.0.1:5555")
    assert_type(envs.reset(seed=[1, None]), Tuple[Value, Dict[str, Any]])
    assert_type(envs.step([0, 1])[1], rlmesh.Tensor)


def values() -> None:
    tensor = rlmesh.Tensor.from_values([1, 2], "int32")
    assert_type(tensor, rlmesh.Tensor)
    assert_type(tensor.shape, Tuple[int, ...])
    assert_type(tensor.data, memoryview)
