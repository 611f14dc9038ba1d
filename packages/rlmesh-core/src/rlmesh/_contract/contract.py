"""`EnvContract`: what a served env promises."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional

from rlmesh.errors import ProtocolError, UnsupportedSpace
from rlmesh.spaces import Space, space_from_spec

from .env_spec import EnvSpec
from .fields import field


@dataclass(frozen=True)
class EnvContract:
    """What a served env promises; exchanged once, in the handshake.

    Attributes:
        env_id: The env's registered id, or the name of its class.
        observation_space: The space of every observation.
        action_space: The space of every action.
        metadata: The env's own metadata (`render_modes`, `render_fps`, ...), as plain data.
        render_mode: The mode in which the env was built; None if it does not render.
        max_episode_steps: The step limit that the env itself applies; None if it says none.
        num_envs: How many sub-envs a vector env has, whose spaces above are those of a batch; None
            for a single env, as are the fields below.
        single_observation_space: The space of one sub-env's observations.
        single_action_space: The space of one sub-env's actions.
        autoreset_mode: When a vector env resets a sub-env whose episode has ended: `"NextStep"`,
            `"SameStep"` or `"Disabled"`, as in Gymnasium; None if it does not say.
        spec: How Gymnasium made the env; None if the env does not say.
        origin: What else tells the env from others of its id, as plain data: its `class`, the
            `wrappers` around it, the `factory` and `factory_kwargs` of a server that makes envs.
    """

    env_id: str
    observation_space: Space[Any]
    action_space: Space[Any]
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    render_mode: Optional[str] = None
    max_episode_steps: Optional[int] = None
    num_envs: Optional[int] = None
    single_observation_space: Optional[Space[Any]] = None
    single_action_space: Optional[Space[Any]] = None
    autoreset_mode: Optional[str] = None
    spec: Optional[EnvSpec] = None
    origin: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def to_dict(self) -> Dict[str, Any]:
        """Return the contract as plain data; `from_dict` gives an equal contract back."""
        plain = {
            "env_id": self.env_id,
            "observation_space": self.observation_space.to_spec(),
            "action_space": self.action_space.to_spec(),
            "metadata": dict(self.metadata),
            "render_mode": self.render_mode,
            "max_episode_steps": self.max_episode_steps,
            "spec": None if self.spec is None else self.spec.to_dict(),
            "origin": dict(self.origin),
        }
        if self.single_observation_space is not None and self.single_action_space is not None:
            plain["vector"] = {
                "num_envs": self.num_envs,
                "single_observation_space": self.single_observation_space.to_spec(),
                "single_action_space": self.single_action_space.to_spec(),
                "autoreset_mode": self.autoreset_mode,
            }
        return plain

    @classmethod
    def from_dict(cls, data: Any) -> EnvContract:
        """Build a contract from received data.

        Raises:
            ProtocolError: The data is no contract.
        """
        try:
            spec = field(data, "spec", dict, type(None), default=None)
            return cls(
                env_id=field(data, "env_id", str),
                observation_space=space_from_spec(data["observation_space"]),
                action_space=space_from_spec(data["action_space"]),
                metadata=field(data, "metadata", dict),
                render_mode=field(data, "render_mode", str, type(None)),
                max_episode_steps=field(data, "max_episode_steps", int, type(None)),
                spec=None if spec is None else EnvSpec.from_dict(spec),
                origin=field(data, "origin", dict, default={}),
                **_vector_fields(field(data, "vector", dict, type(None), default=None)),
            )
        except (KeyError, TypeError, ValueError, UnsupportedSpace) as exc:
            raise ProtocolError(
                f"the server sent an env contract that does not parse: {exc}"
            ) from exc


def _vector_fields(data: Any) -> Dict[str, Any]:
    """Return the fields that only the contract of a vector env has."""
    if data is None:
        return {}
    num_envs = field(data, "num_envs", int)
    if num_envs < 1:
        raise ValueError(f"num_envs: expected at least 1, got {num_envs}")
    return {
        "num_envs": num_envs,
        "single_observation_space": space_from_spec(data["single_observation_space"]),
        "single_action_space": space_from_spec(data["single_action_space"]),
        "autoreset_mode": field(data, "autoreset_mode", str, type(None)),
    }
