"""Arrays, scalars and dtypes of every framework may be given as fields of declarations."""

from __future__ import annotations

from typing import Any, Callable

import jax.numpy as jnp
import numpy as np
import pytest
import torch

import rlmesh.adapters as adapt

ARRAYS = [np.array, torch.tensor, jnp.array]


@pytest.mark.parametrize("array", ARRAYS, ids=["numpy", "torch", "jax"])
def test_arrays_of_a_framework_become_numbers_of_python(array: Callable[[Any], Any]) -> None:
    pairs = [
        (
            adapt.Stats(mean=array([0.5, 1.0]), std=array([2.0, 4.0]), mask=array([True, False])),
            adapt.Stats(mean=(0.5, 1.0), std=(2.0, 4.0), mask=(True, False)),
        ),
        (
            adapt.StateTag("a", range=(array(0.0), 1)),
            adapt.StateTag("a", range=(0.0, 1)),
        ),
        (
            adapt.State("a", scale=array([1.0, 2.5]), index=array(3), reshape=array([2, 2])),
            adapt.State("a", scale=(1.0, 2.5), index=3, reshape=(2, 2)),
        ),
        (
            adapt.Image("a", size=array([4, 5]), fill=array(7), upside_down=array(True)),
            adapt.Image("a", size=(4, 5), fill=7, upside_down=True),
        ),
        (
            adapt.Actuator("a", dim=array(2), offset=array([0.5, -1.0]), clip=False),
            adapt.Actuator("a", dim=2, offset=(0.5, -1.0), clip=False),
        ),
    ]
    for of_arrays, plain in pairs:
        assert of_arrays == plain
        assert hash(of_arrays) == hash(plain)
        assert repr(of_arrays) == repr(plain)
        assert type(plain).from_json(of_arrays.to_json()) == plain


def test_scalars_of_numpy_become_numbers_of_python() -> None:
    tag = adapt.StateTag("a", range=(np.float32(0), np.float64(0.1)), part=np.str_("left"))
    assert repr(tag) == repr(adapt.StateTag("a", range=(0.0, 0.1), part="left"))
    constant = adapt.Constant(np.int64(2), fill=np.float16(0.5))
    assert repr(constant) == repr(adapt.Constant(2, fill=0.5))


@pytest.mark.parametrize(
    "dtype", [np.float16, np.dtype("float16"), torch.float16, jnp.float16, jnp.dtype("float16")]
)
def test_a_dtype_of_a_framework_is_taken_by_its_name(dtype: Any) -> None:
    assert adapt.State("a", dtype=dtype) == adapt.State("a", dtype="float16")
