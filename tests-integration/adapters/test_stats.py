"""Statistics do what the public code that wrote them does, and what it undoes."""

from __future__ import annotations

import math
from typing import Any, Optional

import numpy as np
import pytest
from adapters.frameworks import FRAMEWORKS, back, into
from gymnasium.spaces import Box
from gymnasium.spaces import Dict as DictSpace

import rlmesh.adapters as adapt
from rlmesh.adapters._plausible import implausible

IN_EVERY = pytest.mark.parametrize("framework", FRAMEWORKS)
VALUES = np.array([0.5, -1.25, 2.0, 3.0])
LOW, HIGH = (-1.0, 0.0, 2.0, 2.5), (1.0, 4.0, 2.0, 4.0)
MEAN, STD = (0.5, 1.0, 2.0, -1.0), (0.25, 2.0, 0.0, 1.5)
NO_ACTION = adapt.Action(adapt.Actuator(dim=1))


def normalised(framework: str, stats: adapt.Stats) -> Any:
    tags = adapt.EnvTags({"x": adapt.StateTag("proprio/x")}, NO_ACTION)
    space = DictSpace({"x": Box(-np.inf, np.inf, (4,), np.float64)})
    spec = adapt.ModelSpec(adapt.State("proprio/x", stats=stats), NO_ACTION)
    adapter = adapt.resolve(tags, space, Box(-1, 1, (1,)), spec)
    return back(adapter.transform_obs({"x": into(framework, VALUES)}))


def restored(framework: str, stats: adapt.Stats, output: Any) -> Any:
    env = adapt.Action(adapt.Actuator("action/x", dim=4))
    model = adapt.Action(adapt.Actuator("action/x", dim=4, stats=stats))
    tags = adapt.EnvTags({"x": adapt.StateTag("proprio/x")}, env)
    spec = adapt.ModelSpec(adapt.State("proprio/x"), model)
    space = DictSpace({"x": Box(-9, 9, (1,))})
    adapter = adapt.resolve(tags, space, Box(-np.inf, np.inf, (4,), np.float64), spec)
    return back(adapter.transform_action(into(framework, np.asarray(output))))


# Restated from reading: openpi's src/openpi/transforms.py (Normalize, Unnormalize).


@IN_EVERY
def test_openpi_adds_a_millionth(framework: str) -> None:
    mean, std, low, high = map(np.array, (MEAN, STD, LOW, HIGH))
    stats = adapt.Stats(mean=MEAN, std=STD, eps=1e-6)
    found = normalised(framework, stats)
    assert found == pytest.approx((VALUES - mean) / (std + 1e-6), rel=1e-5, abs=1e-5)
    found = restored(framework, stats, VALUES)
    assert found == pytest.approx(VALUES * (std + 1e-6) + mean, rel=1e-5)
    stats = adapt.Stats(q01=LOW, q99=HIGH, eps=1e-6)
    found = normalised(framework, stats)
    assert found == pytest.approx((VALUES - low) / (high - low + 1e-6) * 2 - 1, rel=1e-5, abs=1e-5)
    found = restored(framework, stats, VALUES)
    assert found == pytest.approx((VALUES + 1) / 2 * (high - low + 1e-6) + low, rel=1e-5)


# LeRobot's src/lerobot/processor/normalize_processor.py: the epsilon takes the place of an empty
# span, where this one is added to all.


@IN_EVERY
def test_lerobot_puts_a_tiny_number_in_the_place_of_an_empty_span(framework: str) -> None:
    mean, std, low, high = map(np.array, (MEAN, STD, LOW, HIGH))
    found = normalised(framework, adapt.Stats(mean=MEAN, std=STD, eps=1e-8))
    assert found == pytest.approx((VALUES - mean) / (std + 1e-8), rel=1e-5, abs=1e-5)
    found = restored(framework, adapt.Stats(mean=MEAN, std=STD, eps=1e-8), VALUES)
    assert found == pytest.approx(VALUES * std + mean, rel=1e-5, abs=1e-5)
    span = np.where(high == low, 1e-8, high - low)
    for names in (("q01", "q99"), ("low", "high")):
        stats = adapt.Stats(**dict(zip(names, (LOW, HIGH))), eps=1e-8)
        found = normalised(framework, stats)
        assert found == pytest.approx(2 * (VALUES - low) / span - 1, rel=1e-5, abs=1e-5)
        found = restored(framework, stats, VALUES)
        assert found == pytest.approx((VALUES + 1) / 2 * span + low, rel=1e-5, abs=1e-5)


# GR00T's gr00t/data/transform/state_action.py (Normalizer).


@IN_EVERY
def test_gr00t_keeps_or_zeroes_what_has_no_span(framework: str) -> None:
    kept = adapt.Stats(q01=LOW, q99=HIGH, zero_span="keep")
    assert normalised(framework, kept).tolist() == pytest.approx([0.5, -1.625, 2, -1 / 3], rel=1e-6)
    assert restored(framework, kept, VALUES).tolist() == pytest.approx([0.5, -0.5, 2, 5.5])
    zeroed = adapt.Stats(low=LOW, high=HIGH, zero_span="zero")
    assert normalised(framework, zeroed).tolist() == pytest.approx([0.5, -1.625, 0, -1 / 3])
    assert restored(framework, zeroed, VALUES).tolist() == pytest.approx([0.5, -0.5, 2, 5.5])
    centred = adapt.Stats(mean=MEAN, std=STD, zero_span="keep")
    expected = [0, -1.125, 2, 8 / 3]
    assert normalised(framework, centred).tolist() == pytest.approx(expected, rel=1e-6)
    assert restored(framework, centred, VALUES).tolist() == pytest.approx([0.625, -1.5, 2, 3.5])
    centred = adapt.Stats(mean=MEAN, std=STD, zero_span="zero")
    expected[2] = 0
    assert normalised(framework, centred).tolist() == pytest.approx(expected, rel=1e-6)


@IN_EVERY
@pytest.mark.parametrize("zero_span", ["zero", "keep"])
def test_what_the_mask_leaves_alone_has_no_zero_span(framework: str, zero_span: str) -> None:
    mask = (True, False, False, True)
    for ends in (("q01", "q99"), ("low", "high")):
        stats = adapt.Stats(**dict(zip(ends, (LOW, HIGH))), mask=mask, zero_span=zero_span)
        assert normalised(framework, stats).tolist() == pytest.approx([0.5, -1.25, 2, -1 / 3])
        assert restored(framework, stats, VALUES).tolist() == pytest.approx([0.5, -1.25, 2, 5.5])
    stats = adapt.Stats(mean=MEAN, std=STD, mask=mask, zero_span=zero_span)
    assert normalised(framework, stats).tolist() == pytest.approx([0, -1.25, 2, 8 / 3])
    assert restored(framework, stats, VALUES).tolist() == pytest.approx([0.625, -1.25, 2, 3.5])


def test_explain_says_what_becomes_of_each_element() -> None:
    tags = adapt.EnvTags({"x": adapt.StateTag("proprio/x")}, NO_ACTION)
    stats = adapt.Stats(low=LOW, high=HIGH, zero_span="zero", mask=(True, True, True, False))
    spec = adapt.ModelSpec(adapt.State("proprio/x", stats=stats), NO_ACTION)
    space = DictSpace({"x": Box(-9, 9, (4,))})
    lines = adapt.resolve(tags, space, Box(-1, 1, (1,)), spec).explain()
    assert "[low, high] -> [-1, 1] (low [-1, 0, 2, 0], high [1, 4, 2, 1])" in lines
    assert "; not element 3; zero for element 2" in lines


# Whether they can be those of the encoding


@pytest.mark.parametrize(
    ("encoding", "stats", "said"),
    [
        ("axis_angle", adapt.Stats(q01=(2.5, -1, -1), q99=(3.57, 1, 1)), "axis_angle_2pi does"),
        ("axis_angle", adapt.Stats(low=(-3.67, 0, 0), high=1), "axis_angle_2pi does"),
        ("axis_angle", adapt.Stats(mean=(0, 3.3, 0), std=1), "axis_angle_2pi does"),
        ("axis_angle", adapt.Stats(q01=-7, q99=7), "gives no element 0 beyond 3.14159"),
        ("axis_angle", adapt.Stats(q01=-3.1416, q99=3.1416), None),
        ("axis_angle", adapt.Stats(mean=3, std=9), None),
        ("axis_angle", adapt.Stats(q01=-7, q99=7, mask=(False,) * 3), None),
        ("axis_angle_2pi", adapt.Stats(q01=-3.67, q99=3.67), None),
        ("axis_angle_2pi", adapt.Stats(q01=-6.5, q99=3), "beyond 6.28319"),
        ("euler_xyz", adapt.Stats(low=-3.14, high=(3.14, 1.57, 3.14)), "element 1 beyond 1.5708"),
        ("euler_xyz", adapt.Stats(low=(-3.14, -1.5, 0), high=(3.14, 1.57, 3.14)), None),
        ("quat_xyzw", adapt.Stats(low=-1, high=1.2), "beyond 1"),
        ("quat_wxyz", adapt.Stats(low=(0.0, -1, -1, -1), high=1), None),
        ("rot6d", adapt.Stats(low=-1, high=(1, 1, 1, 1, 1, 1.01)), "element 5 beyond 1"),
        ("matrix", adapt.Stats(mean=-2, std=1), "element 0 beyond 1"),
        ("matrix", adapt.Stats(low=-1, high=1), None),
    ],
)
def test_numbers_that_an_encoding_does_not_have_are_told(
    encoding: str, stats: adapt.Stats, said: Optional[str]
) -> None:
    reason = implausible(stats, encoding)
    assert (reason is None) == (said is None)
    assert said is None or said in str(reason)


def test_a_converted_quaternion_has_no_negative_w() -> None:
    stats = adapt.Stats(low=(-1, -1, -1, -0.5), high=1)
    assert implausible(stats, "quat_xyzw") is None
    assert "w >= 0" in str(implausible(stats, "quat_xyzw", is_converted=True))
    assert implausible(stats, "quat_wxyz", is_converted=True) is not None
    assert implausible(adapt.Stats(low=0, high=1), "quat_wxyz", is_converted=True) is None


def advisories(have: str, **fields: Any) -> Any:
    tags = adapt.EnvTags({"x": adapt.StateTag(adapt.EEF_ROT, encoding=have)}, NO_ACTION)
    width = {"quat_xyzw": 4, "quat_wxyz": 4}.get(have, 3)
    space = DictSpace({"x": Box(-9, 9, (width,))})
    spec = adapt.ModelSpec({"y": adapt.State(adapt.EEF_ROT, **fields)}, NO_ACTION)
    adapter = adapt.resolve(tags, space, Box(-1, 1, (1,)), spec)
    return [(one.severity, one.leaf, one.message) for one in adapter.advisories()]


def test_an_input_whose_statistics_cannot_be_is_a_caution() -> None:
    stats = adapt.Stats(q01=(2.5, -1.0, -1.0), q99=(3.57, 1.4, 1.0))
    ((severity, leaf, message),) = advisories("quat_xyzw", encoding="axis_angle", stats=stats)
    assert (severity, leaf) == ("caution", "input['y'].stats")
    assert message == (
        "axis_angle gives no element 0 beyond 3.14159, but the model has 3.57 for it;"
        " axis_angle_2pi does"
    )
    assert not advisories("quat_xyzw", encoding="axis_angle_2pi", stats=stats)
    one = adapt.Stats(q01=2.5, q99=3.57)
    assert advisories("quat_xyzw", encoding="axis_angle", stats=one, index=0)
    # Pitch has its own limit, and degrees another scale.
    euler = {"encoding": "euler_xyz"}
    assert not advisories("quat_xyzw", **euler, stats=one, index=0, scale=2)
    assert advisories("quat_xyzw", **euler, stats=adapt.Stats(low=-2, high=2), index=1)
    assert not advisories("quat_xyzw", **euler, stats=adapt.Stats(low=-2, high=2), index=2)
    degrees = adapt.Stats(low=-180, high=(180, 90, 180))
    scale = 180 / math.pi
    assert advisories("quat_xyzw", **euler, stats=degrees, scale=scale)  # -180 is no pitch
    degrees = adapt.Stats(low=(-180, -90, -180), high=(180, 90, 180))
    assert not advisories("quat_xyzw", **euler, stats=degrees, scale=scale)
    assert advisories("quat_xyzw", encoding="axis_angle", clip=(-3.6, 3.6))
    assert not advisories("quat_xyzw", encoding="axis_angle", clip=(-3, 3))
    negative = adapt.Stats(low=-1, high=1)
    assert advisories("quat_xyzw", encoding="quat_wxyz", stats=negative)
    assert not advisories("quat_wxyz", encoding="quat_wxyz", stats=negative)
