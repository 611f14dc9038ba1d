"""States are what plain arithmetic, and scipy for rotations, make of the env's numbers."""

from __future__ import annotations

from itertools import product
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
import pytest
from adapters.frameworks import FRAMEWORKS, back, dtype, into, kind
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete
from gymnasium.spaces import Dict as DictSpace
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

import rlmesh.adapters as adapt
from rlmesh.errors import AdapterResolutionError

NO_ACTION = adapt.Action(adapt.Actuator(dim=1))
JOINTS = adapt.JOINT_POS
WIDE = Box(-np.inf, np.inf, (4,), np.float64)
SINGLE = Box(-np.inf, np.inf, (4,), np.float32)


def adapter_for(
    space: Any, tag: Any, inputs: Any, output: adapt.Action = NO_ACTION
) -> adapt.Adapter:
    """Return an adapter from an env's one leaf to the inputs of a model."""
    tags = adapt.EnvTags({"x": tag}, adapt.Action(adapt.Actuator(dim=2)))
    spec = adapt.ModelSpec(inputs, output)
    return adapt.resolve(tags, DictSpace({"x": space}), Box(-1, 1, (2,)), spec)


def made_of(framework: str, space: Any, tag: Any, value: Any, inputs: Any) -> Any:
    """Return a model's payload, as NumPy's arrays."""
    payload = adapter_for(space, tag, inputs).transform_obs({"x": into(framework, value)})
    return back(payload)


def state(framework: str, space: Any, tag: Any, value: Any, **fields: Any) -> Any:
    spec = adapt.State(**{"role": tag.role, **fields})
    return made_of(framework, space, tag, value, spec)


# Each field by itself


VALUES = [1.5, -2.0, 4.0, -0.25]
TABLE: List[Tuple[Dict[str, Any], Any]] = [
    ({}, VALUES),
    ({"dim": 2}, [1.5, -2]),
    ({"index": 2}, [4]),
    ({"labels": ("d", "a")}, [-0.25, 1.5]),
    ({"labels": ("a", "b")}, [1.5, -2]),
    ({"range": (0, 1)}, [0.6875, 0.25, 1, 0.46875]),
    ({"scale": 2}, [3, -4, 8, -0.5]),
    ({"scale": (1, 2, 3, 4)}, [1.5, -4, 12, -1]),
    ({"offset": (1, 0, 0, -1)}, [2.5, -2, 4, -1.25]),
    ({"scale": 2, "offset": 1}, [4, -3, 9, 0.5]),
    ({"stats": adapt.Stats(mean=1, std=0.5)}, [1, -6, 6, -2.5]),
    ({"stats": adapt.Stats(mean=(0, 1, 2, 3), std=(1, 2, 4, 8))}, [1.5, -1.5, 0.5, -0.40625]),
    (
        {"stats": adapt.Stats(mean=1, std=(0.5, 0.0, 2.0, 1.0), mask=(True, False, True, False))},
        [1, -2, 1.5, -0.25],
    ),
    ({"stats": adapt.Stats(q01=-4, q99=4)}, [0.375, -0.5, 1, -0.0625]),
    ({"stats": adapt.Stats(q01=(0, -4, 0, -1), q99=(1, 4, 2, 1))}, [2, -0.5, 3, -0.25]),
    (
        {"stats": adapt.Stats(q01=0, q99=(1.0, 0.0, 2.0, 4.0), mask=(True, False, True, True))},
        [2, -2, 3, -1.125],
    ),
    ({"stats": adapt.Stats(q01=0, q99=(1.0, 0.0, 2.0, 4.0), mask=(False,) * 4)}, VALUES),
    ({"clip": (-1, 2)}, [1.5, -1, 2, -0.25]),
    ({"pad_to": 6}, [*VALUES, 0, 0]),
    ({"clip": (1, 2), "pad_to": 6}, [1.5, 1, 2, 1, 0, 0]),
    ({"reshape": (2, 1, 2)}, [[[1.5, -2]], [[4, -0.25]]]),
    ({"pad_to": 6, "reshape": (3, 2)}, [[1.5, -2], [4, -0.25], [0, 0]]),
    ({"dtype": "int32"}, [1, -2, 4, 0]),
    ({"dtype": "int8", "scale": 10}, [15, -20, 40, -2]),
    ({"stack": 2}, [VALUES, VALUES]),
    ({"stack": 2, "stack_pad": "fill", "offset": 1}, [[0] * 4, [2.5, -1, 5, 0.75]]),
    ({"stack": 2, "reshape": (2, 2)}, [[[1.5, -2], [4, -0.25]]] * 2),
    ({"index": 1, "stack": 3}, [[-2]] * 3),
]


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_every_field_does_what_a_hand_computes(framework: str, precision: str) -> None:
    space = Box(-4, 4, (4,), precision)
    tag = adapt.StateTag(JOINTS, labels=("a", "b", "c", "d"))
    inputs = {str(fields): adapt.State(JOINTS, **fields) for fields, _ in TABLE}
    payload = adapter_for(space, tag, inputs).transform_obs(
        {"x": into(framework, np.array(VALUES, precision))}
    )
    for fields, wanted in TABLE:
        array = payload[str(fields)]
        assert kind(array) == framework
        assert dtype(array) == fields.get("dtype", "float32")
        assert back(array).tolist() == wanted, fields


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_dtype_is_made_of_every_dtype(framework: str) -> None:
    wanted = ("float16", "float32", "float64", "bfloat16", "int8", "int16", "int32", "int64")
    for given_dtype in ("float16", "float32", "float64", "int8", "int32", "int64", "uint8"):
        least = 0 if given_dtype == "uint8" else -8
        space = Box(least, 100, (3,), given_dtype)
        value = np.array([3, 100, 7], given_dtype)
        inputs = {one: adapt.State(JOINTS, dtype=one, scale=1.0) for one in wanted}
        adapter = adapter_for(space, adapt.StateTag(JOINTS), inputs)
        payload = adapter.transform_obs({"x": into(framework, value)})
        for one in wanted:
            narrow = one.replace("64", "32") if framework == "jax" else one
            assert dtype(payload[one]) == narrow
            assert back(payload[one]).tolist() == [3, 100, 7]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_list_holds_python_numbers(framework: str) -> None:
    value = np.array(VALUES)
    for fields in ({}, {"reshape": (2, 2)}, {"dtype": "int64"}, {"stack": 2}):
        found = state(framework, WIDE, adapt.StateTag(JOINTS), value, container="list", **fields)
        assert isinstance(found, list)
        array = state(framework, WIDE, adapt.StateTag(JOINTS), value, **fields)
        assert found == array.tolist()


# Every combination of fields, against plain Python


LABELS = ("a", "b", "c", "d")
STAGES = ("dim", "index", "labels", "range", "scale", "offset", "stats", "clip", "pad_to")


def combined(on: Tuple[bool, ...], value: List[float]) -> Tuple[Dict[str, Any], List[float]]:
    """Return the fields of a combination, and what they make of a vector in [-4, 4]."""
    switch = dict(zip(STAGES, on))
    fields: Dict[str, Any] = {}
    labels: List[str] = list(LABELS)
    if switch["dim"]:
        fields["dim"] = 3
        value, labels = value[:3], labels[:3]
    if switch["index"]:
        fields["index"] = 1
        value, labels = value[1:2], labels[1:2]
    if switch["labels"]:
        names = labels[::-1][:2]
        fields["labels"] = tuple(names)
        value = [value[labels.index(name)] for name in names]
    width = len(value)
    if switch["range"]:
        fields["range"] = (-1.0, 3.0)
        value = [(one + 4) / 8 * 4 - 1 for one in value]
    if switch["scale"]:
        fields["scale"] = tuple(1.5 + i for i in range(width))
        value = [one * (1.5 + i) for i, one in enumerate(value)]
    if switch["offset"]:
        fields["offset"] = tuple(0.5 - i for i in range(width))
        value = [one + 0.5 - i for i, one in enumerate(value)]
    if switch["stats"]:
        low, high = [-1.0 - i for i in range(width)], [2.0 + i for i in range(width)]
        fields["stats"] = adapt.Stats(q01=tuple(low), q99=tuple(high))
        value = [2 * (one - a) / (b - a) - 1 for one, a, b in zip(value, low, high)]
    if switch["clip"]:
        fields["clip"] = (-0.75, -0.25)
        value = [min(max(one, -0.75), -0.25) for one in value]
    if switch["pad_to"]:
        fields["pad_to"] = 5
        value = value + [0.0] * (5 - width)
    return fields, value


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_combination_of_fields_is_in_order(framework: str) -> None:
    value = [3.5, -1.25, 0.75, -3.0]
    ways = list(product([False, True], repeat=len(STAGES)))
    # JAX compiles for as long as there are leaves.
    ways = ways[::9] if framework == "jax" else ways
    cases = {str(on): combined(on, value) for on in ways}
    inputs = {name: adapt.State(JOINTS, **fields) for name, (fields, _) in cases.items()}
    space = Box(-4, 4, (4,), np.float32)
    tag = adapt.StateTag(JOINTS, labels=LABELS)
    found = made_of(framework, space, tag, np.array(value, np.float32), inputs)
    for name, (_, wanted) in cases.items():
        assert found[name].tolist() == pytest.approx(wanted, rel=1e-6, abs=1e-6), name


# Precision


@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_a_leaf_of_double_precision_is_computed_in_it(framework: str) -> None:
    value = np.array([1e6 + 1e-4, 0.1, 1 / 3, -7.7])
    mean = (1e6, 0.1, 0.25, 0.0)
    stats = adapt.Stats(mean=mean, std=(1e-4, 1.0, 0.125, 3.0))
    found = state(framework, WIDE, adapt.StateTag(JOINTS), value, stats=stats, dtype="float64")
    assert (found == (value - mean) / [1e-4, 1, 0.125, 3]).all()
    found = state(framework, WIDE, adapt.StateTag(JOINTS), value, stats=stats)
    assert dtype(found) == "float32"
    assert found[0] == pytest.approx(1, rel=1e-5)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    low=st.floats(-1e3, 1e3),
    extent=st.floats(1e-2, 1e3),
    share=st.floats(-0.5, 1.5),
    target=st.floats(-10, 10),
    span=st.floats(0.1, 100),
)
def test_a_range_is_mapped_in_full_precision_and_not_clamped(
    low: float, extent: float, share: float, target: float, span: float
) -> None:
    tag = adapt.StateTag(JOINTS, range=(low, low + extent))
    value = np.full(4, low + share * extent)
    exact = (value[0] - low) / (low + extent - low) * span + target
    for framework in ("numpy", "torch"):
        found = state(framework, WIDE, tag, value, range=(target, target + span), dtype="float64")
        assert found == pytest.approx(np.full(4, exact), rel=1e-9, abs=1e-9 * span)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_narrow_leaves_are_computed_in_single_precision(framework: str) -> None:
    value = np.array([1, 0.1, 1000, -3], np.float16)
    space = Box(-np.inf, np.inf, (4,), np.float16)
    fields = {"scale": (1.001, 1, 100, 1), "offset": 0.001}
    found = state(framework, space, adapt.StateTag(JOINTS), value, **fields)
    wanted = value.astype(np.float64) * fields["scale"] + 0.001
    assert found == pytest.approx(wanted, rel=1e-6)
    levels = np.array([0, 1, 200, 255], np.uint8)
    space = Box(0, 255, (4,), np.uint8)
    found = state(framework, space, adapt.StateTag(JOINTS), levels, offset=-1.5, scale=2)
    assert found.tolist() == [-1.5, 0.5, 398.5, 508.5]


@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_integers_that_are_only_moved_stay_exact(framework: str) -> None:
    value = np.array([2**53 + 1, -(2**62) - 1, 3])
    space = Box(-(2**63), 2**63 - 1, (3,), np.int64)
    fields = {"labels": ("c", "a"), "pad_to": 3, "dtype": "int64"}
    tag = adapt.StateTag(JOINTS, labels=("a", "b", "c"))
    assert state(framework, space, tag, value, **fields).tolist() == [3, 2**53 + 1, 0]


# Ranges


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_env_range_is_its_tag_or_its_finite_bounds(framework: str) -> None:
    value = np.array([0.0, 1.0, 2.0, 8.0], np.float32)
    bounded = Box(np.zeros(4, np.float32), np.array([1, 2, 4, 8], np.float32))
    found = state(framework, bounded, adapt.StateTag(JOINTS), value, range=(-1, 1))
    assert found.tolist() == [-1, 0, 0, 1]
    tag = adapt.StateTag(JOINTS, range=(0, 4))
    found = state(framework, SINGLE, tag, value, range=(-1, 1))
    assert found.tolist() == [-1, -0.5, 0, 3]


def test_only_the_range_of_what_is_taken_need_be_known() -> None:
    space = Box(np.array([0, -np.inf, -2, 0], np.float32), np.array([4, np.inf, 2, 0], np.float32))
    tag = adapt.StateTag(JOINTS, labels=("a", "b", "c", "d"))
    for fields, wanted in [
        ({"labels": ("c", "a")}, [2.5, 0.375]),
        ({"index": 0}, [0.375]),
        ({"dim": 1}, [0.375]),
        ({"dim": 2}, [1.5, -2]),
    ]:
        found = state(
            "numpy", space, tag, np.array([1.5, -2, 8, 0], np.float32), range=(0, 1), **fields
        )
        assert found.tolist() == wanted
    with pytest.raises(AdapterResolutionError, match="range: expected an env range that is not"):
        adapter_for(space, tag, adapt.State(JOINTS, index=3, range=(0, 1)))


def test_without_an_env_range_nothing_is_mapped_and_one_is_told() -> None:
    for space in (SINGLE, Box(0, np.inf, (4,)), Box(-3.4e38, 3.4e38, (4,))):
        adapter = adapter_for(space, adapt.StateTag(JOINTS), adapt.State(JOINTS, range=(-1, 1)))
        assert [note.severity for note in adapter.advisories()] == ["caution"]
        found = adapter.transform_obs({"x": np.array(VALUES, np.float32)})
        assert found.tolist() == VALUES


# Rotations


def test_the_env_s_own_encoding_wins_if_it_is_listed() -> None:
    rotation = Rotation.from_euler("xyz", [0.3, -0.4, 1.2])
    space = Box(-1, 1, (4,), np.float64)
    tag = adapt.StateTag(adapt.EEF_ROT, encoding="quat_xyzw")
    value = -rotation.as_quat()
    for framework in FRAMEWORKS:
        untouched = [None, "quat_xyzw", ("axis_angle", "quat_xyzw")]
        for encoding in untouched:
            found = state(framework, space, tag, value, encoding=encoding)
            assert (found == value.astype(np.float32)).all()
        found = state(framework, space, tag, value, encoding=("axis_angle", "rot6d"))
        assert found == pytest.approx(rotation.as_rotvec(), abs=1e-6)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_encodings_are_those_of_scipy_before_all_later_fields(framework: str) -> None:
    rotations = Rotation.random(20, random_state=0)
    space = Box(-1, 1, (4,), np.float32)
    tag = adapt.StateTag(adapt.EEF_ROT, encoding="quat_wxyz")
    inputs = {
        "euler": adapt.State(adapt.EEF_ROT, encoding="euler_xyz"),
        "yaw": adapt.State(adapt.EEF_ROT, encoding="euler_xyz", index=2, scale=2, offset=1),
        "matrix": adapt.State(adapt.EEF_ROT, encoding="matrix", reshape=(3, 3)),
        "rot6d": adapt.State(
            adapt.EEF_ROT, encoding="rot6d", stats=adapt.Stats(mean=(0.1,) * 6, std=0.5), pad_to=7
        ),
        "rows": adapt.State(adapt.EEF_ROT, encoding="rot6d_rowmajor", clip=(-0.5, 0.5)),
        "gravity": adapt.State(adapt.EEF_ROT, encoding="gravity_xyz", container="list"),
        "vector": adapt.State(adapt.EEF_ROT, encoding="axis_angle", dim=4),
    }
    adapter = adapter_for(space, tag, inputs)
    for rotation in rotations:
        value = rotation.as_quat()[[3, 0, 1, 2]].astype(np.float32)
        found = back(adapter.transform_obs({"x": into(framework, value)}))
        matrix = rotation.as_matrix()
        columns = np.concatenate([matrix[:, 0], matrix[:, 1]])
        assert found["euler"] == pytest.approx(rotation.as_euler("xyz"), abs=1e-5)
        assert found["yaw"] == pytest.approx(2 * rotation.as_euler("xyz")[2:] + 1, abs=1e-5)
        assert found["matrix"] == pytest.approx(matrix, abs=1e-5)
        assert found["rot6d"] == pytest.approx([*(columns - 0.1) / 0.5, 0], abs=1e-5)
        rows = np.clip(matrix[:, :2].ravel(), -0.5, 0.5)
        assert found["rows"] == pytest.approx(rows, abs=1e-5)
        assert found["gravity"] == pytest.approx(list(-matrix[2]), abs=1e-5)
        turned = Rotation.from_rotvec(found["vector"]) * rotation.inv()
        assert turned.magnitude() < 1e-5


# Angles, and a body's own axes


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_angles_become_their_sines_and_then_their_cosines(framework: str) -> None:
    """As `StateActionSinCosTransform` of GR00T, gr00t/data/transform/state_action.py."""
    tag = adapt.StateTag(JOINTS, labels=("a", "b", "c", "d"))
    angles = np.array(VALUES)
    found = state(framework, WIDE, tag, angles, sincos=True)
    assert found == pytest.approx([*np.sin(angles), *np.cos(angles)], abs=1e-6)
    fields: Dict[str, Any] = {"labels": ("d", "a"), "scale": 0.5, "sincos": True}
    stats = adapt.Stats(low=(-1, -1, 0, 0), high=1)
    found = state(framework, WIDE, tag, angles, stats=stats, pad_to=5, **fields)
    half = angles[[3, 0]] / 2
    assert found == pytest.approx([*np.sin(half), *(2 * np.cos(half) - 1), 0], abs=1e-6)
    found = state(framework, WIDE, tag, angles, index=1, sincos=True, stack=2)
    assert found == pytest.approx(np.array([[np.sin(-2), np.cos(-2)]] * 2), abs=1e-6)
    rotation = Rotation.from_euler("xyz", [0.3, -0.4, 1.2])
    tag = adapt.StateTag(adapt.EEF_ROT, encoding="quat_xyzw")
    euler = {"encoding": "euler_xyz", "sincos": True}
    found = state(framework, WIDE, tag, rotation.as_quat(), **euler)
    turns = rotation.as_euler("xyz")
    assert found == pytest.approx([*np.sin(turns), *np.cos(turns)], abs=1e-6)
    missing = adapt.State("proprio/other", optional=True, dim=2, sincos=True)
    assert made_of(framework, WIDE, tag, rotation.as_quat(), missing).tolist() == [0] * 4


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_rotation_offset_turns_the_body_about_its_own_axes(framework: str) -> None:
    """As open-pi-zero does for Bridge: `R @ default_rot.T`, src/agent/env_adapter/simpler.py."""
    bridge = np.array([[0, 0, 1.0], [0, 1.0, 0], [-1.0, 0, 0]]).T
    offsets = [bridge, bridge.ravel(), tuple(-Rotation.from_matrix(bridge).as_quat())]
    other = Rotation.random(random_state=8)
    cases = [(one, bridge) for one in offsets] + [(other.as_quat(), other.as_matrix())]
    for (offset, matrix), rotation in product(cases, Rotation.random(5, random_state=3)):
        turned = Rotation.from_matrix(rotation.as_matrix() @ matrix)
        for have, value in (
            ("quat_xyzw", rotation.as_quat()),
            ("matrix", rotation.as_matrix().ravel()),
        ):
            tag = adapt.StateTag(adapt.EEF_ROT, encoding=have)
            space = Box(-1, 1, (len(value),), np.float64)
            wanted = {
                "euler_xyz": turned.as_euler("xyz"),
                "quat_xyzw": turned.as_quat(canonical=True),
                "axis_angle": turned.as_rotvec(),
                "matrix": turned.as_matrix().ravel(),
                "gravity_xyz": -turned.as_matrix()[2],
            }
            inputs = {
                name: adapt.State(adapt.EEF_ROT, encoding=name, rotation_offset=offset)
                for name in wanted
            }
            found = made_of(framework, space, tag, value, inputs)
            for name, numbers in wanted.items():
                assert found[name] == pytest.approx(numbers, abs=1e-5), (have, name)


def test_a_custom_encoding_is_turned_as_what_it_repacks() -> None:
    degrees = adapt.CustomEncoding("euler_xyz", np.rad2deg, np.deg2rad, "degrees")
    quarter = Rotation.from_euler("z", 90, degrees=True)
    tag = adapt.StateTag(adapt.EEF_ROT, encoding=degrees)
    fields = {"encoding": degrees, "rotation_offset": quarter.as_quat()}
    found = state("numpy", Box(-180, 180, (3,)), tag, np.array([0.0, 0, 30]), **fields)
    assert found == pytest.approx([0, 0, 120], abs=1e-4)


# What fails when it is resolved


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"dim": 5}, r"input\.dim: expected at most the env's 4 elements, got 5"),
        ({"dim": 2, "index": 2}, r"input\.index: expected .*below the width 2, got 2"),
        ({"labels": ("a", "e")}, r"input\.labels: expected some of .*, got \['e'\]"),
        ({"dim": 3, "labels": ("d",)}, r"input\.labels: expected some of .*, got \['d'\]"),
        (
            {"index": 1, "labels": ("a",)},
            r"input\.labels: expected some of .* \['b'\], got \['a'\]",
        ),
        ({"scale": (1, 2)}, r"input\.scale: expected 4 numbers, got 2"),
        ({"labels": ("b", "a"), "offset": (1,) * 4}, r"input\.offset: expected 2 numbers, got 4"),
        (
            {"dim": 3, "stats": adapt.Stats(mean=(0.0,) * 4, std=1)},
            r"input\.stats: expected statistics of 3 elements, got those of 4",
        ),
        ({"pad_to": 3}, r"input\.pad_to: expected at least the width 4, got 3"),
        ({"reshape": (3, 2)}, r"input\.reshape: expected a shape of 4 elements, got \(3, 2\)"),
        ({"encoding": "rot6d"}, r"input\.encoding: expected .*encoding"),
        ({"role": "proprio/other"}, r"input: expected the env to offer 'proprio/other'"),
    ],
)
def test_what_does_not_fit_fails_when_it_is_resolved(fields: Any, message: str) -> None:
    tag = adapt.StateTag(JOINTS, labels=("a", "b", "c", "d"))
    with pytest.raises(AdapterResolutionError, match=message):
        adapter_for(SINGLE, tag, adapt.State(**{"role": JOINTS, **fields}))


def test_an_encoding_needs_the_whole_source() -> None:
    tag = adapt.StateTag(adapt.EEF_ROT, encoding="quat_xyzw")
    spec = adapt.State(adapt.EEF_ROT, encoding="axis_angle", dim=3)
    with pytest.raises(AdapterResolutionError, match="dim: expected 4, the width of quat_xyzw"):
        adapter_for(SINGLE, tag, spec)


def test_labels_on_one_side_only_are_told() -> None:
    for env, model in ((None, ("a", "b", "c", "d")), (("a", "b", "c", "d"), None)):
        adapter = adapter_for(
            SINGLE, adapt.StateTag(JOINTS, labels=env), adapt.State(JOINTS, labels=model)
        )
        assert [note.severity for note in adapter.advisories()] == ["info"]
        assert adapter.transform_obs({"x": np.array(VALUES)}).tolist() == VALUES


# Leaves of other spaces, and parts of leaves


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(
    ("space", "value", "wanted", "mapped"),
    [
        (Discrete(5, start=2), 3, [3], [0.25]),
        (Discrete(5, start=2), np.int64(6), [6], [1]),
        (MultiBinary(3), np.array([1, 0, 1], np.int8), [1, 0, 1], [1, 0, 1]),
        (MultiBinary((2, 1)), np.array([[1], [0]], np.int8), [1, 0], [1, 0]),
        (MultiDiscrete([3, 5]), np.array([1, 4]), [1, 4], [0.5, 1]),
        (Box(0, 8, (2, 2), np.int32), np.array([[0, 2], [4, 8]], np.int32), [0, 2, 4, 8], None),
        (Box(0, 4, (), np.float32), np.array(1, np.float32), [1], [0.25]),
        (Box(0, 4, (3,), np.uint8), np.array([1, 2, 4], np.uint8), [1, 2, 4], [0.25, 0.5, 1]),
    ],
)
def test_any_space_of_numbers_is_one_flat_vector(
    framework: str, space: Any, value: Any, wanted: Any, mapped: Any
) -> None:
    inputs = {
        "plain": adapt.State(JOINTS),
        "mapped": adapt.State(JOINTS, range=(0, 1)),
        "joined": adapt.Concat(JOINTS, adapt.Constant(1, fill=-2)),
    }
    found = made_of(framework, space, adapt.StateTag(JOINTS), value, inputs)
    assert found["plain"].tolist() == wanted
    assert found["plain"].dtype == np.float32
    assert found["mapped"].tolist() == (mapped or [0, 0.25, 0.5, 1])
    assert found["joined"].tolist() == [*wanted, -2]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_fields_of_a_split_are_states_of_their_own(framework: str) -> None:
    rotation = Rotation.from_rotvec([0.2, -0.3, 0.4])
    tag = adapt.Split(
        adapt.Field(dim=1),
        adapt.Field(adapt.EEF_POS),
        adapt.Field(adapt.EEF_ROT, encoding="quat_xyzw"),
        adapt.Field(dim=2),
        adapt.Field(adapt.GRIPPER_POS, dim=2, range=(0, 0.5), labels=("left", "right")),
    )
    space = Box(-np.inf, np.inf, (12,), np.float64)
    value = np.array([9.0, 1, 2, 3, *rotation.as_quat(), 8, 7, 0.25, 0.5])
    inputs = {
        "position": adapt.State(adapt.EEF_POS, index=1),
        "rotation": adapt.State(adapt.EEF_ROT, encoding="axis_angle"),
        "gripper": adapt.State(adapt.GRIPPER_POS, labels=("right",), range=(-1, 1)),
        "all": adapt.Concat(adapt.GRIPPER_POS, adapt.EEF_POS),
    }
    found = made_of(framework, space, tag, value, inputs)
    assert found["position"].tolist() == [2]
    assert found["rotation"] == pytest.approx([0.2, -0.3, 0.4], abs=1e-6)
    assert found["gripper"].tolist() == [1]
    assert found["all"].tolist() == [0.25, 0.5, 1, 2, 3]


# Concat


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_concat_joins_its_parts_and_then_takes_its_own_fields(framework: str) -> None:
    tag = adapt.StateTag(JOINTS)
    value = np.array(VALUES, np.float32)
    parts = (
        adapt.State(JOINTS, index=0),
        adapt.State(JOINTS, dim=2, scale=2, clip=(-3, 3), pad_to=3),
        adapt.Constant(2, fill=0.5),
        JOINTS,
    )
    joined = [1.5, 3, -3, 0, 0.5, 0.5, *VALUES]
    inputs = {
        "plain": adapt.Concat(*parts),
        "clipped": adapt.Concat(*parts, clip=(-1, 1), pad_to=12, reshape=(3, 4)),
        "listed": adapt.Concat(*parts, container="list", dtype="float64"),
        "filled": adapt.Concat(
            JOINTS, adapt.State("proprio/other", dim=2, optional=True, fill=7, scale=3)
        ),
    }
    found = made_of(framework, SINGLE, tag, value, inputs)
    assert found["plain"].tolist() == joined
    assert found["clipped"].ravel().tolist() == [*np.clip(joined, -1, 1), 0, 0]
    assert found["clipped"].shape == (3, 4)
    assert found["listed"] == joined
    assert found["filled"].tolist() == [*VALUES, 7, 7]


@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_a_concat_keeps_double_precision_where_a_part_has_it(framework: str) -> None:
    value = np.array([1 / 3, 2 / 3, 1e9 + 0.5, 0.1])
    spec = adapt.Concat(JOINTS, adapt.Constant(1, fill=0.5), dtype="float64")
    found = made_of(framework, WIDE, adapt.StateTag(JOINTS), value, spec)
    assert found.tolist() == [*value, 0.5]
    parts = (JOINTS, adapt.State("proprio/other", dim=1, optional=True, fill=0.7, dtype="float64"))
    spec = adapt.Concat(*parts, adapt.Constant(1, fill=0.1), dtype="float64")
    found = made_of(framework, WIDE, adapt.StateTag(JOINTS), value, spec)
    assert found.tolist() == [*value, 0.7, 0.1]
    found = made_of(framework, WIDE, adapt.StateTag(JOINTS), value, parts[1])
    assert found.tolist() == [0.7]
    spec = adapt.Concat(JOINTS, adapt.Constant(1, fill=0.5), dtype="float64")
    large = np.array([2**40 + 1, -(2**30) - 1])
    space = Box(-(2**62), 2**62, (2,), np.int64)
    found = made_of(framework, space, adapt.StateTag(JOINTS), large, spec)
    assert found.tolist() == [2**40 + 1, -(2**30) - 1, 0.5]


# What the env lacks


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_fill_is_the_final_value(framework: str) -> None:
    common: Dict[str, Any] = {"role": "proprio/other", "optional": True, "fill": 0.5}
    cases: List[Tuple[Dict[str, Any], Tuple[int, ...]]] = [
        ({"dim": 3, "scale": 9, "offset": 1, "range": (5, 6), "clip": (2, 3)}, (3,)),
        ({"dim": 3, "stats": adapt.Stats(mean=1, std=2)}, (3,)),
        ({"dim": 3, "reshape": (3, 1)}, (3, 1)),
        ({"dim": 3, "stack": 2}, (2, 3)),
        ({"dim": 3, "index": 0}, (1,)),
        ({"dim": 3, "labels": ("a", "b")}, (2,)),
    ]
    inputs = {str(fields): adapt.State(**common, **fields) for fields, _ in cases}
    inputs["there"] = adapt.State(JOINTS)
    adapter = adapter_for(SINGLE, adapt.StateTag(JOINTS), inputs)
    found = back(adapter.transform_obs({"x": into(framework, np.array(VALUES, np.float32))}))
    for fields, shape in cases:
        assert found[str(fields)].shape == shape, fields
        assert (found[str(fields)] == 0.5).all()
        assert found[str(fields)].dtype == np.float32
    cautions = [note.leaf for note in adapter.advisories() if note.severity == "caution"]
    assert len(cautions) == len(cases)


# Stacks and previous actions


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_stack_counts_env_steps_also_those_of_a_chunk(framework: str) -> None:
    stacks: Dict[str, Tuple[Dict[str, Any], List[int]]] = {
        "3": ({"stack": 3}, [2, 1, 0]),
        "strided": ({"stack": 2, "stride": 2, "scale": 2}, [2, 0]),
        "offsets": ({"offsets": (3, 1), "stack_pad": "fill"}, [3, 1]),
    }
    inputs = {name: adapt.State(JOINTS, index=0, **fields) for name, (fields, _) in stacks.items()}
    adapter = adapter_for(SINGLE, adapt.StateTag(JOINTS), inputs)
    for start in (0, 100):
        adapter.reset()
        for step in range(6):
            obs = {"x": into(framework, np.full(4, start + step + 1, np.float32))}
            if step in (2, 3):
                adapter.observe(obs)
                continue
            found = back(adapter.transform_obs(obs))
            for name, (fields, ago) in stacks.items():
                first = 0 if "stack_pad" in fields else start + 1
                wanted = [start + step - n + 1 if step >= n else first for n in ago]
                factor = fields.get("scale", 1)
                assert found[name].tolist() == [[one * factor] for one in wanted], (name, step)


OUTPUT = adapt.Action(
    adapt.Actuator("action/left", dim=1, optional=True),
    adapt.Actuator("action/right", dim=2, optional=True, range=(-2.0, 2.0), labels=("u", "v")),
    clip=(-1.0, 1.0),
)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_previous_action_is_the_model_s_own_raw_output(framework: str) -> None:
    inputs = {
        "left": adapt.State("action/left", source="action"),
        "right": adapt.State("action/right", source="action", labels=("v", "u"), range=(0, 1)),
        "both": adapt.Concat(
            adapt.State("action/right", source="action"), adapt.State(JOINTS, index=0)
        ),
    }
    adapter = adapter_for(SINGLE, adapt.StateTag(JOINTS), inputs, OUTPUT)
    obs = {"x": into(framework, np.array(VALUES, np.float32))}

    def check(left: float, u: float, v: float) -> None:
        payload = adapter.transform_obs(obs)
        assert {kind(array) for array in payload.values()} == {framework}
        found = back(payload)
        assert found["left"].tolist() == [left]
        assert found["right"].tolist() == [(v + 2) / 4, (u + 2) / 4]
        assert found["both"].tolist() == [u, v, 1.5]

    check(0, 0, 0)
    check(0, 0, 0)
    # It is raw: neither clipped nor in the env's units.
    adapter.transform_action(into(framework, np.array([3, -1.5, 0.5], np.float32)))
    check(3, -1.5, 0.5)
    adapter.transform_action([1.0, 2.0, 0.0])
    check(1, 2, 0)
    chunk = np.array([[5, 0, 1], [6, 1, 2]], np.float32)
    adapter.transform_action(into(framework, chunk))
    check(5, 0, 1)
    adapter.executed(2)
    check(6, 1, 2)
    adapter.reset()
    check(0, 0, 0)


def test_episodes_of_one_adapter_do_not_mix() -> None:
    inputs = {
        "stack": adapt.State(JOINTS, index=0, stack=2),
        "previous": adapt.State("action/left", source="action"),
    }
    first = adapter_for(SINGLE, adapt.StateTag(JOINTS), inputs, OUTPUT)
    second = first.new_episode()

    def seen(adapter: Any, number: Optional[float]) -> Tuple[Any, Any]:
        found = adapter.transform_obs({"x": np.full(4, number, np.float32)})
        return found["stack"].ravel().tolist(), found["previous"].tolist()

    assert seen(first, 1) == ([1, 1], [0])
    first.transform_action([7.0, 0.0, 0.0])
    assert seen(second, 5) == ([5, 5], [0])
    assert seen(first, 2) == ([1, 2], [7])
    assert seen(second, 6) == ([5, 6], [0])


# What is said of it


def test_explain_names_every_step_in_order() -> None:
    spec = adapt.State(
        JOINTS,
        dim=3,
        labels=("c", "a"),
        range=(-1, 1),
        scale=2,
        offset=(1, 2),
        stats=adapt.Stats(q01=(0.0, 1.0), q99=(4.0, 1.0), mask=(True, False)),
        clip=(-5, 5),
        pad_to=4,
        reshape=(2, 2),
    )
    tag = adapt.StateTag(JOINTS, labels=("a", "b", "c", "d"))
    lines = adapter_for(Box(0, 4, (4,)), tag, spec).explain().splitlines()
    wanted = [
        "elements 0 to 2",
        "in the order c, a",
        "[0, 4] -> [-1, 1]",
        "times 2",
        "plus [1, 2]",
        "[q01, q99] -> [-1, 1] (q01 0, q99 [4, 1]); not element 1",
        "clamped to [-5, 5]",
        "zeros up to 4 elements",
        "shape (2, 2)",
        "as float32",
    ]
    places = [lines.index(f"    {line}") for line in wanted[:-1]]
    assert places == sorted(places)
    assert f"    {wanted[-1]}" in lines[places[-1] :]
