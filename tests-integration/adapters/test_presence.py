"""`Presence` says whether the env has something, and how far an episode's past reaches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from adapters.frameworks import FRAMEWORKS, back, dtype, into, kind
from gymnasium.spaces import Box
from gymnasium.spaces import Dict as DictSpace

import rlmesh.adapters as adapt
from rlmesh.errors import AdapterResolutionError

IN_EVERY = pytest.mark.parametrize("framework", FRAMEWORKS)
TAGS = {
    "rgb": adapt.ImageTag(adapt.IMAGE_PRIMARY),
    "left": adapt.StateTag(adapt.GRIPPER_POS, part="left"),
    "right": adapt.StateTag(adapt.GRIPPER_POS, part="right"),
}
SPACE = DictSpace(
    {"rgb": Box(0, 255, (4, 4, 3), np.uint8), "left": Box(0, 1, (1,)), "right": Box(0, 1, (1,))}
)
NO_ACTION = adapt.Action(adapt.Actuator(dim=1))


def resolved(inputs: Any) -> adapt.Adapter:
    spec = adapt.ModelSpec(inputs, NO_ACTION)
    return adapt.resolve(adapt.EnvTags(TAGS, NO_ACTION), SPACE, Box(-1, 1, (1,)), spec)


def observed(framework: str) -> Any:
    obs = {
        "rgb": np.zeros((4, 4, 3), np.uint8),
        "left": np.array([0.25], np.float32),
        "right": np.array([0.5], np.float32),
    }
    return into(framework, obs)


@IN_EVERY
def test_it_is_true_for_what_the_env_has(framework: str) -> None:
    inputs = {
        "primary": adapt.Presence(adapt.IMAGE_PRIMARY),
        "wrist": adapt.Presence(adapt.IMAGE_WRIST),
        "number": adapt.Presence(adapt.IMAGE_PRIMARY, dtype="float32"),
        "left": adapt.Presence(adapt.GRIPPER_POS, part="left", dtype="int64"),
        "third": adapt.Presence(adapt.GRIPPER_POS, part="third"),
    }
    found = resolved(inputs).transform_obs(observed(framework))
    for name, wanted in (("primary", 1), ("wrist", 0), ("number", 1), ("left", 1), ("third", 0)):
        assert kind(found[name]) == framework
        assert found[name].shape == ()
        assert back(found[name]) == wanted
    assert dtype(found["primary"]) == "bool"
    assert dtype(found["number"]) == "float32"
    assert dtype(found["left"]) == ("int32" if framework == "jax" else "int64")


@IN_EVERY
def test_in_a_concat_it_is_one_element(framework: str) -> None:
    parts = (
        adapt.Presence(adapt.IMAGE_WRIST),
        adapt.State(adapt.GRIPPER_POS, part="left"),
        adapt.Presence(adapt.IMAGE_PRIMARY),
    )
    masks = adapt.Concat(parts[0], parts[2], dtype="bool")
    found = resolved((adapt.Concat(*parts), masks)).transform_obs(observed(framework))
    assert back(found[0]).tolist() == [0, 0.25, 1]
    assert dtype(found[1]) == "bool"
    assert back(found[1]).tolist() == [False, True]


@IN_EVERY
def test_stacked_it_is_false_for_steps_before_the_episode(framework: str) -> None:
    """As Octo's `timestep_pad_mask`, of octo/utils/gym_wrappers.py."""
    inputs = {
        "mask": adapt.Presence(adapt.IMAGE_PRIMARY, stack=3),
        "offsets": adapt.Presence(adapt.IMAGE_PRIMARY, offsets=(3, 1), dtype="int32"),
        "none": adapt.Presence(adapt.IMAGE_WRIST, stack=2),
    }
    adapter = resolved(inputs)
    assert adapter.needs_every_step
    for _ in range(2):
        adapter.reset()
        for step in range(5):
            if step == 2:
                adapter.observe(observed(framework))
                continue
            found = adapter.transform_obs(observed(framework))
            assert dtype(found["mask"]) == "bool"
            assert back(found["mask"]).tolist() == [step >= ago for ago in (2, 1, 0)]
            assert back(found["offsets"]).tolist() == [int(step >= 3), int(step >= 1)]
            assert back(found["none"]).tolist() == [False, False]


def test_it_reads_nothing() -> None:
    adapter = resolved(adapt.Presence(adapt.IMAGE_PRIMARY))
    assert list(adapter.reads() or []) == []
    assert "the env has 'image/primary'" in adapter.explain()


def test_of_several_parts_one_has_to_be_named() -> None:
    with pytest.raises(AdapterResolutionError, match="part: expected one of 'left', 'right'"):
        resolved(adapt.Presence(adapt.GRIPPER_POS))


@IN_EVERY
def test_a_bool_is_true_for_what_is_not_zero(framework: str) -> None:
    inputs = {
        "state": adapt.State(adapt.GRIPPER_POS, part="left", dtype="bool", offset=(-0.25)),
        "other": adapt.State(adapt.GRIPPER_POS, part="right", dtype="bool", stack=2),
        "list": adapt.State(adapt.GRIPPER_POS, part="right", dtype="bool", container="list"),
    }
    found = resolved(inputs).transform_obs(observed(framework))
    assert dtype(found["state"]) == "bool"
    assert back(found["state"]).tolist() == [False]
    assert back(found["other"]).tolist() == [[True], [True]]
    assert found["list"] == [True]
