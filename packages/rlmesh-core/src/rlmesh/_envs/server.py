"""`EnvServer`: serves an env to one client at a time."""

from __future__ import annotations

from typing import Any, Optional

from rlmesh._rpc.hosting import ServerBase
from rlmesh._rpc.options import ServeOptions
from rlmesh._rpc.service import Service
from rlmesh.adapters.tags import EnvTags

from .doors import local_env, new_service


class EnvServer(ServerBase):
    """Serves an env instance; one client at a time holds it.

    All env calls run on one thread: the one that calls `serve`, or the one that `start` makes.
    The env belongs to the caller and is not closed here. A server that was shut down cannot be
    started again.

    Args:
        env: An env with Gymnasium's API, or a legacy `gym` one; or a vector env of either.
        address: `tcp://host:port`, `host:port` or `unix:///path`. Port 0 takes a free one.
        token: The secret that clients must share; empty means `RLMESH_TOKEN`, or none.
        options: See `ServeOptions`.
        tags: What the env's observations and actions are, for models with a spec; for a vector
            env, those of one sub-env.

    Raises:
        AdapterResolutionError: The tags do not fit the env's spaces.
        UnsupportedSpace: The env has no spaces, or one that RLMesh does not know.
        AddressError: The address does not parse.

    Examples:
        >>> import gymnasium, rlmesh
        >>> with rlmesh.EnvServer(gymnasium.make("CartPole-v1"), "127.0.0.1:0") as server:
        ...     with rlmesh.RemoteEnv(server.address) as env:
        ...         observation, info = env.reset(seed=0)
        >>> observation.shape
        (4,)
    """

    def __init__(
        self,
        env: Any,
        address: str = "tcp://127.0.0.1:0",
        *,
        token: str = "",
        options: Optional[ServeOptions] = None,
        tags: Optional[EnvTags] = None,
    ) -> None:
        super().__init__(address, token, options)
        self._env = local_env(env)
        self._contract = self._env.contract(tags)

    def _new_service(self) -> Service:
        return new_service(self._env, self._contract)

    def _name(self) -> str:
        return repr(self._contract.env_id)
