"""An adapter through the episodes of a run: what it keeps, what it finds out, what it refuses."""

from __future__ import annotations

import random
import re
from typing import Any, Dict, List, Optional, Tuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from adapters.frameworks import FRAMEWORKS, back, dtype, into, kind
from gymnasium import Env, spaces

import rlmesh
import rlmesh.adapters as adapt
import rlmesh.numpy
from rlmesh.errors import InvalidValue

IN_EVERY = pytest.mark.parametrize("framework", FRAMEWORKS)
CLOCK, PUSH = "proprio/clock", "action/push"

TAGS = adapt.EnvTags(
    observation={
        "front": adapt.ImageTag(adapt.IMAGE_PRIMARY),
        "clock": adapt.StateTag(CLOCK),
        "eef_quat": adapt.StateTag(adapt.EEF_ROT, encoding="quat_xyzw"),
        "task": adapt.TextTag(adapt.INSTRUCTION),
    },
    action=adapt.Action(
        adapt.Actuator(PUSH, dim=2),
        adapt.Actuator(adapt.ACTION_DELTA_ROT, encoding="axis_angle"),
        adapt.Actuator(adapt.ACTION_GRIPPER, dim=1, binary=True),
    ),
)
OBSERVATION_SPACE = spaces.Dict(
    {
        "front": spaces.Box(0, 255, (12, 16, 3), np.uint8),
        "clock": spaces.Box(-np.inf, np.inf, (2,), np.float32),
        "eef_quat": spaces.Box(-1, 1, (4,), np.float32),
        "task": spaces.Text(32),
    }
)
ACTION_SPACE = spaces.Box(-10, 10, (6,), np.float32)
OUTPUT = adapt.Action(
    adapt.Actuator(PUSH, dim=2),
    adapt.Actuator(adapt.ACTION_DELTA_ROT, encoding="rot6d"),
    adapt.Actuator(adapt.ACTION_GRIPPER, dim=1),
)
INPUT = {
    "image": adapt.Image(
        adapt.IMAGE_PRIMARY, size=8, layout="chw", dtype="float32", normalize=True, fit="crop"
    ),
    "raw": adapt.Image(adapt.IMAGE_PRIMARY),
    "state": adapt.Concat(CLOCK, adapt.State(adapt.EEF_ROT, encoding="rot6d"), pad_to=10),
}
STACKED = {
    "film": adapt.Image(adapt.IMAGE_PRIMARY, size=8, fit="stretch", stack=2),
    "clock": adapt.State(CLOCK, offsets=(3, 1, 0)),
    "blank": adapt.State(CLOCK, stack=3, stack_pad="fill"),
    "previous": adapt.State(PUSH, source="action"),
    "pushes": adapt.State(PUSH, source="action", stack=2),
}
PROMPT = {"prompt": adapt.Text(adapt.INSTRUCTION)}


def resolved(inputs: Any, tags: adapt.EnvTags = TAGS) -> adapt.Adapter:
    return adapt.resolve(tags, OBSERVATION_SPACE, ACTION_SPACE, adapt.ModelSpec(inputs, OUTPUT))


def observed(framework: str, step: int, episode: int = 0) -> Any:
    rng = np.random.default_rng((episode, step))
    observation = {
        "front": rng.integers(0, 256, (12, 16, 3), np.uint8),
        "clock": np.array([step, episode], np.float32),
        "eef_quat": rng.normal(size=4).astype(np.float32),
        "task": f"task of {episode}",
    }
    return into(framework, observation)


def output(framework: str, step: int = 0, episode: int = 0) -> Any:
    return into(framework, np.array([step, episode, 1, 0, 0, 0, 1, 0, 0.5], np.float32))


# What it keeps.


def stacks_expected(step: int, episode: int) -> Dict[str, Any]:
    """Return the payload of `STACKED`, without the film."""
    clock = [[max(step - ago, 0), episode] for ago in (3, 1, 0)]
    blank = [[step - ago, episode] if step >= ago else [0, 0] for ago in (2, 1, 0)]
    pushes = [[i - 1, episode] if i > 0 else [0, 0] for i in (step - 1, step)]
    return {"clock": clock, "blank": blank, "previous": pushes[-1], "pushes": pushes}


def assert_stacks(payload: Any, step: int, episode: int) -> None:
    for name, expected in stacks_expected(step, episode).items():
        assert back(payload[name]).tolist() == expected, (name, step, episode)


@IN_EVERY
def test_episodes_never_mix_whatever_the_order_of_their_steps(framework: str) -> None:
    shared = resolved({**STACKED, **PROMPT})
    episodes = {i: shared.new_episode(f"instruction {i}") for i in range(1, 4)}
    steps = dict.fromkeys(episodes, 0)
    films: Dict[int, List[Any]] = {i: [] for i in episodes}
    order = random.Random(0)
    for _ in range(24):
        i = order.choice(list(episodes))
        payload = episodes[i].transform_obs(observed(framework, steps[i], i))
        assert_stacks(payload, steps[i], i)
        assert payload["prompt"] == f"instruction {i}"
        older, newer = back(payload["film"])
        assert np.array_equal(older, films[i][-1] if films[i] else newer)
        films[i].append(newer.copy())
        episodes[i].transform_action(output(framework, steps[i], i))
        steps[i] += 1


@IN_EVERY
def test_reset_forgets_the_episode(framework: str) -> None:
    adapter = resolved({**STACKED, **PROMPT})
    for episode in (1, 2):
        adapter.reset(None if episode == 1 else "do it")
        for step in range(5):
            payload = adapter.transform_obs(observed(framework, step, episode))
            assert_stacks(payload, step, episode)
            assert payload["prompt"] == ("task of 1" if episode == 1 else "do it")
            adapter.transform_action(output(framework, step, episode))


@IN_EVERY
def test_history_counts_the_steps_that_a_chunk_answered(framework: str) -> None:
    adapter = resolved(STACKED)
    assert adapter.needs_every_step
    for start in (0, 4, 8):
        assert_stacks(adapter.transform_obs(observed(framework, start, 1)), start, 1)
        chunk = [back(output(framework, start + i, 1)) for i in range(4)]
        adapter.transform_action(into(framework, np.stack(chunk)))
        for step in range(start + 1, start + 4):
            adapter.observe(observed(framework, step, 1))


@IN_EVERY
def test_an_adapter_without_stacks_needs_no_other_steps(framework: str) -> None:
    adapter = resolved({"previous": STACKED["previous"]})
    assert not adapter.needs_every_step
    adapter.observe({})
    chunk = np.stack([back(output(framework, i, 1)) for i in range(3)])
    adapter.transform_action(into(framework, chunk))
    adapter.executed(3)
    payload = adapter.transform_obs(observed(framework, 3))
    assert back(payload["previous"]).tolist() == [2, 1]


# What it is.


@IN_EVERY
def test_wrap_predict_goes_from_observations_to_actions(framework: str) -> None:
    adapter = resolved(INPUT)
    seen: List[Any] = []

    def predict(payload: Any) -> Any:
        seen.append(payload)
        return output(framework, 3, 4)

    action = adapter.wrap_predict(predict)(observed(framework, 0))
    assert back(action).tolist() == [3, 4, 0, 0, 0, 1]
    assert kind(action) == framework
    ((name, shape),) = {(k, tuple(v.shape)) for k, v in seen[0].items()} - {
        ("raw", (12, 16, 3)),
        ("state", (10,)),
    }
    assert (name, shape) == ("image", (3, 8, 8))


@IN_EVERY
@pytest.mark.parametrize("lead", [(5,), (2, 5)])
def test_chunks_and_batches_are_as_many_single_actions(framework: str, lead: Any) -> None:
    adapter = resolved(INPUT)
    vectors = np.random.default_rng(0).normal(size=(*lead, 9)).astype(np.float32)
    actions = back(adapter.transform_action(into(framework, vectors)))
    singles = [
        back(adapter.transform_action(into(framework, one))) for one in vectors.reshape(-1, 9)
    ]
    assert actions.shape == (*lead, 6)
    np.testing.assert_allclose(actions.reshape(-1, 6), singles, atol=1e-6)


def test_repr_reads_and_takes_instruction_tell_what_it_is_about() -> None:
    adapter = resolved({**INPUT, **PROMPT})
    assert repr(adapter) == "Adapter(4 inputs, 3 actuators)"
    assert adapter.reads() == [("front",), ("clock",), ("eef_quat",), ("task",)]
    assert adapter.takes_instruction
    plain = resolved({"clock": adapt.State(CLOCK)})
    assert plain.reads() == [("clock",)]
    assert not plain.takes_instruction


def test_a_function_of_the_whole_observation_reads_all_of_it() -> None:
    custom = adapt.Custom(transform=lambda observation: observation["task"].upper())
    adapter = resolved({"loud": custom, "clock": adapt.State(CLOCK)})
    assert adapter.reads() is None
    assert adapter.transform_obs(observed("numpy", 0))["loud"] == "TASK OF 0"


@IN_EVERY
def test_tuples_and_bare_leaves_keep_their_container(framework: str) -> None:
    state, raw = adapt.State(CLOCK), INPUT["raw"]
    first, (second, text) = resolved((state, (raw, PROMPT["prompt"]))).transform_obs(
        observed(framework, 2)
    )
    assert back(first).tolist() == [2, 0]
    assert back(second).shape == (12, 16, 3)
    assert text == "task of 0"
    assert back(resolved(state).transform_obs(observed(framework, 2))).tolist() == [2, 0]
    listed = adapt.State(CLOCK, container="list")
    assert resolved(listed).transform_obs(observed(framework, 2)) == [2.0, 0.0]


# What it finds out.


class OwnTensor(torch.Tensor):
    """A user's class."""


@IN_EVERY
def test_the_framework_is_that_of_the_first_observation(framework: str) -> None:
    payload = resolved({**INPUT, **PROMPT}).transform_obs(observed(framework, 0))
    assert {kind(part) for name, part in payload.items() if name != "prompt"} == {framework}


@IN_EVERY
def test_the_framework_is_that_of_the_first_output(framework: str) -> None:
    action = resolved(INPUT).transform_action(output(framework))
    assert kind(action) == framework


def test_lists_of_numbers_become_numpys_actions() -> None:
    action = resolved(INPUT).transform_action(output("numpy").tolist())
    assert kind(action) == "numpy"
    assert action.dtype == np.float32


def test_a_tensor_of_a_class_of_ones_own_is_torchs() -> None:
    observation = observed("torch", 0)
    observation["front"] = observation["front"].as_subclass(OwnTensor)
    payload = resolved({"image": INPUT["image"]}).transform_obs(observation)
    assert isinstance(payload["image"], torch.Tensor)


def test_jax_finds_its_arrays_though_their_class_is_in_jaxlib() -> None:
    assert type(jnp.zeros(1)).__module__.startswith("jaxlib")
    payload = resolved({"image": INPUT["image"]}).transform_obs(observed("jax", 0))
    assert isinstance(payload["image"], jax.Array)


@IN_EVERY
def test_integers_of_an_observation_are_numbers_of_the_framework(framework: str) -> None:
    tags = adapt.EnvTags({"clock": adapt.StateTag("proprio/gear")}, TAGS.action)
    space = spaces.Dict({"clock": spaces.Discrete(5), "front": OBSERVATION_SPACE["front"]})
    spec = adapt.ModelSpec({"gear": adapt.State("proprio/gear", scale=0.5)}, OUTPUT)
    adapter = adapt.resolve(tags, space, ACTION_SPACE, spec)
    payload = adapter.transform_obs({"clock": 3, "front": observed(framework, 0)["front"]})
    assert kind(payload["gear"]) == framework
    assert back(payload["gear"]).tolist() == [1.5]


@IN_EVERY
def test_a_discrete_action_is_an_int_and_a_chunk_of_them_an_array(framework: str) -> None:
    action = adapt.Action(adapt.Actuator(PUSH, dim=1))
    tags = adapt.EnvTags(TAGS.observation, action)
    spec = adapt.ModelSpec({"clock": adapt.State(CLOCK)}, action)
    adapter = adapt.resolve(tags, OBSERVATION_SPACE, spaces.Discrete(4), spec)
    one = adapter.transform_action(into(framework, np.array([2.4], np.float32)))
    assert type(one) is int
    assert one == 2
    several = adapter.transform_action(into(framework, np.array([[2.5], [9.0]], np.float32)))
    assert kind(several) == framework
    assert back(several).tolist() == [2, 3]


# What it refuses.


@IN_EVERY
def test_a_missing_leaf_is_named(framework: str) -> None:
    observation = observed(framework, 0)
    del observation["clock"]
    with pytest.raises(InvalidValue, match=r"observation\['clock'\]: expected a value, got none"):
        resolved(INPUT).transform_obs(observation)


def test_an_array_of_another_framework_is_named() -> None:
    observation = {**observed("torch", 0), "clock": np.zeros(2, np.float32)}
    expected = r"observation\['clock'\]: expected an array of torch, got ndarray"
    with pytest.raises(InvalidValue, match=expected):
        resolved(INPUT).transform_obs(observation)


@IN_EVERY
@pytest.mark.parametrize("shape", [(), (8,), (10,), (2, 8), (9, 1)])
def test_an_output_of_another_width_is_refused(framework: str, shape: Tuple[int, ...]) -> None:
    expected = "output: expected 9 elements along the last axis.*got shape " + re.escape(str(shape))
    with pytest.raises(InvalidValue, match=expected):
        resolved(INPUT).transform_action(into(framework, np.zeros(shape, np.float32)))


@IN_EVERY
@pytest.mark.parametrize("wrong", ["left", None, {"action": 1}, ["a"] * 9, [[1], [2, 3]]])
def test_an_output_that_is_no_numbers_is_refused(framework: str, wrong: Any) -> None:
    adapter = resolved(INPUT)
    adapter.transform_action(output(framework))
    with pytest.raises(InvalidValue, match="the model's output: expected 9 numbers, got"):
        adapter.transform_action(wrong)


@pytest.mark.parametrize("wrong", ["<U1", object, np.complex64])
def test_an_array_of_no_real_numbers_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidValue, match="the model's output: expected 9 numbers, got an array"):
        resolved(INPUT).transform_action(np.zeros(9, wrong))


@IN_EVERY
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_an_infinite_output_is_refused_by_the_actuators_name(framework: str, wrong: float) -> None:
    vector = back(output(framework)).copy()
    vector[8] = wrong
    with pytest.raises(InvalidValue, match=r"output\[2\] \(action/gripper\).*finite"):
        resolved(INPUT).transform_action(into(framework, vector))
    rotation = back(output(framework)).copy()
    rotation[4] = wrong
    with pytest.raises(InvalidValue, match=r"output\[1\] \(action/delta_eef_rot\).*finite"):
        resolved(INPUT).transform_action(
            into(framework, np.stack([np.zeros_like(vector), rotation]))
        )


def test_a_number_too_large_for_the_actions_dtype_is_refused() -> None:
    huge = torch.full((9,), 1e300, dtype=torch.float64)
    with pytest.raises(InvalidValue, match="the model's output: expected finite numbers"):
        resolved(INPUT).transform_action(huge)


@IN_EVERY
def test_a_previous_output_has_the_precision_of_the_action(framework: str) -> None:
    adapter = resolved({"previous": STACKED["previous"]})
    adapter.transform_action(into(framework, np.arange(9, dtype=np.int32)))
    previous = adapter.transform_obs(observed(framework, 1))["previous"]
    assert dtype(previous) == "float32"
    assert back(previous).tolist() == [0, 1]


def test_a_template_frames_whatever_text_is_used() -> None:
    """As OpenVLA's prompt, experiments/robot/openvla_utils.py."""
    prompt = "In: What action should the robot take to {text}?\nOut: {x}"
    inputs = {
        "one": adapt.Text("text/none", fill="wait", template=prompt),
        "list": adapt.Text("text/none", fill="{text}", container="list", template="<{text}>"),
    }
    adapter = resolved(inputs)
    found = adapter.transform_obs(observed("numpy", 0))
    asked = "In: What action should the robot take to {}?\nOut: {{x}}"
    assert found == {"one": asked.format("wait"), "list": ["<{text}>"]}
    adapter.reset("lift the {text}")
    found = adapter.transform_obs(observed("numpy", 0))
    assert found == {"one": asked.format("lift the {text}"), "list": ["<lift the {text}>"]}
    assert repr(prompt) in adapter.explain()


def test_a_text_that_is_none_is_refused() -> None:
    observation = {**observed("numpy", 0), "task": 3}
    with pytest.raises(InvalidValue, match="instruction: expected a str"):
        resolved(PROMPT).transform_obs(observation)


# One written by hand.


class Halving(adapt.AdapterBase):
    """Gives a model the clock alone, and halves its actions."""

    takes_instruction = True

    def __init__(self) -> None:
        self.instruction: Optional[str] = None
        self.count = 0

    def reset(self, instruction: Optional[str] = None) -> None:
        self.instruction = instruction
        self.count = 0

    def transform_obs(self, observation: Any) -> Any:
        self.count += 1
        return (self.count, self.instruction, observation["clock"])

    def transform_action(self, output: Any) -> Any:
        return output / 2


class Clock(Env[Any, Any]):
    """Shows its step, and counts what the actions add up to."""

    observation_space = spaces.Dict({"clock": OBSERVATION_SPACE["clock"]})
    action_space = ACTION_SPACE

    def reset(self, *, seed: Any = None, options: Any = None) -> Tuple[Any, Dict[str, Any]]:
        self.steps = 0
        return {"clock": np.array([0, seed], np.float32)}, {}

    def step(self, action: Any) -> Tuple[Any, float, bool, bool, Dict[str, Any]]:
        self.steps += 1
        observation = {"clock": np.array([self.steps, 0], np.float32)}
        return observation, float(action.sum()), self.steps == 3, False, {}


def test_an_adapter_written_by_hand_runs_each_episode_with_one_of_its_own() -> None:
    adapter = Halving()
    seen: List[Any] = []

    def predict(payload: Any) -> Any:
        count, instruction, clock = payload
        seen.append((count, instruction, clock[0]))
        return np.ones(6, np.float32)

    model = rlmesh.numpy.Model(predict, spec=adapter)
    result = model.run(Clock(), seeds=[1, 2], instruction="go")
    assert [episode.reward for episode in result.episodes] == [9.0, 9.0]
    assert seen == [(i + 1, "go", i) for i in range(3)] * 2
    assert adapter.count == 0


def test_an_adapter_written_by_hand_has_defaults_for_the_rest() -> None:
    adapter = Halving()
    assert adapter.reads() is None
    assert not adapter.needs_every_step
    assert adapter.explain() == "Halving, written by hand"
    assert adapter.advisories() == []
    adapter.observe({"clock": 0})
    assert adapter.wrap_predict(lambda payload: payload[0])({"clock": 0}) == 0.5
    with pytest.raises(NotImplementedError):
        adapt.AdapterBase().transform_obs({})
    with pytest.raises(NotImplementedError):
        adapt.AdapterBase().transform_action([])


# JAX, and other devices.


def compiled_by(caplog: pytest.LogCaptureFixture, step: Any) -> List[str]:
    """Return the functions that a call runs compiled; all are compiled anew."""
    jax.clear_caches()
    caplog.clear()
    with jax.log_compiles():
        step()
    found = re.findall(r"Finished XLA compilation of jit\((\w+)\)", caplog.text)
    assert found, caplog.text
    return found


@pytest.mark.parametrize("inputs", [INPUT, {**INPUT, **STACKED, **PROMPT}], ids=["plain", "stacks"])
def test_under_jax_a_step_is_one_compiled_call_and_an_action_another(
    inputs: Any, caplog: pytest.LogCaptureFixture
) -> None:
    adapter = resolved(inputs)
    observations = [observed("jax", step) for step in range(5)]
    outputs = [output("jax", step) for step in range(5)]
    for step in range(2):
        adapter.transform_obs(observations[step])
        adapter.transform_action(outputs[step])
    functions = adapter._functions
    sizes = [functions.payload._cache_size(), functions.action._cache_size()]
    assert sizes == [1, 1]
    assert compiled_by(caplog, lambda: adapter.transform_obs(observations[2])) == ["payload"]
    assert compiled_by(caplog, lambda: adapter.transform_action(outputs[2])) == ["action"]


def test_under_jax_episodes_share_what_is_compiled_even_before_the_first_step() -> None:
    shared = resolved({**INPUT, **STACKED})
    episodes = [shared.new_episode() for _ in range(3)]
    for step in range(3):
        for i, adapter in enumerate(episodes):
            adapter.transform_obs(observed("jax", step, i))
            adapter.transform_action(output("jax", step, i))
    functions = shared._functions
    sizes = [functions.payload._cache_size(), functions.action._cache_size()]
    assert sizes == [1, 1]


@pytest.mark.parametrize("wide", [False, True])
def test_jax_agrees_with_numpy_with_and_without_64_bit_numbers(wide: bool) -> None:
    with jax.enable_x64(wide):
        space = spaces.Dict({**OBSERVATION_SPACE.spaces, "clock": spaces.Box(-9, 9, (2,))})
        inputs = {**INPUT, "clock": adapt.State(CLOCK, dtype="float64", scale=[2.0, 3.0])}
        spec = adapt.ModelSpec(inputs, OUTPUT)
        found = []
        for framework in ("numpy", "jax"):
            adapter = adapt.resolve(TAGS, space, ACTION_SPACE, spec)
            payload = adapter.transform_obs(observed(framework, 3, 2))
            action = adapter.transform_action(output(framework, 1, 2))
            found.append({**payload, "action": action})
        for name, expected in found[0].items():
            assert kind(found[1][name]) == "jax"
            tolerance = 1.01 / 255 if name == "image" else 1e-6
            np.testing.assert_allclose(back(found[1][name]), expected, atol=tolerance)
        assert found[1]["clock"].dtype == (jnp.float64 if wide else jnp.float32)


def test_under_torch_previous_outputs_do_not_keep_what_led_to_them() -> None:
    adapter = resolved({"previous": STACKED["previous"]})
    weights = torch.ones(9, requires_grad=True)
    adapter.transform_action(weights * 2)
    assert not adapter.transform_obs(observed("torch", 1))["previous"].requires_grad


def test_under_torch_all_of_a_payload_is_where_the_observation_is() -> None:
    inputs = {**INPUT, **STACKED, "made": adapt.Concat(CLOCK, adapt.Constant(2, fill=1.0))}
    adapter = resolved(inputs)
    for step in range(3):
        observation = observed("torch", step)
        moved = {k: v if isinstance(v, str) else v.to("meta") for k, v in observation.items()}
        devices = {name: str(part.device) for name, part in adapter.transform_obs(moved).items()}
        assert devices == dict.fromkeys(inputs, "meta")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU")
def test_torch_stays_on_the_gpu_and_agrees_with_the_cpu() -> None:
    inputs = {**INPUT, **STACKED, "made": adapt.Concat(CLOCK, adapt.Constant(2, fill=1.0))}
    on_cpu, on_gpu = resolved(inputs), resolved(inputs)
    for step in range(3):
        observation = observed("torch", step)
        moved = {k: v if isinstance(v, str) else v.cuda() for k, v in observation.items()}
        expected, payload = on_cpu.transform_obs(observation), on_gpu.transform_obs(moved)
        for name, part in payload.items():
            assert part.is_cuda, name
            tolerance = 1.01 if part.dtype == torch.uint8 else 1.01 / 255
            np.testing.assert_allclose(back(part.cpu()), back(expected[name]), atol=tolerance)
        action = on_gpu.transform_action(output("torch", step).cuda())
        assert action.is_cuda
        wanted = on_cpu.transform_action(output("torch", step))
        np.testing.assert_allclose(back(action.cpu()), back(wanted), atol=1e-5)
