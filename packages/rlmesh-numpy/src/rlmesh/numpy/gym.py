"""A served env as a `gymnasium.Env`, and a served vector env as a `gymnasium.vector.VectorEnv`.

Importing this module registers `rlmesh/RemoteEnv-v0` and `rlmesh/RemoteVectorEnv-v0`:

    gym.make("rlmesh.numpy.gym:rlmesh/RemoteEnv-v0", address="127.0.0.1:5555")
    gym.make_vec("rlmesh.numpy.gym:rlmesh/RemoteVectorEnv-v0", address="127.0.0.1:5555")
"""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Sequence, Tuple, Union

import gymnasium
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
        return getattr(self._env, name)

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

    def reset(
        self, *, seed: Optional[int] = None, options: Optional[Mapping[str, Any]] = None
    ) -> Tuple[Any, Dict[str, Any]]:
        """Start an episode; return the observation and info."""
        super().reset(seed=seed)
        result = self._view.reset(seed, options)
        if seed is not None:
            self._seed = int(seed)
        return result

    @property
    def np_random_seed(self) -> int:
        """The seed of the last seeded `reset`; -1 if there was none."""
        return self._seed

    def step(self, action: Any) -> Tuple[Any, float, bool, bool, Dict[str, Any]]:
        """Return observation, reward, terminated, truncated and info."""
        return self._view.step(action)

    def render(self) -> Any:
        """Return what the served env renders."""
        return self._view.render()

    def close(self) -> None:
        """Free the served env for other clients."""
        self._env.close()


class RemoteVectorEnv(_Face, VectorEnv):
    """A served vector env that is a `gymnasium.vector.VectorEnv`.

    `call`, `get_attr` and `set_attr` reach what the server exposes of its sub-envs, and raise
    `UnknownAttribute` for anything else.

    Args:
        address: Where the vector env is served.
        num_envs: Must be the served env's own, or None for whatever that is. So does 1, which is
            what `gymnasium.make_vec` passes where nobody asked for a number.
        render_mode: Must be the served env's own, or None for whatever that is.
        options: Passed to `rlmesh.numpy.RemoteVectorEnv`: `token`, `step_timeout` and so on.

    Raises:
        TypeError: A single env is served there.
        ValueError: The served env has another number of sub-envs, or renders in another mode.
        UnsupportedSpace: The installed Gymnasium cannot describe one of its spaces.
        RLMeshError: The env cannot be reached, or is held by another client.
    """

    # What only Gymnasium 0.29 and its wrappers ask for.
    is_vector_env = True
    viewer = None

    closed = True  # until there is something to close

    def __init__(
        self,
        address: str,
        *,
        num_envs: Optional[int] = None,
        render_mode: Optional[str] = None,
        **options: Any,
    ) -> None:
        self._env = env = _RemoteVectorEnv(address, **_taken(options))
        self._view = env.view(BACKEND, graph_type=gymnasium.spaces.GraphInstance)
        try:
            if num_envs not in (None, 1, env.num_envs):
                raise ValueError(
                    f"num_envs: the vector env at {address} has {env.num_envs}, got {num_envs}"
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

    def reset(
        self,
        *,
        seed: Union[int, Sequence[Optional[int]], None] = None,
        options: Optional[Mapping[str, Any]] = None,
    ) -> Tuple[Any, Dict[str, Any]]:
        """Start an episode in every sub-env, or in those of `options["reset_mask"]`."""
        result = self._view.reset(seed, options)
        if seed is not None:
            count = self.num_envs
            seeds = seed if hasattr(seed, "__len__") else range(seed, seed + count)
            self._seeds = tuple(
                old if new is None else int(new) for old, new in zip(self._seeds, seeds)
            )
        return result

    @property
    def np_random_seed(self) -> Tuple[int, ...]:
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


gymnasium.register(VECTOR_ENV_ID, vector_entry_point="rlmesh.numpy.gym:RemoteVectorEnv")
gymnasium.register(ENV_ID, entry_point="rlmesh.numpy.gym:RemoteEnv", disable_env_checker=True)
