"""Which source each lane of a run, or each client of a served model, predicts with."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Optional

from rlmesh.types import LifecycleCallback

from .source import Source, as_callback

_MADE = ("factory", "load_kwargs", "artifacts")


class Sources:
    """One source for all lanes and clients, or one for each of them.

    Args:
        first: The source, or the first of many.
        make: Makes one more; None where all use the first.
        on_close: Called at the end of each run, session or server, besides the `close` of each
            source; None where the first source's is all there is.
        made: What is known of how they are made; see `describe_model`.

    Attributes:
        name: What a reader may call a source.
        identity: What tells them from others, as plain data.
        shared: The one that all use; None where each has its own.
        shared_state: Why two of them cannot play at the same time; empty if they can.
    """

    def __init__(
        self,
        first: Source,
        make: Optional[Callable[[], Source]] = None,
        on_close: Optional[LifecycleCallback] = None,
        made: Optional[Mapping[str, Any]] = None,
    ) -> None:
        self.name = first.name
        made = made or {}
        self.identity: Dict[str, Any] = {**first.identity, **{key: made.get(key) for key in _MADE}}
        self.shared = None if make else first
        self.shared_state = first.given_state if make else first.shared_state
        self._make = make
        self._on_close = as_callback("on_close", on_close)
        self._spare = [first] if make else []
        self._taken: List[Source] = []

    def take(self) -> Source:
        """Return the source for a lane or a client.

        Raises:
            ValueError: The factory returned the object that another one has.
        """
        if self._make is None:
            assert self.shared is not None
            return self.shared
        try:
            source = self._spare.pop()
        except IndexError:
            source = self._make()
        if any(source.owner is other.owner for other in self._taken):
            raise ValueError(
                "factory: expected a new object from each call, got the same"
                f" {type(source.owner).__name__} again"
            )
        self._taken.append(source)
        return source

    def give_back(self, source: Source) -> None:
        """End the use of a source; one that only one lane or client had is closed."""
        if source is not self.shared:
            self._taken.remove(source)
            source.close()

    def close(self) -> None:
        """End the use of all of them."""
        if self.shared is not None:
            self.shared.close()
        else:
            while self._spare:
                self._spare.pop().close()
            self._on_close()
