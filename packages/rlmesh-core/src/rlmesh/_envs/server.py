"""`EnvServer`: serves an env to one client at a time, or an env each to many."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence, Tuple

from rlmesh._rpc.hosting import Running, ServerBase
from rlmesh._rpc.options import ServeOptions
from rlmesh._rpc.service import Service
from rlmesh._transport.security import Token
from rlmesh._transport.server import ZmqListener
from rlmesh.adapters.tags import EnvTags

from .attributes import checked_names
from .doors import local_env, new_service
from .factory import check_not_loading_main, factory_of
from .front import EnvFront


class EnvServer(ServerBase):
    """Serves an env instance to one client at a time, or makes an env for each of many.

    All calls of an env instance run on one thread: the one that calls `serve`, or the one that
    `start` makes. The env belongs to the caller and is not closed here.

    A factory makes up to `max_sessions` envs, each in a process of its own, which ends with its
    session. A process that crashes is an `EnvCrashed` for its client, and nothing for the others.
    The first one is made by `bind`, which fails where the factory does.

    A server that was shut down cannot be started again.

    Args:
        env_or_factory: An env with Gymnasium's API, or a legacy `gym` one; or a vector env of
            either. Or a factory of one: a Gymnasium id, or one of `gym` where Gymnasium is missing,
            with or without `module:` before it; `"module:callable"`; or a function or class at the
            top level of a module.
        address: `tcp://host:port`, `host:port` or `unix:///path`. Port 0 takes a free one.
        token: The secret that clients must share; empty means `RLMESH_TOKEN`, or none.
        options: See `ServeOptions`.
        tags: What the env's observations and actions are, for models with a spec; for a vector
            env, those of one sub-env.
        env_kwargs: Keyword arguments for the factory, as plain data; tuples arrive as lists.
        expose: Names of public attributes and methods of the env that clients may get, set and
            call, such as `["level", "compute_reward"]`; of a vector env, those of its sub-envs.
            Whoever may connect may use them, with any arguments.

    Raises:
        AdapterResolutionError: The tags do not fit the env's spaces; for a factory, from `bind`.
        UnsupportedSpace: The env has no spaces, or one that RLMesh does not know; for a factory,
            from `bind`.
        AddressError: The address does not parse.
        TypeError: It is neither an env nor a factory, or a factory that another process cannot
            import, such as a lambda; or `expose` is no list of names.
        ValueError: A name in `expose` is not public, or cannot be exposed.

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
        env_or_factory: Any,
        address: str = "tcp://127.0.0.1:0",
        *,
        token: str = "",
        options: Optional[ServeOptions] = None,
        tags: Optional[EnvTags] = None,
        env_kwargs: Optional[Mapping[str, Any]] = None,
        expose: Sequence[str] = (),
    ) -> None:
        token = Token(token)
        super().__init__(address, token, options)
        self._tags = tags
        self._expose = checked_names(expose)
        self._factory = factory_of(env_or_factory, env_kwargs)
        if self._factory is None:
            self._env = local_env(env_or_factory)
            self._contract = self._env.contract(tags)

    def _new_service(self) -> Service:
        return new_service(self._env, self._contract, self._expose)

    def _open(self) -> Tuple[ZmqListener, Running]:
        if self._factory is None:
            return super()._open()
        check_not_loading_main()
        listener = self._listen()
        front = EnvFront(
            self._factory, self._tags, self._token, listener, self._options, self._expose
        )
        try:
            front.start_first(lambda: self._shut)
        except BaseException:
            front.abandon()
            raise
        return listener, front

    def _name(self) -> str:
        return repr(self._contract.env_id if self._factory is None else self._factory.name)
