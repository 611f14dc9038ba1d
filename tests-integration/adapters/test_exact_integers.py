"""Integers stay exact where the dtype that was asked for is, and what is no number becomes none."""

from __future__ import annotations

from typing import Any, Dict

import jax.numpy as jnp
import numpy as np
import pytest
from adapters.frameworks import FRAMEWORKS, back, into
from gymnasium.spaces import Box
from gymnasium.spaces import Dict as DictSpace

import rlmesh.adapters as adapt
from rlmesh._values.registry import import_backend
from rlmesh.errors import AdapterResolutionError, InvalidValue

NO_ACTION = adapt.Action(adapt.Actuator(dim=1))
CLOCK = "proprio/clock"
LONG = Box(0, 2**31 - 1, (2,), np.int32)
LONGER = Box(0, 2**32 - 1, (2,), np.uint32)
FULL = Box(-(2**31), 2**31 - 1, (2,), np.int32)


def resolved(space: Any, spec: Any, **tag: Any) -> adapt.Adapter:
    tags = adapt.EnvTags({"t": adapt.StateTag(CLOCK, **tag)}, NO_ACTION)
    model = adapt.ModelSpec({"y": spec}, NO_ACTION)
    return adapt.resolve(tags, DictSpace({"t": space}), Box(-1, 1, (1,)), model)


def made(framework: str, space: Any, spec: Any, value: Any, **tag: Any) -> Any:
    payload = resolved(space, spec, **tag).transform_obs({"t": into(framework, value)})["y"]
    return payload if isinstance(payload, list) else back(payload)


PARTS = (CLOCK, adapt.Constant(1, fill=2**24 + 3))
SPECS: Dict[str, Any] = {
    "plain": adapt.State(CLOCK, dtype="int64"),
    "float64": adapt.State(CLOCK, dtype="float64"),
    "clip": adapt.State(CLOCK, dtype="int64", clip=(0, 2**31)),
    "clip-between": adapt.State(CLOCK, dtype="int64", clip=(0.5, 2**32)),
    "offset": adapt.State(CLOCK, dtype="float64", offset=0.0),
    "scale": adapt.State(CLOCK, dtype="int64", scale=1.0),
    "index": adapt.State(CLOCK, dtype="int64", index=1, scale=1.0),
    "labels": adapt.State(CLOCK, dtype="int64", labels=("b", "a"), offset=0.0),
    "pad": adapt.State(CLOCK, dtype="int64", pad_to=3, scale=1.0),
    "list": adapt.State(CLOCK, dtype="int64", container="list", scale=1.0),
    "stack": adapt.State(CLOCK, dtype="int64", stack=2, stack_pad="fill", scale=1.0),
    "concat": adapt.Concat(*PARTS, dtype="int64"),
    "concat-same": adapt.Concat(CLOCK, CLOCK, dtype="int64"),
    "concat-clip": adapt.Concat(*PARTS, dtype="int64", clip=(0, 2**32), pad_to=4),
    "concat-part": adapt.Concat(adapt.State(CLOCK, clip=(0, 2**32), pad_to=3), dtype="int64"),
    "concat-mask": adapt.Concat(adapt.Presence(CLOCK), CLOCK, dtype="int64"),
    "filled": adapt.State("proprio/no", dtype="int64", optional=True, dim=1, fill=2**24 + 1),
}
FIRST, SECOND, FILL = 2**24 + 1, 2**31 - 3, 2**24 + 3
WANTED: Dict[str, Any] = {
    **{name: [FIRST, SECOND] for name in SPECS},
    "index": [SECOND],
    "labels": [SECOND, FIRST],
    "pad": [FIRST, SECOND, 0],
    "stack": [[0, 0], [FIRST, SECOND]],
    "concat": [FIRST, SECOND, FILL],
    "concat-same": [FIRST, SECOND] * 2,
    "concat-clip": [FIRST, SECOND, FILL, 0],
    "concat-part": [FIRST, SECOND, 0],
    "concat-mask": [1, FIRST, SECOND],
    "filled": [2**24 + 1],
}


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("space", [LONG, LONGER, FULL], ids=["int32", "uint32", "full"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_long_integers_are_exact_or_an_error_that_names_them(
    framework: str, space: Any, name: str
) -> None:
    value = np.array([FIRST, SECOND], space.dtype)
    # Of signed integers, JAX without 64 bits can choose and clamp some.
    moved = ("plain", "clip", "concat-part")
    if framework == "jax" and (name not in moved or space is LONGER):
        message = r"^input\['y'\]\.dtype: expected a framework with float64"
        with pytest.raises(AdapterResolutionError, match=message):
            made(framework, space, SPECS[name], value, labels=("a", "b"))
    else:
        found = made(framework, space, SPECS[name], value, labels=("a", "b"))
        assert np.array(found).tolist() == WANTED[name]


def test_a_known_framework_without_double_precision_is_refused_when_it_is_resolved() -> None:
    adapter = resolved(LONG, SPECS["scale"])
    jax = import_backend("jax").Model._backend
    with pytest.raises(AdapterResolutionError, match=r"input\['y'\]\.dtype: .* got jax"):
        adapt.Adapter(adapter._plan, jax)
    short = Box(0, 2**24, (2,), np.int32)
    value = {"t": jnp.array([2**24 - 1, 5], jnp.int32)}
    found = resolved(short, SPECS["scale"]).transform_obs(value)["y"]
    assert back(found).tolist() == [2**24 - 1, 5]


@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_long_integers_are_moved_and_scaled_before_they_are_rounded(framework: str) -> None:
    spec = adapt.State(CLOCK, offset=-(2.0**30), scale=1.0)
    value = np.array([2**30 + 1, 2**30 - 3], np.int32)
    assert made(framework, FULL, spec, value).tolist() == [1, -3]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_range_of_a_full_integer_is_mapped(framework: str) -> None:
    for space in (FULL, LONGER):
        low, high = int(space.low[0]), int(space.high[0])
        value = np.array([low, high], space.dtype)
        spec = adapt.State(CLOCK, range=(-1.0, 1.0))
        assert made(framework, space, spec, value).tolist() == [-1, 1]
        middle = np.array([(low + high) // 2, low], space.dtype)
        assert made(framework, space, spec, middle) == pytest.approx([0, -1], abs=1e-6)


# What an integer cannot hold


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_an_integer_cannot_hold_is_an_error(framework: str, wrong: float) -> None:
    space = Box(-np.inf, np.inf, (2,), np.float32)
    value = {"t": into(framework, np.array([1.5, wrong], np.float32))}
    for spec in (
        adapt.State(CLOCK, dtype="int32"),
        adapt.State(CLOCK, dtype="uint8", container="list"),
        adapt.State(CLOCK, dtype="int64", scale=2),
        adapt.State(CLOCK, dtype="int32", stack=2),
        adapt.Concat(CLOCK, adapt.Constant(1), dtype="int16"),
    ):
        adapter = resolved(space, spec)
        with pytest.raises(InvalidValue, match=r"^input\['y'\]: .* observation\['t'\] = \[1.5, "):
            adapter.transform_obs(value)
        if adapter.needs_every_step:
            with pytest.raises(InvalidValue, match=r"^input\['y'\]: expected finite numbers"):
                adapter.observe(value)
        # It is no part of the past.
        sound = {"t": into(framework, np.array([1.5, 2], np.float32))}
        found = adapter.transform_obs(sound)["y"]
        assert np.isfinite(found if isinstance(found, list) else back(found)).all()


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_infinity_may_be_clamped_and_is_true(framework: str) -> None:
    space = Box(-np.inf, np.inf, (2,), np.float32)
    value = np.array([np.inf, -np.inf], np.float32)
    clipped = adapt.State(CLOCK, dtype="int32", clip=(-5, 5))
    assert made(framework, space, clipped, value).tolist() == [5, -5]
    flags = adapt.State(CLOCK, dtype="bool")
    assert made(framework, space, flags, value).tolist() == [True, True]
    with pytest.raises(InvalidValue, match=r"^input\['y'\]"):
        made(framework, space, flags, np.array([np.nan, 0], np.float32))
    assert np.isinf(made(framework, space, adapt.State(CLOCK), value)).all()
