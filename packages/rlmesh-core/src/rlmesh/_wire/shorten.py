"""Plain data that is cut to a budget, or sent whole."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any, Dict, Iterable, List, Optional

from rlmesh._once import warn_once
from rlmesh.errors import InvalidValue

from .payload import Parts
from .plain import CONTAINERS, CUT, SHORT, VALUE, OverBudget, Reduction, pairs_of

BUDGET = 2**23
"""Bytes that an info may have, half of what a control frame may; see the costs below."""
FULL_BUDGET = 2**26
"""The same for what is sent whole or not at all."""

_LEAST_SHARE = 32 * VALUE
"""What a container gets for its own values, where it is not left out."""
_SUCCESS = ("is_success", "success")
"""Kept of a dict that has more keys than an info may have values."""

_LIGHT, _CONTAINER, _ARRAY, _TEXT = 0, 1, 2, 3
"""Numbers and short texts; what has values in it; arrays; long texts and all else."""


def whole(value: Any, parts: Parts, name: str) -> Any:
    """Return a value as plain data, with nothing left out.

    Raises:
        InvalidValue: It is too large.
    """
    try:
        return Reduction(parts, FULL_BUDGET).look_into(value)
    except OverBudget:
        raise InvalidValue(f"{name}: too many values, or too much text, for one message") from None


def shortened(value: Any, parts: Parts, name: str) -> Any:
    """Return a value as plain data, with `"..."` in place of what does not fit into the budget.

    Numbers and short texts of a dict come first, so that its largest parts are what is cut. A
    warning names these.
    """
    mark = len(parts)
    try:
        return Reduction(parts, BUDGET).look_into(value)
    except OverBudget:
        del parts[mark:]
    reduction = _FairReduction(parts, BUDGET)
    try:
        plain = reduction.look_into(value)
    except OverBudget:  # what it is found by, such as a key, is too large
        del parts[mark:]
        plain = CUT
        reduction.cut[None] = None
    if reduction.cut:
        first = next(iter(reduction.cut))
        where = name if first is None else f"{name}[{first}]"
        more = f" and {len(reduction.cut) - 1} others" if len(reduction.cut) > 1 else ""
        # A filter that makes errors of warnings must not make the step fail.
        with contextlib.suppress(RuntimeWarning):
            text = f"{where}{more}: too large to be sent whole; {CUT!r} stands for what is left out"
            warn_once(text, text, RuntimeWarning, stacklevel=3)
    return plain


class _FairReduction(Reduction):
    """Leaves out what does not fit into the budget.

    Attributes:
        cut: The keys of the outermost dict below which something was left out; None stands for
            the dict itself.
    """

    def __init__(self, parts: Parts, budget: int) -> None:
        super().__init__(parts, budget)
        self.cut: Dict[Optional[str], None] = {}
        self._outermost: Optional[str] = None

    def _string(self, text: str) -> str:
        try:
            return super()._string(text)
        except OverBudget:
            self._note_cut()
            text = text[: self._left // 4]
            self._left = 0
            return text + CUT

    def _mapping(self, value: Any) -> Any:
        room = self._left // VALUE
        pairs = list(itertools.islice(pairs_of(value), room + 1))
        if len(pairs) > room and len(self._around) == 1:
            pairs = [*((k, value[k]) for k in _SUCCESS if k in value), *pairs]
        weights = [_weight(v) for _, v in pairs]
        kept = sorted(
            self._affordable((i for i, weight in enumerate(weights) if not weight), weights)
            + self._affordable((i for i, weight in enumerate(weights) if weight), weights)
        )
        names = [self._key(pairs[i][0]) for i in kept]
        found = dict(zip(names, self._shared([pairs[i][1] for i in kept], names)))
        if len(kept) < len(pairs):
            self._note_cut()
            found[CUT] = CUT
        return found

    def _list(self, value: Iterable[Any]) -> List[Any]:
        items = list(itertools.islice(value, self._left // VALUE + 1))
        weights = [_weight(item) for item in items]
        kept = self._affordable(range(len(items)), weights)
        found = self._shared(items[: len(kept)], None)
        if len(kept) < len(items):
            self._note_cut()
            found.append(CUT)
        while found[-2:] == [CUT, CUT]:
            found.pop()
        return found

    def _affordable(self, indices: Iterable[int], weights: List[int]) -> List[int]:
        """Return those of the values that fit, from the first on, and pay for them."""
        kept, left = [], self._left
        for i in indices:
            left -= VALUE + (_LEAST_SHARE if weights[i] else 0)
            if left < 0:
                break
            kept.append(i)
        self._left -= len(kept) * VALUE
        return kept

    def _shared(self, values: List[Any], names: Optional[List[Any]]) -> List[Any]:
        """Return plain values; containers get equal shares of the budget, and so do texts."""
        weights = [_weight(value) for value in values]
        found: List[Any] = [CUT] * len(values)
        count = {weight: weights.count(weight) for weight in (_CONTAINER, _ARRAY, _TEXT)}
        for turn in (_LIGHT, _CONTAINER, _ARRAY, _TEXT):
            for i, weight in enumerate(weights):
                if weight != turn:
                    continue
                if names is not None and len(self._around) == 1:
                    self._outermost = repr(names[i])
                kept_back = 0
                if turn == _CONTAINER:
                    shares = count[_CONTAINER] + bool(count[_ARRAY]) + bool(count[_TEXT])
                    kept_back = self._left - self._left // shares
                elif turn == _TEXT:
                    kept_back = self._left - self._left // count[_TEXT]
                if turn in (_CONTAINER, _TEXT):
                    count[turn] -= 1
                self._left -= kept_back
                try:
                    found[i] = self.plain(values[i])
                except OverBudget:
                    self._note_cut()
                finally:
                    self._left += kept_back
        if len(self._around) == 1:
            self._outermost = None
        return found

    def _note_cut(self) -> None:
        self.cut[self._outermost] = None


def _weight(value: Any) -> int:
    if value is None or isinstance(value, (bool, int, float)):
        return _LIGHT
    if isinstance(value, (str, bytes, bytearray)):
        return _LIGHT if len(value) <= SHORT else _TEXT
    if isinstance(value, CONTAINERS):
        return _CONTAINER
    try:
        return _ARRAY if value.shape else _LIGHT
    except Exception:
        return _TEXT
