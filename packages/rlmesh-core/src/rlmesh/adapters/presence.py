"""`Presence`: what a model is told of whether there is something to see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Optional, Sequence

from ._checks import check_dtype, check_history
from ._declaration import Declaration


@dataclass(frozen=True)
class Presence(Declaration):
    """Whether the env really has what an optional input of this role reads.

    A scalar array, one element of a `Concat`, or with `stack` or `offsets` an element for each of
    the steps: False for those before the episode began.

    Attributes:
        role: Of the input that it is about; with `source="pending_actions"`, of an actuator that
            the model emits.
        dtype: Of the result; a number is 1 or 0.
        part: Which of several of this role.
        stack: As in `Image`, with `stride` and `offsets`.
        stride: As in `Image`.
        offsets: As in `Image`.
        source: `"observation"`, or `"pending_actions"` for the number of actions of the model's
            last chunk that are still to be executed; as a bool, whether there are any.

    Raises:
        AdapterResolutionError: A field has no such value; the message names it.
    """

    kind: ClassVar[str] = "presence"

    role: str
    dtype: str = "bool"
    part: Optional[str] = None
    stack: Optional[int] = None
    stride: int = 1
    offsets: Optional[Sequence[int]] = None
    source: str = "observation"

    def __post_init__(self) -> None:
        self._check_text("role", "part")
        self._check_choice("source", "observation", "pending_actions")
        if self.source == "pending_actions":
            self._check_role("action/")
        check_dtype(self, or_bool=True)
        check_history(self)
        for field in ("stack", "offsets"):
            if self.source == "pending_actions" and getattr(self, field) is not None:
                raise self._fail(field, "None beside source='pending_actions'")
