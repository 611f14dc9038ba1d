"""A served env as a `gymnasium.Env`, and a served vector env as a `gymnasium.vector.VectorEnv`.

Importing this module registers `rlmesh/RemoteEnv-v0` and `rlmesh/RemoteVectorEnv-v0`:

    gym.make("rlmesh.numpy.gym:rlmesh/RemoteEnv-v0", address="127.0.0.1:5555")
    gym.make_vec("rlmesh.numpy.gym:rlmesh/RemoteVectorEnv-v0", address="127.0.0.1:5555")
"""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple, Union

import gymnasium
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import VectorEnv

from numpy.typing import NDArray
from rlmesh.errors import UnknownAttribute
from rlmesh.numpy._backend import BACKEND
from rlmesh.numpy._remote import RemoteEnv as _RemoteEnv
from rlmesh.numpy._remote import RemoteVectorEnv as _RemoteVectorEnv
from rlmesh.spaces import to_gymnasium

__all__ = ["ENV_ID", "VECTOR_ENV_ID", "RemoteEnv", "RemoteVectorEnv"]

ENV_ID = "rlmesh/RemoteEnv-v0"
VECTOR_ENV_ID = "rlmesh/RemoteVectorEnv-v0"

_ENTRY_POINT = "rlmesh.numpy.gym:RemoteEnv"
_VECTOR_ENTRY_POINT = "rlmesh.numpy.gym:RemoteVectorEnv"


_OWN = frozenset(
    {
        "observation_space",
        "action_space",
        "single_observation_space",
        "single_action_space",
        "num_envs",
        "metadata",
        "spec",
        "reward_range",
        "closed",
    }
)
"""What Gymnasium, its wrappers and training libraries set on an env to change this side alone."""


class _Face:
    """What a served env and a served vector env have in common here.

    Public attributes that the client does not have are those of the served env: they are got and
    set there if its server exposes them, and refused otherwise.
    """

    _env: Any
    _spec: Optional[EnvSpec] = None

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self._env.__reduce_ex__(protocol)

    @property
    def np_random(self) -> Any:
        """A generator on this side, which `reset(seed=...)` seeds like that of the served env."""
        return super().np_random  # type: ignore[misc]

    @np_random.setter
    def np_random(self, value: Any) -> None:
        raise UnknownAttribute(
            "'np_random' of the served env cannot be reached: seed it with reset(seed=...)"
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return self._env._attribute(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "render_mode":
            _check_render_mode(self._env, value)
        if name.startswith("_") or name in _OWN or hasattr(type(self), name):
            super().__setattr__(name, value)
        else:
            setattr(self._env, name, value)


class RemoteEnv(_Face, gymnasium.Env[Any, Any]):
    """A served env that is a `gymnasium.Env`, for wrappers and training libraries.

    `get_wrapper_attr`, `set_wrapper_attr`, `has_wrapper_attr`, and any other public attribute or
    method, such as `compute_reward`, reach the served env where its server exposes it, with
    `EnvServer(expose=["compute_reward"])`, and raise `UnknownAttribute` where it does not.

    Its `spec` has the id, `max_episode_steps` and so on of the served env, but makes another client
    of the same server: `gymnasium.make(env.spec)` never makes a local env. In `metadata`,
    `render_modes` is the one mode in which the served env renders.

    Args:
        address: Where the env is served.
        render_mode: Must be the served env's own, or None for whatever that is.
        options: Passed to `rlmesh.numpy.RemoteEnv`: `token`, `step_timeout` and so on.

    Raises:
        ValueError: The served env renders in another mode.
        UnsupportedSpace: The installed Gymnasium cannot describe one of its spaces.
        RLMeshError: The env cannot be reached, or is held by another client.
    """

    _seed = -1
    metadata: Dict[str, Any] = {  # noqa: RUF012
        "render_modes": ["human", "rgb_array", "depth_array", "ansi", "rgb_array_list"]
    }

    def __init__(self, address: str, *, render_mode: Optional[str] = None, **options: Any) -> None:
        kwargs = _recorded(address, options)
        self._env = _RemoteEnv(address, **_taken(options))
        self._view = self._env.view(BACKEND, graph_type=gymnasium.spaces.GraphInstance)
        try:
            _check_render_mode(self._env, render_mode)
            self.observation_space = to_gymnasium(self._env.observation_space)
            self.action_space = to_gymnasium(self._env.action_space)
        except BaseException:
            self._env.close()
            raise
        self.render_mode = self._env.render_mode
        self.metadata = dict(self._env.metadata)
        if "render_modes" in self.metadata:  # of which there is one from here
            self.metadata["render_modes"] = [] if self.render_mode is None else [self.render_mode]
        self._spec = _spec(self._env, kwargs, entry_point=_ENTRY_POINT)

    @property
    def spec(self) -> Optional[EnvSpec]:
        """The served env's spec, which makes another client of it; None if that has none."""
        return self._spec

    @spec.setter
    def spec(  # pyright: ignore[reportIncompatibleVariableOverride]
        self, spec: Optional[EnvSpec]
    ) -> None:
        self._spec = _kept(self._spec, spec)

    def reset(
        self, *, seed: Optional[int] = None, options: Optional[Mapping[str, Any]] = None
    ) -> Tuple[Any, Dict[str, Any]]:
        """Start an episode; return the observation and info."""
        super().reset(seed=seed)
        result: Tuple[Any, Dict[str, Any]] = self._view.reset(seed, options)
        if seed is not None:
            self._seed = int(seed)
        return result

    @property
    def np_random_seed(self) -> int:
        """The seed of the last seeded `reset`; -1 if there was none."""
        return self._seed

    def step(self, action: Any) -> Tuple[Any, float, bool, bool, Dict[str, Any]]:
        """Return observation, reward, terminated, truncated and info."""
        result: Tuple[Any, float, bool, bool, Dict[str, Any]] = self._view.step(action)
        return result

    def render(self) -> Any:
        """Return what the served env renders."""
        return self._view.render()

    def close(self) -> None:
        """Free the served env for other clients."""
        self._env.close()


class _VectorFace(type):
    """The type of `RemoteVectorEnv`, whose repr is what libraries show when they refuse one."""

    def __repr__(cls) -> str:
        name = f"{cls.__module__}.{cls.__qualname__}"
        return (
            f"<class '{name}' (a gymnasium.vector.VectorEnv; Stable-Baselines3 wants several"
            " rlmesh.numpy.gym.RemoteEnv)>"
        )


class RemoteVectorEnv(_Face, VectorEnv, metaclass=_VectorFace):
    """A served vector env that is a `gymnasium.vector.VectorEnv`.

    `call`, `get_attr` and `set_attr` reach what the server exposes of its sub-envs, and raise
    `UnknownAttribute` for anything else.

    Args:
        address: Where the vector env is served.
        num_envs: Must be the served env's own, or None for whatever that is. So does 1, which is
            what `gymnasium.make_vec` passes where nobody asked for a number.
        render_mode: Must be the served env's own, or None for whatever that is.
        max_episode_steps: Likewise.
        options: Passed to `rlmesh.numpy.RemoteVectorEnv`: `token`, `step_timeout` and so on.

    Raises:
        TypeError: A single env is served there.
        ValueError: The served env has another number of sub-envs or steps, or another render mode.
        UnsupportedSpace: The installed Gymnasium cannot describe one of its spaces.
        RLMeshError: The env cannot be reached, or is held by another client.
    """

    # What only Gymnasium 0.29 and its wrappers ask for.
    is_vector_env = True
    viewer = None

    closed, num_envs = True, 0  # until there is something to close

    def __init__(
        self,
        address: str,
        *,
        num_envs: Optional[int] = None,
        render_mode: Optional[str] = None,
        max_episode_steps: Optional[int] = None,
        **options: Any,
    ) -> None:
        kwargs = _recorded(address, options)
        self._env = env = _RemoteVectorEnv(address, **_taken(options))
        self._view = env.view(BACKEND, graph_type=gymnasium.spaces.GraphInstance)
        try:
            if num_envs not in (None, 1, env.num_envs):
                raise ValueError(
                    f"num_envs: the vector env at {address} has {env.num_envs}, got {num_envs}"
                )
            if max_episode_steps not in (None, env.contract.max_episode_steps):
                raise ValueError(
                    f"max_episode_steps: the vector env at {address} has"
                    f" {env.contract.max_episode_steps}, got {max_episode_steps}"
                )
            _check_render_mode(env, render_mode)
            self.observation_space = to_gymnasium(env.observation_space)
            self.action_space = to_gymnasium(env.action_space)
            self.single_observation_space = to_gymnasium(env.single_observation_space)
            self.single_action_space = to_gymnasium(env.single_action_space)
        except BaseException:
            env.close()
            raise
        self.closed = False
        self.num_envs = env.num_envs
        self._seeds: Tuple[int, ...] = (-1,) * env.num_envs
        self.render_mode = env.render_mode
        self.metadata = dict(env.metadata)
        if env.autoreset_mode is not None:
            self.metadata["autoreset_mode"] = _autoreset_mode(env.autoreset_mode)
        self._spec = _spec(env, kwargs, vector_entry_point=_VECTOR_ENTRY_POINT)

    @property
    def spec(self) -> Optional[EnvSpec]:
        """The served env's spec, with which `make_vec` makes another client of it; or None."""
        return self._spec

    @spec.setter
    def spec(  # pyright: ignore[reportIncompatibleVariableOverride]
        self, spec: Optional[EnvSpec]
    ) -> None:
        self._spec = _kept(self._spec, spec)

    def reset(
        self,
        *,
        seed: Union[int, Sequence[Optional[int]], None] = None,
        options: Optional[Mapping[str, Any]] = None,
    ) -> Tuple[Any, Dict[str, Any]]:
        """Start an episode in every sub-env, or in those of `options["reset_mask"]`."""
        result = self._view.reset(seed, options)
        if seed is not None:
            given: Any = seed
            seeds = given if hasattr(seed, "__len__") else range(given, given + self.num_envs)
            self._seeds = tuple(
                old if new is None else int(new) for old, new in zip(self._seeds, seeds)
            )
        return result

    @property
    def np_random_seed(self) -> Tuple[int, ...]:  # type: ignore[override] # older: one for all
        """The seed of each sub-env's last seeded `reset`; -1 if there was none."""
        return self._seeds

    def step(
        self, actions: Any
    ) -> Tuple[Any, NDArray[Any], NDArray[Any], NDArray[Any], Dict[str, Any]]:
        """Return observations, rewards, terminations, truncations and infos."""
        return self._view.step(actions)

    def render(self) -> Any:
        """Return what the served env renders: a tuple with the frame of each sub-env."""
        return self._view.render()

    def close_extras(self, **kwargs: Any) -> None:
        """Free the served env for other clients."""
        self._env.close()

    def call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Return what a method of each sub-env returns; see `rlmesh.RemoteVectorEnv.call`."""
        return self._env.call(name, *args, **kwargs)

    def get_attr(self, name: str) -> Any:
        """Return an attribute of each sub-env; see `rlmesh.RemoteVectorEnv.get_attr`."""
        return self._env.get_attr(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute of each sub-env; see `rlmesh.RemoteVectorEnv.set_attr`."""
        self._env.set_attr(name, values)


def _taken(options: Dict[str, Any]) -> Dict[str, Any]:
    """Return options, and leave none where a traceback would show a token among them."""
    taken = options.copy()
    options.clear()
    return taken


def _recorded(address: str, options: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the arguments of another client like this one, but for its token."""
    return {"address": address, **{k: v for k, v in options.items() if k != "token"}}


def _spec(
    env: Union[_RemoteEnv, _RemoteVectorEnv], kwargs: Dict[str, Any], **made_by: str
) -> Optional[EnvSpec]:
    """Return the served env's spec as Gymnasium's, which makes a client of it.

    The wrappers that the served env has are not made again on this side.

    Args:
        env: A client.
        kwargs: What makes another one.
        made_by: The entry point of Gymnasium's `EnvSpec` to which these are passed.
    """
    served = env.spec
    if served is None:
        return None
    fields: Dict[str, Any] = {
        "reward_threshold": served.reward_threshold,
        "nondeterministic": served.nondeterministic,
        "max_episode_steps": served.max_episode_steps,
        "order_enforce": served.order_enforce,
        "disable_env_checker": True,
        "kwargs": kwargs,
        **made_by,
    }
    try:
        return EnvSpec(served.id, **fields)
    except gymnasium.error.Error:  # of an id that Gymnasium would not accept
        return EnvSpec(ENV_ID if "entry_point" in made_by else VECTOR_ENV_ID, **fields)


def _kept(served: Optional[EnvSpec], given: Optional[EnvSpec]) -> Optional[EnvSpec]:
    """Return the spec to keep when one is assigned.

    Gymnasium's `make` assigns the one that it made a client from. That says less than the served
    env's own, and may hold a token.
    """
    made_by = (getattr(given, "entry_point", None), getattr(given, "vector_entry_point", None))
    if given is None or not {_ENTRY_POINT, _VECTOR_ENTRY_POINT}.intersection(made_by):
        return given
    if served is not None:
        return served
    kwargs = {name: value for name, value in given.kwargs.items() if name != "token"}
    return dataclasses.replace(given, kwargs=kwargs)


def _check_render_mode(env: Union[_RemoteEnv, _RemoteVectorEnv], requested: Optional[str]) -> None:
    if requested not in (None, env.render_mode):
        raise ValueError(
            f"render_mode: the env at {env.address} renders in mode {env.render_mode!r},"
            f" got {requested!r}"
        )


def _autoreset_mode(name: str) -> Any:
    """Return the mode as a member of Gymnasium's enum, where that has it."""
    modes = getattr(gymnasium.vector, "AutoresetMode", ())
    return next((mode for mode in modes if mode.value == name), name)


gymnasium.register(VECTOR_ENV_ID, vector_entry_point=_VECTOR_ENTRY_POINT)
gymnasium.register(ENV_ID, entry_point=_ENTRY_POINT, disable_env_checker=True)
