"""A served env as a `gymnasium.Env`.

Importing this module registers `rlmesh/RemoteEnv-v0`:

    gym.make("rlmesh.numpy.gym:rlmesh/RemoteEnv-v0", address="127.0.0.1:5555")
"""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Tuple

import gymnasium

from rlmesh.numpy._backend import BACKEND
from rlmesh.numpy._remote import RemoteEnv as _RemoteEnv
from rlmesh.spaces import to_gymnasium

__all__ = ["ENV_ID", "RemoteEnv"]

ENV_ID = "rlmesh/RemoteEnv-v0"


class RemoteEnv(gymnasium.Env[Any, Any]):
    """A served env that is a `gymnasium.Env`, for wrappers and training libraries.

    Args:
        address: Where the env is served.
        render_mode: Must be the served env's own, or None for whatever that is.
        options: Passed to `rlmesh.numpy.RemoteEnv`: `token`, `step_timeout` and so on.

    Raises:
        ValueError: The served env renders in another mode.
        UnsupportedSpace: The installed Gymnasium cannot describe one of its spaces.
        RLMeshError: The env cannot be reached, or is held by another client.
    """

    metadata: Dict[str, Any] = {  # noqa: RUF012
        "render_modes": ["human", "rgb_array", "depth_array", "ansi", "rgb_array_list"]
    }

    def __init__(self, address: str, *, render_mode: Optional[str] = None, **options: Any) -> None:
        self._env = _RemoteEnv(address, **options)
        self._view = self._env.view(BACKEND, graph_type=gymnasium.spaces.GraphInstance)
        try:
            if render_mode not in (None, self._env.render_mode):
                raise ValueError(
                    f"render_mode: the env at {address} renders in mode {self._env.render_mode!r},"
                    f" got {render_mode!r}"
                )
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
        return self._view.reset(seed, options)

    def step(self, action: Any) -> Tuple[Any, float, bool, bool, Dict[str, Any]]:
        """Return observation, reward, terminated, truncated and info."""
        return self._view.step(action)

    def render(self) -> Any:
        """Return what the served env renders."""
        return self._view.render()

    def close(self) -> None:
        """Free the served env for other clients."""
        self._env.close()


gymnasium.register(ENV_ID, entry_point="rlmesh.numpy.gym:RemoteEnv", disable_env_checker=True)
