"""What a model sees of its own actions: those that were executed, and those still to come."""

from __future__ import annotations

from typing import Any, Dict, List

import numpy as np
import pytest
from adapters.frameworks import FRAMEWORKS, back, dtype, into, kind
from gymnasium.spaces import Box
from gymnasium.spaces import Dict as DictSpace
from scipy.spatial.transform import Rotation

import rlmesh.adapters as adapt
from rlmesh.errors import AdapterResolutionError, InvalidValue

IN_EVERY = pytest.mark.parametrize("framework", FRAMEWORKS)
PUSH = "action/push"
OUTPUT = adapt.Action(adapt.Actuator("action/other", dim=1), adapt.Actuator(PUSH, dim=2))


def resolved(inputs: Any, output: adapt.Action = OUTPUT) -> adapt.Adapter:
    """Return the adapter of an env whose only observation is a number."""
    tags = adapt.EnvTags({"x": adapt.StateTag("proprio/x")}, output)
    space = DictSpace({"x": Box(-9, 9, (1,), np.float32)})
    action_space = Box(-99, 99, (output.width,), np.float32)
    return adapt.resolve(tags, space, action_space, adapt.ModelSpec(inputs, output))


def observed(framework: str) -> Any:
    return {"x": into(framework, np.zeros(1, np.float32))}


def chunk(framework: str, *numbers: float) -> Any:
    """Return outputs whose first element is 7 and whose push is a number and its tenfold."""
    return into(framework, np.array([[7, one, 10 * one] for one in numbers], np.float32))


def previous(adapter: adapt.Adapter, framework: str) -> List[float]:
    payload = adapter.transform_obs(observed(framework))
    found: List[float] = back(payload).tolist()
    return found


# The previous action


@IN_EVERY
def test_of_a_chunk_the_last_executed_action_is_the_previous_one(framework: str) -> None:
    adapter = resolved(adapt.State(PUSH, source="action"))
    assert previous(adapter, framework) == [0, 0]
    adapter.transform_action(chunk(framework, 1, 2, 3, 4))
    assert previous(adapter, framework) == [1, 10]
    for count in (1, 3, 4):
        adapter.executed(count)
        assert previous(adapter, framework) == [count, 10 * count]
    adapter.transform_action(chunk(framework, 5, 6))
    assert previous(adapter, framework) == [5, 50]
    adapter.executed(0)
    assert previous(adapter, framework) == [4, 40]
    adapter.reset()
    assert previous(adapter, framework) == [0, 0]


@IN_EVERY
def test_each_observation_of_a_step_counts_as_an_executed_action(framework: str) -> None:
    adapter = resolved(adapt.State(PUSH, source="action"))
    adapter.transform_action(chunk(framework, 1, 2, 3))
    adapter.observe(observed(framework))
    assert previous(adapter, framework) == [2, 20]
    adapter.transform_action(chunk(framework, 4, 5, 6))
    for _ in range(5):
        adapter.observe(observed(framework))
    assert previous(adapter, framework) == [6, 60]


@IN_EVERY
def test_a_stack_has_the_actions_of_a_chunk_one_by_one(framework: str) -> None:
    adapter = resolved(adapt.State(PUSH, source="action", index=0, stack=4))
    assert previous(adapter, framework) == [[0]] * 4
    adapter.transform_action(chunk(framework, 1, 2, 3))
    adapter.observe(observed(framework))
    adapter.observe(observed(framework))
    assert previous(adapter, framework) == [[0], [1], [2], [3]]


def test_no_more_actions_were_executed_than_there_are() -> None:
    adapter = resolved(adapt.State(PUSH, source="action"))
    adapter.transform_action(chunk("numpy", 1, 2))
    for count in (-1, 3):
        with pytest.raises(InvalidValue, match=f"expected a number from 0 to 2, .*got {count}"):
            adapter.executed(count)


# What precedes the first action


ROTATED = adapt.Action(
    adapt.Actuator(adapt.ACTION_EEF_POS, stats=adapt.Stats(mean=(1.0, 2.0, 3.0), std=0.5)),
    adapt.Actuator(adapt.ACTION_EEF_ROT, encoding="rot6d"),
    adapt.Actuator(adapt.ACTION_GRIPPER, dim=1, binary=True),
)


@IN_EVERY
def test_before_the_first_action_a_state_stands_for_it(framework: str) -> None:
    tags = adapt.EnvTags(
        {
            "pos": adapt.StateTag(adapt.EEF_POS),
            "quat": adapt.StateTag(adapt.EEF_ROT, encoding="quat_xyzw"),
        },
        adapt.Action(
            adapt.Actuator(adapt.ACTION_EEF_POS),
            adapt.Actuator(adapt.ACTION_EEF_ROT, encoding="axis_angle"),
            adapt.Actuator(adapt.ACTION_GRIPPER, dim=1),
        ),
    )
    space = DictSpace({"pos": Box(-9, 9, (3,)), "quat": Box(-1, 1, (4,), np.float64)})
    fields: Dict[str, Any] = {"source": "action", "initial": "state"}
    spec = adapt.ModelSpec(
        {
            "pos": adapt.State(adapt.ACTION_EEF_POS, **fields),
            "all": adapt.Concat(
                adapt.State(adapt.ACTION_EEF_POS, **fields),
                adapt.State(adapt.ACTION_EEF_ROT, **fields),
                adapt.State(adapt.ACTION_GRIPPER, source="action"),
            ),
        },
        ROTATED,
    )
    adapter = adapt.resolve(tags, space, Box(-99, 99, (7,)), spec)
    rotation = Rotation.from_rotvec([0.3, -0.2, 1.1])
    matrix = rotation.as_matrix()
    rot6d = [*matrix[:, 0], *matrix[:, 1]]
    obs = {"pos": np.array([2.0, 2, 2.5], np.float32), "quat": -rotation.as_quat()}
    for _ in range(2):  # until there is an action
        found = adapter.transform_obs(into(framework, obs))
        assert kind(found["pos"]) == framework
        assert back(found["pos"]).tolist() == [2, 0, -1]
        assert back(found["all"]) == pytest.approx([2, 0, -1, *rot6d, 0], abs=1e-6)
    # What stands for the output gives the env back its own state.
    action = adapter.transform_action(found["all"])
    assert back(action)[:6] == pytest.approx([2, 2, 2.5, 0.3, -0.2, 1.1], abs=1e-5)
    output = np.arange(10, dtype=np.float32)
    adapter.transform_action(into(framework, output))
    found = back(adapter.transform_obs(into(framework, obs)))
    assert found["all"].tolist() == output.tolist()
    adapter.reset()
    assert back(adapter.transform_obs(into(framework, obs)))["pos"].tolist() == [2, 0, -1]


def test_one_actuator_has_one_initial_output() -> None:
    tags = adapt.EnvTags({"x": adapt.StateTag("proprio/push")}, OUTPUT)
    inputs = (
        adapt.State(PUSH, source="action"),
        adapt.State(PUSH, source="action", initial="state"),
    )
    space = DictSpace({"x": Box(-9, 9, (2,))})
    with pytest.raises(AdapterResolutionError, match=r"input\[1\]\.initial: expected what other"):
        adapt.resolve(tags, space, Box(-1, 1, (3,)), adapt.ModelSpec(inputs, OUTPUT))
    adapter = adapt.resolve(tags, space, Box(-1, 1, (3,)), adapt.ModelSpec(inputs[1], OUTPUT))
    state = np.array([3.0, 4.0], np.float32)
    found = adapter.transform_obs({"x": state})
    assert found.tolist() == [3, 4]
    assert not np.shares_memory(found, state)


# What is still to be executed


@IN_EVERY
def test_pending_actions_come_next_first_and_zeros_after_them(framework: str) -> None:
    adapter = resolved(
        {
            "rows": adapt.State(PUSH, source="pending_actions", stack=4, offset=1, clip=(3, 99)),
            "all": adapt.Concat(
                adapt.State("action/other", source="pending_actions", stack=4),
                adapt.State(PUSH, source="pending_actions", stack=4),
                dtype="float64",
                container="list",
            ),
            "some": adapt.Presence(PUSH, source="pending_actions"),
            "count": adapt.Presence(PUSH, source="pending_actions", dtype="int32"),
            "joined": adapt.Concat("proprio/x", adapt.Presence(PUSH, source="pending_actions")),
        }
    )

    def check(*numbers: float) -> None:
        found = adapter.transform_obs(observed(framework))
        assert dtype(found["some"]) == "bool"
        assert dtype(found["count"]) == "int32"
        assert found["count"].shape == found["some"].shape == ()
        assert bool(found["some"]) == bool(numbers)
        assert int(found["count"]) == len(numbers)
        assert back(found["joined"]).tolist() == [0, len(numbers)]
        rows = [[7, one, 10 * one] for one in numbers]
        missing = 4 - len(rows)
        assert found["all"] == rows + [[0, 0, 0]] * missing
        moved = [[max(one + 1, 3), 10 * one + 1] for one in numbers]
        assert back(found["rows"]).tolist() == moved + [[0, 0]] * missing

    check()
    adapter.transform_action(chunk(framework, 1, 2, 3, 4, 5))
    check(2, 3, 4, 5)
    adapter.executed(3)
    check(4, 5)
    adapter.observe(observed(framework))
    check(5)
    adapter.executed(5)
    check()
    adapter.transform_action(chunk(framework, 1, 2)[0])
    check()
    adapter.transform_action(chunk(framework, 1, 2))
    check(2)
    adapter.reset()
    check()


def test_more_pending_actions_than_rows_are_an_error() -> None:
    adapter = resolved(adapt.State(PUSH, source="pending_actions", stack=2))
    adapter.transform_action(chunk("numpy", 1, 2, 3, 4))
    with pytest.raises(InvalidValue, match=r"pending actions: expected at most 2, .* got 3"):
        adapter.transform_obs(observed("numpy"))


def test_pending_actions_alone_need_no_other_steps() -> None:
    adapter = resolved(adapt.State(PUSH, source="pending_actions", stack=2))
    assert not adapter.needs_every_step
    assert list(adapter.reads() or []) == []
