"""From an env's vectors to a model's."""

from __future__ import annotations

import math
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

from rlmesh._values.dtypes import DTYPES
from rlmesh.errors import AdapterResolutionError

from . import _steps as steps
from ._casts import cast
from ._curves import check_curve, curve_step
from ._encodings import Encoding, checked_offset, name_of, width_of
from ._intervals import each
from ._leaves import Bounds, VectorLeaf, is_finite
from ._plausible import unlikely
from ._rotations import base_of
from ._steps import Advisory, Step
from .inputs import State
from .roles import named

EXACT = ("int32", "int64", "uint32", "uint64", "float64")
"""The dtypes that hold integers beyond those of single precision."""


class VectorPlan(NamedTuple):
    """How one vector comes about.

    Attributes:
        leaf: What it is read from; None for one that is made up.
        steps: What is done with it.
        width: Number of elements in the end.
        fill: The value of one that is made up.
        is_computed: Whether steps compute with floats, and not only choose elements.
    """

    leaf: Optional[VectorLeaf]
    steps: List[Step]
    width: int
    fill: float = 0.0
    is_computed: bool = False

    def needs_double(self, dtype: str, clip: Optional[Tuple[float, float]]) -> bool:
        """Whether a dtype holds more of it than single precision does on the way there."""
        if dtype not in EXACT:
            return False
        if self.leaf is None:
            return abs(self.fill) > 2**24
        if not self.leaf.is_long:
            return False
        is_signed = DTYPES[self.leaf.dtype].kind == "i"
        is_clipped = clip is not None and not (
            is_signed and all(float(x).is_integer() for x in clip)
        )
        # Frameworks without float64 have no int64 either, and clamp what does not fit.
        is_narrowed = dtype == "float64" or (dtype == "int64" and not is_signed)
        return self.is_computed or is_clipped or is_narrowed


def plan_state(spec: State, leaf: VectorLeaf, where: str, notes: List[Advisory]) -> VectorPlan:
    """Return how a model's state comes from what the env offers, before its dtype and shape.

    Raises:
        AdapterResolutionError: It cannot; the message names the leaf and the field.
    """
    work = _Work(spec, leaf, where, notes)
    work.cut()
    work.convert()
    work.select()
    work.order()
    work.map_range()
    work.bend()
    work.scale()
    work.check_plausible()
    work.normalise()
    return VectorPlan(leaf, work.steps, work.width, is_computed=work.is_computed)


def plan_filled(spec: State, where: str, notes: List[Advisory]) -> VectorPlan:
    """Return how an optional state is made up; `fill` is its final value."""
    width = spec.dim or spec.fixed_width or 1
    if spec.encodings:
        width = width_of(spec.encodings[0])
    if spec.labels is not None:
        width = len(spec.labels)
    if spec.index is not None:
        width = 1
    if spec.sincos:
        width *= 2
    width = max(width, spec.pad_to or 0)
    missing = named(spec.role, spec.part)
    text = f"the env has no {missing}: {width} elements are filled with {spec.fill:g}"
    notes.append(Advisory("caution", where, text))
    return VectorPlan(None, [], width, spec.fill)


def finish(spec: Any, plan: VectorPlan, where: str) -> Tuple[List[Step], Tuple[int, ...]]:
    """Return the last steps of a `State` or `Concat`, up to its dtype, and the shape then.

    Raises:
        AdapterResolutionError: Its `pad_to` or `reshape` does not fit.
    """
    found: List[Step] = []
    width = plan.width
    made_up = plan.leaf is None and isinstance(spec, State)
    if spec.clip is not None and not made_up:
        found.append(steps.clamp(*spec.clip))
    if spec.pad_to is not None:
        if spec.pad_to < width:
            raise AdapterResolutionError(
                f"{where}.pad_to: expected at least the width {width}, got {spec.pad_to}"
            )
        found += steps.pad(width, spec.pad_to)
        width = spec.pad_to
    shape: Tuple[int, ...] = (width,)
    if spec.reshape is not None:
        if math.prod(spec.reshape) != width:
            raise AdapterResolutionError(
                f"{where}.reshape: expected a shape of {width} elements, got {spec.reshape}"
            )
        shape = tuple(spec.reshape)
        found.append(steps.reshape(shape))
    found.append(cast(spec.dtype))
    return found, shape


class _Work:
    """A state that is being planned, in the order of its fields.

    Attributes:
        steps: What is planned already.
        width: The number of elements after these.
        encoding: The encoding after these.
        is_converted: Whether that is another than the leaf's.
        is_computed: See `VectorPlan`.
    """

    def __init__(self, spec: State, leaf: VectorLeaf, where: str, notes: List[Advisory]) -> None:
        self.spec, self.leaf, self.where, self.notes = spec, leaf, where, notes
        self.steps: List[Step] = []
        self.width = leaf.width
        self.bounds: Optional[Bounds] = leaf.bounds
        self.labels: Optional[Sequence[str]] = leaf.labels
        self.encoding: Optional[Encoding] = leaf.encoding
        self.is_converted = False
        self.is_computed = False

    def fail(self, field: str, expected: str, got: Any) -> AdapterResolutionError:
        return AdapterResolutionError(
            f"{self.where}.{field}: expected {expected}, got {got!r} (from {self.leaf.name})"
        )

    def cut(self) -> None:
        leaf, dim = self.leaf, self.spec.dim
        width = leaf.width if dim is None else dim
        if width > leaf.width:
            raise self.fail("dim", f"at most the env's {leaf.width} elements", dim)
        if leaf.encoding is not None and width != leaf.width:
            raise self.fail("dim", f"{leaf.width}, the width of {name_of(leaf.encoding)}", dim)
        if width < leaf.width:
            text = f"only the first {width} of the env's {leaf.width} elements are used"
            self.notes.append(Advisory("info", self.where, text))
        canonical = self.spec.fixed_width
        if canonical is not None and width != canonical:
            raise self.fail("dim", f"{canonical}, the width of this role", width)
        self.steps += steps.take(leaf.start, leaf.start + width, leaf.total)
        self.width = width
        self.bounds = self.bounds and self.bounds[:width]
        self.labels = self.labels and self.labels[:width]

    def convert(self) -> None:
        wanted, have = self.spec.encodings, self.leaf.encoding
        if not wanted:
            return
        if have is None:
            names = " or ".join(map(name_of, wanted))
            raise AdapterResolutionError(
                f"{self.where}.encoding: expected a tag that says the env's encoding, from which to"
                f" convert to {names}, got {self.leaf.name} without one"
            )
        target: Encoding = have if have in wanted else wanted[0]
        offset = checked_offset(self.spec.rotation_offset, f"{self.where}.rotation_offset")
        self.encoding = target
        if have == target and offset is None:
            return
        if base_of(have) == "gravity_xyz":
            if have == target:
                raise self.fail("rotation_offset", "None for gravity_xyz", offset)
            raise self.fail(
                "encoding", "gravity_xyz, which converts into no other", name_of(target)
            )
        self._compute(*steps.rotate(have, target, offset))
        self.is_converted = True
        self.width = width_of(target)
        self.bounds = None

    def select(self) -> None:
        index = self.spec.index
        if index is None:
            return
        if index >= self.width:
            raise self.fail("index", f"an index below the width {self.width}", index)
        self.steps += steps.take(index, index + 1, self.width)
        self.bounds = self.bounds and [self.bounds[index]]
        self.labels = self.labels and [self.labels[index]]
        self.width = 1

    def order(self) -> None:
        wanted, have = self.spec.labels, self.labels
        if wanted is None or have is None:
            if wanted is not None or have is not None:
                side = "the model" if have is None else "the env"
                text = f"only {side} names the elements, so that their order is taken as it is"
                self.notes.append(Advisory("info", self.where, text))
            if wanted is not None and len(wanted) != self.width:
                raise self.fail("labels", f"{self.width} labels", list(wanted))
            return
        unknown = [label for label in wanted if label not in have]
        if unknown:
            raise self.fail("labels", f"some of the env's {list(have)}", unknown)
        dropped = [label for label in have if label not in wanted]
        if dropped:
            self.notes.append(Advisory("info", self.where, f"{dropped} are not used"))
        indices = [list(have).index(label) for label in wanted]
        self.steps += steps.pick(indices, self.width, f"in the order {', '.join(wanted)}")
        self.width = len(indices)
        self.bounds = self.bounds and [self.bounds[i] for i in indices]

    def map_range(self) -> None:
        target = self.spec.range
        if target is None:
            return
        if self.bounds is None or not all(map(is_finite, self.bounds)):
            text = f"the env's range is not known, so that nothing is mapped to {target}"
            self.notes.append(Advisory("caution", self.where, text))
            return
        low, high = zip(*self.bounds)
        if any(bottom >= top for bottom, top in self.bounds):
            raise self.fail("range", "an env range that is not empty", list(self.bounds))
        if any(pair != target for pair in self.bounds):
            self._compute(steps.map_range(low, high, *target))

    def bend(self) -> None:
        curve, target = self.spec.curve, self.spec.range
        if curve is not None:
            if target is not None:
                check_curve(curve, target, f"{self.where}.curve")
            self._compute(curve_step(curve))

    def scale(self) -> None:
        spec, width = self.spec, self.width
        if spec.scale is not None:
            factor = steps.row(spec.scale, width, f"{self.where}.scale")
            self._compute(steps.scale_by(factor))
        if spec.offset is not None:
            summand = steps.row(spec.offset, width, f"{self.where}.offset")
            self._compute(steps.shift_by(summand))
        if spec.sincos:
            if self.encoding is not None and base_of(self.encoding) != "euler_xyz":
                raise self.fail("sincos", "angles", name_of(self.encoding))
            self._compute(steps.sincos())
            self.width *= 2

    def check_plausible(self) -> None:
        """Take note of numbers of the model that its encoding does not have."""
        spec, encoding = self.spec, self.encoding
        if not spec.encodings or encoding is None or spec.sincos:
            return
        width = self.width
        if spec.stats is not None:
            spec.stats.check_width(width, f"{self.where}.stats")
            field, values = "stats", spec.stats.values(width)
        elif spec.clip is not None:
            field, values = "clip", [[max(spec.clip, key=abs)]] * width
        else:
            return
        # As they are before scale and offset, and in the places that index leaves.
        factors, summands = each(spec.scale, width, 1.0), each(spec.offset, width, 0.0)
        raw = [
            [(value - summand) / factor for value in found] if factor else []
            for found, factor, summand in zip(values, factors, summands)
        ]
        if spec.index is not None:
            raw = [raw[0] if i == spec.index else [] for i in range(width_of(encoding))]
        reason = unlikely(raw, encoding, self.is_converted and field == "stats")
        if reason is not None:
            self.notes.append(Advisory("caution", f"{self.where}.{field}", reason))

    def normalise(self) -> None:
        stats = self.spec.stats
        if stats is not None:
            stats.check_width(self.width, f"{self.where}.stats")
            self._compute(steps.normalise(stats, self.width))

    def _compute(self, *more: Step) -> None:
        """Add steps that compute, in single precision where the leaf needs no more."""
        if not self.is_computed:
            self.is_computed = True
            wide = self.leaf.dtype in ("float64", "int64", "uint64") or self.leaf.is_long
            self.steps.append(steps.astype("float64" if wide else "float32"))
        self.steps += more
