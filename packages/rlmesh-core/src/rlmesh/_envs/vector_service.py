"""Executes the requests of a session on a vector env."""

from __future__ import annotations

import time
from typing import Any, Optional, Sequence, Tuple

from rlmesh._contract.contract import EnvContract
from rlmesh._values.tensor import Tensor
from rlmesh._wire.codec import Codec
from rlmesh._wire.info import encode_info
from rlmesh._wire.payload import PartReader, Parts
from rlmesh.errors import InvalidValue, NotReset, ProtocolError

from .local_vector import LocalVectorEnv
from .service import EnvService

FINAL_KEYS = ("final_obs", "final_observation")
"""Where infos hold the last observations of finished episodes: Gymnasium's key, and 0.29's."""

Finals = Tuple[str, Sequence[Optional[Sequence[Any]]]]
"""Such a key, and for each sub-env None, or the body of its last observation in a list."""


class VectorEnvService(EnvService):
    """A `Service` that serves one vector env, to one client as any env.

    Args:
        env: The env.
        contract: What it promises.
        expose: The names of its sub-envs' attributes and methods that clients may use.
    """

    def __init__(
        self, env: LocalVectorEnv, contract: EnvContract, expose: Sequence[str] = ()
    ) -> None:
        super().__init__(env, contract, expose)
        self._vector = env
        self._encode_final = Codec(env.single_observation_space, env.backend, "final_obs").encode

    def _check_seed(self, seed: Any) -> None:
        seeds = seed if isinstance(seed, list) else [seed]
        length = self._vector.num_envs if isinstance(seed, list) else 1
        if len(seeds) != length or not all(one is None or type(one) is int for one in seeds):
            raise ProtocolError(f"reset: expected an integer seed, or a list of {length}")

    def _step(self, body: Any, reader: PartReader, parts: Parts) -> Any:
        if not self._was_reset:
            raise NotReset("step: call reset() first")
        received = time.perf_counter_ns()
        actions = self._actions.decode(body, reader)
        started = time.perf_counter_ns()
        observations, rewards, terminations, truncations, infos = self._vector.step(actions)
        elapsed = time.perf_counter_ns() - started
        self._step_took(elapsed)
        observed = self._encode(observations, parts)
        infos, finals = self._without_finals(infos, parts)
        packed_infos = encode_info(infos, parts)
        columns = [_packed(column) for column in (rewards, terminations, truncations)]
        self._codec_took(time.perf_counter_ns() - received - elapsed)
        return observed, columns, packed_infos, finals, elapsed

    def _without_finals(self, infos: Any, parts: Parts) -> Tuple[Any, Optional[Finals]]:
        """Take the last observations out of infos, as they are values of a space.

        Those that are not, which Gymnasium lets pass, stay and travel like any info.
        """
        for key in FINAL_KEYS:
            column: Any = infos.get(key) if isinstance(infos, dict) else None
            is_array_of_objects = getattr(getattr(column, "dtype", None), "kind", "") == "O"
            is_column = is_array_of_objects or isinstance(column, list)
            if is_column and len(column) == self._vector.num_envs:
                mark = len(parts)
                try:
                    bodies = [
                        None if final is None else [self._encode_final(final, parts)]
                        for final in column
                    ]
                except InvalidValue:
                    del parts[mark:]
                    continue
                return {**infos, key: None}, (key, bodies)
        return infos, None


def _packed(column: Tensor) -> Tuple[str, bytes]:
    return column.dtype, bytes(column.data)
