"""What an adapter changes has memory of its own; what it does not change, it does not copy."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Tuple

import numpy as np
import pytest
import torch
from adapters.frameworks import FRAMEWORKS, back, into
from gymnasium import Env, spaces
from servers import Servers

import rlmesh
import rlmesh.adapters as adapt
import rlmesh.numpy
import rlmesh.torch

HEIGHT, WIDTH = 12, 16
ACTION_SPACE = spaces.Box(-1, 1, (2,), np.float32)
PLAIN = "action/plain"
ACTION = adapt.Action(adapt.Actuator(PLAIN, dim=2), clip=(-1.0, 1.0))
PLAIN_ACTION = adapt.Action(adapt.Actuator(PLAIN, dim=2))
IN_EVERY = pytest.mark.parametrize("framework", FRAMEWORKS)


def shares_memory(one: Any, other: Any) -> bool:
    """Whether two arrays of one framework are views of the same memory; in JAX, the same array."""
    if isinstance(one, torch.Tensor):
        return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()
    return np.shares_memory(one, other) if isinstance(one, np.ndarray) else one is other


def resolved(inputs: Any, tag: Any, space: Any) -> adapt.Adapter:
    """Return the adapter for one leaf of an env."""
    tags = adapt.EnvTags({"leaf": tag}, PLAIN_ACTION)
    spec = adapt.ModelSpec(inputs, PLAIN_ACTION)
    return adapt.resolve(tags, spaces.Dict({"leaf": space}), ACTION_SPACE, spec)


def picture(*shape: int) -> Any:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def payload_of_picture(framework: str, shape: Any, tag: Any, image: Any) -> Tuple[Any, Any]:
    """Return a camera's picture, and the payload that is made of it."""
    adapter = resolved(image, tag, spaces.Box(0, 255, shape, np.uint8))
    observation = into(framework, {"leaf": picture(*shape)})
    return observation["leaf"], adapter.transform_obs(observation)


@IN_EVERY
@pytest.mark.parametrize("layout", ["hwc", "chw"])
@pytest.mark.parametrize("fields", [{}, {"height": HEIGHT, "width": WIDTH, "channels": 3}])
def test_a_picture_that_is_wanted_as_it_is_is_the_same_array(
    framework: str, layout: Any, fields: Dict[str, Any]
) -> None:
    shape = (HEIGHT, WIDTH, 3) if layout == "hwc" else (3, HEIGHT, WIDTH)
    tag = adapt.ImageTag(adapt.IMAGE_PRIMARY, layout=layout, upside_down=True)
    wanted = adapt.Image(adapt.IMAGE_PRIMARY, layout=layout, upside_down=True, **fields)
    given, payload = payload_of_picture(framework, shape, tag, wanted)
    assert payload is given


@IN_EVERY
def test_an_array_that_is_wanted_as_it_is_is_the_same_beside_others_that_change(
    framework: str,
) -> None:
    image = adapt.Image(adapt.IMAGE_PRIMARY)
    inputs = {"same": image, "small": adapt.Image(adapt.IMAGE_PRIMARY, height=6, width=8)}
    tag = adapt.ImageTag(adapt.IMAGE_PRIMARY)
    given, payload = payload_of_picture(framework, (HEIGHT, WIDTH, 3), tag, inputs)
    assert payload["same"] is given
    assert not shares_memory(payload["small"], given)


@pytest.mark.parametrize("framework", ["numpy", "torch"])
@pytest.mark.parametrize(
    ("shape", "tag", "fields", "expected"),
    [
        ((HEIGHT, WIDTH, 3), {}, {"layout": "chw"}, lambda x: np.moveaxis(x, -1, 0)),
        ((3, HEIGHT, WIDTH), {"layout": "chw"}, {}, lambda x: np.moveaxis(x, 0, -1)),
        ((HEIGHT, WIDTH, 3), {}, {"upside_down": True}, lambda x: x[::-1, ::-1]),
        ((HEIGHT, WIDTH, 3), {"channel_order": "bgr"}, {}, lambda x: x[..., ::-1]),
        ((HEIGHT, WIDTH, 4), {}, {}, lambda x: x[..., :3]),
        (
            (HEIGHT, WIDTH, 3),
            {},
            {"crop": 0.5, "crop_mode": "slice"},
            lambda x: x[3:9, 4:12],
        ),
        ((HEIGHT, WIDTH), {}, {}, lambda x: x[..., None]),
        ((HEIGHT, WIDTH, 3), {}, {"lead_dims": 2}, lambda x: x[None, None]),
    ],
    ids=["to-chw", "to-hwc", "turned", "bgr", "alpha", "slice", "gray", "lead-dims"],
)
def test_a_picture_seen_in_another_way_has_memory_of_its_own_in_order(
    framework: str,
    shape: Any,
    tag: Dict[str, Any],
    fields: Dict[str, Any],
    expected: Callable[[Any], Any],
) -> None:
    image = adapt.Image(adapt.IMAGE_PRIMARY, **fields)
    camera = adapt.ImageTag(adapt.IMAGE_PRIMARY, **tag)
    given, payload = payload_of_picture(framework, shape, camera, image)
    assert not shares_memory(payload, given)
    assert np.array_equal(back(payload), expected(picture(*shape)))
    assert back(payload).flags.c_contiguous
    assert back(payload).flags.writeable


@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_a_state_has_memory_of_its_own(framework: str) -> None:
    space = spaces.Box(-1, 1, (4,), np.float32)
    wanted = adapt.State(adapt.JOINT_POS)
    adapter = resolved(wanted, adapt.StateTag(adapt.JOINT_POS), space)
    observation = into(framework, {"leaf": np.arange(4, dtype=np.float32)})
    payload = adapter.transform_obs(observation)
    assert not shares_memory(payload, observation["leaf"])
    assert back(payload).tolist() == [0, 1, 2, 3]


@IN_EVERY
def test_leaves_that_are_not_read_need_not_be_there(framework: str) -> None:
    tags = adapt.EnvTags(
        {
            "front": adapt.ImageTag(adapt.IMAGE_PRIMARY),
            "wrist": adapt.ImageTag(adapt.IMAGE_WRIST),
            "joints": adapt.StateTag(adapt.JOINT_POS),
        },
        PLAIN_ACTION,
    )
    camera = spaces.Box(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    joints = spaces.Box(-1, 1, (4,), np.float32)
    space = spaces.Dict({"front": camera, "wrist": camera, "joints": joints, "untagged": camera})
    spec = adapt.ModelSpec({"image": adapt.Image(adapt.IMAGE_WRIST)}, PLAIN_ACTION)
    adapter = adapt.resolve(tags, space, ACTION_SPACE, spec)
    assert adapter.reads() == [("wrist",)]
    observation = into(framework, {"wrist": picture(HEIGHT, WIDTH, 3)})
    assert adapter.transform_obs(observation)["image"] is observation["wrist"]


TAGS = adapt.EnvTags(
    {
        "camera": adapt.ImageTag(adapt.IMAGE_PRIMARY, upside_down=True),
        "joints": adapt.StateTag(adapt.JOINT_POS, range=(-2.0, 2.0)),
        "rotation": adapt.StateTag(adapt.EEF_ROT, encoding="quat_xyzw"),
    },
    ACTION,
)
SPACE = spaces.Dict(
    {
        "camera": spaces.Box(0, 255, (HEIGHT, WIDTH, 3), np.uint8),
        "joints": spaces.Box(-np.inf, np.inf, (4,), np.float32),
        "rotation": spaces.Box(-1, 1, (4,), np.float64),
    }
)
STATS = adapt.Stats(mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
IMAGES = {
    "bytes": adapt.Image(adapt.IMAGE_PRIMARY, upside_down=True),
    "turned": adapt.Image(adapt.IMAGE_PRIMARY),
    "unit": adapt.Image(adapt.IMAGE_PRIMARY, dtype="float32", normalize=True, upside_down=True),
    "range": adapt.Image(adapt.IMAGE_PRIMARY, dtype="float32", normalize=(-1.0, 2.0), layout="chw"),
    "stats": adapt.Image(adapt.IMAGE_PRIMARY, dtype="float16", normalize=STATS, size=8, fit="pad"),
    "small": adapt.Image(adapt.IMAGE_PRIMARY, size=6, fit="crop", resample="area", crop=0.9),
    "floats": adapt.Image(adapt.IMAGE_PRIMARY, dtype="float32", upside_down=True),
    "aa": adapt.Image(adapt.IMAGE_PRIMARY, size=6, fit="stretch", resample="bicubic_aa"),
}
STATES = {
    "same": adapt.State(adapt.JOINT_POS),
    "scaled": adapt.State(adapt.JOINT_POS, range=(0.0, 1.0), scale=2.0, offset=1.0, pad_to=6),
    "rotation": adapt.State(adapt.EEF_ROT, encoding="rot6d"),
    "joined": adapt.Concat(adapt.JOINT_POS, adapt.EEF_ROT, clip=(-1.0, 1.0)),
}
STACKS = {
    "film": adapt.Image(adapt.IMAGE_PRIMARY, upside_down=True, stack=3),
    "late": adapt.Image(adapt.IMAGE_PRIMARY, size=6, fit="stretch", stack=2, stride=2),
    "track": adapt.State(adapt.JOINT_POS, stack=3),
    "outputs": adapt.State(PLAIN, source="action", stack=2),
    "output": adapt.State(PLAIN, source="action"),
}


def sample(seed: int) -> Dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "camera": rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8),
        "joints": rng.normal(size=4).astype(np.float32),
        "rotation": rng.normal(size=4),
    }


def adapter_of(inputs: Dict[str, Any]) -> adapt.Adapter:
    output = adapt.Action(adapt.Actuator(PLAIN, dim=2, scale=0.5))
    return adapt.resolve(TAGS, SPACE, ACTION_SPACE, adapt.ModelSpec(inputs, output))


@IN_EVERY
@pytest.mark.parametrize("name", [*IMAGES, *STATES, *STACKS])
def test_nothing_is_written_into_observations_and_outputs(framework: str, name: str) -> None:
    adapter = adapter_of({name: {**IMAGES, **STATES, **STACKS}[name]})
    original = sample(0)
    for array in original.values():
        array.flags.writeable = False
    observation = into(framework, original)
    output = into(framework, np.array([4.0, -0.5], np.float32))
    for _ in range(2):
        adapter.transform_obs(observation)
        adapter.transform_action(output)
    for key, array in sample(0).items():
        assert np.array_equal(back(observation[key]), back(into(framework, array)))
    assert back(output).tolist() == [4.0, -0.5]


def deep_copy(payload: Dict[str, Any]) -> Dict[str, Any]:
    return {key: np.array(back(value)) for key, value in payload.items()}


@pytest.mark.parametrize("framework", ["numpy", "torch"])
@pytest.mark.parametrize("env", ["new arrays", "the same arrays"])
def test_what_was_made_stays_when_env_and_model_reuse_and_write_into_their_arrays(
    framework: str, env: str
) -> None:
    changed = {key: image for key, image in IMAGES.items() if key != "bytes"}
    changed["scaled"] = STATES["scaled"]  # type: ignore[assignment]
    inputs = {**changed, **STACKS}
    adapter, careful = adapter_of(inputs), adapter_of(inputs)
    buffers = into(framework, sample(0))
    output = into(framework, np.zeros(2, np.float32))
    kept: List[Tuple[Any, Any]] = []
    for step in range(6):
        fresh = into(framework, sample(step))
        expected = deep_copy(careful.transform_obs(into(framework, sample(step))))
        careful.transform_action(into(framework, np.full(2, 0.1 * step, np.float32)))
        if env == "the same arrays":
            for key, array in fresh.items():
                buffers[key][...] = array
            fresh = buffers
        payload = adapter.transform_obs(fresh)
        kept.append((payload, expected))
        for then, wanted in kept if step % 2 else kept[-1:]:
            for key, array in deep_copy(then).items():
                assert np.array_equal(array, wanted[key]), (step, key)
        output[...] = 0.1 * step
        adapter.transform_action(output)
        if step % 2:
            for array in payload.values():
                array[...] = 7
            kept = []


class Filming(Env[Any, Any]):
    """Shows the same array at each step."""

    observation_space = spaces.Dict({"leaf": spaces.Box(0, 255, (HEIGHT, WIDTH, 3), np.uint8)})
    action_space = ACTION_SPACE
    tags = adapt.EnvTags({"leaf": adapt.ImageTag(adapt.IMAGE_PRIMARY)}, PLAIN_ACTION)

    def __init__(self) -> None:
        self.camera = picture(HEIGHT, WIDTH, 3)
        self.steps = 0
        adapt.tag(self, self.tags)

    def reset(self, *, seed: Any = None, options: Any = None) -> Tuple[Any, Dict[str, Any]]:
        self.steps = 0
        return {"leaf": self.camera}, {}

    def step(self, action: Any) -> Tuple[Any, float, bool, bool, Dict[str, Any]]:
        self.steps += 1
        return {"leaf": self.camera}, 0.0, self.steps == 3, False, {}


def pictures_seen(package: Any, env: Any, spec: Any) -> List[Any]:
    """Return the pictures that a model of this spec sees in an episode."""
    seen: List[Any] = []

    def predict(payload: Any) -> Any:
        seen.append(payload["leaf"])
        return [0.5, 0.5]

    package.Model(predict, spec=spec).run(env, max_episodes=1)
    assert len(seen) == 3
    return seen


AS_IT_IS = adapt.ModelSpec({"leaf": adapt.Image(adapt.IMAGE_PRIMARY)}, PLAIN_ACTION)


@pytest.mark.parametrize("package", [rlmesh.numpy, rlmesh.torch], ids=["numpy", "torch"])
def test_a_run_here_shares_memory_with_the_env_as_one_without_adapter_does(package: Any) -> None:
    env = Filming()
    memory = rlmesh.numpy if package is rlmesh.numpy else torch
    own = env.camera if package is rlmesh.numpy else memory.from_numpy(env.camera)
    with_spec = [shares_memory(one, own) for one in pictures_seen(package, env, AS_IT_IS)]
    without = [shares_memory(one, own) for one in pictures_seen(package, env, None)]
    assert with_spec == without


def test_a_served_picture_is_a_view_of_what_was_received(serve: Servers) -> None:
    address = serve("adapters.test_no_copies:Filming").address
    for spec in (AS_IT_IS, None):
        for seen in pictures_seen(rlmesh.numpy, address, spec):
            assert not seen.flags.owndata
            assert np.array_equal(seen, picture(HEIGHT, WIDTH, 3))
