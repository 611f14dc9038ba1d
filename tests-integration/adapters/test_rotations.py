"""Conversions of rotations, with scipy as the oracle."""

from __future__ import annotations

import contextlib
import math
import warnings
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from typing import Any, Callable, Dict, Iterator, List, Tuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from rlmesh.adapters._rotations import (
    PROBE_QUATERNIONS,
    WIDTHS,
    CustomEncoding,
    base_of,
    check_convertible,
    check_inverse,
    convert,
)

pytestmark = pytest.mark.filterwarnings("error")

SOURCES = [encoding for encoding in WIDTHS if encoding != "gravity_xyz"]
DTYPES = ["float32", "float64"]
TOLERANCE = {"float32": 1e-5, "float64": 1e-9}  # radians
# How far from 1 a length may be, and how far above pi an angle.
ROUNDING = {"float32": 1e-6, "float64": 1e-14}


# The oracle.


def decoded(value: np.ndarray, encoding: str) -> Rotation:
    """Return scipy's rotations of arrays of shape (n, width)."""
    value = np.asarray(value, "float64")
    if encoding == "quat_xyzw":
        return Rotation.from_quat(value)
    if encoding == "quat_wxyz":
        return Rotation.from_quat(value[:, [1, 2, 3, 0]])
    if encoding.startswith("axis_angle"):
        return Rotation.from_rotvec(value)
    if encoding == "euler_xyz":
        return Rotation.from_euler("xyz", value)
    if encoding == "matrix":
        first, second = value[:, [0, 3, 6]], value[:, [1, 4, 7]]
    elif encoding == "rot6d":
        first, second = value[:, :3], value[:, 3:]
    else:
        first, second = value[:, [0, 2, 4]], value[:, [1, 3, 5]]
    first = first / np.linalg.norm(first, axis=-1, keepdims=True)
    second = second - (first * second).sum(-1, keepdims=True) * first
    second = second / np.linalg.norm(second, axis=-1, keepdims=True)
    return Rotation.from_matrix(np.stack((first, second, np.cross(first, second)), -1))


def encoded(rotations: Rotation, encoding: str) -> np.ndarray:
    """Return n rotations as scipy encodes them, float64 of shape (n, width)."""
    quaternions, matrices = rotations.as_quat(), rotations.as_matrix()
    if encoding == "quat_xyzw":
        return quaternions
    if encoding == "quat_wxyz":
        return quaternions[:, [3, 0, 1, 2]]
    if encoding.startswith("axis_angle"):
        return rotations.as_rotvec()
    if encoding == "euler_xyz":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # gimbal lock
            return rotations.as_euler("xyz")
    if encoding == "matrix":
        return matrices.reshape(-1, 9)
    if encoding == "rot6d":
        return np.concatenate((matrices[:, :, 0], matrices[:, :, 1]), -1)
    return matrices[:, :, :2].reshape(-1, 6)


def distance(first: Rotation, second: Rotation) -> np.ndarray:
    return (first.inv() * second).magnitude()


# The hard places, as rotations and as values of one encoding.


def hard_rotations() -> Rotation:
    axes = [axis for axis in product((-1.0, 0.0, 1.0), repeat=3) if any(axis)]
    axes += [(0.6, 0.0, 0.8), (1e-4, 1.0, -1e-4), (1.0, 1e-8, 0.0), (0.3, -0.5, 0.81)]
    units = [np.array(axis) / np.linalg.norm(axis) for axis in axes]
    near = [0.0, 1e-30, 1e-20, 1e-12, 1e-8, 1e-7, 3e-7, 1e-6, 1e-5, 1e-4, 1e-3]
    angles = [*near, 0.1, 1.0, *(math.pi / 2 - x for x in near), *(math.pi - x for x in near)]
    vectors = [unit * angle for unit in units for angle in angles]
    pitches = [side * (math.pi / 2 - x) for side in (-1, 1) for x in near]
    turns = [0.0, 0.4, -1.3, 3.0, math.pi, math.pi / 2]
    locked = Rotation.from_euler("xyz", list(product(turns, pitches, turns)))
    return Rotation.from_rotvec(np.concatenate((vectors, locked.as_rotvec())))


@lru_cache(maxsize=None)
def samples(encoding: str, dtype: str) -> np.ndarray:
    """Return values of an encoding, at random and at the hard places, shape (n, width)."""
    random = np.random.default_rng(0)
    rotations = Rotation.concatenate([hard_rotations(), Rotation.random(300, random_state=1)])
    values = [encoded(rotations, encoding)]
    if encoding.startswith("quat"):
        values += [-values[0], values[0] * random.uniform(1e-3, 1e3, (len(rotations), 1))]
    elif encoding.startswith("axis_angle"):
        values += [random.uniform(-1, 1, (100, 3)) * scale for scale in (1e-8, 1e-3, 10.0)]
    elif encoding == "euler_xyz":
        values.append(random.uniform(-7, 7, (100, 3)))
        values.append(np.array(list(product((0.0, math.pi / 2, -math.pi / 2, math.pi), repeat=3))))
    else:
        noise = random.normal(0, 0.05, (len(rotations), WIDTHS[encoding]))
        values += [values[0] * 7.5, values[0] + noise]
    return np.concatenate(values).astype(dtype)


def check_proper(value: np.ndarray, encoding: str, dtype: str) -> None:
    """Check what holds for every converted rotation."""
    assert value.dtype == dtype
    assert np.isfinite(value).all()
    value = value.astype("float64")
    rounding = ROUNDING[dtype]
    if encoding.startswith("quat"):
        assert (value[..., 3 if encoding == "quat_xyzw" else 0] >= 0).all()
    if encoding.startswith("quat") or encoding == "gravity_xyz":
        assert np.linalg.norm(value, axis=-1) == pytest.approx(1, abs=rounding)
    elif encoding.startswith("axis_angle"):
        most = math.pi if encoding == "axis_angle" else 2 * math.pi
        assert (np.linalg.norm(value, axis=-1) <= most + 2 * rounding).all()
    elif encoding == "euler_xyz":
        assert (abs(value) <= math.pi + rounding).all()
        assert (abs(value[..., 1]) <= math.pi / 2 + rounding).all()
    elif encoding == "matrix":
        matrix = value.reshape(-1, 3, 3)
        assert abs(matrix @ matrix.swapaxes(1, 2) - np.eye(3)).max(initial=0) <= 2 * rounding
        assert (np.linalg.det(matrix) > 0).all()
    else:
        assert abs(decoded_columns(value, encoding) - np.eye(2)).max(initial=0) <= 2 * rounding


def decoded_columns(value: np.ndarray, encoding: str) -> np.ndarray:
    """Return the products of both columns with each other, shape (n, 2, 2)."""
    value = value.reshape(-1, 6)
    columns = value.reshape(-1, 2, 3) if encoding == "rot6d" else value.reshape(-1, 3, 2)
    return (
        columns @ columns.swapaxes(1, 2)
        if encoding == "rot6d"
        else (columns.swapaxes(1, 2) @ columns)
    )


# The frameworks.


@contextlib.contextmanager
def strict_numpy() -> Iterator[None]:
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        yield


@dataclass
class Framework:
    xp: Any
    array: Callable[[np.ndarray], Any]
    to_numpy: Callable[[Any], np.ndarray] = np.array
    device: Callable[[Any], Any] = lambda array: None
    context: Callable[[], Any] = contextlib.nullcontext
    jit: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda function: function
    compiled: Dict[str, Callable[[Any], List[Any]]] = field(default_factory=dict)

    def convert_to_all(self, value: np.ndarray, source: str) -> Dict[str, np.ndarray]:
        """Return the value in every encoding; for JAX that is one compilation, not seven."""
        if source not in self.compiled:
            self.compiled[source] = self.jit(
                lambda array: [convert(self.xp, array, source, target) for target in WIDTHS]
            )
        with self.context():
            array = self.array(value)
            results = self.compiled[source](array)
            assert {self.device(result) for result in results} == {self.device(array)}
            arrays = [self.to_numpy(result) for result in results]
        return dict(zip(WIDTHS, arrays))

    def convert(self, value: np.ndarray, source: Any, target: Any) -> np.ndarray:
        with self.context():
            converted = self.jit(lambda array: convert(self.xp, array, source, target))
            return self.to_numpy(converted(self.array(value)))


@lru_cache(maxsize=None)
def framework_named(name: str) -> Framework:
    if name == "numpy":
        return Framework(np, lambda value: value, context=strict_numpy)
    if name.startswith("torch"):
        torch = pytest.importorskip("torch")
        device = name.split("-")[1]
        if device == "cuda" and not torch.cuda.is_available():
            pytest.skip("torch sees no CUDA device")
        return Framework(
            torch,
            lambda value: torch.tensor(value, device=device),
            lambda array: array.cpu().numpy(),
            lambda array: array.device,
        )
    jax = pytest.importorskip("jax")
    try:
        enable_x64 = jax.enable_x64
    except AttributeError:
        from jax.experimental import enable_x64
    return Framework(
        jax.numpy,
        jax.numpy.asarray,
        device=lambda array: frozenset(array.devices()),
        context=lambda: enable_x64(True),
        jit=jax.jit,
    )


NAMES = ["numpy", "torch-cpu", "torch-cuda", "jax"]


@pytest.fixture(params=NAMES)
def framework(request: pytest.FixtureRequest) -> Framework:
    return framework_named(request.param)


every_dtype = pytest.mark.parametrize("dtype", DTYPES)
every_source = pytest.mark.parametrize("source", SOURCES)


# Right everywhere.


@every_dtype
@every_source
def test_every_conversion_is_the_rotation_that_scipy_says(
    framework: Framework, source: str, dtype: str
) -> None:
    value = samples(source, dtype)
    rotations = decoded(value, source)
    for target, result in framework.convert_to_all(value, source).items():
        assert result.shape == (len(value), WIDTHS[target])
        if target == source:
            assert (result == value).all()
            continue
        check_proper(result, target, dtype)
        if target == "gravity_xyz":
            expected = rotations.inv().apply([0, 0, -1])
            assert abs(result - expected).max() < TOLERANCE[dtype]
        else:
            assert distance(decoded(result, target), rotations).max() < TOLERANCE[dtype]


@every_source
def test_a_batch_of_any_shape_gives_what_single_values_give(
    framework: Framework, source: str
) -> None:
    dtype = "float32"
    batch = encoded(Rotation.random(6, random_state=2), source).astype(dtype)
    shaped = framework.convert_to_all(batch.reshape(2, 3, -1), source)
    singles = [framework.convert_to_all(value, source) for value in batch]
    empty = framework.convert_to_all(batch[:0], source)
    for target, result in shaped.items():
        assert result.shape == (2, 3, WIDTHS[target])
        single = np.stack([each[target] for each in singles])
        assert single.dtype == dtype
        np.testing.assert_allclose(result.reshape(6, -1), single, atol=ROUNDING[dtype])
        assert (empty[target].shape, empty[target].dtype) == ((0, WIDTHS[target]), dtype)


@every_dtype
@every_source
@pytest.mark.parametrize("name", NAMES[1:])
def test_frameworks_agree_with_numpy(name: str, source: str, dtype: str) -> None:
    value = samples(source, dtype)
    expected = framework_named("numpy").convert_to_all(value, source)
    for target, result in framework_named(name).convert_to_all(value, source).items():
        if target == "gravity_xyz":
            assert abs(result - expected[target]).max() < TOLERANCE[dtype]
        else:
            apart = distance(decoded(result, target), decoded(expected[target], target))
            assert apart.max() < TOLERANCE[dtype]


# Past half a turn.


def by_robosuite(quaternions: np.ndarray) -> np.ndarray:
    """Return what `quat2axisangle` of robosuite makes of quaternions (x, y, z, w), one by one."""
    w = np.clip(quaternions[..., 3:], -1, 1)
    sine = np.sqrt(1 - w * w)
    scale = np.where(sine == 0, 0, 2 * np.arccos(w) / np.where(sine == 0, 1, sine))
    return quaternions[..., :3] * scale


def trajectories(count: int, steps: int) -> np.ndarray:
    """Return hands that turn on around and past half a turn, with quaternions that never jump.

    Shape (count, steps, 4), as `quat_xyzw`; of every second one all signs are flipped.
    """
    random = np.random.default_rng(7)
    axes = random.normal(size=(count, 1, 3)) + random.normal(0, 0.02, (count, steps, 3)).cumsum(1)
    axes /= np.linalg.norm(axes, axis=-1, keepdims=True)
    start = random.uniform(0.6, 3.1, (count, 1))
    end = random.uniform(3.6, 6.1, (count, 1))
    angles = start + (end - start) * np.linspace(0, 1, steps)
    half = angles[..., None] / 2
    quaternions = np.concatenate((axes * np.sin(half), np.cos(half)), -1)
    quaternions[1::2] *= -1
    return quaternions


@every_dtype
def test_past_half_a_turn_the_angle_runs_on_as_the_public_code_computes_it(
    framework: Framework, dtype: str
) -> None:
    exact = trajectories(10_000, 24)
    value = exact.astype(dtype)
    found = framework.convert(value, "quat_xyzw", "axis_angle_2pi").astype("float64")
    expected = by_robosuite(exact)
    # Near a whole turn, where the sine fades away, the formula itself loses digits.
    clear = np.linalg.norm(exact[..., :3], axis=-1) > 0.05
    assert abs(found - expected)[clear].max() < (1e-5 if dtype == "float32" else 1e-9)
    assert np.linalg.norm(found, axis=-1).max() > 6
    # A step of the vector is at most a few times as long as that of the quaternion.
    moved = np.linalg.norm(np.diff(found, axis=1), axis=-1)
    turned = np.linalg.norm(np.diff(exact, axis=1), axis=-1)
    clear_steps = clear[:, 1:] & clear[:, :-1]
    length = np.linalg.norm(exact[..., :3], axis=-1)
    bound = 2 * math.pi / np.minimum(length[:, 1:], length[:, :-1])
    assert (moved <= turned * bound + 1e-5)[clear_steps].all()
    other = value[..., [3, 0, 1, 2]]
    assert (framework.convert(other, "quat_wxyz", "axis_angle_2pi") == found.astype(dtype)).all()


def test_a_whole_turn_and_none_are_the_zero_vector(framework: Framework) -> None:
    for w in (1.0, -1.0):
        value = np.array([0, 0, 0, w])
        assert not framework.convert(value, "quat_xyzw", "axis_angle_2pi").any()


@every_dtype
@pytest.mark.parametrize("source", [one for one in SOURCES if not one.startswith("quat")])
def test_what_has_no_sign_gives_the_same_vector_as_axis_angle(source: str, dtype: str) -> None:
    value = samples(source, dtype)
    if source == "axis_angle_2pi":
        source = "axis_angle"  # an encoding itself passes untouched
    found = convert(np, value, source, "axis_angle_2pi")
    if source == "axis_angle":
        assert (found == convert(np, value, "axis_angle_2pi", "axis_angle")).all()
    else:
        assert (found == convert(np, value, source, "axis_angle")).all()


# Any finite numbers are a rotation.


@st.composite
def finite_values(draw: Callable[..., Any]) -> Tuple[str, np.ndarray]:
    source, dtype = draw(st.sampled_from(SOURCES)), draw(st.sampled_from(DTYPES))
    width = int(dtype[-2:])
    numbers = st.one_of(
        st.floats(allow_nan=False, allow_infinity=False, width=width),
        st.floats(-4, 4, width=width),
        st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 1e-8, 1e-30, 1e-45, 1e30, 3.4e38]),
    )
    size = WIDTHS[source]
    return source, np.array(draw(st.lists(numbers, min_size=size, max_size=size)), dtype)


@pytest.mark.parametrize("name", NAMES)
def test_any_finite_numbers_become_proper_rotations(name: str) -> None:
    framework = framework_named(name)

    @settings(max_examples=300 if name == "numpy" else 100, deadline=None)
    @given(finite_values())
    def check(example: Tuple[str, np.ndarray]) -> None:
        source, value = example
        for target, result in framework.convert_to_all(value, source).items():
            if target != source:
                check_proper(result, target, str(value.dtype))

    check()


components = st.floats(-1, 1, width=32).map(lambda x: x if abs(x) > 1e-4 else 0.0)


@settings(deadline=None)
@given(
    value=st.tuples(*[components] * 4).filter(any),
    exponent=st.integers(-100, 100),
    negative=st.booleans(),
    target=st.sampled_from([*SOURCES[1:], "gravity_xyz"]),
)
def test_size_and_sign_of_a_quaternion_change_nothing(
    value: Tuple[float, ...], exponent: int, negative: bool, target: str
) -> None:
    unit = np.array(value, "float32") / np.float32(np.linalg.norm(value))
    other = unit * np.float32(2.0**exponent) * np.float32(-1 if negative else 1)
    with strict_numpy():
        first = convert(np, unit, "quat_xyzw", target)[None]
        second = convert(np, other, "quat_xyzw", target)[None]
    if target == "gravity_xyz":
        assert abs(first - second).max() < 1e-5
    else:
        assert distance(decoded(first, target), decoded(second, target))[0] < 1e-5


@settings(deadline=None)
@given(
    vector=st.tuples(*[st.floats(-1.75, 1.75, width=32)] * 3),
    path=st.lists(st.sampled_from(SOURCES), min_size=1, max_size=6),
    dtype=st.sampled_from(DTYPES),
)
def test_a_chain_of_conversions_keeps_the_rotation(
    vector: Tuple[float, ...], path: List[str], dtype: str
) -> None:
    value, encoding = np.array(vector, dtype), "axis_angle"
    rotation = decoded(value[None], encoding)
    for target in path:
        with strict_numpy():
            value, encoding = convert(np, value, encoding, target), target
    assert distance(decoded(value[None], encoding), rotation)[0] < TOLERANCE[dtype]


@every_source
@pytest.mark.parametrize("name", ["numpy", "torch-cpu", "jax"])
def test_nan_does_not_become_a_rotation(name: str, source: str) -> None:
    for position in range(WIDTHS[source]):
        if source == "matrix" and position % 3 == 2:
            continue  # the third column is not read
        value = encoded(Rotation.random(1, random_state=3), source)[0]
        value[position] = math.nan
        for result in framework_named(name).convert_to_all(value, source).values():
            assert np.isnan(result).any()


# What the encodings mean, in numbers.

HALF = math.sqrt(0.5)
QUARTER_TURN_ABOUT_Z = {
    "quat_xyzw": [0, 0, HALF, HALF],
    "quat_wxyz": [HALF, 0, 0, HALF],
    "axis_angle": [0, 0, math.pi / 2],
    "axis_angle_2pi": [0, 0, math.pi / 2],
    "rot6d": [0, 1, 0, -1, 0, 0],
    "rot6d_rowmajor": [0, -1, 1, 0, 0, 0],
    "euler_xyz": [0, 0, math.pi / 2],
    "matrix": [0, -1, 0, 1, 0, 0, 0, 0, 1],
    "gravity_xyz": [0, 0, -1],
}
IDENTITY = {
    "quat_xyzw": [0, 0, 0, 1],
    "quat_wxyz": [1, 0, 0, 0],
    "axis_angle": [0, 0, 0],
    "axis_angle_2pi": [0, 0, 0],
    "rot6d": [1, 0, 0, 0, 1, 0],
    "rot6d_rowmajor": [1, 0, 0, 1, 0, 0],
    "euler_xyz": [0, 0, 0],
    "matrix": [1, 0, 0, 0, 1, 0, 0, 0, 1],
    "gravity_xyz": [0, 0, -1],
}


@every_source
@pytest.mark.parametrize("table", [QUARTER_TURN_ABOUT_Z, IDENTITY], ids=["quarter", "identity"])
def test_known_rotations(framework: Framework, table: Dict[str, List[float]], source: str) -> None:
    results = framework.convert_to_all(np.array(table[source], "float32"), source)
    for target, result in results.items():
        assert result == pytest.approx(np.array(table[target]), abs=1e-6)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("quat_xyzw", [0, 0, 0, 0]),
        ("quat_wxyz", [0, -0.0, 0, -0.0]),
        ("axis_angle", [0, 0, 0]),
        ("rot6d", [0, 0, 0, 0, 0, 0]),
        ("rot6d", [0, 0, 0, 1, 2, 3]),
        ("rot6d", [1, 2, 3, 0, 0, 0]),
        ("rot6d", [1, 2, 3, 1, 2, 3]),
        ("rot6d", [0.1, 0.2, 0.3, -1, -2, -3]),
        ("rot6d", [1e20, 2e20, 3e20, 0.7, 1.4, 2.1]),
        ("rot6d_rowmajor", [1, 1, 2, 2, 3, 3]),
        ("matrix", [0] * 9),
        ("matrix", [1] * 9),
        ("matrix", [0, 0, 0, 0, 0, 0, 0, 0, 1]),
    ],
)
@every_dtype
def test_what_has_no_direction_is_the_identity(
    framework: Framework, source: str, value: List[float], dtype: str
) -> None:
    for target, result in framework.convert_to_all(np.array(value, dtype), source).items():
        if target != source:
            assert result == pytest.approx(np.array(IDENTITY[target]), abs=0)


@every_dtype
@pytest.mark.parametrize("source", [s for s in SOURCES if s != "euler_xyz"])
def test_at_gimbal_lock_the_third_angle_is_zero(
    framework: Framework, source: str, dtype: str
) -> None:
    turns = [0.0, 0.4, -2.9, math.pi]
    angles = np.array(list(product(turns, (math.pi / 2, -math.pi / 2), turns)))
    value = encoded(Rotation.from_euler("xyz", angles), source).astype(dtype)
    result = np.stack([framework.convert_to_all(each, source)["euler_xyz"] for each in value])
    assert (result[:, 2] == 0).all()
    assert abs(result[:, 1] - angles[:, 1]).max() < (1e-6 if dtype == "float32" else 1e-10)


@every_dtype
def test_angles_keep_their_digits_next_to_zero(framework: Framework, dtype: str) -> None:
    values = np.array([[1e-8, 0, 0], [0, 2e-8, 0], [0, 0, -3e-8], [1e-12, 1e-18, 0]], dtype)
    for source, target in (("axis_angle", "euler_xyz"), ("euler_xyz", "axis_angle")):
        for between, value in product(("quat_xyzw", "quat_wxyz"), values):
            middle = framework.convert_to_all(value, source)[between]
            result = framework.convert_to_all(middle, between)[target]
            np.testing.assert_allclose(result, value, rtol=1e-6, atol=1e-24)


def test_a_matrix_and_its_rot6d_are_the_same_rotation() -> None:
    matrix = np.random.default_rng(4).normal(0, 1, (50, 3, 3)).astype("float32")
    rot6d = np.concatenate((matrix[:, :, 0], matrix[:, :, 1]), -1)
    first = convert(np, matrix.reshape(-1, 9), "matrix", "quat_xyzw")
    assert (first == convert(np, rot6d, "rot6d", "quat_xyzw")).all()


def test_equal_encodings_return_the_value_itself(framework: Framework) -> None:
    value = framework.array(np.array([9.0, 9.0, 9.0, -9.0]))
    degrees = CustomEncoding("axis_angle", np.degrees, np.radians, "degrees")
    for encoding in (*WIDTHS, degrees):
        assert convert(framework.xp, value, encoding, encoding) is value


# What it refuses.


def test_an_unknown_encoding_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"expected one of quat_xyzw, .*, got 'quaternion'"):
        convert(np, np.zeros(4), "quaternion", "matrix")
    with pytest.raises(ValueError, match="got 'xyz'"):
        check_convertible("matrix", "xyz")


def test_gravity_is_a_target_only() -> None:
    for target in SOURCES:
        check_convertible(target, "gravity_xyz")
        with pytest.raises(ValueError, match=f"gravity_xyz does not tell .*'{target}'"):
            convert(np, np.array([0.0, 0.0, -1.0]), "gravity_xyz", target)


# Custom encodings.


def degrees_of(axis_angle: Any) -> Any:
    return axis_angle * (180 / math.pi)


def radians_of(degrees: Any) -> Any:
    return degrees * (math.pi / 180)


DEGREES = CustomEncoding("axis_angle", degrees_of, radians_of, "degrees")
UP = CustomEncoding("gravity_xyz", lambda value: -value, lambda value: -value, "up")
WYXZ = CustomEncoding(
    "quat_wxyz", lambda q: q[..., [0, 2, 1, 3]], lambda q: q[..., [0, 2, 1, 3]], "quat_wyxz"
)


def probes_of(framework: Framework, encoding: CustomEncoding, dtype: str) -> Any:
    return framework.array(
        convert(np, np.array(PROBE_QUATERNIONS, dtype), "quat_xyzw", encoding.base)
    )


@every_dtype
def test_a_custom_encoding_converts_on_either_side(framework: Framework, dtype: str) -> None:
    value = encoded(Rotation.random(5, random_state=5), "rot6d").astype(dtype)
    degrees = framework.convert(value, "rot6d", DEGREES)
    assert degrees.dtype == dtype
    expected = decoded(value, "rot6d").as_rotvec(degrees=True)
    np.testing.assert_allclose(degrees, expected, atol=TOLERANCE[dtype] * 57)
    back = framework.convert(degrees, DEGREES, "matrix")
    assert distance(decoded(back, "matrix"), decoded(value, "rot6d")).max() < TOLERANCE[dtype]


def test_custom_encodings_convert_into_each_other_and_their_base() -> None:
    quarter = np.array([0.0, 0.0, 90.0])
    assert convert(np, quarter, DEGREES, WYXZ) == pytest.approx(np.array([HALF, 0, 0, HALF]))
    assert convert(np, quarter, DEGREES, "axis_angle") == pytest.approx([0, 0, math.pi / 2])
    assert convert(np, quarter, DEGREES, UP) == pytest.approx([0, 0, 1])
    with pytest.raises(ValueError, match="gravity_xyz does not tell"):
        convert(np, quarter, UP, DEGREES)
    assert (base_of(DEGREES), base_of("matrix")) == ("axis_angle", "matrix")


@pytest.mark.parametrize("encoding", [DEGREES, UP], ids=lambda encoding: encoding.name)
def test_arms_that_undo_each_other_pass(framework: Framework, encoding: CustomEncoding) -> None:
    with framework.context():
        check_inverse(framework.xp, encoding, probes_of(framework, encoding, "float32"))


def test_arms_may_choose_another_sign_of_the_quaternion() -> None:
    flipped = CustomEncoding("quat_xyzw", lambda q: -q, same, "flipped")
    check_inverse(np, flipped, np.array(PROBE_QUATERNIONS))
    check_inverse(np, WYXZ, np.array(PROBE_QUATERNIONS))


def same(value: Any) -> Any:
    return value


def fails(value: Any) -> Any:
    raise KeyError("no such axis")


@pytest.mark.parametrize(
    ("base", "from_base", "to_base", "message"),
    [
        ("axis_angle", degrees_of, same, r"to_base\(from_base\(x\)\) is .* rad from x = \["),
        ("axis_angle", lambda v: v + math.nan, same, "is nan rad from x"),
        ("gravity_xyz", lambda v: -v, same, r"is 2 rad from x"),
        ("rot6d", fails, same, r"from_base of shape \(7, 6\) failed: KeyError"),
        ("rot6d", same, fails, r"to_base of shape \(7, 6\) failed: KeyError"),
        ("rot6d", lambda v: v[..., :3], same, r"expected float64 of that shape, got .*\(7, 3\)"),
        ("matrix", lambda v: v.astype("float32"), same, "expected float64 .*, got float32"),
        ("quat_xyzw", lambda v: v[::-1], lambda v: v[::-1], "one by one"),
        ("matrix", lambda v: v.tolist(), same, "got list"),
    ],
)
def test_arms_that_do_not_undo_each_other_are_told_apart(
    base: str, from_base: Any, to_base: Any, message: str
) -> None:
    encoding = CustomEncoding(base, from_base, to_base, "mine")
    with pytest.raises(ValueError, match=f"custom encoding 'mine'.*{message}"):
        check_inverse(np, encoding, probes_of(framework_named("numpy"), encoding, "float64"))


def test_a_custom_encoding_needs_a_known_base() -> None:
    with pytest.raises(ValueError, match=r"'mine': expected a base among quat_xyzw, .*'euler'"):
        CustomEncoding("euler", same, same, "mine")
