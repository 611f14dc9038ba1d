"""What models and envs get by the page of recipes is what the public pipelines give them."""

from __future__ import annotations

from typing import Any, Iterator, Tuple

import numpy as np
import pytest
from adapters.frameworks import FRAMEWORKS, back, into
from adapters.published import (
    groot_libero,
    octo_widowx,
    openpi_aloha,
    openpi_aloha_sim,
    openpi_droid,
    openpi_droid_positions,
    openpi_libero,
    openvla_oft_libero,
    rdt_maniskill,
    rdt_wide,
    smolvla_libero,
    smolvla_wide,
    xvla_libero,
)
from adapters.recipes_page import declarations
from scipy.spatial.transform import Rotation

import rlmesh.adapters as adapt

PIPELINES = (
    openpi_libero,
    openpi_droid,
    openpi_droid_positions,
    openpi_aloha,
    openpi_aloha_sim,
    openvla_oft_libero,
    octo_widowx,
    smolvla_libero,
    smolvla_wide,
    groot_libero,
    rdt_maniskill,
    rdt_wide,
    xvla_libero,
)
NAMES = [pipeline.__name__.rpartition(".")[2] for pipeline in PIPELINES]


@pytest.fixture(scope="module")
def page() -> Any:
    return declarations()


def leaves(tree: Any, path: Tuple[Any, ...] = ()) -> Iterator[Tuple[Tuple[Any, ...], Any]]:
    if isinstance(tree, dict):
        for key, part in tree.items():
            yield from leaves(part, (*path, key))
    elif isinstance(tree, tuple):
        for i, part in enumerate(tree):
            yield from leaves(part, (*path, i))
    else:
        yield path, tree


def as_numpy(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: as_numpy(part) for key, part in tree.items()}
    if isinstance(tree, tuple):
        return tuple(map(as_numpy, tree))
    return back(tree)


def compare(got: Any, want: Any, level: float) -> None:
    """Compare a payload: pictures in their levels, numbers to five digits, texts as they are."""
    found = dict(leaves(as_numpy(got)))
    assert list(found) == [path for path, _ in leaves(want)]
    for path, wanted in leaves(want):
        value = found[path]
        if isinstance(wanted, (str, list)):
            assert value == wanted, path
            continue
        assert value.shape == np.shape(wanted), path
        if value.ndim >= 3:
            apart = np.abs(value.astype(np.float64) - wanted).max() / level
            assert apart <= 1.0 + 1e-4, (path, apart)
        else:
            scale = np.maximum(np.abs(np.asarray(wanted, np.float64)), 1.0)
            apart = (np.abs(value - np.asarray(wanted, np.float64)) / scale).max()
            assert apart <= 1e-5, (path, apart)


def output_of(pipeline: Any, rng: Any, actions: int) -> Any:
    """Return a chunk of a model's outputs, of which some grippers are at or beside the threshold.

    At the very threshold, some public code has a third value, which is neither open nor closed.
    """
    found = rng.uniform(-1.2, 1.2, (actions, pipeline.WIDTH)).astype(np.float32)
    place = getattr(pipeline, "GRIPPER", None)
    if place is not None:
        half, step = pipeline.HALF, 2.0**-22
        beside = [half + step, half - step, 0.0 if half else -1.0, 1.0]
        if pipeline.IS_LOW_AT_HALF:
            beside.append(half)
        found[: len(beside), place] = beside
    return found


def assert_actions(pipeline: Any, got: Any, want: Any) -> None:
    got, want = back(got).astype(np.float64), np.array(want, np.float64)
    assert got.shape == want.shape
    place = getattr(pipeline, "ROTATION", None)
    if place is not None:
        turns = [Rotation.from_rotvec(one[..., place].reshape(-1, 3)) for one in (got, want)]
        assert (turns[0].inv() * turns[1]).magnitude().max() <= 1e-5
        got[..., place] = want[..., place] = 0.0
    assert (np.abs(got - want) / np.maximum(np.abs(want), 1.0)).max() <= 1e-5


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("pipeline", PIPELINES, ids=NAMES)
def test_inputs_and_actions_are_those_of_the_public_code(
    pipeline: Any, framework: str, page: Any
) -> None:
    rng = np.random.default_rng(0)
    statistics = pipeline.statistics(rng)
    tags, spec = pipeline.declaration(page, statistics)
    adapter = adapt.resolve(tags, pipeline.SPACE, pipeline.ACTIONS, spec)
    seen, executed = [], None
    for step in range(3):
        seen.append(pipeline.observation(rng))
        payload = adapter.transform_obs(into(framework, seen[-1]))
        want = pipeline.inputs(seen, executed, statistics)
        compare(payload, want, pipeline.LEVEL)
        output = output_of(pipeline, rng, 6)
        if step == 1:
            output = output[0]
        action = adapter.transform_action(into(framework, output))
        assert_actions(
            pipeline, action, pipeline.action(output.astype(np.float64), seen[-1], statistics)
        )
        executed = output if output.ndim == 1 else output[0]


@pytest.mark.parametrize("pipeline", PIPELINES, ids=NAMES)
def test_a_recipe_is_data(pipeline: Any, page: Any) -> None:
    tags, spec = pipeline.declaration(page, pipeline.statistics(np.random.default_rng(0)))
    assert adapt.ModelSpec.from_json(spec.to_json()) == spec
    assert adapt.EnvTags.from_json(tags.to_json()) == tags
