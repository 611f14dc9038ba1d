"""Where an env comes from, as far as that can be seen: what tells it from others of its id."""

from __future__ import annotations

import contextlib
import json
import operator
import os
from typing import Any, Callable, Dict, Iterator, List, Optional

from rlmesh._contract.env_spec import EnvSpec
from rlmesh._contract.plain import name_of, plain_kwargs

_CHECKERS = ("PassiveEnvChecker", "OrderEnforcing")
"""Gymnasium's wrappers that change no value."""


def spec_of(env: Any) -> Optional[EnvSpec]:
    """Return how an env was made; None if nothing is known of it.

    An env without a spec that is wrapped in a `TimeLimit` has one of its class and that limit.

    Raises:
        InvalidValue: Its `max_episode_steps` is none.
    """
    made, name = None, type(unwrapped(env)).__name__
    with contextlib.suppress(Exception):  # whatever an env does when it is looked at
        made = getattr(env, "spec", None)
    spec = EnvSpec.of(made, name)
    if spec is None:
        limits = (_step_limit(wrapper) for wrapper in wrappers_of(env))
        limit = next((limit for limit in limits if limit is not None), None)
        if limit is not None:
            spec = EnvSpec(id=name, max_episode_steps=limit)
    return spec


def origin_of(env: Any) -> Dict[str, Any]:
    """Return of which class an env is, what it was made with and wrapped in, as plain data.

    Returns:
        `class`; `wrappers`, if there are any that change values; `arguments`, where an env without
        a spec records them; for a vector env, `envs`: that of its sub-envs, once if they are equal.
    """
    inner = unwrapped(env)
    origin: Dict[str, Any] = {"class": name_of(type(inner))}
    for name, look in _LOOKS.items():
        with contextlib.suppress(Exception):
            found = look(env)
            if found:
                origin[name] = found
    return origin


def wrappers_of(env: Any) -> Iterator[Any]:
    """Yield the wrappers of an env, from the outside in."""
    inner = unwrapped(env)
    while env is not inner and hasattr(env, "env"):
        yield env
        env = env.env


def unwrapped(env: Any) -> Any:
    """Return the env within all wrappers."""
    return getattr(env, "unwrapped", env)


def _wrappers(env: Any) -> List[Any]:
    """Return what each wrapper is called and was made with, if it says so."""
    described: List[Any] = []
    has_spec = spec_of(env) is not None
    for wrapper in wrappers_of(env):
        name = type(wrapper).__qualname__
        # The limit is in the spec.
        if name in _CHECKERS or (has_spec and _step_limit(wrapper) is not None):
            continue
        kwargs = getattr(wrapper, "_saved_kwargs", None)
        described.append({name: plain_kwargs(kwargs)} if kwargs else name)
    return described


def _arguments(env: Any) -> Dict[str, Any]:
    """Return the arguments that an env without a spec was made with, if it is an `EzPickle`."""
    if getattr(env, "spec", None) is not None:
        return {}
    inner = unwrapped(env)
    args = dict(enumerate(getattr(inner, "_ezpickle_args", ())))
    kwargs = getattr(inner, "_ezpickle_kwargs", {})
    return {key: _anywhere(value) for key, value in plain_kwargs({**args, **kwargs}).items()}


def _anywhere(value: Any) -> Any:
    """Return the name of a file for a path, which may be elsewhere on another machine."""
    is_path = isinstance(value, str) and os.path.isabs(value)
    return os.path.basename(value) if is_path else value


def _sub_envs(env: Any) -> Any:
    """Return what a vector env's sub-envs are; of those in other processes, what makes them."""
    inner = unwrapped(env)
    if not hasattr(inner, "num_envs"):
        return None
    envs, makers = getattr(inner, "envs", None), getattr(inner, "env_fns", None)
    each: List[Any] = []
    if isinstance(envs, (list, tuple)):
        each = [_sub_env(one) for one in envs]
    elif isinstance(makers, (list, tuple)) and getattr(env, "spec", None) is None:
        each = [plain_kwargs({"made_by": maker}) for maker in makers]
    different = {json.dumps(one, sort_keys=True): one for one in each}
    return next(iter(different.values())) if len(different) == 1 else each


def _sub_env(env: Any) -> Dict[str, Any]:
    spec = spec_of(env)
    known = {} if spec is None else {"env_id": spec.id, "kwargs": dict(spec.kwargs)}
    return {**known, **origin_of(env)}


_LOOKS: Dict[str, Callable[[Any], Any]] = {
    "wrappers": _wrappers,
    "arguments": _arguments,
    "envs": _sub_envs,
}


def _step_limit(wrapper: Any) -> Optional[int]:
    """Return the limit of a `TimeLimit`; None for anything else."""
    if type(wrapper).__name__ != "TimeLimit":
        return None
    steps: Any = getattr(wrapper, "_max_episode_steps", None)
    with contextlib.suppress(TypeError):
        return operator.index(steps)
    return None
