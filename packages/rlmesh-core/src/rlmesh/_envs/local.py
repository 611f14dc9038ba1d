"""An env in this process, behind one API whatever its age and framework."""

from __future__ import annotations

import inspect
import sys
import warnings
from typing import Any, Dict, Mapping, Optional, Tuple

from rlmesh._contract.contract import EnvContract
from rlmesh._contract.scalars import as_flag, as_reward
from rlmesh._values.native import NativeBackend
from rlmesh._values.numpy_bridge import NumpyBridge
from rlmesh._wire.info import plain_mapping
from rlmesh.adapters.resolve import tagged
from rlmesh.adapters.tags import EnvTags
from rlmesh.backends import Backend
from rlmesh.errors import InvalidValue
from rlmesh.spaces import GraphInstance, Space, as_space

from .origin import origin_of, spec_of, unwrapped

StepResult = Tuple[Any, float, bool, bool, Any]


class LocalBase:
    """What single envs and vector envs have in common here.

    Args:
        env: The env; it needs `reset`, `step`, `observation_space` and `action_space`.

    Attributes:
        backend: Whose arrays the env takes and gives.
        graph_type: What it takes as the value of a Graph space.

    Raises:
        UnsupportedSpace: A space is missing, or is none that RLMesh knows.
        TypeError: There is no `reset` or `step`.
    """

    def __init__(self, env: Any) -> None:
        if isinstance(env, type):
            raise TypeError(f"env: expected an environment, got its class: {env.__name__}")
        for method in ("reset", "step"):
            if not callable(getattr(env, method, None)):
                raise TypeError(
                    f"env: expected an environment with reset() and step(), got {env!r}"
                    f" ({type(env).__name__}), which has no {method}()"
                )
        self.env = env
        self.observation_space = space_of(env, "observation_space")
        self.action_space = space_of(env, "action_space")
        native = isinstance(env.observation_space, Space)
        self.backend: Backend = NativeBackend() if native else NumpyBridge()
        self.graph_type = _graph_type(env.observation_space)
        self._reset_arguments = _accepted(env, ("seed", "options"))

    def contract(self, tags: Optional[EnvTags] = None) -> EnvContract:
        """Return what this env promises.

        Args:
            tags: What its observations and actions are, if the env does not say so itself.

        Raises:
            AdapterResolutionError: The tags do not fit its spaces.
            InvalidValue: Its spec has an episode length that is none.
        """
        metadata = self._metadata()
        if tags is not None:
            metadata.update(tagged(*self._single_spaces(), tags))
        spec = spec_of(self.env)
        mode = getattr(self.env, "render_mode", None)
        return EnvContract(
            env_id=type(unwrapped(self.env)).__name__ if spec is None else spec.id,
            observation_space=self.observation_space,
            action_space=self.action_space,
            metadata=metadata,
            render_mode=None if mode is None else str(mode),
            max_episode_steps=None if spec is None else spec.max_episode_steps,
            spec=spec,
            origin=origin_of(self.env),
        )

    def render(self) -> Any:
        """Return what the env renders in its mode."""
        return self.env.render()

    def close(self) -> None:
        """Close the env."""
        self.env.close()

    def _metadata(self) -> Dict[Any, Any]:
        """Return the env's metadata as plain data."""
        return plain_mapping(getattr(self.env, "metadata", None) or {})

    def _single_spaces(self) -> Tuple[Space[Any], Space[Any]]:
        """Return the spaces of what one episode's observations and actions are."""
        return self.observation_space, self.action_space

    def _reset(self, seed: Any, options: Optional[Mapping[str, Any]]) -> Any:
        """Return what the env's `reset` returns, which gets those arguments that it takes."""
        arguments: Dict[str, Any] = {}
        if "seed" in self._reset_arguments:
            arguments["seed"] = seed
        elif seed is not None and _has(self.env, "seed"):
            self.env.seed(seed)
        if options is not None:
            if "options" not in self._reset_arguments:
                raise InvalidValue(f"options: this env's reset takes none, got {dict(options)!r}")
            arguments["options"] = options
        return self.env.reset(**arguments)


class LocalEnv(LocalBase):
    """Gives any env Gymnasium's current API: seeded `reset`, five values from `step`.

    Legacy `gym` envs are adapted: a `reset` without seed (`env.seed` is used where it exists) or
    without info, and a `step` of four values, whose `done` counts as truncation where info says
    `TimeLimit.truncated`.

    Args:
        env: The env; see `LocalBase`.

    Raises:
        UnsupportedSpace: See `LocalBase`.
        TypeError: See `LocalBase`; or it is a vector env.
    """

    def __init__(self, env: Any) -> None:
        if is_vector_env(env):
            raise TypeError(
                f"env: expected a single environment, got {env!r}, which is a vector of them"
            )
        super().__init__(env)

    def reset(
        self, seed: Optional[int] = None, options: Optional[Mapping[str, Any]] = None
    ) -> Tuple[Any, Any]:
        """Start an episode; return the observation and info.

        Raises:
            InvalidValue: Options were given, and the env takes none.
        """
        result = self._reset(seed, options)
        if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict):
            return result
        return result, {}

    def step(self, action: Any) -> StepResult:
        """Return observation, reward, terminated, truncated and info.

        Raises:
            InvalidValue: The env returned something else.
        """
        result = self.env.step(action)
        if not isinstance(result, (tuple, list)):
            raise InvalidValue(f"step: expected 5 values from the env, got {result!r}")
        if len(result) == 4:
            observation, reward, done, info = result
            terminated, truncated = as_flag(done, "done"), False
            cut_off = info.get("TimeLimit.truncated") if isinstance(info, Mapping) else None
            if terminated and cut_off is not None:
                truncated = as_flag(cut_off, "info['TimeLimit.truncated']")
                terminated = not truncated
        elif len(result) == 5:
            observation, reward, terminated, truncated, info = result
        else:
            raise InvalidValue(f"step: expected 5 values from the env, got {len(result)}")
        return (
            observation,
            float(reward) if isinstance(reward, float) else as_reward(reward, "reward"),
            terminated if type(terminated) is bool else as_flag(terminated, "terminated"),
            truncated if type(truncated) is bool else as_flag(truncated, "truncated"),
            info,
        )


def is_vector_env(env: Any) -> bool:
    """Whether an env object is a vector of envs."""
    return _has(env, "single_observation_space")


def _has(env: Any, name: str) -> bool:
    """Whether an env has an attribute, or passes on one of the env that it wraps.

    Wrappers of Gymnasium 0.29 warn when they do that, which would be said to the wrong person.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return hasattr(env, name)


def space_of(env: Any, name: str) -> Space[Any]:
    """Return one of the env's spaces as one of ours.

    Raises:
        UnsupportedSpace: It is missing, or none that RLMesh knows.
    """
    return as_space(getattr(env, name, None), f"{type(unwrapped(env)).__name__}.{name}")


def _graph_type(space: Any) -> Any:
    """Return the GraphInstance of the package that the env's spaces come from."""
    for base in type(space).__mro__:
        package = sys.modules.get(base.__module__.partition(".")[0] + ".spaces")
        if hasattr(package, "GraphInstance"):
            return package.GraphInstance  # type: ignore[union-attr]
    return GraphInstance


def _accepted(env: Any, names: Tuple[str, ...]) -> Tuple[str, ...]:
    """Return which of these keyword arguments the env's `reset` takes."""
    for candidate in (env, unwrapped(env)):
        try:
            parameters = inspect.signature(candidate.reset).parameters
        except (TypeError, ValueError):
            return names
        if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
            return tuple(name for name in names if name in parameters)
    return names
