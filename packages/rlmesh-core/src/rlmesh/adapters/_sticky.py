"""Binary actuators whose changes stay for some steps."""

from __future__ import annotations

from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

from rlmesh._values.ops import Ops

from ._steps import dtype_name


class Sticky(NamedTuple):
    """Elements of the env's vector whose changes stay.

    Attributes:
        start: The first of them.
        stop: The one after the last.
        steps: For how many steps a value stays that has changed.
    """

    start: int
    stop: int
    steps: int


Held = Tuple[Tuple[Optional[float], int], ...]
"""For each element, the value of the last action, and for how many more steps it stays."""


def nothing_held(spans: Sequence[Sticky]) -> Held:
    """Return what is held when an episode begins."""
    return tuple((None, 0) for span in spans for _ in range(span.start, span.stop))


def hold(spans: Sequence[Sticky], ops: Ops, actions: Any, held: Held) -> Tuple[Any, List[Held]]:
    """Return actions whose changes stay, and what is held after each.

    Args:
        spans: Which elements these are.
        ops: The framework's functions.
        actions: Of one episode, shape `(A,)` or `(H, A)`, in order.
        held: What is held before the first.
    """
    rows = actions[..., : max(span.stop for span in spans)].tolist()
    if actions.ndim == 1:
        rows = [rows]
    after: List[Held] = []
    places: List[List[bool]] = [[False] * actions.shape[-1] for _ in rows]
    values: List[List[float]] = [[0] * actions.shape[-1] for _ in rows]
    for i, row in enumerate(rows):
        now = []
        columns = [(at, span.steps) for span in spans for at in range(span.start, span.stop)]
        for (at, steps), (value, left) in zip(columns, held):
            if value is None or (left == 0 and row[at] == value):
                now.append((row[at], 0))
            elif left == 0:
                now.append((row[at], steps - 1))
            else:
                now.append((value, left - 1))
            values[i][at] = now[-1][0]
            places[i][at] = values[i][at] != row[at]
        held = tuple(now)
        after.append(held)
    if not any(map(any, places)):
        return actions, after
    device = ops.device_of(actions)
    chosen = ops.constant(places, "bool", device).reshape(actions.shape)
    kept = ops.constant(values, dtype_name(actions), device).reshape(actions.shape)
    return ops.xp.where(chosen, kept, actions), after
