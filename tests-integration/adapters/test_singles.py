"""A conversion of one rotation on Python numbers is the one on arrays, at the hard places too."""

from __future__ import annotations

import math
from itertools import product
from typing import Any, List

import numpy as np
import pytest
import torch
from adapters.frameworks import back, into

from rlmesh._values.numpy_bridge import NumpyBridge
from rlmesh.adapters import _singles
from rlmesh.adapters._rotations import PROBE_QUATERNIONS, WIDTHS, CustomEncoding, convert
from rlmesh.adapters._steps import rotate
from rlmesh.torch._ops import TorchOps

OPS = {"numpy": NumpyBridge().ops, "torch": TorchOps()}
PAIRS = [
    (source, target)
    for source, target in product(WIDTHS, WIDTHS)
    if source != target and source != "gravity_xyz"
]


def probes(encoding: str) -> List[Any]:
    """Return rotations, among them those at hard places, and numbers that are none."""
    rng = np.random.default_rng(0)
    width = WIDTHS[encoding]
    noise = [*rng.normal(size=(20, width)), *rng.integers(-1, 2, (20, width)).astype(float)]
    quaternions = np.array([*PROBE_QUATERNIONS, *-np.array(PROBE_QUATERNIONS)])
    proper = convert(np, quaternions, "quat_xyzw", encoding)
    extreme = [np.zeros(width), noise[0] * 1e-30, noise[1] * 1e30, noise[2] * math.pi]
    return [*noise, *proper, *extreme]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_single_conversion_gives_the_same_numbers_as_that_of_arrays(
    source: str, target: str
) -> None:
    conversion = _singles.single_conversion(source, target, 8)
    for probe in probes(source):
        expected = convert(np, probe, source, target)
        np.testing.assert_allclose(conversion(probe.tolist()), expected, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_single_conversion_is_turned_as_arrays_are(source: str, target: str) -> None:
    offset = (0.18, -0.36, 0.54, 0.738918)
    conversion = _singles.single_conversion(source, target, 8, offset)
    for probe in probes(source)[:12]:
        expected = convert(np, probe, source, target, offset)
        np.testing.assert_allclose(conversion(probe.tolist()), expected, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("framework", OPS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("source", "target"), [("quat_xyzw", "rot6d"), ("rot6d", "axis_angle")])
def test_one_rotation_and_a_batch_of_one_are_the_same(
    framework: str, dtype: str, source: str, target: str
) -> None:
    (step,) = rotate(source, target)
    for probe in probes(source)[:20]:
        value = into(framework, probe.astype(dtype))
        one, batch = (step.apply(OPS[framework], x) for x in (value, value[None]))
        assert one.dtype == value.dtype
        np.testing.assert_allclose(back(one), back(batch)[0], atol=2e-6)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_what_is_not_finite_gives_no_finite_rotation_and_no_error(source: str, target: str) -> None:
    (step,) = rotate(source, target)
    value = torch.full((WIDTHS[source],), math.nan)
    assert step.apply(OPS["torch"], value).isnan().any()
    step.apply(OPS["torch"], torch.full((WIDTHS[source],), math.inf))


def test_a_custom_encoding_gets_arrays() -> None:
    def negated(value: Any) -> Any:
        assert isinstance(value, np.ndarray)
        return -value

    custom = CustomEncoding("axis_angle", negated, negated, "negated")
    (step,) = rotate("quat_xyzw", custom)
    quarter = np.array([0, 0, math.sin(math.pi / 4), math.cos(math.pi / 4)])
    np.testing.assert_allclose(step.apply(OPS["numpy"], quarter), [0, 0, -math.pi / 2])
