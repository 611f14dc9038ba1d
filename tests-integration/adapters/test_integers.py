"""What an env takes as integers is what the model said, rounded and clamped, to the last bit."""

from __future__ import annotations

from typing import Any, List, Tuple

import numpy as np
import pytest
from adapters.frameworks import FRAMEWORKS, back, dtype, into
from adapters.test_actuators import acted, adapter_for, pair
from gymnasium.spaces import Box, Discrete, MultiDiscrete

import rlmesh.adapters as adapt
from rlmesh.errors import AdapterResolutionError

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOATS = ("float32", "float64")
NARROW = ("int8", "int32", "uint32", "float32")
GRIPPER = adapt.ACTION_GRIPPER


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


def limits_of(precision: str) -> List[Tuple[int, int]]:
    least, most = np.iinfo(precision).min, np.iinfo(precision).max
    low = max(least, -3)
    return [(least, most), (low, 5), (1, most - 1), (most // 2, most // 2 + 9)]


def numbers_of(given: str, low: int, high: int) -> Any:
    if given in FLOATS:
        numbers = [0, 1.5, 2.5, -3.5, 1e30, -1e30, 2.0**40, low, high, low - 1, high + 1]
        return np.array(numbers, given)
    least, most = np.iinfo(given).min, np.iinfo(given).max
    ends = [least, least + 1, 0, 1, 5, most // 2, most // 2 + 1, most - 1, most]
    wanted = [one for one in (low - 1, low, high, high + 1) if least <= one <= most]
    return np.array([*ends, *wanted], given)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("precision", INTEGERS)
def test_integers_of_any_width_are_exact(framework: str, precision: str) -> None:
    for low, high in limits_of(precision):
        # JAX has no wider ones here.
        if (
            framework == "jax"
            and precision.endswith("64")
            and not (-(2**31) <= low <= high < 2**31)
        ):
            continue
        for given in (*INTEGERS, *FLOATS):
            if framework == "jax" and given.endswith("64"):
                continue
            numbers = numbers_of(given, low, high)
            adapter = pair({}, {}, Box(low, high, numbers.shape, precision), dim=len(numbers))
            action = adapter.transform_action(into(framework, numbers))
            wanted = [min(max(round(one), low), high) for one in numbers.tolist()]
            assert back(action).tolist() == wanted, (low, high, given)
            if framework != "jax":
                assert dtype(action) == precision


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_is_not_calculated_with_is_exact_beside_what_is(framework: str) -> None:
    env = adapt.Action(
        adapt.Actuator("action/a", labels=("u", "v")),
        adapt.Actuator(dim=1, fill=2.5),
        adapt.Actuator("action/b", dim=1, optional=True, fill=3.5),
        adapt.Actuator("action/c", dim=1, scale=0.5),
    )
    model = adapt.Action(
        adapt.Actuator("action/c", dim=1), adapt.Actuator("action/a", labels=("v", "u"))
    )
    high = np.array([2**30, 2**30, 9, 9, 9], np.int32)
    adapter = adapter_for(Box(-high, high, dtype=np.int32), env, model)
    output = into(framework, np.array([[3, 2**24 + 1, -(2**24) - 1], [5, 2, 2**31 - 1]], np.int32))
    wanted = [[-(2**24) - 1, 2**24 + 1, 2, 4, 2], [2**30, 2, 2, 4, 2]]
    assert back(adapter.transform_action(output)).tolist() == wanted


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_bounds_that_floats_cannot_express_are_reached(framework: str) -> None:
    low, high = np.array([-(2**24) - 1, 5], np.int32), np.array([2**24 + 1, 9], np.int32)
    adapter = pair({}, {}, Box(low, high, dtype=np.int32), dim=2)
    for output, wanted in ([1e9, 1e9], high), ([-1e9, -1e9], low):
        action = back(adapter.transform_action(into(framework, np.array(output, np.float32))))
        assert action.tolist() == wanted.tolist()


def test_lists_of_int_are_exact() -> None:
    adapter = pair({}, {}, Discrete(2**60))
    assert adapter.transform_action([2**59 + 1]) == 2**59 + 1
    assert adapter.transform_action(2**59 + 1) == 2**59 + 1
    assert adapter.transform_action([[2**59 + 1], [3]]).tolist() == [2**59 + 1, 3]


def test_what_jax_cannot_tell_apart_is_refused_before_anything_is_sent() -> None:
    wide = Box(-(2**62), 2**62, (1,), np.int64)
    for space, fields, message in (
        (
            wide,
            {},
            r"expected int64 arrays .* Box\(-46.*\), got jax, which has int32 instead; .*x64",
        ),
        (Discrete(2**40), {}, r"expected int64 arrays .* Discrete\(1099511627776\)"),
        (Discrete(2**26), {"scale": 2}, r"expected double precision .* Discrete\(67108864\), got"),
        (Discrete(2**26), {"range": (0, 1), "clip": True}, r"got jax, .* float32, exact up to"),
    ):
        adapter = pair({}, fields, space)
        for _ in range(2):
            with pytest.raises(AdapterResolutionError, match=message):
                adapter.transform_action(into("jax", np.array([1.0], np.float32)))
    for number in (2**24 + 1, 2**26 - 1):
        adapter = pair({}, {}, Discrete(2**26))
        assert adapter.transform_action(into("jax", np.array([number], np.int32))) == number


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


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_multi_discrete_actions_have_their_dtype_and_shape(framework: str) -> None:
    flat = MultiDiscrete([3, 5, 2], dtype=np.int32, start=[0, -2, 7])
    env = adapt.Action(
        adapt.Actuator("action/x", dim=2), adapt.Actuator(GRIPPER, dim=1, range=(7, 8))
    )
    model = adapt.Action(
        adapt.Actuator(GRIPPER, dim=1, binary=True, threshold=0.5),
        adapt.Actuator("action/x", dim=2, scale=2),
    )
    adapter = adapter_for(flat, env, model)
    for shape in ((), (4,), (2, 3)):
        output = np.random.default_rng(3).normal(size=(*shape, 3)).astype(np.float32)
        action = adapter.transform_action(into(framework, output))
        turns = np.clip(np.round(output[..., 1:] * 2), [0, -2], [2, 2])
        grips = np.where(output[..., :1] >= 0.5, 8, 7)
        assert dtype(action) == "int32"
        assert back(action).tolist() == np.concatenate([turns, grips], -1).tolist()
        assert all(flat.contains(one) for one in back(action).reshape(-1, 3))
    table = MultiDiscrete(np.array([[3, 4], [5, 6]]))
    action = pair({}, {}, table, dim=4).transform_action(
        into(framework, np.arange(8).reshape(2, 4))
    )
    assert back(action).tolist() == [[[0, 1], [2, 3]], [[2, 3], [4, 5]]]
    one = pair({}, {}, table, dim=4).transform_action(into(framework, np.arange(4)))
    assert back(one).tolist() == [[0, 1], [2, 3]]


def test_multi_discrete_widths_and_ranges_are_checked() -> None:
    space = MultiDiscrete([3, 5])
    with pytest.raises(AdapterResolutionError, match="widths sum to 2, got 3"):
        pair({}, {}, space, dim=3)
    with pytest.raises(AdapterResolutionError, match=r"within the space's bounds \[0, 2\]"):
        pair({}, {"range": (0, 4)}, space, dim=2)
