"""What several chunks say of the same step, as one action."""

from __future__ import annotations

import contextlib
import math
from collections import deque
from dataclasses import dataclass
from operator import mul
from typing import Any, Deque, List, Mapping, Optional, Sequence, Tuple, Union

from rlmesh._once import warn_once
from rlmesh._values.dtypes import DTYPES
from rlmesh._values.tensor import Tensor
from rlmesh.backends import Backend
from rlmesh.errors import InvalidValue
from rlmesh.spaces import Box, Space


@dataclass(frozen=True)
class Ensemble:
    """Temporal ensembling: a step's action is the weighted mean of what all chunks say of it.

    The weight of a chunk is `exp(-k * i)`, where `i` counts the chunks that have an action for this
    step, 0 for the oldest. With 0 all weigh the same; the larger `k` is, the less the newest weigh.
    ACT (Zhao et al., "Learning Fine-Grained Bimanual Manipulation with Low-Cost Hardware", 2023)
    uses 0.01.

    Attributes:
        k: The decay.

    Raises:
        ValueError: It is no finite number.
    """

    k: float = 0.01

    def __post_init__(self) -> None:
        if isinstance(self.k, bool) or not isinstance(self.k, (int, float)):
            raise ValueError(f"Ensemble.k: expected a finite number, got {self.k!r}")
        if not math.isfinite(self.k):
            raise ValueError(f"Ensemble.k: expected a finite number, got {self.k!r}")
        object.__setattr__(self, "k", float(self.k))

    @classmethod
    def of(cls, requested: ChunkBlend) -> Optional[Ensemble]:
        """Return what a run's `chunk_blend` asks for.

        Raises:
            ValueError: It is nothing of the kind.
        """
        if requested is None or isinstance(requested, Ensemble):
            return requested
        if requested == "ensemble":
            return cls()
        if isinstance(requested, str) and requested.startswith("ensemble:"):
            with contextlib.suppress(ValueError):
                return cls(float(requested.partition(":")[2]))
        raise ValueError(
            "chunk_blend: expected 'ensemble', 'ensemble:K' with a finite number, an Ensemble or"
            f" None, got {requested!r}"
        )


ChunkBlend = Union[None, str, Ensemble]
"""What a run may be given as `chunk_blend`."""

Ends = Mapping[int, Tuple[float, float]]
"""The two values of each element of an action that has no others, by its index."""


def check_blendable(space: Space[Any]) -> Box:
    """Return the action space of an env whose actions can be averaged.

    Raises:
        InvalidValue: It is not a Box of floats.
    """
    if isinstance(space, Box) and DTYPES[space.dtype].kind in "fV":
        return space
    raise InvalidValue(
        f"chunk_blend: expected an env whose actions are a Box of floats, got {space}; the mean of"
        " other actions has no meaning"
    )


class Blender:
    """Averages the chunks of one episode, in the env's units.

    An element with two values only gets the one that has the majority of the weights; the higher
    one where both have half of them.

    Args:
        ensemble: The weights.
        space: The env's action space.
        backend: The framework of the actions.
        device: Where they live.
        ends: The elements with two values.
    """

    def __init__(
        self,
        ensemble: Ensemble,
        space: Box,
        backend: Backend,
        device: Optional[Any],
        ends: Ends,
    ) -> None:
        self._ensemble = ensemble
        self._space = space
        self._backend = backend
        self._device = device
        self._ends = ends
        self._chunks: Deque[Tuple[int, List[List[float]]]] = deque()

    def blend(self, actions: Sequence[Any], step: int, horizon: int) -> List[Any]:
        """Return the actions of the next steps.

        Args:
            actions: A whole new chunk.
            step: The env step of its first action.
            horizon: How many actions are wanted; there are fewer if the chunk has.
        """
        chunks = self._chunks
        is_second = len(chunks) > 0
        while chunks and chunks[0][0] + len(chunks[0][1]) <= step:
            chunks.popleft()
        if is_second and not chunks:
            text = (
                f"chunk_blend: chunks of {len(actions)} actions, of which {horizon} are executed,"
                " have no step in common, so that nothing is averaged; a shorter execution_horizon"
                " would make them overlap"
            )
            warn_once("chunk_blend", text, UserWarning)
        chunks.append((step, [self._numbers(action) for action in actions]))
        count = min(horizon, len(actions))
        return [
            self._action([chunk[at - start] for start, chunk in chunks if at - start < len(chunk)])
            for at in range(step, step + count)
        ]

    def _numbers(self, action: Any) -> List[float]:
        tensor = self._tensor(action)
        if tensor.shape != self._space.shape:
            raise InvalidValue(
                f"action: expected shape {self._space.shape} in each of a chunk that is blended,"
                f" got {tensor.shape}"
            )
        return tensor.flat()

    def _tensor(self, action: Any) -> Tensor:
        if isinstance(action, Tensor):
            return action
        if self._backend.is_array(action):
            return self._backend.to_tensor(action)
        return Tensor.from_values(action, self._space.dtype)

    def _action(self, rows: Sequence[List[float]]) -> Any:
        weights = [math.exp(-self._ensemble.k * i) for i in range(len(rows))]
        total = sum(weights)
        values = [sum(map(mul, weights, column)) / total for column in zip(*rows)]
        for index, (low, high) in self._ends.items():
            middle = (low + high) / 2
            above = sum(w for w, row in zip(weights, rows) if row[index] >= middle)
            values[index] = high if 2 * above >= total else low
        flat = Tensor.from_values(values, self._space.dtype)
        tensor = Tensor(flat.data, flat.dtype, self._space.shape)
        return self._backend.from_tensor(tensor, self._device)
