"""Values between served envs and models and the framework's classes."""

from __future__ import annotations

import warnings
from typing import Any, List, Tuple

import pytest

import rlmesh
from rlmesh import EnvServer, ModelServer, spaces
from rlmesh._envs.remote import RemoteEnvBase
from rlmesh._envs.remote_vector import RemoteVectorEnvBase
from rlmesh._models.base import ModelBase
from rlmesh._models.remote import RemoteModelBase
from rlmesh._values.dtypes import DTYPES, widens
from rlmesh._values.tensor import Tensor
from rlmesh.errors import InvalidValue

from ._envs import Counting, Sampling, SamplingVector, every_space
from ._subject import BackendSubject

BATCHED = ("arrays", "large", "empty", "number", "switches", "choices")
"""The parts of `every_space` whose values stack into arrays."""


class ServedPromises(BackendSubject):
    """The module's `Model` and what is called `Remote...`, over a real socket."""

    def test_its_module_is_found_by_its_name(self) -> None:
        """As `rlmesh.<name>`, which needs the entry point of an installed package."""
        assert getattr(rlmesh, self.backend.name) is self.module

    def test_its_classes_are_built_on_those_of_core(self) -> None:
        """They convert with this backend, and bring nothing else."""
        bases = {
            "Model": ModelBase,
            "RemoteEnv": RemoteEnvBase,
            "RemoteVectorEnv": RemoteVectorEnvBase,
            "RemoteModel": RemoteModelBase,
        }
        for name, base in bases.items():
            cls = getattr(self.module, name)
            assert issubclass(cls, base)
            assert cls._backend.name == self.backend.name

    def test_what_is_sent_back_is_what_was_shown(self) -> None:
        """Every kind of space, bit for bit."""
        env = Sampling(every_space(self.exact_dtypes()))
        with EnvServer(env) as server, self.module.RemoteEnv(server.address) as remote:
            observation, _ = remote.reset(seed=5)
            for _ in range(3):
                observation = remote.step(observation)[0]
        assert env.received == env.shown[:3]

    def test_observations_hold_the_frameworks_arrays(self, exact_dtype: str) -> None:
        """Arrays also where a Box holds a single number; a Discrete stays a number."""
        space = every_space([exact_dtype, "int8"])
        env = Sampling(space)
        with EnvServer(env) as server, self.module.RemoteEnv(server.address) as remote:
            observation, _ = remote.reset(seed=5)
        arrays = [*observation["arrays"][exact_dtype], observation["switches"]]
        assert all(map(self.backend.is_array, arrays))
        assert [self.backend.to_tensor(one) for one in arrays] == [
            *env.shown[0]["arrays"][exact_dtype],
            env.shown[0]["switches"],
        ]
        assert type(observation["number"]) is int
        assert type(observation["text"]) is str

    def test_a_vector_env_has_the_frameworks_values(self) -> None:
        """Bit for bit: observations, rewards, flags, last observations, and actions."""
        parts = every_space(self.exact_dtypes()).spaces
        # Batches of integers are int64, which not every framework has.
        exact = [key for key in BATCHED if key not in ("number", "choices")]
        env = SamplingVector(spaces.Dict({key: parts[key] for key in exact}))
        with EnvServer(env) as server, self.module.RemoteVectorEnv(server.address) as remote:
            observations, _ = remote.reset(seed=[3, None])
            for step in range(3):
                assert self.native(observations) == env.shown[step]
                observations, *columns, infos = remote.step(observations)
                assert all(map(self.backend.is_array, columns))
                done = Tensor.from_values([final is not None for final in env.finals[step]], "bool")
                never = Tensor.from_values([False, False], "bool")
                assert [self.native(one) for one in columns] == [env.rewards[step], done, never]
                assert [self.native(one) for one in infos["final_obs"]] == env.finals[step]
                assert self.native(infos["_final_obs"]) == done
        assert env.received == env.shown[:3]

    def test_a_run_has_the_result_of_a_native_model(self) -> None:
        """On the same seeds, whether the env is served or here."""
        env = Sampling(every_space(self.exact_dtypes()))
        with EnvServer(env) as server:
            expected = rlmesh.Model(_same).run(server.address, seeds=range(3))
            assert self.module.Model(_same).run(server.address, seeds=range(3)) == expected
            with ModelServer(self.module.Model(_same)) as model, self.module.RemoteModel(
                model.address
            ) as remote:
                assert remote.run(server.address, seeds=range(3)) == expected
        assert self.module.Model(_same).run(env, seeds=range(3)) == expected
        assert expected.success_rate == 1.0

    def test_a_session_with_a_served_model_has_the_frameworks_values(self) -> None:
        """Observations and actions, bit for bit."""
        env = Sampling(every_space(self.exact_dtypes()))
        with ModelServer(self.module.Model(_same)) as server, self.module.RemoteModel(
            server.address
        ) as model, model.session(env) as session:
            observation, _ = session.reset(seed=5)
            action = session.predict(observation)
            assert self.native(action) == self.native(observation)
            arrays = action["arrays"].values()
            assert all(self.backend.is_array(one) for pair in arrays for one in pair)
            session.step(action)
        assert env.received == env.shown[:1]

    def test_batches_have_the_result_of_single_observations(self) -> None:
        """Where the model takes a batch of observations, and returns one of actions."""
        parts = every_space(self.exact_dtypes()).spaces
        env = Sampling(spaces.Dict({key: parts[key] for key in BATCHED}))
        expected = rlmesh.Model(_same).run(env, seeds=range(3))
        assert self.module.Model(_SameBatch()).run(env, seeds=range(3)) == expected

    def test_narrowed_integers_come_back_whole(self) -> None:
        """Where they fit into the narrower dtype."""
        for dtype in self.narrowed:
            if DTYPES[dtype].is_integer:
                env = Sampling(spaces.Box(0, 100, (5,), dtype))
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # a backend may well tell
                    run = self.module.Model(_same).run(env, seeds=[1, 2])
                assert run.success_rate == 1.0

    def test_an_observation_stays_when_the_env_uses_its_memory_again(self) -> None:
        """Whether the env is served or here."""
        env = Counting()
        seen: List[Any] = []
        with EnvServer(env) as server, self.module.RemoteEnv(server.address) as remote:
            seen.append(remote.reset()[0])
            seen += [remote.step(0)[0] for _ in range(4)]

        def act(observation: Any) -> int:
            seen.append(observation)
            return 0

        self.module.Model(act).run(env)
        assert [
            {key: set(tensor.flat()) for key, tensor in self.native(one).items()} for one in seen
        ] == [{str(size): {i} for size in env.SIZES} for i in (0, 1, 2, 3, 4, 0, 1, 2, 3)]

    def test_a_misfit_is_refused_by_its_path(self) -> None:
        """An array of another shape or dtype, and what is no array at all."""
        wanted, other = self._different_dtypes()
        space = spaces.Dict(arm=spaces.Box(0, 1, (2,), wanted))
        misfits = [
            (self.array([0, 0, 0], wanted), "action['arm'].shape: expected (2,), got (3,)"),
            (self.array([0, 0], other), f"action['arm'].dtype: expected {wanted}, got {other}"),
            ("left", "action['arm']"),
        ]
        for value, message in misfits:
            with EnvServer(Sampling(space)) as server:
                with self.module.RemoteEnv(server.address) as remote:
                    remote.reset()
                    with pytest.raises(InvalidValue) as caught:
                        remote.step({"arm": value})
                assert message in str(caught.value)
                with pytest.raises(InvalidValue) as caught:
                    self.module.Model(_always({"arm": value})).run(server.address)
                assert message in str(caught.value)

    def _different_dtypes(self) -> Tuple[str, str]:
        """Return two dtypes, the second of which does not become the first."""
        wanted = self.exact_dtypes()[1]
        kinds = [DTYPES[name] for name in self.exact_dtypes()]
        return wanted, next(kind.name for kind in kinds if not widens(kind, DTYPES[wanted]))


def _same(observation: Any) -> Any:
    return observation


class _SameBatch:
    def predict_batch(self, observations: Any) -> Any:
        """Return observations as actions."""
        return observations


def _always(action: Any) -> Any:
    return lambda observation: action
