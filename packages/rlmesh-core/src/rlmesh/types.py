"""The value alias and the protocols that user objects are expected to follow."""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, List, Mapping, Optional, Protocol, Tuple, Union

from rlmesh._values.tensor import Tensor

__all__ = ["ArtifactInput", "EnvLike", "LifecycleCallback", "PredictFn", "Value"]

Value = Union[
    None, bool, int, float, str, bytes, Tensor, List[Any], Tuple[Any, ...], Dict[str, Any]
]
"""A native value: what a model without a framework sees and returns."""

ArtifactInput = Union[str, "os.PathLike[str]"]
"""The path of a file or folder that a model needs."""

PredictFn = Callable[[Any], Any]
"""Takes one observation, returns one action."""

LifecycleCallback = Callable[..., Any]
"""Called with the episode id (a `str`) where it accepts a positional argument, else with none."""


class EnvLike(Protocol):
    """An environment with Gymnasium's API; legacy `gym` envs are adapted on the way in."""

    observation_space: Any
    action_space: Any

    def reset(
        self, *, seed: Optional[int] = None, options: Optional[Mapping[str, Any]] = None
    ) -> Any:
        """Start an episode; return the observation and info."""
        ...

    def step(self, action: Any) -> Any:
        """Return observation, reward, terminated, truncated and info."""
        ...

    def close(self) -> None:
        """Free what the env holds."""
        ...
