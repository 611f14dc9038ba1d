"""Curves are what NumPy interpolates, and what openpi and LeRobot compute for ALOHA's gripper."""

from __future__ import annotations

from typing import Any, Dict

import numpy as np
import pytest
from adapters.frameworks import FRAMEWORKS, back, into
from adapters.test_actuators import pair, unbounded
from gymnasium.spaces import Box
from gymnasium.spaces import Dict as DictSpace

import rlmesh.adapters as adapt
from rlmesh.adapters._curves import curve_at, curve_domain, curve_step
from rlmesh.adapters.curves import KNOWN
from rlmesh.errors import AdapterResolutionError

NO_ACTION = adapt.Action(adapt.Actuator(dim=1))
X, Y = (-1.5, -0.25, 0.125, 2.0, 7.5), (-3.0, 0.5, 0.75, 40.0, 41.0)


def along(framework: str, curve: adapt.Curve, values: Any, precision: str = "float64") -> Any:
    """Return what an env whose actuator has this curve gets for values."""
    adapter = pair({}, {"curve": curve}, unbounded(len(values), precision), dim=len(values))
    return back(adapter.transform_action(into(framework, np.array(values, precision))))


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("falls", [False, True])
def test_a_table_is_linear_between_its_points_and_flat_beyond(framework: str, falls: bool) -> None:
    ys = tuple(-y for y in Y) if falls else Y
    slack = 1e-4 if framework == "jax" else 1e-12
    values = np.concatenate([np.linspace(-3, 9, 200), X])
    found = along(framework, adapt.Curve("mine", x=X, y=ys), values)
    assert found == pytest.approx(
        np.interp(values, X, ys), abs=1e-4 if framework == "jax" else 1e-12
    )
    targets = np.concatenate([np.linspace(-50, 50, 200), ys])
    backwards = along(framework, adapt.Curve("mine", x=X, y=ys, inverse=True), targets)
    order = np.argsort(ys)
    wanted = np.interp(targets, np.array(ys)[order], np.array(X)[order])
    assert backwards == pytest.approx(wanted, abs=slack)


# Restated from openpi, src/openpi/policies/aloha_policy.py, and LeRobot, modeling_smolvla.py.


def share(value: Any, low: float, high: float) -> Any:
    return (value - low) / (high - low)


def angle(metres: Any) -> Any:
    sine = (0.022**2 + metres**2 - 0.036**2) / (2 * 0.022 * metres)
    return np.arcsin(np.clip(sine, -1, 1))


def metres(normal: Any) -> Any:
    return normal * (0.05800 - 0.01844) + 0.01844


PUBLIC: Dict[str, Any] = {
    "aloha_gripper_linkage": (angle, 0.014, 0.058),
    "aloha_gripper_to_angular": (lambda x: share(angle(metres(x)), 0.5476, 1.6296), -0.4, 2),
    "aloha_gripper_from_angular": (lambda x: share(x + 0.5476, -0.6213, 1.4910), -2, 2),
    "aloha_gripper_to_angular_lerobot": (lambda x: share(angle(metres(x)), 0.4, 1.5), -0.4, 2),
    "aloha_gripper_from_angular_lerobot": (
        lambda x: share(x * (1.5 - 0.4) + 0.4, -0.6213, 1.4910),
        -2,
        2,
    ),
    "aloha_puppet_position": (lambda x: share(x, 0.01844, 0.05800), 0, 0.1),
    "aloha_puppet_joint": (lambda x: share(x, -0.6213, 1.4910), -2, 2),
    "aloha_master_position": (lambda x: share(x, 0.01244, 0.02417), 0, 0.1),
    "aloha_master_joint": (lambda x: share(x, -0.6842, 0.3083), -2, 2),
}


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("name", sorted(KNOWN))
def test_the_known_ones_are_those_of_the_public_code(framework: str, name: str) -> None:
    function, low, high = PUBLIC[name]
    values = np.linspace(low, high, 1000)
    # Where arcsine is steepest, also with numbers of single precision.
    values = np.concatenate([values, high - np.geomspace(1e-9, 1e-2, 50) * (high - low)])
    values = np.concatenate([values, 1 - np.geomspace(1e-7, 1e-2, 50)])
    for precision in ("float32",) if framework == "jax" else ("float32", "float64"):
        given = values.astype(precision)
        wanted = function(given.astype(np.float64))
        if name != "aloha_gripper_linkage" or precision == "float64":
            assert along(framework, adapt.Curve(name), given, precision) == pytest.approx(
                wanted, rel=1e-6, abs=1e-5
            )
    inside = values[(values > curve_domain(adapt.Curve(name))[0]) & (values < 1)]
    inside = inside[inside < curve_domain(adapt.Curve(name))[1]]
    there = function(inside)
    if framework != "jax":  # which has no digits left where arcsine is steepest
        again = along(framework, adapt.Curve(name, inverse=True), there)
        assert again == pytest.approx(inside, abs=1e-9)


def test_plain_numbers_and_arrays_go_the_same_way() -> None:
    ops = into_ops()
    for curve in (*map(adapt.Curve, KNOWN), adapt.Curve(x=X, y=Y), adapt.Curve("a", X, Y, True)):
        values = np.linspace(-1, 3, 40)
        found = curve_step(curve).apply(ops, values)
        assert found == pytest.approx([curve_at(curve, one) for one in values], abs=1e-12)


def into_ops() -> Any:
    from rlmesh._values.numpy_bridge import NumpyBridge

    return NumpyBridge().ops


def test_declared_values_beyond_a_curve_are_refused() -> None:
    curve = adapt.Curve("aloha_gripper_to_angular", inverse=True)
    table = adapt.Curve(x=(0, 1), y=(5, 9))
    for model, env in (
        ({"range": (0, 2)}, {"curve": table}),
        ({"range": (0, 1)}, {"range": (-1, 1), "curve": table}),
        ({"stats": adapt.Stats(q01=-3, q99=1)}, {"curve": table}),
        ({"range": (0, 1)}, {"range": (0, 1), "curve": curve}),
    ):
        with pytest.raises(AdapterResolutionError, match=r"\.curve: expected one for the values"):
            pair(model, env)
    pair({"range": (0, 1)}, {"curve": table})
    with pytest.raises(AdapterResolutionError, match=r"output\[0\] .*\.curve: expected None"):
        pair({"curve": table}, {})


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_model_s_state_goes_along_a_curve_before_it_is_scaled(framework: str) -> None:
    spec = adapt.State(
        adapt.GRIPPER_POS, curve=adapt.Curve("aloha_gripper_to_angular"), scale=2, offset=-1
    )
    tags = adapt.EnvTags(
        {"x": adapt.StateTag(adapt.GRIPPER_POS)}, adapt.Action(adapt.Actuator(dim=1))
    )
    space = DictSpace({"x": Box(-np.inf, np.inf, (3,), np.float32)})
    model = adapt.ModelSpec(spec, NO_ACTION)
    adapter = adapt.resolve(tags, space, Box(-1, 1, (1,)), model)
    values = np.array([0.25, 0.75, 1.5], np.float32)
    found = back(adapter.transform_obs({"x": into(framework, values)}))
    wanted = share(angle(metres(values.astype(np.float64))), 0.5476, 1.6296) * 2 - 1
    assert found == pytest.approx(wanted, abs=1e-5)
    assert "    along the curve aloha_gripper_to_angular\n    times 2" in adapter.explain()


def test_a_state_s_declared_values_beyond_a_curve_are_refused() -> None:
    tags = adapt.EnvTags(
        {"x": adapt.StateTag(adapt.GRIPPER_POS)}, adapt.Action(adapt.Actuator(dim=1))
    )
    space = DictSpace({"x": Box(-2, 2, (1,), np.float32)})
    spec = adapt.State(adapt.GRIPPER_POS, range=(-1, 1), curve=adapt.Curve(x=(0, 1), y=(0, 1)))
    model = adapt.ModelSpec(spec, NO_ACTION)
    with pytest.raises(AdapterResolutionError, match=r"input\.curve: expected one for the values"):
        adapt.resolve(tags, space, Box(-1, 1, (1,)), model)
