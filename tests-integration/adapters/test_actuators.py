"""Actions are what plain arithmetic, and scipy for rotations, make of a model's numbers."""

from __future__ import annotations

from itertools import product
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

import numpy as np
import pytest
from adapters.frameworks import FRAMEWORKS, back, dtype, into, kind
from gymnasium.spaces import Box
from gymnasium.spaces import Dict as DictSpace
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

import rlmesh.adapters as adapt
from rlmesh.errors import AdapterResolutionError, InvalidValue

GRIPPER = adapt.ACTION_GRIPPER
TURN = adapt.ACTION_DELTA_ROT
Fields = Dict[str, Any]


def adapter_for(space: Any, env: adapt.Action, model: adapt.Action) -> adapt.Adapter:
    observation = DictSpace({"x": Box(-1, 1, (1,), np.float32)})
    tags = adapt.EnvTags({"x": adapt.StateTag("proprio/x")}, env)
    return adapt.resolve(tags, observation, space, adapt.ModelSpec(adapt.State("proprio/x"), model))


def unbounded(width: int, precision: str = "float64") -> Box:
    return Box(-np.inf, np.inf, (width,), precision)


def pair(model: Fields, env: Fields, space: Any = None, **common: Any) -> adapt.Adapter:
    """Return an adapter between one actuator of each side."""
    common = {"role": "action/x", "dim": 1, **common}
    theirs, ours = (adapt.Actuator(**{**common, **fields}) for fields in (env, model))
    space = space or unbounded(theirs.width)
    return adapter_for(space, adapt.Action(theirs), adapt.Action(ours))


def acted(framework: str, adapter: adapt.Adapter, output: Sequence[float]) -> Any:
    action = adapter.transform_action(into(framework, np.array(output, np.float32)))
    assert kind(action) == framework
    return back(action).tolist()


# Every combination of stages, against plain Python


STAGES = (
    "stats",
    "model range",
    "model scale",
    "model offset",
    "model invert",
    "model binary",
    "model threshold",
    "labels",
    "env range",
    "env curve",
    "env scale",
    "env offset",
    "env invert",
    "env binary",
    "env threshold",
    "env clip",
)
# No round numbers, so that nothing comes to lie on a threshold.
ROWS = [[0.9137, -1.7071], [-0.3529, 0.6173], [1.4519, 0.1533]]
MODEL_CLIP, ACTION_CLIP = (-1.2113, 1.1071), (-0.7, 1.9)
CLIPS = tuple(product((None, MODEL_CLIP), (None, ACTION_CLIP)))
LOW, HIGH = (-2.0, -1.5), (2.0, 2.5)
MODEL_RANGE, ENV_RANGE = (-1.0, 1.0), (-0.5, 2.5)
CURVE_X, CURVE_Y = (-90.0, 0.25, 1.0, 90.0), (45.0, 0.5, 0.0, -100.0)
Pair = Tuple[float, float]


class Stage(NamedTuple):
    """A combination of stages: which of `STAGES` are on."""

    on: Tuple[bool, ...]

    def has(self, name: str) -> bool:
        return self.on[STAGES.index(name)]

    @property
    def can_be_declared(self) -> bool:
        return all(
            self.has(needed) or not self.has(name)
            for name, needed in (
                ("model threshold", "model binary"),
                ("env threshold", "env binary"),
                ("env clip", "env range"),
            )
        )

    @property
    def is_binary(self) -> bool:
        return self.has("model binary") or self.has("env binary")

    def sides(self, role: str) -> Tuple[adapt.Actuator, adapt.Actuator]:
        """Return the model's actuator and the env's."""
        sides: Dict[str, Fields] = {side: {"role": role, "dim": 2} for side in ("model", "env")}
        values: Dict[str, Dict[str, Any]] = {
            "model": {
                "range": MODEL_RANGE,
                "scale": (2.5, -1.5),
                "offset": 0.3,
                "invert": True,
                "binary": True,
                "threshold": 0.2,
            },
            "env": {
                "range": ENV_RANGE,
                "curve": adapt.Curve(x=CURVE_X, y=CURVE_Y),
                "scale": 0.75,
                "offset": (-0.4, 0.6),
                "invert": True,
                "binary": True,
                "threshold": -0.45,
                "clip": True,
            },
        }
        for side, fields in values.items():
            sides[side].update({n: v for n, v in fields.items() if self.has(f"{side} {n}")})
        if self.has("stats"):
            sides["model"]["stats"] = adapt.Stats(q01=LOW, q99=HIGH)
        if self.has("labels"):
            sides["model"]["labels"], sides["env"]["labels"] = ("u", "v"), ("v", "u")
        return adapt.Actuator(**sides["model"]), adapt.Actuator(**sides["env"])

    def emitted(self, value: Sequence[float], model_clip: Optional[Pair]) -> List[float]:
        """Return the model's two numbers in its own units."""
        value = list(value)
        if model_clip:
            value = clamped(value, model_clip)
        if self.has("stats"):
            value = [(v + 1) / 2 * (high - low) + low for v, low, high in zip(value, LOW, HIGH)]
        if self.has("model scale"):
            value = [value[0] * 2.5, value[1] * -1.5]
        if self.has("model offset"):
            value = [one + 0.3 for one in value]
        if self.has("model invert"):
            value = [-one for one in value]
        return value[::-1] if self.has("labels") else value

    def taken(self, value: List[float], action_clip: Optional[Pair]) -> List[float]:
        """Return the env's two numbers for the model's, which are in its own units."""
        low, high = ENV_RANGE if self.has("env range") else (-1.0, 1.0)
        if self.has("model binary"):
            # Without a threshold it is 0, which is the middle of the model's range as well.
            threshold = 0.2 if self.has("model threshold") else 0.0
            value = decided(value, threshold, low, high)
        elif self.has("model range") and self.has("env range"):
            value = [(one + 1) / 2 * 3 - 0.5 for one in value]
        if self.has("env curve"):
            value = [float(np.interp(one, CURVE_X, CURVE_Y)) for one in value]
        if self.has("env scale"):
            value = [one * 0.75 for one in value]
        if self.has("env offset"):
            value = [value[0] - 0.4, value[1] + 0.6]
        if self.has("env invert"):
            value = [-one for one in value]
        if self.has("env binary") and not self.has("model binary"):
            threshold = -0.45 if self.has("env threshold") else (low + high) / 2
            value = decided(
                value,
                threshold if self.has("env threshold") else (1.0 if self.has("env range") else 0.0),
                low,
                high,
            )
        if self.has("env clip"):
            value = clamped(value, ENV_RANGE)
        return clamped(value, action_clip) if action_clip else value

    def possible(self, model_clip: Optional[Pair], action_clip: Optional[Pair]) -> List[Set[float]]:
        """Return which values each element can get, of all that the model is declared to emit."""
        ends = np.array([self.emitted([end, end], model_clip) for end in self.raw_ends(model_clip)])
        found: List[Set[float]] = []
        for i, (low, high) in enumerate(np.sort(ends, 0).T):
            if self.has("model range"):
                low, high = max(low, MODEL_RANGE[0]), min(high, MODEL_RANGE[1])
            shares = np.array([1e-9, 1e-4, *np.linspace(0.01, 0.99, 99), 1 - 1e-4, 1 - 1e-9])
            values = low + shares * (high - low)
            found.append({self.taken([value, value], action_clip)[i] for value in values})
        return found

    def raw_ends(self, model_clip: Optional[Pair]) -> Pair:
        """Return between which numbers the model is declared to emit; 1e4 stands for any."""
        low, high = model_clip or (-1e4, 1e4)
        return (max(low, -1), min(high, 1)) if self.has("stats") else (low, high)


def decided(value: Sequence[float], threshold: float, low: float, high: float) -> List[float]:
    return [high if one >= threshold else low for one in value]


def clamped(value: Sequence[float], limits: Pair) -> List[float]:
    return [min(max(one, limits[0]), limits[1]) for one in value]


def check_combinations(
    framework: str,
    stages: Sequence[Stage],
    model_clip: Optional[Pair],
    action_clip: Optional[Pair],
    tolerance: float,
) -> None:
    """Check a vector with an actuator for each combination."""
    sides = [stage.sides(f"action/{i}") for i, stage in enumerate(stages)]
    space = unbounded(2 * len(stages))
    output = np.array([row * len(stages) for row in ROWS])
    env = adapt.Action(*(theirs for _, theirs in sides), clip=action_clip)
    model = adapt.Action(*(ours for ours, _ in sides), clip=model_clip)
    found = back(adapter_for(space, env, model).transform_action(into(framework, output)))
    wanted = [
        [
            number
            for stage in stages
            for number in stage.taken(stage.emitted(row, model_clip), action_clip)
        ]
        for row in ROWS
    ]
    assert found.shape == (len(ROWS), 2 * len(stages))
    far = np.abs(found - wanted) > tolerance
    assert not far.any(), stages[int(np.argwhere(far)[0][1]) // 2]


EVERY_STAGE = [
    stage
    for stage in map(Stage, product([False, True], repeat=len(STAGES)))
    if stage.can_be_declared
]


def resolves(stage: Stage, model_clip: Optional[Pair], action_clip: Optional[Pair]) -> bool:
    """Whether a combination resolves; it does, unless it is binary, and always gives one value."""
    if not stage.is_binary:
        return True
    ours, theirs = stage.sides("action/x")
    env, model = adapt.Action(theirs, clip=action_clip), adapt.Action(ours, clip=model_clip)
    try:
        adapter_for(unbounded(2), env, model)
    except AdapterResolutionError:
        return False
    return True


@pytest.mark.parametrize("part", range(8))
def test_every_combination_of_stages_is_in_order_and_no_binary_one_is_constant(part: int) -> None:
    for i in range(part, len(EVERY_STAGE), 8 * 64):
        clips = CLIPS[i // 512 % 4]
        stages = []
        for stage in EVERY_STAGE[i : i + 512 : 8]:
            if resolves(stage, *clips):
                stages.append(stage)
            if stage.is_binary and len(stages) % 25 == 0:
                counts = [len(values) for values in stage.possible(*clips)]
                assert resolves(stage, *clips) == (counts == [2, 2]), (stage, clips, counts)
        check_combinations("numpy", stages, *clips, 1e-12)


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_a_sample_of_combinations_is_in_order(framework: str) -> None:
    # 131 is prime, so that every stage is on and off.
    for i, clips in enumerate(CLIPS):
        stages = [stage for stage in EVERY_STAGE[131 * i :: 4 * 131] if resolves(stage, *clips)]
        check_combinations(framework, stages, *clips, 1e-4 if framework == "jax" else 1e-12)


# Each stage by itself


TABLE: List[Tuple[Fields, Fields, List[float], List[float]]] = [
    ({}, {}, [0.5, -2], [0.5, -2]),
    ({"scale": 2, "offset": 1}, {}, [0.5, -2], [2, -3]),
    ({"scale": (2, 3), "offset": (0, 1)}, {"scale": 10}, [0.5, -2], [10, -50]),
    ({"offset": 1}, {"offset": 2, "scale": 3}, [0.5, -2], [6.5, -1]),
    ({"invert": True}, {"offset": -1}, [0.5, -2], [-1.5, 1]),
    ({"range": (0, 1), "scale": 0.5}, {"range": (-1, 1)}, [0.5, 2], [-0.5, 1]),
    ({"range": (0, 1)}, {"range": (-1, 1)}, [0.5, 2], [0, 3]),
    ({"range": (0, 1)}, {"range": (-1, 1), "clip": True}, [0.75, 2], [0.5, 1]),
    ({"range": (-1, 1)}, {"range": (-1, 1)}, [0.5, 2], [0.5, 2]),
    ({"range": (0, 1)}, {}, [0.5, 2], [0.5, 2]),
    ({}, {"range": (0, 1)}, [0.5, 2], [0.5, 2]),
    ({}, {"range": (0, 1), "clip": True}, [0.5, 2], [0.5, 1]),
    ({"stats": adapt.Stats(mean=1, std=2)}, {}, [0.5, -2], [2, -3]),
    ({"stats": adapt.Stats(q01=(0, -4), q99=(1, 4))}, {}, [0.5, -2], [0.75, -8]),
    ({"stats": adapt.Stats(q01=2, q99=4, mask=(True, False))}, {}, [0.5, -2], [3.5, -2]),
    (
        {"stats": adapt.Stats(mean=(1, 5), std=(2.0, 0.0), mask=(True, False))},
        {},
        [0.5, -2],
        [2, -2],
    ),
    ({"stats": adapt.Stats(mean=1, std=2), "scale": 3}, {}, [0.5, -2], [6, -9]),
    ({"binary": True}, {}, [0, -0.0], [1, 1]),
    ({}, {"binary": True}, [1e-30, -1e-30], [1, -1]),
    ({"binary": True, "threshold": 0.5}, {}, [0.5, 0.4375], [1, -1]),
    ({"binary": True, "threshold": 0.5}, {"invert": True}, [0.75, 0.25], [-1, 1]),
    ({"binary": True, "scale": 100}, {"range": (-0.5, 0.5), "clip": True}, [3, -3], [0.5, -0.5]),
    ({"binary": True, "range": (0, 1)}, {}, [0.5, 0.4375], [1, -1]),
    ({"binary": True, "range": (0, 1)}, {"range": (2, 8)}, [0.75, 0.25], [8, 2]),
    ({"binary": True, "threshold": 0.25, "range": (0, 1)}, {"range": (2, 8)}, [0.25, 0], [8, 2]),
    ({"binary": True}, {"range": (2, 8), "scale": 2, "offset": 1}, [0.5, -0.5], [17, 5]),
    ({"binary": True}, {"range": (2, 8), "invert": True}, [0.5, -0.5], [-8, -2]),
    ({"binary": True}, {"binary": True, "threshold": 5, "range": (2, 8)}, [1, -1], [8, 2]),
    ({}, {"binary": True, "range": (2, 8)}, [5, 4.5], [8, 2]),
    ({}, {"binary": True, "threshold": 3, "range": (2, 8)}, [3, 2.5], [8, 2]),
    ({"range": (0, 1)}, {"binary": True, "range": (2, 8)}, [0.5, 0.4375], [8, 2]),
    ({}, {"binary": True, "scale": 2, "offset": 1}, [-0.5, -0.75], [1, -1]),
    ({"labels": ("u", "v")}, {"labels": ("v", "u")}, [0.5, -2], [-2, 0.5]),
    ({"labels": ("u", "v"), "scale": (1, 2)}, {"labels": ("v", "u")}, [0.5, -2], [-4, 0.5]),
    ({"labels": ("u", "v")}, {"labels": ("v", "u"), "scale": (1, 2)}, [0.5, -2], [-2, 1]),
    ({"clip": True, "range": (-1, 1)}, {}, [0.5, -2], [0.5, -2]),
]


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_every_field_does_what_a_hand_computes(framework: str, precision: str) -> None:
    roles = [f"action/{i}" for i in range(len(TABLE))]
    env, model = (
        adapt.Action(
            *(adapt.Actuator(role, dim=2, **case[side]) for role, case in zip(roles, TABLE))
        )
        for side in (1, 0)
    )
    adapter = adapter_for(unbounded(env.width, precision), env, model)
    output = np.array([number for *_, numbers, _ in TABLE for number in numbers], np.float32)
    action = adapter.transform_action(into(framework, output))
    assert kind(action) == framework
    assert dtype(action) == ("float32" if framework == "jax" else precision)
    found = back(action).reshape(-1, 2).tolist()
    for (ours, theirs, numbers, wanted), made in zip(TABLE, found):
        assert made == wanted, (ours, theirs, numbers)


def test_a_range_on_one_side_only_is_told() -> None:
    for ours, theirs, cautions in [
        ({"range": (0, 1)}, {}, 1),
        ({}, {"range": (0, 1)}, 1),
        ({}, {"range": (0, 1), "clip": True}, 1),
        ({"range": (0, 1)}, {"range": (0, 2)}, 0),
        ({"range": (0, 1), "binary": True}, {}, 0),
        ({"binary": True}, {"range": (0, 1)}, 0),
        ({}, {"range": (0, 1), "binary": True}, 1),
        ({}, {}, 0),
    ]:
        adapter = pair(ours, theirs)
        notes = [note for note in adapter.advisories() if note.severity == "caution"]
        assert len(notes) == cautions
        assert all("range" in note.message for note in notes)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_clips_of_the_whole_come_first_and_last(framework: str) -> None:
    env = adapt.Action(
        adapt.Actuator("action/x", dim=1, scale=10),
        adapt.Actuator(dim=2, fill=7),
        adapt.Actuator(GRIPPER, dim=1, binary=True),
        clip=(-5, 5),
    )
    model = adapt.Action(
        adapt.Actuator(GRIPPER, dim=1, scale=0.1, offset=0.15),
        adapt.Actuator("action/x", dim=1),
        clip=(-2, 0.25),
    )
    adapter = adapter_for(unbounded(4, "float32"), env, model)
    # -3 is clipped to -2 before it is scaled to -0.2, which the offset does not lift above 0.
    assert acted(framework, adapter, [-3, 0.5]) == [2.5, 5, 5, -1]
    assert acted(framework, adapter, [9, -2]) == [-5, 5, 5, 1]


# Rotations


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_rotations_are_converted_after_stats_and_before_scales(framework: str) -> None:
    rotations = Rotation.random(8, random_state=1)
    matrices = rotations.as_matrix()
    columns = np.concatenate([matrices[:, :, 0], matrices[:, :, 1]], -1)
    stats = adapt.Stats(mean=(0.1,) * 6, std=(0.5, 1, 2, 1, 2, 0.5))
    output = (columns - 0.1) / [0.5, 1, 2, 1, 2, 0.5]
    env = adapt.Action(
        adapt.Actuator(TURN, encoding="axis_angle", scale=(2, 3, 4)), clip=(-6.0, 6.0)
    )
    model = adapt.Action(
        adapt.Actuator(TURN, encoding="rot6d", stats=stats, scale=0.5, invert=True)
    )
    adapter = adapter_for(unbounded(3, "float32"), env, model)
    found = back(adapter.transform_action(into(framework, output.astype(np.float32))))
    wanted = np.clip(-0.5 * rotations.as_rotvec() * [2, 3, 4], -6, 6)
    assert found == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_encoding_of_an_action_is_that_of_scipy(framework: str) -> None:
    rotation = Rotation.from_euler("xyz", [0.4, -0.7, 2.1])
    matrix = rotation.as_matrix()
    given: Dict[str, Any] = {
        "quat_xyzw": -rotation.as_quat(),
        "quat_wxyz": rotation.as_quat()[[3, 0, 1, 2]],
        "axis_angle": rotation.as_rotvec(),
        "rot6d": matrix[:, :2].T.ravel(),
        "rot6d_rowmajor": matrix[:, :2].ravel(),
        "euler_xyz": rotation.as_euler("xyz"),
        "matrix": matrix.ravel(),
    }
    canonical = {**given, "quat_xyzw": rotation.as_quat()}
    pairs = [(ours, theirs) for ours, theirs in product(given, given) if ours != theirs]
    env, model = (
        adapt.Action(*(adapt.Actuator(TURN, part=str(one), encoding=one[side]) for one in pairs))
        for side in (1, 0)
    )
    output = np.concatenate([given[ours] for ours, _ in pairs]).astype(np.float32)
    adapter = adapter_for(unbounded(env.width, "float32"), env, model)
    found = back(adapter.transform_action(into(framework, output)))
    wanted = np.concatenate([canonical[theirs] for _, theirs in pairs])
    assert found == pytest.approx(wanted, abs=1e-5)


# What nothing drives, and what drives nothing


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_the_model_does_not_drive_is_filled_in_env_units(framework: str) -> None:
    env = adapt.Action(
        adapt.Actuator(dim=2, fill=0.5, scale=9, offset=3),
        adapt.Actuator("action/x", dim=1),
        adapt.Actuator("action/base", dim=2, fill=-3, optional=True, range=(-1, 1), clip=True),
        adapt.Actuator(dim=1, fill=8),
        clip=(-4, 4),
    )
    adapter = adapter_for(unbounded(6), env, adapt.Action(adapt.Actuator("action/x", dim=1)))
    assert acted(framework, adapter, [0.25]) == [0.5, 0.5, 0.25, -1, -1, 4]
    (note,) = [note for note in adapter.advisories() if note.severity == "caution"]
    assert "action/base" in note.leaf


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_the_env_has_no_use_for_is_dropped_if_it_may_be(framework: str) -> None:
    env = adapt.Action(adapt.Actuator("action/x", dim=1))
    model = adapt.Action(
        adapt.Actuator("action/base", dim=2, optional=True),
        adapt.Actuator("action/x", dim=1),
        adapt.Actuator(dim=1),
    )
    adapter = adapter_for(unbounded(1), env, model)
    assert acted(framework, adapter, [7, 8, 0.25, 9]) == [0.25]
    assert [note.severity for note in adapter.advisories()] == ["caution"]


@pytest.mark.parametrize(
    ("env", "model", "message"),
    [
        (
            {"role": "action/y"},
            {},
            r"EnvTags\.action\[0\] \(action/y\): expected a model that emits",
        ),
        (
            {"role": "action/y", "optional": True},
            {},
            r"ModelSpec\.output\[0\] \(action/x\): expected an env that takes action/x",
        ),
        ({"dim": 2}, {}, r"output\[0\] \(action/x\)\.dim: expected 2, .* got 1"),
        (
            {"frame": "world"},
            {"frame": "tool"},
            r"output\[0\] \(action/x\)\.frame: expected 'world', .* got 'tool'",
        ),
        (
            {"reference": "target"},
            {"reference": "current"},
            r"output\[0\] \(action/x\)\.reference: expected 'target', .* got 'current'",
        ),
        (
            {"encoding": "axis_angle", "dim": 3},
            {"dim": 3},
            r"output\[0\] \(action/x\)\.encoding: expected axis_angle, .* got none",
        ),
        (
            {"encoding": "axis_angle", "dim": 3},
            {"encoding": "rot6d", "dim": 6, "scale": (1,) * 6},
            r"output\[0\] \(action/x\)\.scale: expected 3 numbers, got 6",
        ),
        (
            {"labels": ("u", "v"), "dim": 2},
            {"labels": ("u", "w"), "dim": 2},
            r"output\[0\] \(action/x\)\.labels: expected .*'u', 'v'",
        ),
    ],
)
def test_what_does_not_fit_fails_when_it_is_resolved(
    env: Fields, model: Fields, message: str
) -> None:
    with pytest.raises(AdapterResolutionError, match=message):
        pair(model, env)


def test_an_env_range_lies_within_the_bounds_that_are_finite() -> None:
    half = Box(np.float32(0), np.float32(np.inf), (1,))
    odd = Box(np.float32(-100.1), np.float32(100.1), (1,))
    pair({}, {"range": (0, 9)}, half)
    pair({}, {"range": (-100.1, 100.1)}, odd)
    for space, limits in ((half, (-1, 1)), (odd, (-100.2, 0)), (odd, (0, 101))):
        with pytest.raises(AdapterResolutionError, match=r"\.range: expected a range within"):
            pair({}, {"range": limits}, space)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_of_several_arms_the_part_is_driven(framework: str) -> None:
    env, model = (
        adapt.Action(*(adapt.Actuator("action/x", dim=1, part=part) for part in parts))
        for parts in (("left", "right"), ("right", "left"))
    )
    assert acted(framework, adapter_for(unbounded(2), env, model), [1, 2]) == [2, 1]
    alone = adapt.Action(adapt.Actuator("action/x", dim=1, part="left"))
    unnamed = adapt.Action(adapt.Actuator("action/x", dim=1))
    assert acted(framework, adapter_for(unbounded(1), alone, unnamed), [3]) == [3]
    named_and_not = adapt.Action(unnamed.actuators[0], adapt.Actuator("action/x", dim=1, part="a"))
    for theirs, ours in ((env, unnamed), (alone, named_and_not), (unnamed, env)):
        with pytest.raises(AdapterResolutionError):
            adapter_for(unbounded(theirs.width), theirs, ours)
    assert acted(framework, adapter_for(unbounded(2), named_and_not, named_and_not), [1, 2]) == [
        1,
        2,
    ]


# Shapes and dtypes


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_chunks_and_batches_go_through_the_same_code(framework: str) -> None:
    env = adapt.Action(
        adapt.Actuator(TURN, encoding="axis_angle"),
        adapt.Actuator(dim=1, fill=2),
        adapt.Actuator(GRIPPER, dim=1, binary=True, range=(-1, 1)),
    )
    model = adapt.Action(
        adapt.Actuator(
            GRIPPER, dim=1, binary=True, threshold=0.5, stats=adapt.Stats(mean=0.1, std=2)
        ),
        adapt.Actuator(TURN, encoding="rot6d"),
    )
    adapter = adapter_for(Box(-4, 4, (5,), np.float32), env, model)
    output = np.random.default_rng(0).normal(size=(2, 3, 7)).astype(np.float32)
    found = back(adapter.transform_action(into(framework, output)))
    assert found.shape == (2, 3, 5)
    assert found.dtype == np.float32
    for i, batch in enumerate(output):
        chunk = back(adapter.transform_action(into(framework, batch)))
        assert chunk == pytest.approx(found[i], abs=1e-6)
        for j, one in enumerate(batch):
            single = back(adapter.transform_action(into(framework, one)))
            assert single == pytest.approx(found[i, j], abs=1e-6)
            assert single.shape == (5,)


@pytest.mark.parametrize("precision", ["float16", "float32", "float64"])
def test_the_action_has_the_dtype_of_the_space(precision: str) -> None:
    adapter = pair({}, {"scale": 2}, unbounded(2, precision), dim=2)
    for output in (
        [0.25, -1.5],
        [0.25, np.float32(-1.5)],
        (0.25, -1.5),
        np.array([0.25, -1.5], np.float16),
        np.array([0.25, -1.5], np.float64),
    ):
        action = adapter.transform_action(output)
        assert action.dtype == precision
        assert action.tolist() == [0.5, -3]
    assert adapter.transform_action([[1, 2], [3, 4], [5, 6]]).tolist() == [[2, 4], [6, 8], [10, 12]]
    assert adapter.transform_action(np.array([1, 2])).tolist() == [2, 4]


@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_a_double_precision_space_is_computed_in_it(framework: str) -> None:
    adapter = pair({"scale": 1 / 3, "offset": 0.1}, {"offset": 1e9})
    action = adapter.transform_action(into(framework, np.array([0.7])))
    assert back(action).tolist() == [0.7 * (1 / 3) + 0.1 + 1e9]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_number_is_a_vector_of_width_one(framework: str) -> None:
    adapter = pair({}, {"scale": 2}, unbounded(1, "float32"))
    action = adapter.transform_action(into(framework, np.array(1.5, np.float32)))
    assert back(action).tolist() == [3]
    fresh = pair({}, {"scale": 2}, unbounded(1, "float32"))
    assert fresh.transform_action(1.5).tolist() == [3]


# What a model must not emit


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_named(framework: str, bad: float) -> None:
    env, model = (
        adapt.Action(
            adapt.Actuator("action/x", dim=2, binary=True),
            adapt.Actuator(GRIPPER, dim=1),
            clip=(-1, 1),
        )
        for _ in range(2)
    )
    adapter = adapter_for(Box(-1, 1, (3,), np.float32), env, model)
    first = rf"ModelSpec\.output\[0\] \(action/x\): expected finite .* got .*{bad}"
    with pytest.raises(InvalidValue, match=first):
        adapter.transform_action(into(framework, np.array([0, bad, 0], np.float32)))
    with pytest.raises(InvalidValue, match=r"ModelSpec\.output\[1\] \(action/gripper\)"):
        adapter.transform_action(into(framework, np.array([[0, 0, 0], [0, 0, bad]], np.float32)))
    with pytest.raises(InvalidValue, match=first):
        adapter.transform_action([0.0, bad, 0.0])


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_another_width_is_an_error(framework: str) -> None:
    adapter = pair({}, {}, dim=2)
    for shape in ((1,), (3,), (2, 3), (4, 1), ()):
        with pytest.raises(InvalidValue, match=r"expected 2 elements .* got shape"):
            adapter.transform_action(into(framework, np.zeros(shape, np.float32)))
    for output in (["a", "b"], None, [[0, 1], [2]]):
        with pytest.raises(InvalidValue, match="the model's output: expected"):
            adapter.transform_action(output)


# Precision


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    value=st.floats(-10, 10, width=32),
    low=st.floats(-100, 100),
    extent=st.floats(0.01, 100),
    target=st.floats(-100, 100),
    span=st.floats(0.01, 100),
)
def test_a_range_is_mapped_in_full_precision_and_not_clamped(
    value: float, low: float, extent: float, target: float, span: float
) -> None:
    adapter = pair({"range": (low, low + extent)}, {"range": (target, target + span)})
    exact = (value - low) / extent * span + target
    slack = 1e-12 * max(1, abs(exact), abs(low) / extent * span) * 100
    for framework in ("numpy", "torch"):
        action = back(adapter.new_episode().transform_action([value]))
        assert abs(action[0] - exact) <= slack, framework


# What is said of it


def test_explain_names_every_step_in_order() -> None:
    model = {
        "stats": adapt.Stats(q01=(0.0, -1.0), q99=(4.0, 1.0)),
        "scale": 2,
        "offset": 1,
        "invert": True,
        "labels": ("u", "v"),
        "range": (-5, 1),
    }
    env = {
        "range": (0, 3),
        "clip": True,
        "curve": adapt.Curve("pull", x=(0, 1, 3), y=(-2, 0, 6)),
        "scale": (3, 4),
        "offset": -1,
        "binary": True,
        "threshold": 7,
        "labels": ("v", "u"),
    }
    lines = pair(model, env, dim=2).explain().splitlines()
    wanted = [
        "[-1, 1] -> [q01, q99] (q01 [0, -1], q99 [4, 1])",
        "times 2",
        "plus 1",
        "negated",
        "in the order v, u",
        "[-5, 1] -> [0, 3]",
        "along the curve pull",
        "times [3, 4]",
        "plus -1",
        "3 from 7 on, else 0",
        "clamped to [0, 3]",
        "as float64",
    ]
    places = [lines.index(f"    {line}") for line in wanted]
    assert places == sorted(places)
    decided = pair(
        {**model, "binary": True}, {**env, "binary": False, "threshold": None, "clip": False}, dim=2
    ).explain()
    assert "in the order v, u\n    3 from -2 on, else 0\n    along the curve" in decided
