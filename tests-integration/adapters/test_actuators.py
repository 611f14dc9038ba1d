"""Actions are what plain arithmetic, and scipy for rotations, make of a model's numbers."""

from __future__ import annotations

from itertools import product
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import pytest
from adapters.frameworks import FRAMEWORKS, back, dtype, into, kind
from gymnasium.spaces import Box, Discrete
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
    "range",
    "model scale",
    "model offset",
    "model invert",
    "model threshold",
    "labels",
    "env scale",
    "env offset",
    "env invert",
    "env threshold",
    "binary",
    "env clip",
)
# No round numbers, so that nothing comes to lie on the step of `binary`.
ROWS = [[0.9137, -1.7071], [-0.3529, 0.6173], [1.4519, 0.1533]]
MODEL_CLIP, ACTION_CLIP = (-1.2113, 1.1071), (-0.7, 1.9)
Pair = Tuple[float, float]


class Stage(NamedTuple):
    """A combination of stages: which of `STAGES` are on."""

    on: Tuple[bool, ...]

    def has(self, name: str) -> bool:
        return self.on[STAGES.index(name)]

    def sides(self, role: str) -> Tuple[adapt.Actuator, adapt.Actuator]:
        """Return the model's actuator and the env's."""
        sides: Dict[str, Fields] = {side: {"role": role, "dim": 2} for side in ("model", "env")}
        values: Dict[str, Dict[str, Any]] = {
            "model": {"scale": (2.5, -1.5), "offset": 0.3, "invert": True, "threshold": 0.2},
            "env": {"scale": 0.75, "offset": (-0.4, 0.6), "invert": True, "threshold": -0.45},
        }
        for side, fields in values.items():
            sides[side].update({n: v for n, v in fields.items() if self.has(f"{side} {n}")})
        if self.has("stats"):
            sides["model"]["stats"] = adapt.Stats(mean=(0.25, -0.5), std=(2.0, 0.5))
        if self.has("range"):
            sides["model"]["range"] = (-1.0, 1.0)
        if self.has("range") or self.has("env clip"):
            sides["env"]["range"] = (-0.5, 2.5)
        if self.has("labels"):
            sides["model"]["labels"], sides["env"]["labels"] = ("u", "v"), ("v", "u")
        sides["env"]["clip"] = self.has("env clip")
        # Either side may declare it.
        sides["model" if self.has("stats") else "env"]["binary"] = self.has("binary")
        return adapt.Actuator(**sides["model"]), adapt.Actuator(**sides["env"])

    def action(
        self, first: float, second: float, model_clip: Optional[Pair], action_clip: Optional[Pair]
    ) -> List[float]:
        """Return the env's two numbers for the model's."""
        value = [first, second]
        if model_clip:
            value = clamped(value, model_clip)
        if self.has("stats"):
            value = [value[0] * 2 + 0.25, value[1] * 0.5 - 0.5]
        if self.has("range"):
            value = [(one + 1) / 2 * 3 - 0.5 for one in value]
        if self.has("model scale"):
            value = [value[0] * 2.5, value[1] * -1.5]
        if self.has("model offset"):
            value = [one + 0.3 for one in value]
        if self.has("model invert"):
            value = [-one for one in value]
        if self.has("model threshold"):
            value = [one - 0.2 for one in value]
        if self.has("labels"):
            value = value[::-1]
        if self.has("env scale"):
            value = [one * 0.75 for one in value]
        if self.has("env offset"):
            value = [value[0] - 0.4, value[1] + 0.6]
        if self.has("env invert"):
            value = [-one for one in value]
        if self.has("env threshold"):
            value = [one + 0.45 for one in value]
        if self.has("binary"):
            # Rounding may decide what is this near to the step.
            assert all(abs(one) > 1e-4 for one in value), self
            value = [1.0 if one >= 0 else -1.0 for one in value]
        if self.has("env clip"):
            value = clamped(value, (-0.5, 2.5))
        return clamped(value, action_clip) if action_clip else value


def clamped(value: List[float], limits: Pair) -> List[float]:
    return [min(max(one, limits[0]), limits[1]) for one in value]


def check_combinations(framework: str, stages: Sequence[Stage], tolerance: float) -> None:
    """Check a vector with an actuator for each combination."""
    sides = [stage.sides(f"action/{i}") for i, stage in enumerate(stages)]
    space = unbounded(2 * len(stages))
    output = np.array([row * len(stages) for row in ROWS])
    for model_clip, action_clip in product((None, MODEL_CLIP), (None, ACTION_CLIP)):
        env = adapt.Action(*(theirs for _, theirs in sides), clip=action_clip)
        model = adapt.Action(*(ours for ours, _ in sides), clip=model_clip)
        found = back(adapter_for(space, env, model).transform_action(into(framework, output)))
        wanted = [
            [
                number
                for stage in stages
                for number in stage.action(row[0], row[1], model_clip, action_clip)
            ]
            for row in ROWS
        ]
        assert found.shape == (len(ROWS), 2 * len(stages))
        far = np.abs(found - wanted) > tolerance
        assert not far.any(), stages[int(np.argwhere(far)[0][1]) // 2]


EVERY_STAGE = [Stage(on) for on in product([False, True], repeat=len(STAGES))]


@pytest.mark.parametrize("part", range(8))
def test_every_combination_of_stages_is_in_order(part: int) -> None:
    for start in range(0, len(EVERY_STAGE), 512):
        check_combinations("numpy", EVERY_STAGE[start + part * 64 :][:64], 1e-12)


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_a_sample_of_combinations_is_in_order(framework: str) -> None:
    # 131 is prime, so that every stage is on and off.
    stages = EVERY_STAGE[::131]
    check_combinations(framework, stages, 1e-5 if framework == "jax" else 1e-12)


# Each stage by itself


TABLE: List[Tuple[Fields, Fields, List[float], List[float]]] = [
    ({}, {}, [0.5, -2], [0.5, -2]),
    ({"scale": 2, "offset": 1}, {}, [0.5, -2], [2, -3]),
    ({"scale": (2, 3), "offset": (0, 1)}, {"scale": 10}, [0.5, -2], [10, -50]),
    ({"offset": 1}, {"offset": 2, "scale": 3}, [0.5, -2], [6.5, -1]),
    ({"invert": True}, {"threshold": 1}, [0.5, -2], [-1.5, 1]),
    ({"threshold": 1, "invert": True}, {"invert": True}, [0.5, -2], [1.5, -1]),
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


# Spaces of integers


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_integers_are_rounded_half_to_even_and_clamped(framework: str) -> None:
    output = [-99, -1.5, -0.5, 0.49, 0.5, 1.5, 2.5, 3.51, 99]
    wanted = [-3, -2, 0, 0, 0, 2, 2, 4, 5]
    for precision in ("int8", "int16", "int32", "int64"):
        space = Box(-3, 5, (9,), precision)
        adapter = pair({}, {}, space, dim=9)
        action = adapter.transform_action(into(framework, np.array(output, np.float32)))
        narrow = precision.replace("64", "32") if framework == "jax" else precision
        assert dtype(action) == narrow
        assert back(action).tolist() == wanted


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(
    "precision", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
)
def test_no_integer_overflows(framework: str, precision: str) -> None:
    info = np.iinfo(precision)
    space = Box(info.min, info.max, (3,), precision)
    adapter = pair({}, {}, space, dim=3)
    action = adapter.transform_action(into(framework, np.array([-1e30, 1e30, 3], np.float32)))
    given = np.iinfo(dtype(action))
    least, most, three = back(action).tolist()
    assert least == given.min
    assert given.max * (1 - 2**-23) <= most <= given.max
    assert three == 3


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_bounds_that_floats_cannot_express_are_kept(framework: str) -> None:
    low, high = np.array([-(2**24) - 1, 5], np.int32), np.array([2**24 + 1, 9], np.int32)
    adapter = pair({}, {}, Box(low, high, dtype=np.int32), dim=2)
    for output in ([1e9, 1e9], [-1e9, -1e9]):
        action = back(adapter.transform_action(into(framework, np.array(output, np.float32))))
        assert (low <= action).all()
        assert (action <= high).all()
        assert abs(abs(int(action[0])) - 2**24) <= 1


@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_large_integers_are_exact(framework: str) -> None:
    adapter = pair({}, {"scale": 2**28, "offset": 1}, Box(-(2**31), 2**31 - 1, (1,), np.int32))
    assert acted(framework, adapter, [-3]) == [-3 * 2**28 + 1]
    adapter = pair({}, {"scale": 2**28, "offset": 1}, Discrete(2**40))
    assert adapter.transform_action(into(framework, np.array([9.0]))) == 9 * 2**28 + 1


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_discrete_action_is_an_int(framework: str) -> None:
    adapter = pair({}, {}, Discrete(5, start=-1))
    for output, wanted in [(-7, -1), (0.5, 0), (1.5, 2), (2.4, 2), (3.4, 3), (80, 3)]:
        for array in (np.array([output], np.float32), np.array(output, np.float32), [output]):
            action = adapter.transform_action(into(framework, array))
            assert action == wanted
            assert type(action) is int
    chunk = into(framework, np.array([[0.5], [1.5], [9]], np.float32))
    assert back(adapter.transform_action(chunk)).tolist() == [0, 2, 3]
    adapter = pair({"binary": True, "threshold": 0.5}, {}, Discrete(2))
    assert adapter.transform_action(into(framework, np.array([0.75], np.float32))) == 1
    assert adapter.transform_action(into(framework, np.array([0.25], np.float32))) == 0


# Shapes and dtypes


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_chunks_and_batches_go_through_the_same_code(framework: str) -> None:
    env = adapt.Action(
        adapt.Actuator(TURN, encoding="axis_angle"),
        adapt.Actuator(dim=1, fill=2),
        adapt.Actuator(GRIPPER, dim=1, binary=True, range=(-1, 1)),
    )
    model = adapt.Action(
        adapt.Actuator(GRIPPER, dim=1, threshold=0.5, stats=adapt.Stats(mean=0.1, std=2)),
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
        "range": (-1, 1),
        "scale": 2,
        "offset": 1,
        "invert": True,
        "threshold": 0.5,
        "labels": ("u", "v"),
    }
    env = {
        "range": (0, 3),
        "clip": True,
        "scale": (3, 4),
        "offset": -1,
        "binary": True,
        "labels": ("v", "u"),
    }
    lines = pair(model, env, dim=2).explain().splitlines()
    wanted = [
        "[-1, 1] -> [q01, q99] (q01 [0, -1], q99 [4, 1])",
        "[-1, 1] -> [0, 3]",
        "times 2",
        "plus 1",
        "negated",
        "minus 0.5",
        "in the order v, u",
        "times [3, 4]",
        "plus -1",
        ">= 0 -> +1, else -1",
        "clamped to [0, 3]",
        "as float64",
    ]
    places = [lines.index(f"    {line}") for line in wanted]
    assert places == sorted(places)
