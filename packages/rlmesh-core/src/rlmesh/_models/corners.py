"""The four ways to predict, and how the general ones stand in for the specific ones."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional, Sequence

from rlmesh._runtime.context import PredictContext
from rlmesh.backends import Backend

from .batches import Stacker, rows


class Corners:
    """A source's predict functions, for any number of observations and of actions for each.

    |           | one action    | a chunk of actions     |
    |-----------|---------------|------------------------|
    | one       | predict       | predict_chunk          |
    | a batch   | predict_batch | predict_chunk_batch    |

    The most specific function that does is called: one observation is a batch of one where there
    is no function for it, and one action is the first of a chunk. Several observations are
    predicted one by one where no function takes a batch.

    Args:
        functions: The predict functions by name; see `Source`.
        backend: The framework of their values.
        padding: To how many observations every batch is filled up, for functions whose results
            depend on a batch's size; 0 leaves them as they are.

    Attributes:
        chunks: Whether there is a function that returns chunks.
    """

    def __init__(
        self,
        functions: Mapping[str, Callable[[Any, Any], Any]],
        backend: Backend,
        padding: int = 0,
    ) -> None:
        self._functions = functions
        self._backend = backend
        self._padding = padding
        self.chunks = any("chunk" in name for name in functions)

    @property
    def plain(self) -> Optional[Callable[[Any, Any], Any]]:
        """The function for one action of one observation, where there is no more to it."""
        if self._padding and self._function("predict_batch", "predict_chunk_batch", 1):
            return None
        return self._functions.get("predict")

    def takes_batches(self, horizon: Optional[int]) -> bool:
        """Whether a function takes a batch, and returns so many actions for each observation.

        Args:
            horizon: See `act`.
        """
        return bool(self._function("predict_batch", "predict_chunk_batch", horizon))

    def check_horizon(self, execution_horizon: int, why_whole: str = "") -> None:
        """Check how many actions of a chunk are to be executed.

        Args:
            execution_horizon: The number.
            why_whole: What needs whole chunks; empty if nothing does.

        Raises:
            ValueError: Fewer than one; or several, or whole chunks, of a model without chunks.
        """
        if execution_horizon < 1:
            raise ValueError(f"execution_horizon: expected at least 1, got {execution_horizon}")
        if execution_horizon > 1 and not self.chunks:
            raise ValueError(
                f"execution_horizon: expected 1 for a model with neither predict_chunk nor"
                f" predict_chunk_batch, got {execution_horizon}"
            )
        if why_whole and not self.chunks:
            raise ValueError(
                f"{why_whole}: expected a model with predict_chunk or predict_chunk_batch, got one"
                " with neither"
            )

    def act(
        self,
        observations: Sequence[Any],
        contexts: Sequence[PredictContext],
        horizon: Optional[int],
        stack: Stacker,
    ) -> Sequence[Sequence[Any]]:
        """Return up to `horizon` actions for each observation; at least one.

        Args:
            observations: At least one, all of one space.
            contexts: One for each.
            horizon: Number of actions; None for whole chunks.
            stack: Makes the batch of the observations.

        Raises:
            InvalidValue: What a predict function returned is no batch, or no chunk.
        """
        single = self._function("predict", "predict_chunk", horizon)
        batched = self._function("predict_batch", "predict_chunk_batch", horizon)
        count = len(observations)
        if single and not (batched and (count > 1 or self._padding)):
            function, is_chunk = self._functions[single], "chunk" in single
            pairs = zip(observations, contexts)
            outputs = [function(observation, context) for observation, context in pairs]
            name = single
        else:
            function, is_chunk = self._functions[batched], "chunk" in batched
            missing = max(self._padding - count, 0)
            observations = [*observations, *[observations[-1]] * missing]
            output = function(stack(observations), [*contexts, *[contexts[-1]] * missing])
            outputs = list(rows(output, self._backend, batched, count + missing))[:count]
            name = batched
        if not is_chunk:
            return [(output,) for output in outputs]
        return [rows(output, self._backend, name)[:horizon] for output in outputs]

    def _function(self, plain: str, chunked: str, horizon: Optional[int]) -> str:
        """Return the name of the function to call; empty if there is none."""
        if horizon == 1 and plain in self._functions:
            return plain
        return chunked if chunked in self._functions else ""
