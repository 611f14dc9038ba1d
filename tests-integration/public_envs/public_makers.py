"""Makes public envs by their ids, each with what its package needs first."""

from __future__ import annotations

import importlib
from typing import Any, Dict, Optional, Tuple

import gymnasium

REGISTERED_BY = {
    "ALE/": "ale_py",
    "BabyAI-": "minigrid",
    "MiniGrid-": "minigrid",
    "Meta-World/": "metaworld",
    "Panda": "panda_gym",
    "dm_control/": "shimmy",
    "gym_pusht/": "gym_pusht",
}
"""Which package registers the ids with a prefix, where importing Gymnasium does not."""
HIGHWAY = ("highway", "intersection", "merge", "parking", "racetrack", "roundabout", "two-way")
ROBOTICS = ("Adroit", "AntMaze", "Fetch", "FrankaKitchen", "Hand", "PointMaze")


def make(env_id: str, **kwargs: Any) -> gymnasium.Env[Any, Any]:
    """Make an env.

    Args:
        env_id: A Gymnasium id, or `pettingzoo/` and a module of PettingZoo.
        kwargs: For the env.
    """
    if env_id.startswith("pettingzoo/"):
        module = importlib.import_module(env_id.replace("/", "."))
        if hasattr(module, "parallel_env"):
            return Together(module.parallel_env(**kwargs))
        return InTurn(module.env(**kwargs))
    packages = [package for prefix, package in REGISTERED_BY.items() if env_id.startswith(prefix)]
    is_highway = env_id.startswith(HIGHWAY)
    packages += ["highway_env"] * is_highway
    packages += ["gymnasium_robotics"] * env_id.startswith(ROBOTICS)
    for package in packages:
        gymnasium.register_envs(importlib.import_module(package))
    env = gymnasium.make(env_id, **kwargs)
    return WithoutResetInfo(env) if is_highway else env


class WithoutResetInfo(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Leaves out a reset's info, which highway-env computes for an action that it draws.

    It draws from a space that it makes anew in every reset, so that no seed can reach it.
    """

    def reset(self, **kwargs: Any) -> Any:
        return self.env.reset(**kwargs)[0], {}


class InTurn(gymnasium.Env[Any, Any]):
    """A PettingZoo env whose agents act in turn, played by one agent.

    An action that is not allowed becomes the first that is.

    Args:
        env: The env.
    """

    def __init__(self, env: Any) -> None:
        self._env = env
        self.metadata, self.render_mode = env.metadata, env.render_mode
        first = env.possible_agents[0]
        self.observation_space = env.observation_space(first)
        self.action_space = env.action_space(first)
        self._mask: Any = None

    def reset(
        self, *, seed: Optional[int] = None, options: Optional[Dict[str, Any]] = None
    ) -> Tuple[Any, Dict[str, Any]]:
        self._env.reset(seed=seed, options=options)
        observation, _, _, _, info = self._last()
        return observation, info

    def step(self, action: Any) -> Tuple[Any, float, bool, bool, Dict[str, Any]]:
        if self._mask is not None and not self._mask[action]:
            action = type(action)(self._mask.argmax())
        self._env.step(action)
        return self._last()

    def _last(self) -> Tuple[Any, float, bool, bool, Dict[str, Any]]:
        observation, reward, terminated, truncated, info = self._env.last()
        masks = observation if isinstance(observation, dict) else info
        self._mask = masks.get("action_mask")
        info = {**info, "agent": self._env.agent_selection}
        return observation, float(reward), terminated, truncated, info

    def render(self) -> Any:
        return self._env.render()

    def close(self) -> None:
        self._env.close()


class Together(gymnasium.Env[Any, Any]):
    """A PettingZoo env whose agents act at once, played by one agent, until the first is done.

    Args:
        env: The env.
    """

    def __init__(self, env: Any) -> None:
        self._env = env
        self.metadata, self.render_mode = env.metadata, env.render_mode
        agents = env.possible_agents
        self.observation_space = gymnasium.spaces.Dict(
            {a: env.observation_space(a) for a in agents}
        )
        self.action_space = gymnasium.spaces.Dict({a: env.action_space(a) for a in agents})

    def reset(
        self, *, seed: Optional[int] = None, options: Optional[Dict[str, Any]] = None
    ) -> Tuple[Any, Dict[str, Any]]:
        observations: Any = self._env.reset(seed=seed, options=options)
        return observations

    def step(self, action: Any) -> Tuple[Any, float, bool, bool, Dict[str, Any]]:
        observations, rewards, terminations, truncations, infos = self._env.step(action)
        done, over = any(terminations.values()), any(truncations.values())
        return observations, float(sum(rewards.values())), done, over, {**infos, "rewards": rewards}

    def render(self) -> Any:
        return self._env.render()

    def close(self) -> None:
        self._env.close()
