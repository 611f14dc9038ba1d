"""Encodings of rotations, and conversion from any to any, on the arrays of any framework.

A conversion goes through a unit quaternion (x, y, z, w), or through the first two columns of the
matrix; each encoding is close to one of the two. Everything is done element by element: `matmul`
is left out because accelerators may round its inputs to 10 bits. Components keep their axis, of
size 1, because NumPy before 2 promotes a scalar of float32 times a Python number to float64.
Divisors get a boolean added, which makes 1 of the zeros among them and keeps the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

from rlmesh.errors import AdapterResolutionError

WIDTHS: Dict[str, int] = {
    "quat_xyzw": 4,
    "quat_wxyz": 4,
    "axis_angle": 3,
    "axis_angle_2pi": 3,
    "rot6d": 6,
    "rot6d_rowmajor": 6,
    "euler_xyz": 3,
    "matrix": 9,
    "gravity_xyz": 3,
}
"""The number of elements of each encoding, its last axis."""

Quaternion = Tuple[float, float, float, float]

PROBE_QUATERNIONS: Tuple[Quaternion, ...] = (
    (0.0, 0.0, 0.0, 1.0),
    (0.18, -0.37, 0.56, 0.72),
    (-0.61, 0.12, 0.33, 0.71),
    (0.44, 0.83, -0.29, 0.18),
    (1e-4, -2e-4, 3e-4, 1.0),
    (0.0, 0.5**0.5, 0.0, 0.5**0.5),
    (0.6, 0.0, 0.8, 0.0),
)
"""Rotations for `check_inverse`, as `quat_xyzw`; the last two are gimbal lock and a half turn."""

_TOLERANCE = 1e-4  # radians: wide enough for arms that compute in float32

_Columns = Tuple[Any, Any]  # the first two of a rotation matrix, each of shape (..., 3)


@dataclass(frozen=True)
class CustomEncoding:
    """A user's own packing of a rotation, of the same width as the built-in that it repacks.

    Attributes:
        base: The name of the built-in encoding.
        from_base: Takes arrays of shape `(..., width)` in the base encoding to this one. It gets
            the arrays of whatever framework is in use, with any leading axes.
        to_base: The inverse of `from_base`.
        name: What messages and explanations call it.
    """

    base: str
    from_base: Callable[[Any], Any]
    to_base: Callable[[Any], Any]
    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.base, str) or self.base not in WIDTHS:
            raise AdapterResolutionError(
                f"custom encoding {self.name!r}: expected a base among {', '.join(WIDTHS)},"
                f" got {self.base!r}"
            )


Encoding = Union[str, CustomEncoding]


def base_of(encoding: Encoding) -> str:
    """Return the name of the built-in encoding that this one is, or repacks."""
    return encoding.base if isinstance(encoding, CustomEncoding) else encoding


def check_convertible(source: Encoding, target: Encoding) -> None:
    """Check that `convert` knows both encodings and goes from the one to the other.

    Raises:
        ValueError: It does not; the message says why.
    """
    for encoding in (base_of(source), base_of(target)):
        if encoding not in WIDTHS:
            raise ValueError(
                f"rotation encoding: expected one of {', '.join(WIDTHS)}, got {encoding!r}"
            )
    if source != target and base_of(source) == "gravity_xyz" != base_of(target):
        raise ValueError(
            "rotation encoding: gravity_xyz does not tell the heading, so it converts into no"
            f" other; got {base_of(target)!r} as the target"
        )


def convert(
    xp: Any,
    value: Any,
    source: Encoding,
    target: Encoding,
    offset: Optional[Quaternion] = None,
) -> Any:
    """Return rotations in another encoding.

    Equal encodings without an offset return the value untouched. Every other conversion takes any
    finite numbers and returns proper rotations: quaternions are normalised and get w >= 0, angles
    are at most pi, and at gimbal lock (pitch within about 1e-6 of a quarter turn, 1e-10 in float64)
    the yaw is 0.

    Angles of `axis_angle_2pi` are at most 2*pi: a quaternion keeps the sign that it comes with, as
    in `quat2axisangle` of robosuite (robosuite/utils/transform_utils.py). From other encodings it
    is what `axis_angle` is.

    The columns of `rot6d` and `rot6d_rowmajor` are orthonormalised by Gram-Schmidt: the first keeps
    its direction, the second its side of the first. `matrix` likewise: its third column is not
    read, so a matrix and its `rot6d` are always the same rotation. A zero quaternion, and columns
    that are zero or parallel, are the identity. NaN stays NaN.

    Args:
        xp: A framework's functions, see `Ops.xp`.
        value: Rotations, shape `(..., width of source)`, float32 or float64; angles in radians.
        source: The encoding of the value.
        target: The encoding of the result.
        offset: A rotation about the body's own axes that comes first: the result is the value's
            matrix times that of the offset, a unit quaternion (x, y, z, w).

    Returns:
        Shape `(..., width of target)`, dtype and device as those of the value.

    Raises:
        ValueError: See `check_convertible`.
    """
    if source == target and offset is None:
        return value
    if isinstance(source, CustomEncoding):
        return convert(xp, source.to_base(value), source.base, target, offset)
    if isinstance(target, CustomEncoding):
        return target.from_base(convert(xp, value, source, target.base, offset))
    check_convertible(source, target)
    if target == "axis_angle_2pi" and source not in _SIGNED:
        target = "axis_angle"
    if offset is None and source in _TO_COLUMNS and target in _FROM_COLUMNS:
        return _FROM_COLUMNS[target](xp, _TO_COLUMNS[source](xp, value))
    if source in _TO_COLUMNS:
        quaternion = _quaternion_of_columns(xp, _TO_COLUMNS[source](xp, value))
    else:
        quaternion = _TO_QUATERNION[source](xp, value)
    if offset is not None:
        quaternion = _turned(xp, quaternion, offset)
    if target in _FROM_QUATERNION:
        return _FROM_QUATERNION[target](xp, quaternion)
    return _FROM_COLUMNS[target](xp, _columns_of_quaternion(xp, quaternion))


def check_inverse(xp: Any, encoding: CustomEncoding, probes: Any) -> None:
    """Check that the two arms of a custom encoding undo each other, one by one and in a batch.

    Args:
        xp: A framework's functions, see `Ops.xp`.
        encoding: The encoding to check.
        probes: Rotations in its base encoding, shape `(n, width)`, e.g. `PROBE_QUATERNIONS`
            converted.

    Raises:
        ValueError: An arm fails, changes shape or dtype, or does not undo the other.
    """
    packed = _call_arm(encoding, "from_base", probes)
    unpacked = _call_arm(encoding, "to_base", packed)
    _check_same(xp, encoding, "to_base(from_base(x))", unpacked, probes)
    packed_again = _call_arm(encoding, "from_base", unpacked)
    unpacked_again = _call_arm(encoding, "to_base", packed_again)
    _check_same(xp, encoding, "from_base(to_base(y)) of y = from_base(x)", unpacked_again, probes)
    one_by_one = [
        _call_arm(encoding, "to_base", _call_arm(encoding, "from_base", probe)) for probe in probes
    ]
    _check_same(xp, encoding, "to_base(from_base(x)) one by one", xp.stack(one_by_one, 0), probes)
    packed_singly = xp.stack([_call_arm(encoding, "from_base", probe) for probe in probes], 0)
    unpacked = _call_arm(encoding, "to_base", packed_singly)
    _check_same(xp, encoding, "to_base in a batch of from_base(x) one by one", unpacked, probes)


def _call_arm(encoding: CustomEncoding, arm: str, value: Any) -> Any:
    shape = tuple(value.shape)
    where = f"custom encoding {encoding.name!r}: {arm} of shape {shape}"
    try:
        result = getattr(encoding, arm)(value)
    except Exception as exc:
        raise ValueError(f"{where} failed: {type(exc).__name__}: {exc}") from exc
    got = (tuple(getattr(result, "shape", ())), getattr(result, "dtype", type(result).__name__))
    if got != (shape, value.dtype):
        raise ValueError(f"{where}: expected {value.dtype} of that shape, got {got[1]} of {got[0]}")
    return result


def _check_same(xp: Any, encoding: CustomEncoding, what: str, value: Any, probes: Any) -> None:
    for probe, distance in zip(probes, _distances(xp, value, probes, encoding.base)):
        if not float(distance) <= _TOLERANCE:  # NaN is no less an error
            raise ValueError(
                f"custom encoding {encoding.name!r}: expected from_base and to_base to undo each"
                f" other, but {what} is {float(distance):.3g} rad from x ="
                f" {[round(float(number), 4) for number in probe]} ({encoding.base})"
            )


def _distances(xp: Any, first: Any, second: Any, encoding: str) -> Any:
    """Return the angles between rotations, in radians."""
    if encoding == "gravity_xyz":
        return _length(xp, first - second)[..., 0]
    first = convert(xp, convert(xp, first, encoding, "quat_wxyz"), "quat_wxyz", "quat_xyzw")
    second = convert(xp, convert(xp, second, encoding, "quat_wxyz"), "quat_wxyz", "quat_xyzw")
    apart, opposite = _length(xp, first - second), _length(xp, first + second)
    nearer, farther = xp.where(apart > opposite, opposite, apart), apart + opposite
    return (4 * xp.arctan2(nearer, farther - nearer))[..., 0]


def _noise(value: Any) -> float:
    """Return a length below which a difference of numbers near 1 has no direction left."""
    return 1e-10 if value.dtype.itemsize == 8 else 1e-6


def _length(xp: Any, vectors: Any) -> Any:
    """Return the lengths of vectors, shape `(..., 1)`."""
    return xp.sqrt(xp.sum(vectors * vectors, -1)[..., None])


def _scaled(xp: Any, vectors: Any) -> Tuple[Any, Any]:
    """Return vectors over a scale that keeps their squares from overflow and underflow.

    Returns:
        The vectors, each of a length between 16 and 64 or next to 0, and their scales, shape
        `(..., 1)`, 0 for those next to 0.
    """
    # Small enough that its inverse, by which XLA multiplies, does not underflow.
    scale = xp.sum(xp.abs(vectors * 0.015625), -1)[..., None]
    return vectors / (scale + (scale == 0)), scale


def _unit(xp: Any, vectors: Any) -> Tuple[Any, Any]:
    """Return vectors of length 1, and where there are none: zero vectors, shape `(..., 1)`."""
    scaled, scale = _scaled(xp, vectors)
    zero = scale == 0
    return scaled / (_length(xp, scaled) + zero), zero


def _next(xp: Any, vectors: Any) -> Any:
    """Return (y, z, x) of (x, y, z)."""
    return xp.concatenate((vectors[..., 1:], vectors[..., :1]), -1)


def _cross(xp: Any, first: Any, second: Any) -> Any:
    return _next(xp, first * _next(xp, second) - _next(xp, first) * second)


def _turned(xp: Any, quaternion: Any, offset: Quaternion) -> Any:
    """Return the products of quaternions with one of numbers."""
    x, y, z, w = (quaternion[..., i : i + 1] for i in range(4))
    a, b, c, d = offset
    return xp.concatenate(
        (
            w * a + x * d + y * c - z * b,
            w * b - x * c + y * d + z * a,
            w * c + x * b - y * a + z * d,
            w * d - x * a - y * b - z * c,
        ),
        -1,
    )


# To unit quaternions (x, y, z, w), of either sign.


def _of_xyzw(xp: Any, value: Any) -> Any:
    unit, zero = _unit(xp, value)
    return xp.concatenate((unit[..., :3], unit[..., 3:] + zero), -1)


def _of_wxyz(xp: Any, value: Any) -> Any:
    return _of_xyzw(xp, xp.concatenate((value[..., 1:], value[..., :1]), -1))


def _of_axis_angle(xp: Any, value: Any) -> Any:
    # The length of the scaled vector first: the angle itself may overflow, its half does not.
    scaled, scale = _scaled(xp, value)
    length = _length(xp, scaled)
    half = length * 0.5 * scale
    axis = scaled / (length + (scale == 0))
    return xp.concatenate((axis * xp.sin(half), xp.cos(half)), -1)


def _of_euler(xp: Any, value: Any) -> Any:
    half = value * 0.5
    sines, cosines = xp.sin(half), xp.cos(half)
    sr, sp, sy = sines[..., 0:1], sines[..., 1:2], sines[..., 2:3]
    cr, cp, cy = cosines[..., 0:1], cosines[..., 1:2], cosines[..., 2:3]
    cpcy, spsy, spcy, cpsy = cp * cy, sp * sy, sp * cy, cp * sy
    return xp.concatenate(
        (
            sr * cpcy - cr * spsy,
            cr * spcy + sr * cpsy,
            cr * cpsy - sr * spcy,
            cr * cpcy + sr * spsy,
        ),
        -1,
    )


def _quaternion_of_columns(xp: Any, columns: _Columns) -> Any:
    m00, m10, m20 = (columns[0][..., i : i + 1] for i in range(3))
    m01, m11, m21 = (columns[1][..., i : i + 1] for i in range(3))
    third = _cross(xp, *columns)
    m02, m12, m22 = (third[..., i : i + 1] for i in range(3))
    xy, xz, yz = m01 + m10, m02 + m20, m12 + m21
    wx, wy, wz = m21 - m12, m02 - m20, m10 - m01
    plus, minus = 1 + m22, 1 - m22
    both, apart = m00 + m11, m00 - m11
    # Each is the quaternion times four times one of its own elements; taken is one whose element
    # is at least a half.
    by_x = xp.concatenate((minus + apart, xy, xz, wx), -1)
    by_y = xp.concatenate((xy, minus - apart, yz, wy), -1)
    by_z = xp.concatenate((xz, yz, plus - both, wz), -1)
    by_w = xp.concatenate((wx, wy, wz, plus + both), -1)
    taken = xp.where(m22 < 0, xp.where(apart > 0, by_x, by_y), xp.where(both < 0, by_z, by_w))
    return taken / _length(xp, taken)


# From unit quaternions.


def _positive(xp: Any, quaternion: Any) -> Any:
    """Return the quaternion of the same rotation that has w >= 0."""
    return xp.where(quaternion[..., 3:] < 0, -quaternion, quaternion)


def _to_wxyz(xp: Any, quaternion: Any) -> Any:
    positive = _positive(xp, quaternion)
    return xp.concatenate((positive[..., 3:], positive[..., :3]), -1)


def _to_axis_angle(xp: Any, quaternion: Any) -> Any:
    return _to_axis_angle_2pi(xp, _positive(xp, quaternion))


def _to_axis_angle_2pi(xp: Any, quaternion: Any) -> Any:
    vector, w = quaternion[..., :3], quaternion[..., 3:]
    sine = _length(xp, vector)
    # Next to the identity the angle is twice the sine, which may have underflowed. A whole turn
    # has no axis, and is the zero vector.
    small = sine < 1e-10
    return (vector + vector) * ((xp.arctan2(sine, w) + small) / (sine + small))


def _to_euler(xp: Any, quaternion: Any) -> Any:
    x, y, z, w = (quaternion[..., i : i + 1] for i in range(4))
    # Half the sum and half the difference of yaw and roll. Near gimbal lock one of the two fades
    # away together with its weight and the other stays exact, unlike yaw and roll by themselves.
    sines = xp.concatenate((z + x, z - x), -1)
    cosines = xp.concatenate((w - y, w + y), -1)
    weights = xp.sqrt(sines * sines + cosines * cosines)
    halves = xp.arctan2(sines, cosines)
    # The one that has no weight left is chosen such that they add up to no yaw.
    halves = xp.where(weights < _noise(quaternion), -xp.flip(halves, (-1,)), halves)
    half_sum, half_difference = halves[..., :1], halves[..., 1:]
    pitch = xp.arctan2(2 * (w * y - x * z), weights[..., :1] * weights[..., 1:])
    angles = xp.concatenate((half_sum - half_difference, pitch, half_sum + half_difference), -1)
    return angles - 2 * math.pi * xp.round(angles * (0.5 / math.pi))


# To and from the first two columns of the matrix.


def _orthonormal(xp: Any, first: Any, second: Any) -> _Columns:
    """Return the columns made orthonormal by Gram-Schmidt; those of the identity for degenerate."""
    units, zero = _unit(xp, xp.stack((first, second), -2))
    first, second = units[..., 0, :], units[..., 1, :]
    for _ in range(2):  # once leaves a rounding error, which grows as the columns get parallel
        second = second - xp.sum(first * second, -1)[..., None] * first
    length = _length(xp, second)
    degenerate = zero[..., 0, :] | (length < _noise(length))
    one, nought = xp.ones_like(length), xp.zeros_like(length)
    return (
        xp.where(degenerate, xp.concatenate((one, nought, nought), -1), first),
        xp.where(
            degenerate, xp.concatenate((nought, one, nought), -1), second / (length + degenerate)
        ),
    )


def _columns_of_quaternion(xp: Any, quaternion: Any) -> _Columns:
    vector, w = quaternion[..., :3], quaternion[..., 3:]
    double = vector + vector
    turn = w * double
    diagonal = w * (w + w) - 1
    wx, wy, wz = (turn[..., i : i + 1] for i in range(3))
    return (
        double[..., 0:1] * vector + xp.concatenate((diagonal, wz, -wy), -1),
        double[..., 1:2] * vector + xp.concatenate((-wz, diagonal, wx), -1),
    )


def _of_rot6d(xp: Any, value: Any) -> _Columns:
    return _orthonormal(xp, value[..., :3], value[..., 3:])


def _of_rot6d_rowmajor(xp: Any, value: Any) -> _Columns:
    return _orthonormal(xp, value[..., 0::2], value[..., 1::2])


def _of_matrix(xp: Any, value: Any) -> _Columns:
    return _orthonormal(xp, value[..., 0::3], value[..., 1::3])


def _rows(xp: Any, columns: Tuple[Any, ...]) -> List[Any]:
    """Return the three rows of a matrix given by its columns."""
    matrix = xp.stack(columns, -1)
    return [matrix[..., i, :] for i in range(3)]


def _to_rot6d(xp: Any, columns: _Columns) -> Any:
    return xp.concatenate(columns, -1)


def _to_rot6d_rowmajor(xp: Any, columns: _Columns) -> Any:
    return xp.concatenate(_rows(xp, columns), -1)


def _to_matrix(xp: Any, columns: _Columns) -> Any:
    return xp.concatenate(_rows(xp, (*columns, _cross(xp, *columns))), -1)


def _to_gravity(xp: Any, columns: _Columns) -> Any:
    # The inverse of the rotation, applied to (0, 0, -1): the last row.
    first, second = columns
    third = _cross(xp, first, second)
    return -xp.concatenate((first[..., 2:], second[..., 2:], third[..., 2:]), -1)


_TO_QUATERNION: Dict[str, Callable[[Any, Any], Any]] = {
    "quat_xyzw": _of_xyzw,
    "quat_wxyz": _of_wxyz,
    "axis_angle": _of_axis_angle,
    "axis_angle_2pi": _of_axis_angle,
    "euler_xyz": _of_euler,
}
_SIGNED = ("quat_xyzw", "quat_wxyz")
"""Encodings that give each rotation twice, with either sign."""
_FROM_QUATERNION: Dict[str, Callable[[Any, Any], Any]] = {
    "quat_xyzw": _positive,
    "quat_wxyz": _to_wxyz,
    "axis_angle": _to_axis_angle,
    "axis_angle_2pi": _to_axis_angle_2pi,
    "euler_xyz": _to_euler,
}
_TO_COLUMNS: Dict[str, Callable[[Any, Any], _Columns]] = {
    "rot6d": _of_rot6d,
    "rot6d_rowmajor": _of_rot6d_rowmajor,
    "matrix": _of_matrix,
}
_FROM_COLUMNS: Dict[str, Callable[[Any, _Columns], Any]] = {
    "rot6d": _to_rot6d,
    "rot6d_rowmajor": _to_rot6d_rowmajor,
    "matrix": _to_matrix,
    "gravity_xyz": _to_gravity,
}
