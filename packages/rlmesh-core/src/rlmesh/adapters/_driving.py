"""From an actuator of a model to the env's that it drives, in the order of `Actuator`."""

from __future__ import annotations

import math
import struct
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

from rlmesh._values.ops import Ops
from rlmesh.errors import AdapterResolutionError

from . import _intervals as intervals
from . import _steps as steps
from ._curves import check_curve, curve_step
from ._deltas import Base, States, plan_base
from ._encodings import name_of
from ._intervals import Interval
from ._plain import LARGEST
from ._plausible import implausible
from ._steps import Advisory, Step
from .actions import Actuator

_SIGNS = (-1.0, 1.0)
"""What low and high become where the env declares no range."""


class Elements(NamedTuple):
    """The elements of the env's vector that an actuator has.

    Attributes:
        bounds: The lowest and highest value of each in the env's space, which may be infinite.
        dtype: Of the space.
        is_integer: Whether values are rounded, and clamped to the bounds.
        clip: To what the env's whole vector is clamped.
    """

    bounds: Sequence[Interval]
    dtype: str
    is_integer: bool
    clip: Optional[Interval]

    def settled(self, index: int, value: float) -> float:
        """Return what becomes of a value at the very end, except for the actuator's own clip."""
        if self.clip is not None:
            value = min(max(value, self.clip[0]), self.clip[1])
        if not self.is_integer:
            code = {"float16": "e", "float32": "f"}.get(self.dtype)
            return (
                value if code is None else float(struct.unpack(code, struct.pack(code, value))[0])
            )
        low, high = self.bounds[index]
        return min(max(round(value), low), high)

    def has(self, index: int, value: float) -> bool:
        """Whether a value is one of the space's, which are clamped to if there are but two."""
        low, high = self.bounds[index]
        if self.is_integer and high - low == 1:
            return True
        # Bounds of single precision differ from the numbers that were meant.
        return low - value <= 1e-6 * max(1, abs(low)) and value - high <= 1e-6 * max(1, abs(high))


def _rounded(value: float, dtype: str) -> float:
    """Return the number of a dtype that is nearest to a value, which may be too large for it."""
    code, most = {"float16": ("e", 65504.0), "float32": ("f", LARGEST)}.get(dtype, ("d", math.inf))
    value = min(max(value, -most), most)
    return float(struct.unpack(code, struct.pack(code, value))[0])


class Driven(NamedTuple):
    """What is done with some elements of a model's vector.

    Attributes:
        steps: The steps before `base` is added.
        base: The state that is added; None where there are no changes.
        last: The steps after that.
        is_moved: Whether the values are what the model emits, perhaps in another order.
        sticky: For how many steps a value stays that has changed; 0 where it need not.
        ends: The low and the high value of each element, in the end; empty where it is not binary.
    """

    steps: List[Step]
    base: Optional[Base]
    last: List[Step]
    is_moved: bool
    sticky: int
    ends: Sequence[Interval]


class Pair:
    """A model's actuator and the env's that it drives.

    Args:
        model: The model's.
        env: The env's.
        names: What errors call the two.
        clip: To what the model's whole vector is clamped.
        elements: Where in the env's vector the values go.
        states: What the env offers, to which changes are added.
        notes: Where advisories go.
    """

    def __init__(
        self,
        model: Actuator,
        env: Actuator,
        names: Tuple[str, str],
        clip: Optional[Interval],
        elements: Elements,
        states: States,
        notes: List[Advisory],
    ) -> None:
        self.model, self.env = model, env
        self.names = self.model_name, self.env_name = names
        self.clip, self.elements = clip, elements
        self.states, self.notes = states, notes
        self.order: Optional[List[int]] = None

    def plan(self) -> Driven:
        """Return what is done.

        Raises:
            AdapterResolutionError: The two do not go together.
        """
        model, env = self.model, self.env
        self._check_agreement()
        self.order = self._order()
        first: List[Step] = []
        if model.stats is not None:
            first.append(steps.denormalise(model.stats, model.width))
            why = None if model.encoding is None else implausible(model.stats, model.encoding)
            if why is not None:
                self.notes.append(Advisory("caution", f"{self.model_name}.stats", why))
        if model.encoding is not None and env.encoding is not None:
            first += steps.rotate(model.encoding, env.encoding)
        width = model.width if model.encoding is None else env.width
        first += _scaled(model, width, self.model_name)
        is_moved = not first
        if self.order is not None:
            line = f"in the order {', '.join(env.labels or ())}"
            first += steps.pick(self.order, len(self.order), line)
        limits = self._limits()
        self._note_contradictions(limits)
        if model.binary:
            first.append(self._decided(model, self.model_name, limits))
            limits = [env.range or _SIGNS] * env.width
            self._note_ends()
        else:
            mapped = self._mapped()
            first += mapped
            limits = self._after_mapping(limits, bool(mapped))
        base = self._base()
        if base is not None:
            limits = [intervals.UNKNOWN] * env.width
        last: List[Step] = []
        if env.curve is not None:
            for one in limits:
                check_curve(env.curve, one, f"{self.env_name}.curve")
            last.append(curve_step(env.curve))
        last += _scaled(env, env.width, self.env_name)
        limits = intervals.scaled(intervals.curved(limits, env.curve), env)
        ends: Sequence[Interval] = []
        if model.binary:
            ends = self._two_values(limits)
        elif env.binary:
            last.append(self._decided(env, self.env_name, limits))
            ends = self._two_values([env.range or _SIGNS] * env.width)
        else:
            self._note_lost(limits)
        if env.clip:
            assert env.range is not None
            last.append(steps.clamp(*env.range))
        elif model.clip:
            text = (
                "clip of the model's side does nothing; that of the env's side, or of Action, does"
            )
            self.notes.append(Advisory("info", self.model_name, text))
        is_moved = is_moved and not last and base is None and len(first) <= (self.order is not None)
        return Driven(first, base, last, is_moved, self._sticky(), ends)

    def _fail(self, field: str, expected: Any, got: Any) -> AdapterResolutionError:
        return AdapterResolutionError(
            f"{self.model_name}.{field}: expected {expected}, that of {self.env_name}, got {got!r}"
        )

    def _note(self, severity: str, text: str) -> None:
        self.notes.append(Advisory(severity, self.env_name, text))

    def _check_agreement(self) -> None:
        model, env = self.model, self.env
        for field in ("frame", "reference", "sticky"):
            have, wanted = getattr(model, field), getattr(env, field)
            if None not in (have, wanted) and have != wanted:
                raise self._fail(field, repr(wanted), have)
        if (model.encoding is None) != (env.encoding is None):
            raise AdapterResolutionError(
                f"{self.model_name}.encoding: expected {name_of(env.encoding)}, that of"
                f" {self.env_name}, got {name_of(model.encoding)}; a rotation has one on both sides"
            )
        if model.curve is not None:
            raise AdapterResolutionError(
                f"{self.model_name}.curve: expected None on the model's side, because a curve"
                f" belongs to what the env takes, got {model.curve.title}"
            )
        is_ordered = model.labels is not None and env.labels is not None
        if model.encoding is None and model.width != env.width and not is_ordered:
            raise self._fail("dim", env.width, model.width)
        if model.delta is not None and env.binary:
            raise AdapterResolutionError(
                f"{self.model_name}.delta: expected None, because {self.env_name} is binary, got"
                f" {model.delta!r}: low and high are no changes"
            )

    def _order(self) -> Optional[List[int]]:
        """Return which of the model's elements each of the env's is; None where they are alike."""
        have, wanted = self.model.labels, self.env.labels
        if have is None or wanted is None:
            if have is not None or wanted is not None:
                side = "the model" if wanted is None else "the env"
                text = f"only {side} names the elements, so that their order is taken as it is"
                self._note("info", text)
            return None
        unknown = [label for label in wanted if label not in have]
        if unknown:
            raise self._fail("labels", f"all of {list(wanted)}", list(have))
        unused = [label for label in have if label not in wanted]
        if unused:
            raise self._fail("labels", f"only {list(wanted)}", list(have))
        order = [list(have).index(label) for label in wanted]
        return None if order == sorted(order) else order

    def _in_order(self, values: Sequence[Any]) -> List[Any]:
        """Return values of the model's elements in the order of the env's."""
        return list(values) if self.order is None else [values[i] for i in self.order]

    def _limits(self) -> List[Interval]:
        """Return between which numbers the model's values lie by clip and stats."""
        if self.model.encoding is not None:
            return [intervals.UNKNOWN] * self.env.width
        found = intervals.emitted(self.model, self.clip)
        return self._in_order(intervals.scaled(found, self.model))

    def _note_contradictions(self, limits: Sequence[Interval]) -> None:
        """Say where the model's clip and stats leave nothing of its range."""
        if self.model.range is None:
            return
        low, high = self.model.range
        for least, most in limits:
            if most < low or least > high:
                text = (
                    f"clip and stats say that values are from {least:g} to {most:g}, none of which"
                    f" is in its range {self.model.range}"
                )
                self.notes.append(Advisory("caution", self.model_name, text))
                return

    # Deciding

    def _decided(self, side: Actuator, name: str, limits: Sequence[Interval]) -> Step:
        """Return the step that decides for low or high."""
        threshold, why = side.threshold, ""
        if threshold is None:
            threshold, why = 0.0, " (by default)"
            if side.range is not None:
                threshold, why = sum(side.range) / 2, f" (the middle of {side.range})"
        known = list(limits)
        if side is self.model and side.range is not None:
            known.append(side.range)
        for low, high in known:
            # At the upper end, all but one single value would be low.
            if not low < threshold < high:
                raise AdapterResolutionError(
                    f"{name}.threshold: expected one that parts the values from {low:g} to"
                    f" {high:g}, as they are declared, got {threshold:g}{why}: all would be"
                    f" {'high' if threshold <= low else 'low'}"
                )
        bottom, top = self.env.range or _SIGNS
        limit = float(threshold)

        def apply(ops: Ops, value: Any) -> Any:
            zero = ops.xp.zeros_like(value)
            return ops.xp.where(value >= limit, zero + top, zero + bottom)

        return Step(f"{top:g} from {limit:g} on, else {bottom:g}", apply)

    def _note_ends(self) -> None:
        if self.env.binary and self.env.threshold is not None:
            text = "its threshold is not used, because the model decides for low and high"
            self._note("info", text)
        if self.env.range is None:
            text = "it declares no range, so that low and high of the model become -1 and +1"
            self._note("info", text)

    def _two_values(self, values: Sequence[Interval]) -> List[Interval]:
        """Return what becomes of low and high: two values, both of which the env takes."""
        found = []
        for index, pair in enumerate(values):
            if self.env.clip and self.env.range is not None:
                low, high = self.env.range
                pair = (min(max(pair[0], low), high), min(max(pair[1], low), high))
            first, second = (self.elements.settled(index, value) for value in pair)
            if first == second:
                raise AdapterResolutionError(
                    f"{self.env_name}: expected two values for low and high, got {first:g} for"
                    " both; range=(low, high) of the env's side says what it takes"
                )
            found.append((min(first, second), max(first, second)))
            for value in pair:
                clip = self.elements.clip
                if clip is not None:
                    value = min(max(value, clip[0]), clip[1])
                if not self.elements.has(index, value):
                    low, high = self.elements.bounds[index]
                    raise AdapterResolutionError(
                        f"{self.env_name}: expected low and high within the space's bounds"
                        f" [{low:g}, {high:g}], got {pair[0]:g} and {pair[1]:g}; range=(low, high)"
                        " of the env's side says what it takes"
                    )
        return found

    def _sticky(self) -> int:
        count = self.model.sticky or self.env.sticky or 0
        if count and not (self.model.binary or self.env.binary):
            name = self.model_name if self.model.sticky else self.env_name
            raise AdapterResolutionError(
                f"{name}.sticky: expected None without binary=True on either side, got {count}"
            )
        return count

    # Ranges

    def _mapped(self) -> List[Step]:
        model, env = self.model, self.env
        if model.range is not None and env.range is not None:
            if model.range == env.range:
                return []
            self._check_zero(model.range, env.range)
            return [steps.map_range(model.range[:1], model.range[1:], *env.range)]
        if model.range is not None or env.range is not None:
            side = "the model" if env.range is None else "the env"
            self._note("caution", f"only {side} declares a range, so that nothing is mapped")
        return []

    def _check_zero(self, source: Interval, target: Interval) -> None:
        """Check that the mapping of a change leaves no change alone."""
        if self.model.delta is not None:
            (zero,) = {intervals.mapped((0.0, 0.0), source, target)[0]}
            if not math.isclose(zero, 0.0, abs_tol=1e-6 * max(map(abs, target))):
                raise AdapterResolutionError(
                    f"{self.model_name}.range: expected one by which a change of 0 stays 0, mapped"
                    f" to {target}, that of {self.env_name}, got {source}, by which it becomes"
                    f" {zero:g}"
                )

    def _after_mapping(self, limits: Sequence[Interval], is_mapped: bool) -> List[Interval]:
        source, target = self.model.range, self.env.range
        found = [one if source is None else intervals.meet(source, one) for one in limits]
        if is_mapped and source is not None and target is not None:
            found = [intervals.mapped(one, source, target) for one in found]
        return found

    def _base(self) -> Optional[Base]:
        if self.model.delta is None:
            return None
        mask = self._in_order(self.model.mask or (True,) * self.model.width)
        return plan_base(self.model, self.env, mask, self.names, self.states, self.notes)

    def _note_lost(self, limits: Sequence[Interval]) -> None:
        """Say where declared values leave the env's range, or become one and the same."""
        env = self.env
        for index, (low, high) in enumerate(limits):
            if not (math.isfinite(low) and math.isfinite(high)):
                continue
            ends = [low, high]
            if env.clip and env.range is not None:
                ends = [min(max(end, env.range[0]), env.range[1]) for end in ends]
            first, second = (self.elements.settled(index, end) for end in ends)
            if low < high and first == second:
                text = f"the values from {low:g} to {high:g} all become {first:g}"
                self._note("caution", text)
                return
            if env.range is not None and self.model.range is not None:
                slack = 1e-6 * (env.range[1] - env.range[0])
                if low < env.range[0] - slack or high > env.range[1] + slack:
                    text = (
                        f"values mapped to its range {env.range} leave it by its curve, scale,"
                        f" offset or invert, to [{low:g}, {high:g}]"
                    )
                    self._note("caution", text)
                    return


def _scaled(side: Actuator, width: int, name: str) -> List[Step]:
    found: List[Step] = []
    if side.scale is not None:
        found.append(steps.scale_by(steps.row(side.scale, width, f"{name}.scale")))
    if side.offset is not None:
        found.append(steps.shift_by(steps.row(side.offset, width, f"{name}.offset")))
    if side.invert:
        found.append(Step("negated", lambda ops, value: -value))
    return found
