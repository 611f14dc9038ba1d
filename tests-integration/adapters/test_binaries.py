"""A binary actuator has two values of the env's; it is an error where it would have but one."""

from __future__ import annotations

from typing import Any, Dict

import numpy as np
import pytest
from adapters.frameworks import FRAMEWORKS, back, into
from adapters.test_actuators import GRIPPER, acted, adapter_for, pair, unbounded
from gymnasium.spaces import Box, Discrete

import rlmesh.adapters as adapt
from rlmesh.errors import AdapterResolutionError, InvalidValue

Fields = Dict[str, Any]
HALF = {"binary": True, "threshold": 0.5}
ONE = (1,)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(
    ("env", "model", "high", "wanted"),
    [
        ({"range": (0, 255), "clip": True}, {"range": (0, 1), "binary": True}, 255, [0, 255]),
        ({"range": (0, 0.25)}, {"range": (0, 1), **HALF}, 0.25, [0, 0.25]),
        ({"scale": 0.5, "offset": 0.5}, HALF, 1, [0, 1]),
        ({"scale": -0.5, "offset": 0.5}, HALF, 1, [1, 0]),
    ],
)
def test_low_and_high_become_the_ends_of_what_the_env_takes(
    framework: str, env: Fields, model: Fields, high: float, wanted: Any
) -> None:
    adapter = pair(model, env, Box(0, high, ONE), role=GRIPPER)
    found = [acted(framework, adapter, [number])[0] for number in (0.1, 0.9)]
    assert found == wanted
    assert not [note for note in adapter.advisories() if note.severity == "caution"]


def test_the_threshold_is_in_the_model_s_own_units() -> None:
    adapter = pair({"range": (0, 1), **HALF}, {"range": (-1, 1)}, Box(-1, 1, ONE))
    found = [adapter.transform_action([number])[0] for number in (0, 0.3, 0.499, 0.5, 0.6, 0.7, 1)]
    assert found == [-1, -1, -1, 1, 1, 1, 1]
    stats = adapt.Stats(q01=0, q99=10)
    adapter = pair({"stats": stats, "scale": 0.1, **HALF}, {})
    assert [adapter.transform_action([number])[0] for number in (-0.01, 0.01)] == [-1, 1]


@pytest.mark.parametrize(
    ("model", "env", "message"),
    [
        ({"range": (0, 1), "threshold": 5}, {}, r"output\[0\] .*from 0 to 1, .* got 5: all.* low"),
        ({"range": (0, 1), "threshold": 0}, {}, r"got 0: all would be high"),
        ({"range": (0, 1), "threshold": 1}, {}, r"got 1: all would be low"),
        (
            {"stats": adapt.Stats(q01=2, q99=3)},
            {},
            r"from 2 to 3, .* got 0 \(by default\): .* high",
        ),
        ({"stats": adapt.Stats(q01=0, q99=1), "invert": True}, {}, r"from -1 to -?0, .* low"),
        ({"scale": 0}, {}, r"from 0 to 0, .* got 0 \(by default\)"),
        (
            {"range": (0, 1), "stats": adapt.Stats(q01=0.6, q99=3)},
            {},
            r"from 0.6 to 3, .* got 0.5 \(the middle of \(0, 1\)\): all would be high",
        ),
        ({}, {"range": (0, 1), "scale": 0}, r"expected two values for low and high, got 0"),
        (
            {},
            {"curve": adapt.Curve(x=(2, 3), y=(0, 1))},
            r"curve: expected one for .* from -1 to 1",
        ),
    ],
)
def test_a_model_that_would_always_decide_the_same_is_refused(
    model: Fields, env: Fields, message: str
) -> None:
    with pytest.raises(AdapterResolutionError, match=message):
        pair({"binary": True, **model}, env)


@pytest.mark.parametrize(
    ("model", "env", "message"),
    [
        (
            {"range": (0, 1)},
            {"range": (0, 8), "threshold": 9},
            r"action\[0\].*from 0 to 8, .* got 9",
        ),
        ({"range": (2, 3)}, {}, r"from 2 to 3, .* got 0 \(by default\): all would be high"),
        ({"stats": adapt.Stats(q01=0, q99=1)}, {"range": (0, 255)}, r"from 0 to 1, .* got 127.5"),
        ({"range": (0, 1)}, {"offset": 4}, r"from 4 to 5, .* got 0"),
    ],
)
def test_an_env_that_would_always_decide_the_same_is_refused(
    model: Fields, env: Fields, message: str
) -> None:
    with pytest.raises(AdapterResolutionError, match=message):
        pair(model, {"binary": True, **env})


def test_clips_count_for_what_is_possible_and_for_what_is_left() -> None:
    model = adapt.Actuator(GRIPPER, dim=1, **HALF)
    env = adapt.Actuator(GRIPPER, dim=1)
    with pytest.raises(AdapterResolutionError, match=r"from -1 to 0.25, .* got 0.5: .* low"):
        adapter_for(unbounded(1), adapt.Action(env), adapt.Action(model, clip=(-1, 0.25)))
    with pytest.raises(AdapterResolutionError, match=r"expected two values .* got 2 for both"):
        adapter_for(unbounded(1), adapt.Action(env, clip=(2, 3)), adapt.Action(model))


def test_low_and_high_are_values_of_the_env_s_space() -> None:
    for space in (Box(0, 1, ONE), Box(0, 255, ONE, np.uint8), Discrete(3)):
        with pytest.raises(AdapterResolutionError, match=r"the space's bounds \[0, .* -1 and"):
            pair(HALF, {}, space)
        high = int(np.max(getattr(space, "high", 2)))
        adapter = pair(HALF, {"range": (0, high)}, space)
        assert [int(np.ravel(adapter.transform_action([one]))[0]) for one in (0.2, 0.7)] == [
            0,
            high,
        ]
    # The two values of a space that has no others are meant in any case.
    adapter = pair(HALF, {}, Discrete(2))
    assert [adapter.transform_action([one]) for one in (0.2, 0.7)] == [0, 1]
    with pytest.raises(AdapterResolutionError, match=r"expected two values .* got 1 for both"):
        pair(HALF, {}, Discrete(2, start=1))


def test_what_is_odd_about_values_that_are_no_binary_ones_is_told() -> None:
    for model, env, message in (
        ({"range": (0, 1)}, {"range": (0, 1), "invert": True}, "leave it by its curve"),
        ({"range": (0, 1)}, {"range": (2, 3), "offset": 5, "clip": True}, "all become 3"),
        (
            {"range": (0, 1), "stats": adapt.Stats(q01=2, q99=3)},
            {"range": (0, 1)},
            "none of which is in its range",
        ),
    ):
        notes = [note for note in pair(model, env).advisories() if note.severity == "caution"]
        assert [message in note.message for note in notes] == [True]


# Changes that stay


def test_a_change_holds_for_n_steps_and_the_first_value_is_none() -> None:
    adapter = pair({"binary": True, "sticky": 3}, {})
    emitted = [1, -1, 1, 1, 1, -1, -1, -1, -1, 1, -1, -1, -1]
    wanted = [1, -1, -1, -1, 1, 1, 1, -1, -1, -1, -1, -1, -1]
    assert [adapter.transform_action([one])[0] for one in emitted] == wanted
    assert adapter.transform_action([-1]) == [-1]
    adapter.reset()
    assert [adapter.transform_action([one])[0] for one in emitted] == wanted
    assert adapter.new_episode().transform_action([-1]) == [-1]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_along_chunks_what_was_executed_counts(framework: str) -> None:
    env = adapt.Action(
        adapt.Actuator("action/x", dim=1),
        adapt.Actuator(GRIPPER, dim=2, binary=True, range=(0, 8), clip=True, sticky=2),
    )
    model = adapt.Action(
        adapt.Actuator(GRIPPER, dim=2, range=(0, 1)), adapt.Actuator("action/x", dim=1)
    )
    chunks = np.random.default_rng(0).random((9, 4, 3)).astype(np.float32)
    for executed in (1, 2, 4):
        by_hand, told, single = (adapter_for(unbounded(3), env, model) for _ in range(3))
        for chunk in chunks:
            wanted = [
                back(single.transform_action(into(framework, one))) for one in chunk[:executed]
            ]
            found = back(told.transform_action(into(framework, chunk)))
            assert found[:executed].tolist() == np.stack(wanted).tolist()
            for _ in range(executed - 1):
                told.observe({"x": into(framework, np.zeros(1, np.float32))})
            assert back(by_hand.transform_action(into(framework, chunk))).tolist() == (
                found.tolist()
            )
            by_hand.executed(executed)


def test_none_executed_is_as_if_there_had_been_no_output() -> None:
    adapter = pair({"binary": True, "sticky": 5}, {})
    assert adapter.transform_action([1]) == [1]
    assert adapter.transform_action([-1]) == [-1]
    adapter.executed(0)
    assert adapter.transform_action([1]) == [1]
    for count in (-1, 1.5, None, True, 2):
        with pytest.raises(InvalidValue, match="executed: expected a number from 0 to 1"):
            adapter.executed(count)


def test_sticky_is_for_one_binary_actuator_of_one_episode() -> None:
    with pytest.raises(AdapterResolutionError, match=r"output\[0\] .*sticky: .* got 3"):
        pair({"sticky": 3}, {})
    with pytest.raises(AdapterResolutionError, match=r"action\[0\] .*sticky: .* got 3"):
        pair({}, {"sticky": 3})
    with pytest.raises(AdapterResolutionError, match=r"sticky: expected 4, .* got 3"):
        pair({"sticky": 3, "binary": True}, {"sticky": 4})
    with pytest.raises(InvalidValue, match=r"of one episode, .* got a batch of shape \(2, 3, 1\)"):
        pair({"sticky": 3, "binary": True}, {}).transform_action(np.zeros((2, 3, 1)))
    adapter = pair({"sticky": 2, **HALF}, {}, Discrete(2))
    assert [adapter.transform_action([one]) for one in (1, 0, 1, 1)] == [1, 0, 0, 1]
