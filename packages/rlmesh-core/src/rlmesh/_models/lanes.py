"""The lanes of a run: how many, and to which envs."""

from __future__ import annotations

import operator
from itertools import zip_longest
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from rlmesh._envs.client import EnvCalls
from rlmesh._envs.local import is_vector_env
from rlmesh._envs.ports import LaneEnv
from rlmesh._envs.vector_lanes import DISABLED, sub_envs
from rlmesh._once import warn_once
from rlmesh._runtime.success import SuccessRule
from rlmesh.errors import InvalidValue

from .blending import Ensemble

DEFAULT_BATCH_SIZE = 32
"""Observations that are predicted together at most, unless the caller says otherwise."""


class Terms(NamedTuple):
    """What a run or a session asks for.

    Attributes:
        instruction: Text for the model's text inputs.
        horizon: How many actions of a chunk are executed.
        blend: How chunks that overlap are averaged; None where they are not.
        max_episode_steps: Steps after which an episode is cut off.
        max_episode_seconds: Seconds after which it is; None for no such limit.
        unattended: Whether nobody but the policy looks at the values.
        session: Whether it is a session, which has one env.
        pushdown: Whether the env's side shall crop and resize images.
        max_batch_size: Observations that are predicted together at most; None leaves it open.
        max_wait: Seconds that an observation may be held back for a fuller batch; None leaves
            it open.
        batch_padding: Whether every batch is filled up to `max_batch_size`.
        concurrency: Number of lanes; None leaves it open.
        episodes: Number of episodes, above which there are no lanes; None for no end of them.
        connect_timeout: Seconds to find the server of an address; None leaves it open.
        retries: How often an episode is played again that was lost.
        on_error: What becomes of one that is given up: `"raise"` or `"record"`.
        success: What counts as a success.
        name: What the user calls the run; None if it has no name.
    """

    instruction: Optional[str]
    horizon: int
    max_episode_steps: int
    max_episode_seconds: Optional[float] = None
    unattended: bool = False
    session: bool = False
    pushdown: bool = False
    max_batch_size: Optional[int] = None
    max_wait: Optional[float] = None
    batch_padding: bool = False
    concurrency: Optional[int] = None
    episodes: Optional[int] = None
    connect_timeout: Optional[float] = None
    retries: int = 0
    on_error: str = "raise"
    success: SuccessRule = SuccessRule()
    name: Optional[str] = None
    blend: Optional[Ensemble] = None

    def check(self) -> None:
        """Check the numbers, and what goes together.

        Raises:
            ValueError: A number is too small, or something is none of the choices.
            TypeError: A number or the name is none.
        """
        for name, least in (("max_episode_steps", 1), ("max_batch_size", 1), ("retries", 0)):
            value = getattr(self, name)
            if value is not None and operator.index(value) < least:
                raise ValueError(f"{name}: expected at least {least}, got {value}")
        if self.name is not None and not (isinstance(self.name, str) and self.name):
            raise TypeError(f"name: expected a text, or None, got {self.name!r}")
        if self.max_wait is not None and not self.max_wait >= 0:
            raise ValueError(f"max_wait: expected at least 0, got {self.max_wait}")
        for name in ("max_episode_seconds", "connect_timeout"):
            seconds = getattr(self, name)
            if seconds is not None and not seconds > 0:
                raise ValueError(f"{name}: expected a positive number, got {seconds}")
        if self.on_error not in ("raise", "record"):
            raise ValueError(f"on_error: expected 'raise' or 'record', got {self.on_error!r}")
        if self.pushdown and not self.unattended:
            raise ValueError(
                "pushdown: hooks with on_episode_start or on_step look at whole observations;"
                " expected None besides these"
            )

    @property
    def options(self) -> Dict[str, Any]:
        """What a result depends on, besides model, env and seeds, as plain data."""
        seconds = self.max_episode_seconds
        return {
            "instruction": self.instruction,
            "execution_horizon": self.horizon,
            "chunk_blend": None if self.blend is None else str(self.blend),
            "max_episode_steps": operator.index(self.max_episode_steps),
            "max_episode_seconds": None if seconds is None else float(seconds),
            "pushdown": self.pushdown,
            "success": str(self.success),
        }

    @property
    def max_batch(self) -> int:
        """`max_batch_size`, or its default."""
        return DEFAULT_BATCH_SIZE if self.max_batch_size is None else self.max_batch_size


class Targets(NamedTuple):
    """The envs and addresses of a run.

    Attributes:
        first: What the caller gave, each of them once.
        more: Those of further lanes, for which the addresses take turns; of no use where there is
            a vector env, which has its own lanes.
    """

    first: List[Any]
    more: List[Any]


def targets_of(env_or_address: object, concurrency: Optional[int], episodes: int) -> Targets:
    """Return the env of each lane.

    Args:
        env_or_address: What `run` was given.
        concurrency: Number of lanes; None is one for each env or address.
        episodes: Number of episodes; there are no more lanes than that.

    Raises:
        ValueError: The number does not go with the envs.
        TypeError: It is no integer.
    """
    is_list = isinstance(env_or_address, (list, tuple))
    targets: List[Any] = list(env_or_address) if is_list else [env_or_address]  # type: ignore[call-overload]
    if not targets:
        raise ValueError("env_or_address: expected at least one env or address, got an empty list")
    try:
        count = len(targets) if concurrency is None else operator.index(concurrency)
    except TypeError:
        raise TypeError(f"concurrency: expected an integer, got {concurrency!r}") from None
    if count < len(targets):
        raise ValueError(
            f"concurrency: expected at least one lane for each of the {len(targets)} envs,"
            f" got {count}"
        )
    lanes = [targets[index % len(targets)] for index in range(count)]
    for target in targets:
        shared = sum(other is target for other in (targets if is_vector_env(target) else lanes))
        if shared > 1 and hasattr(target, "step"):
            raise ValueError(
                f"concurrency: an env object is one lane, and {target!r} would be {shared}; serve"
                " a factory of envs with rlmesh.EnvServer, and pass its address"
            )
    warn_of_idle_lanes(len(lanes), episodes)
    lanes = lanes[:episodes]
    return Targets(lanes[: len(targets)], lanes[len(targets) :])


def vector_lanes(clients: Sequence[EnvCalls], terms: Terms) -> List[LaneEnv]:
    """Return the envs of lanes where some are vector envs, whose sub-envs take turns.

    Args:
        clients: Execute requests on envs and vector envs.
        terms: The run's.

    Raises:
        TypeError: It is no run.
        ValueError: There are more or fewer lanes than asked for, or images are to be pushed down.
        InvalidValue: See `sub_envs`; or an env that resets its sub-envs by itself has episodes that
            are to be cut off after a time.
    """
    vector = next(client.contract for client in clients if client.contract.num_envs is not None)
    what = f"{vector.env_id!r}, which is a vector of {vector.num_envs}"
    if terms.session:
        raise TypeError(
            f"session: expected a single environment, got {what}; run() plays in all of them"
        )
    if terms.pushdown:
        raise ValueError(
            f"pushdown: a vector env sends whole observations; expected None for {what}"
        )
    groups: List[List[LaneEnv]] = []
    for client in clients:
        is_vector, mode = client.contract.num_envs is not None, client.contract.autoreset_mode
        if is_vector and terms.max_episode_seconds is not None and mode != DISABLED:
            raise InvalidValue(
                "max_episode_seconds: a vector env resets a single sub-env in autoreset mode"
                f" {DISABLED!r} only; expected that, or None, got mode {mode!r}"
            )
        groups.append([*sub_envs(client, terms.max_episode_steps)] if is_vector else [client])
    lanes = [one for turn in zip_longest(*groups) for one in turn if one is not None]
    if terms.concurrency not in (None, len(lanes)):
        raise ValueError(
            f"concurrency: a vector env has a lane for each sub-env, so {len(lanes)} lanes in all;"
            f" expected that or None, got {terms.concurrency} for {what}"
        )
    if terms.episodes is not None:
        warn_of_idle_lanes(len(lanes), terms.episodes)
    return lanes[: terms.episodes]


def warn_of_idle_lanes(lanes: int, episodes: int) -> None:
    """Say so where there are fewer episodes than lanes."""
    if episodes < lanes:
        few = "1 episode is" if episodes == 1 else f"{episodes} episodes are"
        text = (
            f"concurrency: {lanes} lanes, and only {few} to be played, so that the others have"
            " nothing to do; seeds or max_episodes ask for more episodes"
        )
        warn_once(text, text, UserWarning)
