"""The right door to an env in this process, be it a single env or a vector env."""

from __future__ import annotations

from typing import Any, Sequence, Union

from rlmesh._contract.contract import EnvContract

from .local import LocalEnv, is_vector_env
from .local_vector import LocalVectorEnv
from .service import EnvService
from .vector_service import VectorEnvService


def local_env(env: Any) -> Union[LocalEnv, LocalVectorEnv]:
    """Return an env, or a vector env, behind its one API.

    Raises:
        UnsupportedSpace, TypeError: See `LocalEnv`.
    """
    return LocalVectorEnv(env) if is_vector_env(env) else LocalEnv(env)


def new_service(
    env: Union[LocalEnv, LocalVectorEnv], contract: EnvContract, expose: Sequence[str] = ()
) -> EnvService:
    """Return what executes requests on such an env."""
    if isinstance(env, LocalVectorEnv):
        return VectorEnvService(env, contract, expose)
    return EnvService(env, contract, expose)
