"""Changes become targets: the env's state at the time of the predict is added to them."""

from __future__ import annotations

from typing import Any, Dict, Optional

import numpy as np
import pytest
from adapters.frameworks import FRAMEWORKS, back, dtype, into, kind
from gymnasium.spaces import Box
from gymnasium.spaces import Dict as DictSpace

import rlmesh.adapters as adapt
from rlmesh.errors import AdapterResolutionError, InvalidValue

JOINTS = adapt.ACTION_JOINT_POS
Fields = Dict[str, Any]
STATE = np.array([0.5, -2.0, 1.25], np.float64)
CHUNK = np.array([[1, 2, 3], [0.5, 0.25, 0.125], [-1, -1, -1], [0, 8, 0]], np.float64)


def adapter_for(
    model: Fields,
    env: Optional[Fields] = None,
    tag: Any = None,
    space: Any = None,
    precision: str = "float64",
) -> adapt.Adapter:
    """Return an adapter from changes of three joints to their targets."""
    tag = tag or adapt.StateTag(adapt.JOINT_POS)
    state = space or Box(-np.inf, np.inf, (3,), precision)
    observation = DictSpace({"q": state, "other": Box(-1, 1, (1,))})
    tags = adapt.EnvTags(
        {"q": tag, "other": adapt.StateTag("proprio/other")},
        adapt.Action(adapt.Actuator(**{"role": JOINTS, "dim": 3, **(env or {})})),
    )
    driver = adapt.Actuator(**{"role": JOINTS, "dim": 3, "delta": "from_state", **model})
    spec = adapt.ModelSpec(adapt.State("proprio/other"), adapt.Action(driver))
    return adapt.resolve(tags, observation, Box(-99, 99, (3,), np.float32), spec)


def observed(framework: str, state: Any = STATE) -> Any:
    return into(framework, {"q": np.array(state), "other": np.zeros(1, np.float32)})


def targets(framework: str, adapter: adapt.Adapter, output: Any, state: Any = STATE) -> Any:
    adapter.transform_obs(observed(framework, state))
    action = adapter.transform_action(into(framework, np.array(output)))
    assert kind(action) == framework
    assert dtype(action) == "float32"
    return back(action)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_same_state_is_added_to_each_action_of_a_chunk(framework: str) -> None:
    adapter = adapter_for({})
    assert targets(framework, adapter, CHUNK) == pytest.approx(CHUNK + STATE, abs=1e-6)
    assert targets(framework, adapter, CHUNK[0]) == pytest.approx(CHUNK[0] + STATE, abs=1e-6)
    batch = np.stack([CHUNK, 2 * CHUNK])
    assert targets(framework, adapter, batch) == pytest.approx(batch + STATE, abs=1e-6)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_cumulative_changes_are_summed_along_the_chunk(framework: str) -> None:
    adapter = adapter_for({"delta": "cumulative"})
    sums = np.cumsum(CHUNK, 0)
    assert targets(framework, adapter, CHUNK) == pytest.approx(sums + STATE, abs=1e-6)
    assert targets(framework, adapter, CHUNK[0]) == pytest.approx(CHUNK[0] + STATE, abs=1e-6)
    batch = np.stack([CHUNK, 2 * CHUNK])
    assert targets(framework, adapter, batch) == pytest.approx(
        np.stack([sums, 2 * sums]) + STATE, abs=1e-6
    )


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("delta", ["from_state", "cumulative"])
def test_a_mask_leaves_elements_absolute(framework: str, delta: str) -> None:
    adapter = adapter_for({"delta": delta, "mask": (True, False, True)})
    wanted = (CHUNK if delta == "from_state" else np.cumsum(CHUNK, 0)) + STATE
    wanted[:, 1] = CHUNK[:, 1]
    assert targets(framework, adapter, CHUNK) == pytest.approx(wanted, abs=1e-6)
    # Also where the state says nothing of them.
    state = np.where([True, False, True], STATE, np.nan)
    assert targets(framework, adapter, CHUNK, state) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_model_s_steps_come_before_and_the_env_s_after(framework: str) -> None:
    """As for ALOHA: the state is added in the units before the env's flips."""
    flips = np.array([1, -1, -2.0])
    curve = adapt.Curve(x=(-100, 0, 100), y=(-50, 0, 300))
    env = {"scale": tuple(flips), "offset": (0.1, 0.2, 0.3), "invert": True, "curve": curve}
    stats = adapt.Stats(mean=(1, 2, 3), std=(2, 0.5, 1))
    adapter = adapter_for({"stats": stats, "scale": 3, "offset": 0.25}, env)
    deltas = (CHUNK * [2, 0.5, 1] + [1, 2, 3]) * 3 + 0.25
    bent = (-STATE - [0.1, 0.2, 0.3]) / flips
    base = np.interp(bent, (-50, 0, 300), (-100, 0, 100))
    bent = np.interp(base + deltas, (-100, 0, 100), (-50, 0, 300))
    wanted = -(bent * flips + [0.1, 0.2, 0.3])
    assert targets(framework, adapter, CHUNK) == pytest.approx(wanted, abs=1e-3)
    still = adapter_for({}, env)
    assert targets(framework, still, [0.0, 0, 0]) == pytest.approx(STATE, abs=1e-4)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_labels_say_which_state_belongs_to_which_change(framework: str) -> None:
    tag = adapt.StateTag(adapt.JOINT_POS, labels=("w", "v", "u", "t"))
    adapter = adapter_for(
        {"labels": ("v", "u", "t"), "mask": (True, True, False)},
        {"labels": ("t", "u", "v")},
        tag,
        Box(-9, 9, (4,), np.float32),
    )
    state = np.array([9, 1, 2, 4], np.float32)
    assert targets(framework, adapter, [10, 20, 30.5], state).tolist() == [30.5, 22, 11]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_field_of_a_longer_vector_is_read_and_integers_are(framework: str) -> None:
    split = adapt.Split(adapt.Field(dim=2), adapt.Field(adapt.JOINT_POS, 3), adapt.Field(dim=1))
    adapter = adapter_for({}, None, split, Box(-9, 9, (6,), np.int32))
    assert ("q",) in (adapter.reads() or ())
    state = np.array([7, 7, 1, 2, 3, 7], np.int32)
    assert targets(framework, adapter, [0.5, 0, 0], state).tolist() == [1.5, 2, 3]


@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_a_state_of_double_precision_is_added_in_it(framework: str) -> None:
    adapter = adapter_for({"offset": -1e9}, None)
    state = STATE + 1e9
    # In single precision, 1e9 would leave no digits after the point.
    assert targets(framework, adapter, [1.0, 2, 3], state).tolist() == [1.5, 0, 4.25]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_it_is_the_state_of_the_predict_that_is_added(framework: str) -> None:
    adapter = adapter_for({})
    observation = {"q": STATE.copy(), "other": np.zeros(1, np.float32)}
    given = into(framework, observation)
    adapter.transform_obs(given)
    if framework != "jax":
        given["q"][:] = 7  # as an env does that returns the same array each time
    adapter.observe(observed(framework, STATE + 5))
    action = back(adapter.transform_action(into(framework, CHUNK)))
    assert action == pytest.approx(CHUNK + STATE, abs=1e-6)


def test_episodes_have_states_of_their_own() -> None:
    adapter = adapter_for({})
    with pytest.raises(InvalidValue, match=r"transform_obs in this episode .* observation\['q'\]"):
        adapter.transform_action([0, 0, 0])
    adapter.transform_obs(observed("numpy"))
    lanes = [adapter.new_episode() for _ in range(2)]
    with pytest.raises(InvalidValue, match="transform_obs in this episode"):
        lanes[0].transform_action([0, 0, 0])
    for i, lane in enumerate(lanes):
        lane.transform_obs(observed("numpy", STATE + i))
    for i, lane in enumerate(lanes):
        assert lane.transform_action([0, 0, 0]).tolist() == (STATE + i).tolist()
    assert adapter.transform_action([0, 0, 0]).tolist() == STATE.tolist()
    adapter.reset()
    with pytest.raises(InvalidValue, match="transform_obs in this episode"):
        adapter.transform_action([0, 0, 0])


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_state_that_is_not_finite_is_named(framework: str) -> None:
    adapter = adapter_for({})
    adapter.transform_obs(observed(framework, [0, np.nan, 0]))
    with pytest.raises(InvalidValue, match=r"observation\['q'\]: expected finite numbers"):
        adapter.transform_action(into(framework, CHUNK))


@pytest.mark.parametrize(
    ("model", "env", "tag", "message"),
    [
        ({"role": "my/joints"}, {"role": "my/joints"}, None, r"expected a role 'action/\.\.\.'"),
        (
            {"role": adapt.ACTION_JOINT_VEL},
            {"role": adapt.ACTION_JOINT_VEL},
            None,
            r"the env to offer 'proprio/joint_vel', .* got only 'proprio/joint_pos'",
        ),
        ({}, {"part": "left"}, None, r"to offer 'proprio/joint_pos' \(part 'left'\)"),
        ({"dim": 2}, {"dim": 2}, None, "widths sum to 3, got 2"),
        (
            {"role": "action/turn", "dim": 3},
            {"role": "action/turn", "dim": 3},
            adapt.StateTag("proprio/turn", encoding="euler_xyz"),
            "got .* a rotation in euler_xyz: a sum is no rotation",
        ),
        (
            {"frame": "world"},
            {},
            adapt.StateTag(adapt.JOINT_POS, frame="robot_base"),
            r"expected a state in the frame 'world', .* got .* in 'robot_base'",
        ),
        (
            {},
            {"labels": ("a", "b", "c")},
            adapt.StateTag(adapt.JOINT_POS, labels=("a", "b", "d")),
            r"expected a state with all of \['a', 'b', 'c'\]",
        ),
        ({}, {"scale": 0}, None, r"scale: expected other numbers than 0"),
        ({}, {"binary": True}, None, r"is binary, got 'from_state'"),
        ({}, {"delta": "from_state"}, None, r"EnvTags.*delta: expected None on the env's side"),
        (
            {"range": (0, 1)},
            {"range": (-2, 2)},
            None,
            r"range: expected one by which a change of 0 stays 0, .* becomes -2",
        ),
    ],
)
def test_what_cannot_be_added_is_refused(
    model: Fields, env: Fields, tag: Any, message: str
) -> None:
    with pytest.raises(AdapterResolutionError, match=message):
        adapter_for(model, env, tag)


def test_a_state_of_another_width_is_refused() -> None:
    with pytest.raises(AdapterResolutionError, match=r"a state of 3 elements, .* of 4"):
        adapter_for({}, None, None, Box(-1, 1, (4,)))


def test_a_state_in_other_units_is_told() -> None:
    tag = adapt.StateTag(adapt.JOINT_POS, range=(0, 0.04))
    for env, told in (({"range": (-1, 1)}, True), ({"range": (0, 0.04)}, False), ({}, False)):
        notes = adapter_for({"range": env.get("range")}, env, tag).advisories()
        assert any("same units" in note.message for note in notes) is told


def test_changes_scaled_by_ranges_stay_changes() -> None:
    adapter = adapter_for({"range": (-1, 1)}, {"range": (-2, 2)})
    assert targets("numpy", adapter, [0, 0.5, -1]).tolist() == [0.5, -1, -0.75]
    assert "plus observation['q'] at the predict" in adapter.explain()


# Restated from openpi: src/openpi/policies/aloha_policy.py, src/openpi/transforms.py.

SIGNS = np.array([1.0, -1, -1, 1, 1, 1])
PARTS = ("left_arm", "right_arm")


def aloha() -> adapt.Adapter:
    """Return the adapter between ALOHA and a model of pi0's, without its statistics."""
    fields, theirs, states, ours = [], [], [], []
    span = 1.4910 + 0.6213
    for part in PARTS:
        fields += [adapt.Field(adapt.JOINT_POS, 6, part=part)]
        fields += [adapt.Field(adapt.GRIPPER_POS, 1, part=part)]
        theirs += [adapt.Actuator(JOINTS, 6, part=part)]
        theirs += [adapt.Actuator(adapt.ACTION_GRIPPER, 1, part=part)]
        states += [
            adapt.State(adapt.JOINT_POS, part=part, scale=tuple(SIGNS)),
            adapt.State(
                adapt.GRIPPER_POS, part=part, curve=adapt.Curve("aloha_gripper_to_angular")
            ),
        ]
        ours += [
            adapt.Actuator(JOINTS, 6, part=part, scale=tuple(SIGNS), delta="from_state"),
            adapt.Actuator(
                adapt.ACTION_GRIPPER, 1, part=part, scale=1 / span, offset=(0.5476 + 0.6213) / span
            ),
        ]
    tags = adapt.EnvTags({"q": adapt.Split(*fields)}, adapt.Action(*theirs))
    space = DictSpace({"q": Box(-np.inf, np.inf, (14,), np.float64)})
    spec = adapt.ModelSpec(
        adapt.Concat(*states), adapt.Action(*ours, adapt.Actuator(dim=18, optional=True))
    )
    return adapt.resolve(tags, space, Box(-np.inf, np.inf, (14,), np.float32), spec)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_aloha_is_what_openpi_makes_of_it(framework: str) -> None:
    rng = np.random.default_rng(0)
    flips = np.concatenate([SIGNS, [1], SIGNS, [1]])
    grips = [6, 13]
    adapter = aloha()
    for _ in range(20):
        state = rng.uniform(-3, 3, 14).astype(np.float32)
        state[grips] = rng.uniform(0, 1, 2)
        payload = back(adapter.transform_obs(into(framework, {"q": state.astype(np.float64)})))
        decoded = flips * state
        metres = state[grips].astype(np.float64) * (0.05800 - 0.01844) + 0.01844
        sine = (0.022**2 + metres**2 - 0.036**2) / (2 * 0.022 * metres)
        decoded[grips] = (np.arcsin(np.clip(sine, -1, 1)) - 0.5476) / (1.6296 - 0.5476)
        assert payload == pytest.approx(decoded, abs=1e-5)
        chunk = rng.normal(size=(50, 32)).astype(np.float32)
        absolute = chunk[:, :14] + np.where(np.isin(np.arange(14), grips), 0, decoded)
        wanted = flips * absolute
        wanted[:, grips] = (wanted[:, grips] + 0.5476 + 0.6213) / (1.4910 + 0.6213)
        found = back(adapter.transform_action(into(framework, chunk)))
        assert found == pytest.approx(wanted, abs=1e-5)
