"""A vector env in this process, behind one API whatever its age and autoreset mode."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from dataclasses import replace
from typing import Any, Dict, Iterator, Mapping, Optional, Sequence, Tuple, Union

from rlmesh._contract.contract import EnvContract
from rlmesh._contract.scalars import as_count, as_flags, as_rewards
from rlmesh._values.tensor import Tensor
from rlmesh.adapters.tags import EnvTags
from rlmesh.errors import EnvCrashed, InvalidValue
from rlmesh.spaces import Space

from .local import LocalBase, is_vector_env, space_of
from .origin import unwrapped

_LAST_WORDS = 2.0
"""Seconds within which a process whose connection has ended is seen to have ended."""
_GLANCE = 0.01

Seeds = Union[int, Sequence[Optional[int]], None]
"""The seed of the first sub-env, from which the others count up, or a seed for each."""

VectorStepResult = Tuple[Any, Tensor, Tensor, Tensor, Any]


class LocalVectorEnv(LocalBase):
    """Gives any vector env one API, and checks what it returns.

    Args:
        env: A `gymnasium.vector.VectorEnv`, one of `gym` 0.26, or any object with their API.

    Attributes:
        num_envs: How many sub-envs it has.
        single_observation_space: The space of one sub-env's observations.
        single_action_space: The space of one sub-env's actions.

    Raises:
        UnsupportedSpace: See `LocalBase`.
        TypeError: See `LocalBase`; or it is a single env.
        InvalidValue: Its number of sub-envs is no number.
    """

    def __init__(self, env: Any) -> None:
        if not is_vector_env(env):
            raise TypeError(
                f"env: expected a vector environment, got {env!r}, which is a single one"
            )
        super().__init__(env)
        self.num_envs = as_count(env.num_envs, "num_envs")
        self.single_observation_space = space_of(env, "single_observation_space")
        self.single_action_space = space_of(env, "single_action_space")

    def contract(self, tags: Optional[EnvTags] = None) -> EnvContract:
        """Return what this env promises.

        Args:
            tags: What the observations and actions of one sub-env are, if the env does not say so
                itself.

        Raises:
            AdapterResolutionError: The tags do not fit the spaces of one sub-env.
        """
        return replace(
            super().contract(tags),
            num_envs=self.num_envs,
            single_observation_space=self.single_observation_space,
            single_action_space=self.single_action_space,
            autoreset_mode=_autoreset_mode(self.env),
        )

    def reset(
        self, seed: Seeds = None, options: Optional[Mapping[str, Any]] = None
    ) -> Tuple[Any, Any]:
        """Start an episode in every sub-env, or in those of `options["reset_mask"]`.

        Returns:
            Observations, of the batched space, and infos.

        Raises:
            EnvCrashed: The process of a sub-env has ended.
            InvalidValue: The env returned something else; or it takes no options, and got some.
        """
        with self._crashes():
            result = self._reset(seed, options)
        if not isinstance(result, tuple) or len(result) != 2:
            raise InvalidValue(
                f"reset: expected observations and infos from the env, got {result!r}"
            )
        return result

    def step(self, actions: Any) -> VectorStepResult:
        """Return observations, rewards, terminations, truncations and infos.

        The env may return rewards of any real dtype, flags of bools or of 0 and 1, and lists of
        either. Here, rewards are float64, or the floats that the env has; terminations and
        truncations are bool. All three have the shape `(num_envs,)`.

        Raises:
            EnvCrashed: The process of a sub-env has ended.
            InvalidValue: The env returned something else.
        """
        with self._crashes():
            result = self.env.step(actions)
        if not isinstance(result, (tuple, list)) or len(result) != 5:
            count = len(result) if isinstance(result, (tuple, list)) else repr(result)
            raise InvalidValue(f"step: expected 5 values from the vector env, got {count}")
        observations, rewards, terminations, truncations, infos = result
        return (
            observations,
            as_rewards(rewards, self.num_envs, "rewards"),
            as_flags(terminations, self.num_envs, "terminations"),
            as_flags(truncations, self.num_envs, "truncations"),
            infos,
        )

    @contextlib.contextmanager
    def _crashes(self) -> Iterator[None]:
        """Raise `EnvCrashed` for what a call raises because the process of a sub-env has ended."""
        try:
            yield
        except Exception as exc:
            crash = _crash_of(unwrapped(self.env), isinstance(exc, (EOFError, ConnectionError)))
            if crash is None:
                raise
            raise crash from exc

    def _metadata(self) -> Dict[Any, Any]:
        mode = _autoreset_mode(self.env)
        return {**super()._metadata(), **({} if mode is None else {"autoreset_mode": mode})}

    def _single_spaces(self) -> Tuple[Space[Any], Space[Any]]:
        return self.single_observation_space, self.single_action_space


def _crash_of(env: Any, is_cut: bool) -> Optional[EnvCrashed]:
    """Return how the process of a sub-env ended; None where none did.

    Args:
        env: A vector env, which has a list of `processes` if its sub-envs run in some.
        is_cut: Whether the connection to a process has ended, which shows a little earlier.
    """
    processes = getattr(env, "processes", None)
    if not isinstance(processes, (list, tuple)):
        return None
    deadline = time.monotonic() + _LAST_WORDS
    while True:
        for i, process in enumerate(processes):
            status = getattr(process, "exitcode", None)
            # One that was asked to end, as the sub-env raised an error, has a status of 0.
            if status or (is_cut and status is not None):
                return _crash(i, status)
        if not is_cut or time.monotonic() >= deadline:
            return None
        time.sleep(_GLANCE)


def _crash(index: int, status: int) -> EnvCrashed:
    sentence = f"the process of sub-env {index} of the vector env"
    remedy = "an env instance cannot be made again; serve a factory, whose envs can"
    if status >= 0:
        return EnvCrashed(f"{sentence} exited with status {status}; {remedy}", exit_code=status)
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return EnvCrashed(f"{sentence} was ended by {name}; {remedy}", signal=name)


def _autoreset_mode(env: Any) -> Optional[str]:
    """Return when the env resets sub-envs whose episode has ended; None if nobody knows."""
    mode = (getattr(env, "metadata", None) or {}).get("autoreset_mode")
    if mode is not None:
        return str(getattr(mode, "value", mode))
    for base in type(unwrapped(env)).__mro__:
        root = base.__module__.partition(".")[0]
        if base.__name__ == "VectorEnv" and root in ("gymnasium", "gym"):
            package: Any = sys.modules[root]
            if hasattr(package.vector, "AutoresetMode"):
                return None
            # Before there were modes, each version had one.
            return "SameStep" if package.__version__.startswith("0.") else "NextStep"
    return None
