"""From a model's action vector to an env's action."""

from __future__ import annotations

import math
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from rlmesh._values.dtypes import DTYPES
from rlmesh._values.ops import Ops
from rlmesh.errors import AdapterResolutionError
from rlmesh.spaces import Box, Discrete, Space

from . import _steps as steps
from ._casts import cast, inside
from ._encodings import name_of
from ._plain import sum_text
from ._steps import Advisory, Row, Step
from .actions import Action, Actuator


class ActuatorPlan(NamedTuple):
    """How some elements of the env's action come about.

    Attributes:
        name: The env's actuator, for errors and `explain`.
        source: The first element of the model's vector that drives it; None for what is filled.
        width: Number of elements of the model's.
        steps: What is done with them.
        fill: The values where nothing drives it.
    """

    name: str
    source: Optional[int]
    width: int
    steps: List[Step]
    fill: Sequence[float] = ()


class ActionPlan(NamedTuple):
    """How an env's action comes from what a model emits.

    Attributes:
        width: Number of elements that the model emits.
        first: What is done with the whole of them.
        parts: One for each of the env's actuators, in order.
        last: What is done with the env's whole vector.
        dtype: The dtype in which all this is computed.
        space: The env's action space.
        names: The model's actuators with the elements of each, for errors.
    """

    width: int
    first: List[Step]
    parts: List[ActuatorPlan]
    last: List[Step]
    dtype: str
    space: Space[Any]
    names: List[Tuple[str, int, int]]


def check_action(action: Action, space: Space[Any]) -> None:
    """Check an env's tags of its actions against its action space.

    Raises:
        AdapterResolutionError: They do not fit; the message names the actuator.
    """
    if isinstance(space, Discrete):
        bounds = [(float(space.start), float(space.start + space.n - 1))]
    elif isinstance(space, Box) and len(space.shape) == 1:
        bounds = list(zip(space.low.flat(), space.high.flat()))
    else:
        raise AdapterResolutionError(
            "EnvTags.action: expected a Box of one axis or a Discrete space, got"
            f" {space}; other actions need an AdapterBase of your own"
        )
    if action.width != len(bounds):
        raise AdapterResolutionError(
            f"EnvTags.action: expected actuators whose widths sum to {len(bounds)}, got"
            f" {sum_text([one.width for one in action.actuators])}"
        )
    start = 0
    for actuator, name in _named(action, "EnvTags.action"):
        if actuator.stats is not None:
            raise AdapterResolutionError(
                f"{name}.stats: expected None on the env's side, whose values are in real units,"
                f" got {actuator.stats!r}"
            )
        if actuator.range is not None:
            for low, high in bounds[start : start + actuator.width]:
                # Bounds of single precision differ from the numbers that were meant.
                below = low - actuator.range[0] > 1e-6 * max(1, abs(low))
                above = actuator.range[1] - high > 1e-6 * max(1, abs(high))
                if (math.isfinite(low) and below) or (math.isfinite(high) and above):
                    raise AdapterResolutionError(
                        f"{name}.range: expected a range within the space's bounds"
                        f" [{low:g}, {high:g}], got {actuator.range}"
                    )
        start += actuator.width


def plan_action(env: Action, space: Space[Any], model: Action, notes: List[Advisory]) -> ActionPlan:
    """Return how the env's action comes from the model's vector.

    Raises:
        AdapterResolutionError: It cannot; the message names the actuator and the field.
    """
    check_action(env, space)
    sources = _sources(model)
    used: List[int] = []
    parts: List[ActuatorPlan] = []
    for actuator, name in _named(env, "EnvTags.action"):
        match = _match(actuator, env, sources, name) if actuator.role is not None else None
        if match is None:
            parts.append(_filled(actuator, name, _titles(model), notes))
            continue
        index, start, driver, driver_name = match
        used.append(index)
        work = _Pair(driver, actuator, driver_name, name, notes)
        parts.append(ActuatorPlan(name, start, driver.width, work.plan()))
    for index, (_, driver, name) in enumerate(sources):
        if driver.role is not None and index not in used:
            if not driver.optional:
                raise AdapterResolutionError(
                    f"{name}: expected an env that takes {_title(driver)}, got one that takes"
                    f" {_titles(env)}; optional=True would drop it"
                )
            text = "the env has no use for it, so that it is dropped"
            notes.append(Advisory("caution", name, text))
    last = [] if env.clip is None else [steps.clamp(*env.clip)]
    return ActionPlan(
        width=model.width,
        first=[] if model.clip is None else [steps.clamp(*model.clip)],
        parts=parts,
        last=[*last, *_into(space)],
        dtype="float64" if _is_wide(space) else "float32",
        space=space,
        names=[(name, start, start + driver.width) for start, driver, name in sources],
    )


def _is_wide(space: Space[Any]) -> bool:
    """Whether single precision cannot tell all of the space's values apart."""
    if isinstance(space, Box) and DTYPES[space.dtype].kind in "fV":
        return space.dtype == "float64"
    return any(abs(bound) > 2**24 for pair in _limits(space) for bound in pair)


def _limits(space: Space[Any]) -> List[Tuple[int, int]]:
    """Return the lowest and highest integer of each element."""
    if isinstance(space, Discrete):
        return [(space.start, space.start + space.n - 1)]
    assert isinstance(space, Box)
    return [(int(low), int(high)) for low, high in zip(space.low.flat(), space.high.flat())]


def _into(space: Space[Any]) -> List[Step]:
    """Return the steps from numbers to the space's dtype."""
    assert isinstance(space, (Box, Discrete))
    dtype = "int64" if isinstance(space, Discrete) else space.dtype
    if DTYPES[dtype].kind in "fV":
        return [cast(dtype)]
    limits = _limits(space)
    lows, highs = (Row([float(bound) for bound in side]) for side in zip(*limits))
    rows: Dict[Tuple[str, str], Tuple[Row, Row]] = {}

    def bound(ops: Ops, value: Any) -> Any:
        # Frameworks may lack the wide dtypes, and then use narrower ones by the same name.
        zero = ops.xp.zeros_like(value)
        have, given = steps.dtype_name(value), steps.dtype_name(ops.astype(zero, dtype))
        if (have, given) not in rows:
            rows[have, given] = _inward(limits, have, given)
        low, high = (row.on(ops, value) for row in rows[have, given])
        value = ops.xp.where(value < low, zero + low, value)
        return ops.xp.where(value > high, zero + high, value)

    return [
        Step("rounded half to even", lambda ops, value: ops.xp.round(value)),
        Step(f"clamped to [{lows.text}, {highs.text}]", bound),
        steps.astype(dtype),
    ]


def _inward(limits: Sequence[Tuple[int, int]], have: str, given: str) -> Tuple[Row, Row]:
    """Return the bounds that a float dtype can express, within the bounds and an integer dtype.

    A bound that is rounded outwards, as 2**63 - 1 would be, may overflow when it is cast.
    """
    least, most = DTYPES[given].limits
    pairs = [
        inside(min(max(low, least), most), min(max(high, least), most), have)
        for low, high in limits
    ]
    # Bounds with no number of the float dtype between them leave the one below.
    return Row([min(pair) for pair in pairs]), Row([high for _, high in pairs])


def _filled(actuator: Actuator, name: str, emitted: str, notes: List[Advisory]) -> ActuatorPlan:
    """Return the plan of an actuator that nothing drives."""
    if actuator.role is not None:
        if not actuator.optional:
            raise AdapterResolutionError(
                f"{name}: expected a model that emits {_title(actuator)}, got one that emits"
                f" {emitted}; optional=True would fill it in"
            )
        text = f"the model does not drive it: it is filled with {actuator.fill:g}"
        notes.append(Advisory("caution", name, text))
    fill = actuator.fill
    if actuator.clip and actuator.range is not None:
        fill = min(max(fill, actuator.range[0]), actuator.range[1])
    return ActuatorPlan(name, None, actuator.width, [], [fill] * actuator.width)


def _named(action: Action, where: str) -> List[Tuple[Actuator, str]]:
    return [(one, f"{where}[{i}] ({_title(one)})") for i, one in enumerate(action.actuators)]


def _title(actuator: Actuator) -> str:
    if actuator.role is None:
        return "opaque"
    part = "" if actuator.part is None else f", part {actuator.part!r}"
    return f"{actuator.role}{part}"


def _titles(action: Action) -> str:
    return ", ".join(_title(one) for one in action.actuators if one.role is not None) or "none"


Source = Tuple[int, Actuator, str]


def _sources(model: Action) -> List[Source]:
    """Return where each of the model's actuators starts, with its name."""
    found: List[Source] = []
    start = 0
    for actuator, name in _named(model, "ModelSpec.output"):
        found.append((start, actuator, name))
        start += actuator.width
    return found


def _match(
    actuator: Actuator, env: Action, sources: Sequence[Source], name: str
) -> Optional[Tuple[int, int, Actuator, str]]:
    """Return what of the model drives an actuator of the env.

    Raises:
        AdapterResolutionError: One side names no part, and the other has several.
    """
    same_role = [
        (index, *source) for index, source in enumerate(sources) if source[1].role == actuator.role
    ]
    exact = [one for one in same_role if one[2].part == actuator.part]
    if exact:
        return exact[0]
    # One side that names no part goes with the only one that the other has left.
    env_parts = [one.part for one in env.actuators if one.role == actuator.role]
    model_parts = [one[2].part for one in same_role]
    open_ended = [
        one
        for one in same_role
        if one[2].part not in env_parts and None in (one[2].part, actuator.part)
    ]
    if not open_ended:
        return None
    rivals = [part for part in env_parts if part not in model_parts]
    for candidates, side in ((open_ended, "the model's output"), (rivals, "the env's action")):
        if len(candidates) > 1:
            raise AdapterResolutionError(
                f"{name}: expected one {actuator.role!r} in {side}, got {len(candidates)};"
                " part=... would tell which goes with which"
            )
    return open_ended[0]


class _Pair:
    """A model's actuator and the env's that it drives."""

    def __init__(
        self,
        model: Actuator,
        env: Actuator,
        model_name: str,
        env_name: str,
        notes: List[Advisory],
    ) -> None:
        self.model, self.env = model, env
        self.model_name, self.env_name, self.notes = model_name, env_name, notes

    def fail(self, field: str, expected: Any, got: Any) -> AdapterResolutionError:
        return AdapterResolutionError(
            f"{self.model_name}.{field}: expected {expected}, that of {self.env_name}, got {got!r}"
        )

    def plan(self) -> List[Step]:
        model, env = self.model, self.env
        self._check_agreement()
        found: List[Step] = []
        if model.stats is not None:
            found.append(steps.denormalise(model.stats, model.width))
        if model.encoding is not None and env.encoding is not None:
            found += steps.rotate(model.encoding, env.encoding)
        found += self._mapped()
        width = model.width if model.encoding is None else env.width
        found += self._scaled(model, width, self.model_name)
        found += self._ordered()
        found += self._scaled(env, env.width, self.env_name)
        if model.binary or env.binary:
            found.append(Step(">= 0 -> +1, else -1", _binary))
        if env.clip:
            assert env.range is not None
            found.append(steps.clamp(*env.range))
        elif model.clip:
            text = (
                "clip of the model's side does nothing; that of the env's side, or of Action, does"
            )
            self.notes.append(Advisory("info", self.model_name, text))
        return found

    def _check_agreement(self) -> None:
        model, env = self.model, self.env
        for field in ("frame", "reference"):
            have, wanted = getattr(model, field), getattr(env, field)
            if None not in (have, wanted) and have != wanted:
                raise self.fail(field, repr(wanted), have)
        if (model.encoding is None) != (env.encoding is None):
            raise AdapterResolutionError(
                f"{self.model_name}.encoding: expected {name_of(env.encoding)}, that of"
                f" {self.env_name}, got {name_of(model.encoding)}; a rotation has one on both sides"
            )
        is_ordered = model.labels is not None and env.labels is not None
        if model.encoding is None and model.width != env.width and not is_ordered:
            raise self.fail("dim", env.width, model.width)

    def _mapped(self) -> List[Step]:
        model, env = self.model, self.env
        if model.range is not None and env.range is not None:
            if model.range == env.range:
                return []
            return [steps.map_range(model.range[:1], model.range[1:], *env.range)]
        if model.range is not None or env.range is not None:
            side = "the model" if env.range is None else "the env"
            text = f"only {side} declares a range, so that nothing is mapped"
            self.notes.append(Advisory("caution", self.env_name, text))
        return []

    def _scaled(self, side: Actuator, width: int, name: str) -> List[Step]:
        found: List[Step] = []
        if side.scale is not None:
            found.append(steps.scale_by(steps.row(side.scale, width, f"{name}.scale")))
        if side.offset is not None:
            found.append(steps.shift_by(steps.row(side.offset, width, f"{name}.offset")))
        if side.invert:
            found.append(Step("negated", lambda ops, value: -value))
        if side.threshold is not None:
            threshold = side.threshold
            found.append(Step(f"minus {threshold:g}", lambda ops, value: value - threshold))
        return found

    def _ordered(self) -> List[Step]:
        have, wanted = self.model.labels, self.env.labels
        if have is None or wanted is None:
            if have is not None or wanted is not None:
                side = "the model" if wanted is None else "the env"
                text = f"only {side} names the elements, so that their order is taken as it is"
                self.notes.append(Advisory("info", self.env_name, text))
            return []
        unknown = [label for label in wanted if label not in have]
        if unknown:
            raise self.fail("labels", f"all of {list(wanted)}", list(have))
        unused = [label for label in have if label not in wanted]
        if unused:
            raise self.fail("labels", f"only {list(wanted)}", list(have))
        indices = [list(have).index(label) for label in wanted]
        return steps.pick(indices, len(have), f"in the order {', '.join(wanted)}")


def _binary(ops: Ops, value: Any) -> Any:
    ones = ops.xp.ones_like(value)
    return ops.xp.where(value >= 0, ones, -ones)
