"""`EnvSpec`: how Gymnasium made an env, as plain data."""

from __future__ import annotations

import contextlib
import math
from dataclasses import asdict, dataclass, field
from typing import Any, Dict, Mapping, Optional, Tuple

from .plain import name_of, plain_kwargs
from .scalars import as_count


@dataclass(frozen=True)
class EnvSpec:
    """How an env was made, as its `spec` says in Gymnasium: the same fields, as plain data.

    What is no plain data, a function among the `kwargs` say, is a text such as
    `<callable module:qualname>`.

    Attributes:
        id: The id by which the env is registered; for an env without a spec, the name of its class.
        entry_point: What makes the env, as `module:qualname`; None if it does not say.
        reward_threshold: The reward from which on the env counts as solved.
        nondeterministic: Whether the same seed and actions may give something else.
        max_episode_steps: Steps after which the env itself truncates an episode.
        order_enforce: Whether a wrapper checks that `reset` comes first.
        disable_env_checker: Whether there is no wrapper that checks the env's values.
        kwargs: The keyword arguments that the env was made with.
        additional_wrappers: What was wrapped around it: for each wrapper its `name`, its
            `entry_point` and its `kwargs`, which are None where it does not record them.
    """

    id: str
    entry_point: Optional[str] = None
    reward_threshold: Optional[float] = None
    nondeterministic: bool = False
    max_episode_steps: Optional[int] = None
    order_enforce: bool = True
    disable_env_checker: bool = False
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    additional_wrappers: Tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def of(cls, spec: Any, name: str) -> Optional[EnvSpec]:
        """Return the plain form of an env's `spec`; None if it has neither an id nor a limit.

        Args:
            spec: That of Gymnasium, of Gym, or anything with some of their fields.
            name: The name of the env's class, for a spec without an id.

        Raises:
            InvalidValue: Its `max_episode_steps` is none.
        """
        env_id = _get(spec, "id")
        if not isinstance(env_id, str) or not env_id:
            if _steps(_get(spec, "max_episode_steps")) is None:
                return None
            env_id = name
        entry_point, threshold = _get(spec, "entry_point"), _get(spec, "reward_threshold")
        wrappers = _get(spec, "additional_wrappers")
        return cls(
            id=env_id,
            entry_point=None if entry_point is None else _location(entry_point),
            reward_threshold=_number(threshold),
            nondeterministic=_get(spec, "nondeterministic") is True,
            max_episode_steps=_steps(_get(spec, "max_episode_steps")),
            order_enforce=_get(spec, "order_enforce") is not False,
            disable_env_checker=_get(spec, "disable_env_checker") is True,
            kwargs=plain_kwargs(_get(spec, "kwargs")),
            additional_wrappers=tuple(
                _wrapper(one) for one in (wrappers if isinstance(wrappers, (list, tuple)) else ())
            ),
        )

    def to_dict(self) -> Dict[str, Any]:
        """Return plain data, from which `from_dict` builds an equal spec."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Any) -> EnvSpec:
        """Build a spec from received data.

        Raises:
            TypeError, KeyError: The data is no spec.
        """
        threshold, steps = data["reward_threshold"], data["max_episode_steps"]
        for name, kind in _KINDS.items():
            if not isinstance(data[name], kind):
                expected = " or ".join(one.__name__ for one in kind)
                raise TypeError(f"spec.{name}: expected {expected}, got {data[name]!r:.100}")
        if type(steps) is bool or type(threshold) is bool:
            raise TypeError("spec: expected numbers as max_episode_steps and reward_threshold")
        wrappers = data["additional_wrappers"]
        if not all(isinstance(wrapper, dict) for wrapper in wrappers):
            raise TypeError("spec.additional_wrappers: expected a list of dicts")
        fields = {name: data[name] for name in _KINDS}
        return cls(**{**fields, "additional_wrappers": tuple(wrappers)})


_KINDS: Dict[str, Tuple[type, ...]] = {
    "id": (str,),
    "entry_point": (str, type(None)),
    "reward_threshold": (float, int, type(None)),
    "nondeterministic": (bool,),
    "max_episode_steps": (int, type(None)),
    "order_enforce": (bool,),
    "disable_env_checker": (bool,),
    "kwargs": (dict,),
    "additional_wrappers": (list, tuple),
}


def _get(spec: Any, name: str) -> Any:
    """Return a field; None where there is none, or it raises."""
    with contextlib.suppress(Exception):
        return getattr(spec, name, None)
    return None


def _location(entry_point: Any) -> str:
    return entry_point if isinstance(entry_point, str) else f"<callable {name_of(entry_point)}>"


def _number(value: Any) -> Optional[float]:
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        number = float(value)
        return None if math.isnan(number) else number
    return None


def _steps(value: Any) -> Optional[int]:
    # -1 says "no limit", as None does.
    return None if value is None or value == -1 else as_count(value, "spec.max_episode_steps")


def _wrapper(spec: Any) -> Dict[str, Any]:
    kwargs, entry_point = _get(spec, "kwargs"), _get(spec, "entry_point")
    return {
        "name": str(_get(spec, "name")),
        "entry_point": None if entry_point is None else _location(entry_point),
        "kwargs": None if kwargs is None else plain_kwargs(kwargs),
    }
