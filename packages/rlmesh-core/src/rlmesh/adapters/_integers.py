"""From numbers to the integers of an action space: rounded half to even, then clamped, exactly."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

from rlmesh._values.dtypes import DTYPES, DType
from rlmesh._values.ops import Ops
from rlmesh.backends import Backend
from rlmesh.errors import AdapterResolutionError
from rlmesh.spaces import Box, Discrete, MultiDiscrete, Space

from ._casts import inside
from ._steps import Row, Step, dtype_name

Limits = Sequence[Tuple[int, int]]


class _Kind(NamedTuple):
    """How a framework holds the integers of a dtype.

    Attributes:
        work: The signed dtype in which they are computed; not every framework does with others.
        turn: What is subtracted from those that it cannot hold, so that they come back when the
            dtype is converted; 0 where it holds all.
        limits: What the framework's dtype can hold, which may be narrower than the one asked for.
    """

    work: str
    turn: int
    limits: Tuple[int, int]

    def wrapped(self, number: int) -> int:
        """Return a number as `work` holds it."""
        return number - self.turn if self.turn and 2 * number >= self.turn else number


def integer_dtype(space: Space[Any]) -> str:
    """Return the dtype of a space of integers; empty for one of floats."""
    dtype = "int64" if isinstance(space, Discrete) else str(getattr(space, "dtype", ""))
    return "" if DTYPES[dtype].kind in "fV" else dtype


def limits_of(space: Space[Any]) -> List[Tuple[int, int]]:
    """Return the lowest and highest integer of each element of a space of integers."""
    if isinstance(space, Discrete):
        return [(space.start, space.start + space.n - 1)]
    if isinstance(space, MultiDiscrete):
        pairs = zip(space.start.flat(), space.nvec.flat())
        return [(int(start), int(start) + int(n) - 1) for start, n in pairs]
    assert isinstance(space, Box)
    return [(int(low), int(high)) for low, high in zip(space.low.flat(), space.high.flat())]


def round_into(limits: Limits, dtype: str) -> List[Step]:
    """Return the steps from floats to integers.

    Args:
        limits: The lowest and highest integer of each element.
        dtype: The dtype that they get.
    """
    lows, highs = _rows(limits)
    known: Dict[Any, Tuple[Tuple[Row, Row], Tuple[Row, Row]]] = {}

    def bound(ops: Ops, value: Any) -> Any:
        xp, kind, have = ops.xp, _kind(ops, value, dtype), dtype_name(value)
        if (have, kind) not in known:
            # The floats within the limits: what is beyond them is beyond the limits as well.
            floats = [inside(*_within(pair, kind.limits), have) for pair in limits]
            known[have, kind] = _rows(floats), _ends(limits, kind)
        bounds, ends = known[have, kind]
        least, most = (row.on(ops, value) for row in bounds)
        is_below, is_above = value < least, value > most
        zero = xp.zeros_like(value)
        value = xp.where(is_above, zero + most, xp.where(is_below, zero + least, value))
        if kind.turn:
            value = xp.where(value >= kind.turn / 2, value - float(kind.turn), value)
        return _ended(ops, ops.astype(value, kind.work), ends, is_below, is_above)

    return [
        Step("rounded half to even", lambda ops, value: ops.xp.round(value)),
        Step(f"clamped to [{lows.text}, {highs.text}]", bound),
        Step(f"as {dtype}", lambda ops, value: ops.astype(value, dtype)),
    ]


def clamp_into(ops: Ops, value: Any, limits: Limits, dtype: str) -> Any:
    """Return integers of any dtype as integers within limits."""
    kind, source = _kind(ops, value, dtype), DTYPES[dtype_name(value)]
    if source.itemsize > DTYPES[kind.work].itemsize:
        kind = kind._replace(work="int64")
    least, most = DTYPES[kind.work].limits
    # Unsigned numbers that `work` cannot hold are in order once the lowest one is subtracted.
    shift = least if source.kind == "u" and source.itemsize == DTYPES[kind.work].itemsize else 0
    value = ops.astype(value, kind.work)
    order = value + shift if shift else value
    pairs = [_within((low + shift, high + shift), (least, most)) for low, high in limits]
    lowest, highest = (row.on(ops, order) for row in _rows(pairs))
    clamped = _ended(ops, value, _ends(limits, kind), order < lowest, order > highest)
    return ops.astype(clamped, dtype)


def check_backend(
    space: Space[Any], computed: Sequence[bool], backend: Backend, device: Any
) -> None:
    """Check that a framework can tell the integers of an action space apart.

    Args:
        space: The action space.
        computed: For each element, whether it comes from calculations with floats.
        backend: The framework.
        device: Where it computes.

    Raises:
        AdapterResolutionError: It cannot.
    """
    dtype = integer_dtype(space)
    if not dtype:
        return
    limits, ops = limits_of(space), backend.ops
    widest = dtype_name(ops.constant(0, dtype, device))
    least, most = DTYPES[widest].limits
    if any(low < least or high > most for low, high in limits):
        raise _too_wide(space, backend, f"{dtype} arrays of", f"which has {widest} instead")
    floats = dtype_name(ops.constant(0.0, "float64", device))
    if floats != "float64" and any(
        max(-low, high) > 2**24 for (low, high), is_computed in zip(limits, computed) if is_computed
    ):
        what = f"which calculates in {floats}, exact up to 2**24"
        raise _too_wide(space, backend, "double precision of", what)


def _too_wide(
    space: Space[Any], backend: Backend, expected: str, got: str
) -> AdapterResolutionError:
    return AdapterResolutionError(
        f"EnvTags.action: expected {expected} a framework, for the integers of {space}, got"
        f" {backend.name}, {got}; jax.config.update('jax_enable_x64', True) turns it on"
    )


def _kind(ops: Ops, value: Any, dtype: str) -> _Kind:
    """Return how a value's framework holds the integers of a dtype."""
    given: DType = DTYPES[dtype_name(ops.astype(ops.xp.zeros_like(value), dtype))]
    turn = 2 ** (8 * given.itemsize) if given.kind == "u" and given.itemsize >= 4 else 0
    return _Kind("int64" if given.itemsize == 8 else "int32", turn, given.limits)


def _within(pair: Tuple[int, int], limits: Tuple[int, int]) -> Tuple[int, int]:
    low, high = (min(max(number, limits[0]), limits[1]) for number in pair)
    return low, high


def _rows(pairs: Sequence[Tuple[float, float]]) -> Tuple[Row, Row]:
    low, high = (Row(list(side)) for side in zip(*pairs))
    return low, high


def _ends(limits: Limits, kind: _Kind) -> Tuple[Row, Row]:
    """Return the limits of each element as `kind.work` holds them."""
    pairs = [_within(pair, kind.limits) for pair in limits]
    return _rows([(kind.wrapped(low), kind.wrapped(high)) for low, high in pairs])


def _ended(ops: Ops, value: Any, ends: Tuple[Row, Row], is_below: Any, is_above: Any) -> Any:
    """Return integers with the limits in the place of those that are below or above."""
    zero = ops.xp.zeros_like(value)
    low, high = (row.on(ops, value) for row in ends)
    return ops.xp.where(is_above, zero + high, ops.xp.where(is_below, zero + low, value))
