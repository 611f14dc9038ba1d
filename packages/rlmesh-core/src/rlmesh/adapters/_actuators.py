"""From a model's action vector to an env's action."""

from __future__ import annotations

import math
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from rlmesh.errors import AdapterResolutionError
from rlmesh.spaces import Box, Discrete, MultiDiscrete, Space

from . import _steps as steps
from ._casts import cast
from ._deltas import Base, States
from ._driving import Elements, Pair
from ._integers import integer_dtype, limits_of, round_into
from ._plain import sum_text
from ._steps import Advisory, Step
from ._sticky import Sticky
from .actions import Action, Actuator


class ActuatorPlan(NamedTuple):
    """How some elements of the env's action come about.

    Attributes:
        name: The env's actuator, for errors and `explain`.
        source: The first element of the model's vector that drives it; None for what is filled.
        width: Number of elements of the model's.
        size: Number of elements of the env's.
        steps: What is done with them.
        fill: The values where nothing drives it.
        base: The state that is added then; None where the model gives no changes.
        last: What is done after that.
        is_moved: Whether integers stay what they are, except for their order and limits.
        ends: The low and the high value of each element; empty where it is not binary.
    """

    name: str
    source: Optional[int]
    width: int
    size: int
    steps: List[Step]
    fill: Sequence[float] = ()
    base: Optional[Base] = None
    last: Sequence[Step] = ()
    is_moved: bool = False
    ends: Sequence[Tuple[float, float]] = ()

    @property
    def lines(self) -> List[Step]:
        """What is done with them, as `explain` says it."""
        added = [] if self.base is None else [Step(self.base.line, lambda ops, value: value)]
        return [*self.steps, *added, *self.last]


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
        sticky: The elements of the env's vector whose changes stay.
    """

    width: int
    first: List[Step]
    parts: List[ActuatorPlan]
    last: List[Step]
    dtype: str
    space: Space[Any]
    names: List[Tuple[str, int, int]]
    sticky: List[Sticky]

    @property
    def bases(self) -> List[Base]:
        """The states that are added, in the order of the parts."""
        return [part.base for part in self.parts if part.base is not None]

    @property
    def ends(self) -> Dict[int, Tuple[float, float]]:
        """The low and the high value of each element of the env's that has no others."""
        found: Dict[int, Tuple[float, float]] = {}
        start = 0
        for part in self.parts:
            found.update(enumerate(part.ends, start))
            start += part.size
        return found

    @property
    def computed(self) -> List[bool]:
        """For each element of the env's, whether it comes from calculations with floats."""
        return [
            part.source is not None and not part.is_moved
            for part in self.parts
            for _ in range(part.size)
        ]


def check_action(action: Action, space: Space[Any]) -> None:
    """Check an env's tags of its actions against its action space.

    Raises:
        AdapterResolutionError: They do not fit; the message names the actuator.
    """
    bounds = _bounds(space)
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
        if actuator.delta is not None:
            raise AdapterResolutionError(
                f"{name}.delta: expected None on the env's side, which says what the env takes, got"
                f" {actuator.delta!r}; an env that takes changes has a role of its own for them"
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


def _bounds(space: Space[Any]) -> List[Tuple[float, float]]:
    """Return the lowest and highest value of each element of an action."""
    if isinstance(space, (Discrete, MultiDiscrete)):
        return [(float(low), float(high)) for low, high in limits_of(space)]
    if isinstance(space, Box) and len(space.shape) == 1:
        return list(zip(space.low.flat(), space.high.flat()))
    raise AdapterResolutionError(
        "EnvTags.action: expected a Box of one axis, a Discrete or a MultiDiscrete space, got"
        f" {space}; other actions need an AdapterBase of your own"
    )


def plan_action(
    env: Action, space: Space[Any], model: Action, states: States, notes: List[Advisory]
) -> ActionPlan:
    """Return how the env's action comes from the model's vector.

    Raises:
        AdapterResolutionError: It cannot; the message names the actuator and the field.
    """
    check_action(env, space)
    dtype = integer_dtype(space)
    bounds, sources = _bounds(space), _sources(model)
    used: List[int] = []
    parts: List[ActuatorPlan] = []
    sticky: List[Sticky] = []
    is_exact = bool(dtype) and env.clip is None and model.clip is None
    start = 0
    for actuator, name in _named(env, "EnvTags.action"):
        stop = start + actuator.width
        match = _match(actuator, env, sources, name) if actuator.role is not None else None
        if match is None:
            parts.append(_filled(actuator, name, _titles(model), notes))
        else:
            index, source, driver, driver_name = match
            used.append(index)
            elements = Elements(
                bounds[start:stop], dtype or str(space.dtype), bool(dtype), env.clip
            )
            names = (driver_name, name)
            pair = Pair(driver, actuator, names, model.clip, elements, states, notes)
            driven = pair.plan()
            parts.append(
                ActuatorPlan(
                    name,
                    source,
                    driver.width,
                    actuator.width,
                    driven.steps,
                    base=driven.base,
                    last=driven.last,
                    is_moved=driven.is_moved and is_exact,
                    ends=driven.ends,
                )
            )
            if driven.sticky:
                sticky.append(Sticky(start, stop, driven.sticky))
        start = stop
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
    last += round_into(limits_of(space), dtype) if dtype else [cast(str(space.dtype))]
    is_wide = any(part.base is not None and part.base.is_wide for part in parts)
    return ActionPlan(
        width=model.width,
        first=[] if model.clip is None else [steps.clamp(*model.clip)],
        parts=parts,
        last=last,
        dtype="float64" if is_wide or _is_wide(space) else "float32",
        space=space,
        names=[(name, start, start + driver.width) for start, driver, name in sources],
        sticky=sticky,
    )


def _is_wide(space: Space[Any]) -> bool:
    """Whether single precision cannot tell all of the space's values apart."""
    if not integer_dtype(space):
        return str(space.dtype) == "float64"
    return any(abs(bound) > 2**24 for pair in limits_of(space) for bound in pair)


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
    size = actuator.width
    return ActuatorPlan(name, None, size, size, [], [fill] * size)


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
