"""Targets from changes: what of an observation a model's deltas are added to."""

from __future__ import annotations

import math
from typing import Any, Callable, List, NamedTuple, Optional, Sequence

from rlmesh._values.ops import Ops
from rlmesh.errors import AdapterResolutionError

from . import _curves as curves
from . import _intervals as intervals
from . import _steps as steps
from ._encodings import name_of
from ._leaves import Offers, Path, VectorLeaf, bind, is_finite
from ._steps import Advisory, Row, Step
from .actions import Actuator
from .roles import named

_NARROW = ("float16", "bfloat16", "float32", "int8", "uint8", "int16", "uint16", "bool")
"""Dtypes of which single precision can tell all numbers apart."""


class States(NamedTuple):
    """What an env offers, for those who read more of it.

    Attributes:
        offers: See `offers_of`.
        read: Returns the place of a leaf among those that are read.
    """

    offers: Offers
    read: Callable[[Path], int]


class Base(NamedTuple):
    """The state that changes are added to.

    Attributes:
        name: What errors call it.
        place: Of the leaf in `Plan.reads`.
        is_wide: Whether single precision is not enough for it.
        steps: From the leaf to the numbers that are added.
        mask: 1 for each element that is a change, 0 for the others; None if all are.
        is_cumulative: Whether changes are summed along the chunk before.
    """

    name: str
    place: int
    is_wide: bool
    steps: List[Step]
    mask: Optional[Row]
    is_cumulative: bool

    @property
    def line(self) -> str:
        """What `explain` says of it."""
        what = "summed along the chunk, plus" if self.is_cumulative else "plus"
        alone = "" if self.mask is None else f", of each element times {self.mask.text}"
        first = "; ".join(step.line for step in self.steps if step.line)
        return f"{what} {self.name} at the predict{alone}{f' ({first})' if first else ''}"

    def add(self, ops: Ops, deltas: Any, state: Any) -> Any:
        """Return targets.

        Args:
            ops: The framework's functions.
            deltas: Of any leading axes, the last of which is that of a chunk.
            state: The leaf as the observation had it.
        """
        state = steps.run(ops, self.steps, state)
        if self.is_cumulative and deltas.ndim > 1:
            sums = [deltas[..., 0, :]]
            for i in range(1, deltas.shape[-2]):
                sums.append(sums[-1] + deltas[..., i, :])
            summed = ops.xp.stack(sums, -2)
        else:
            summed = deltas
        targets = summed + state
        if self.mask is None:
            return targets
        taken = ops.xp.zeros_like(targets) + self.mask.on(ops, targets)
        return ops.xp.where(taken > 0.5, targets, ops.xp.zeros_like(targets) + deltas)


def plan_base(
    model: Actuator,
    env: Actuator,
    mask: Sequence[bool],
    names: Sequence[str],
    states: States,
    notes: List[Advisory],
) -> Base:
    """Return the state of the env to which a model's changes are added.

    Args:
        model: The model's actuator.
        env: The env's.
        mask: For each of the env's elements, whether the model gives a change.
        names: What errors call the two.
        states: What the env offers.
        notes: Where advisories go.

    Raises:
        AdapterResolutionError: There is none that suits.
    """
    model_name, env_name = names
    where = f"{model_name}.delta"
    role = model.role or ""
    if not role.startswith("action/"):
        raise AdapterResolutionError(
            f"{where}: expected a role 'action/...', whose state is 'proprio/...', got {role!r}"
        )
    role = "proprio/" + role[len("action/") :]
    part = model.part if env.part is None else env.part
    leaf = bind(states.offers, role, part, VectorLeaf, where)
    if not isinstance(leaf, VectorLeaf):
        offered = [named(one, kind) for one, kinds in states.offers.items() for kind in kinds]
        raise AdapterResolutionError(
            f"{where}: expected the env to offer {named(role, part)}, to which changes are added,"
            f" got only {', '.join(offered) or 'nothing'}"
        )
    if leaf.encoding is not None:
        raise AdapterResolutionError(
            f"{where}: expected a state that can be added to, got {leaf.name}, a rotation in"
            f" {name_of(leaf.encoding)}: a sum is no rotation"
        )
    for side, frame in ((model_name, model.frame), (env_name, env.frame)):
        if None not in (frame, leaf.frame) and frame != leaf.frame:
            raise AdapterResolutionError(
                f"{where}: expected a state in the frame {frame!r}, that of {side}, got"
                f" {leaf.name} in {leaf.frame!r}"
            )
    order, pairs = _order(leaf, env, where, env_name), leaf.bounds
    if pairs is not None and env.range is not None:
        known = [pairs[i] for i, used in zip(order, mask) if used and is_finite(pairs[i])]
        odd = [pair for pair in known if any(map(_differ, pair, env.range))]
        if odd:
            low, high = odd[0]
            text = (
                f"changes are added to {leaf.name}, whose range is ({low:g}, {high:g}), where the"
                f" actuator's is {env.range}: they must be in the same units"
            )
            notes.append(Advisory("caution", env_name, text))
    found = [Step("", lambda ops, value: value.reshape((-1,)))]
    found += steps.take(leaf.start, leaf.start + leaf.width, leaf.total)
    is_wide = leaf.dtype not in _NARROW
    found.append(
        Step("", lambda ops, value: ops.astype(value, "float64" if is_wide else "float32"))
    )
    if order != list(range(leaf.width)):
        found += steps.pick(order, leaf.width, f"in the order {', '.join(env.labels or ())}")
    found += _undone(env, mask, env_name)
    used = None if all(mask) else Row([float(one) for one in mask])
    return Base(
        leaf.name, states.read(leaf.path), is_wide, found, used, model.delta == "cumulative"
    )


def _differ(bound: float, other: float) -> bool:
    return not math.isclose(bound, other, rel_tol=1e-3, abs_tol=1e-6)


def _order(leaf: VectorLeaf, env: Actuator, where: str, env_name: str) -> List[int]:
    """Return which element of the state belongs to each of the env's."""
    if leaf.labels is not None and env.labels is not None:
        missing = [label for label in env.labels if label not in leaf.labels]
        if missing:
            raise AdapterResolutionError(
                f"{where}: expected a state with all of {list(env.labels)}, the labels of"
                f" {env_name}, got {leaf.name} with {list(leaf.labels)}"
            )
        return [list(leaf.labels).index(label) for label in env.labels]
    if leaf.width != env.width:
        raise AdapterResolutionError(
            f"{where}: expected a state of {env.width} elements, as {env_name} has, got"
            f" {leaf.name} of {leaf.width}"
        )
    return list(range(leaf.width))


def _undone(env: Actuator, mask: Sequence[bool], name: str) -> List[Step]:
    """Return the steps from the env's units to those before its curve, scale, offset, invert."""
    found: List[Step] = []
    if env.invert:
        found.append(Step("negated", lambda ops, value: -value))
    if env.offset is not None:
        offsets = intervals.each(env.offset, env.width, 0.0)
        found.append(steps.shift_by(Row([-one for one in offsets])))
    if env.scale is not None:
        factors = intervals.each(env.scale, env.width, 1.0)
        if any(used and factor == 0 for factor, used in zip(factors, mask)):
            raise AdapterResolutionError(
                f"{name}.scale: expected other numbers than 0, which cannot be undone for the state"
                f" that delta adds, got {env.scale}"
            )
        divisor = Row([factor or 1.0 for factor in factors])
        line = f"divided by {divisor.text}"
        found.append(Step(line, lambda ops, value: value / divisor.on(ops, value)))
    if env.curve is not None:
        found.append(curves.curve_step(curves.reversed_curve(env.curve)))
    return found
