"""A robot with tags, and a model with a spec, each of which checks what the other does."""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from typing import Any, Dict, List, Optional, Tuple

import gymnasium
import numpy as np
from gymnasium import spaces
from policies import from_numpy, to_numpy

import rlmesh
import rlmesh.adapters as adapt

CLOCK = "proprio/clock"
TASK = "put the bowl on the plate"
STEPS = 12
HISTORY = (4, 1, 0)

TAGS = adapt.EnvTags(
    observation={
        "top": adapt.ImageTag(adapt.IMAGE_PRIMARY, upside_down=True),
        "side": adapt.ImageTag(adapt.IMAGE_SECONDARY),
        "wrist": adapt.ImageTag(adapt.IMAGE_WRIST, layout="chw"),
        "eef_quat": adapt.StateTag(adapt.EEF_ROT, encoding="quat_xyzw"),
        "clock": adapt.StateTag(CLOCK),
        "task": adapt.TextTag(adapt.INSTRUCTION),
    },
    action=adapt.Action(
        adapt.Actuator(adapt.ACTION_DELTA_POS, dim=3),
        adapt.Actuator(adapt.ACTION_DELTA_ROT, encoding="axis_angle"),
        adapt.Actuator(adapt.ACTION_GRIPPER, dim=1, range=(-1.0, 1.0)),
    ),
)
OUTPUT = adapt.Action(
    adapt.Actuator(adapt.ACTION_DELTA_POS, dim=3, scale=0.001),
    adapt.Actuator(adapt.ACTION_DELTA_ROT, encoding="rot6d"),
    adapt.Actuator(adapt.ACTION_GRIPPER, dim=1, binary=True, threshold=0.5),
)
SPEC = adapt.ModelSpec(
    input={
        "image": adapt.Image(
            adapt.IMAGE_PRIMARY, size=24, fit="crop", layout="chw", dtype="float32", normalize=True
        ),
        "rotation": adapt.State(adapt.EEF_ROT, encoding="rot6d"),
        "clock": adapt.State(CLOCK, offsets=HISTORY),
        "previous": adapt.State(adapt.ACTION_DELTA_POS, source="action"),
        "prompt": adapt.Text(adapt.INSTRUCTION),
    },
    output=OUTPUT,
)


class Robot(gymnasium.Env[Any, Any]):
    """Shows its clock and seed, and fails where an action is not the one that belongs to them.

    Args:
        size: Height and width of its three cameras' pictures.
        tagged: Whether it carries its tags.
    """

    metadata: Dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, size: Tuple[int, int] = (48, 64), tagged: bool = True) -> None:
        height, width = size
        picture = spaces.Box(0, 255, (height, width, 3), np.uint8)
        self.observation_space = spaces.Dict(
            {
                "top": picture,
                "side": picture,
                "wrist": spaces.Box(0, 255, (3, height, width), np.uint8),
                "eef_quat": spaces.Box(-1, 1, (4,), np.float64),
                "clock": spaces.Box(0, np.inf, (2,), np.float32),
                "task": spaces.Text(64, charset="abcdefghijklmnopqrstuvwxyz "),
                "secret": spaces.Box(-1, 1, (2,), np.float32),
            }
        )
        self.action_space = spaces.Box(-np.inf, np.inf, (7,), np.float32)
        self.steps, self.seed, self.resets = 0, 0, 0
        if tagged:
            adapt.tag(self, TAGS)

    def reset(
        self, *, seed: Optional[int] = None, options: Optional[Dict[str, Any]] = None
    ) -> Tuple[Any, Dict[str, Any]]:
        super().reset(seed=seed)
        self.resets += 1
        self.steps, self.seed = 0, self.resets if seed is None else seed
        return self.observed(), {}

    def step(self, action: Any) -> Tuple[Any, float, bool, bool, Dict[str, Any]]:
        assert action.shape == (7,), action
        expected = expected_action(self.seed, self.steps)
        assert np.allclose(action, expected, atol=1e-5), (action, expected)
        self.steps += 1
        return self.observed(), float(action.sum()), self.steps == STEPS, False, {}

    def observed(self) -> Dict[str, Any]:
        rng = np.random.default_rng((self.seed, self.steps))
        shape = self.observation_space["top"].shape
        assert shape is not None
        top, side = rng.integers(0, 256, (2, *shape), np.uint8)
        quat = rng.normal(size=4)
        return {
            "top": top,
            "side": side,
            "wrist": np.ascontiguousarray(np.moveaxis(side, -1, 0)),
            "eef_quat": quat / np.linalg.norm(quat),
            "clock": np.array([self.steps, self.seed], np.float32),
            "task": TASK,
            "secret": np.zeros(2, np.float32),
        }


def expected_action(seed: int, step: int) -> Any:
    """Return the action that the robot expects."""
    angle = 0.01 * (step + 1)
    grip = 1.0 if step % 2 else -1.0
    return np.array([0.001 * seed, 0.001 * step, 0.001, 0, 0, angle, grip], np.float32)


def output(seed: int, step: int) -> Any:
    """Return what a model emits for it."""
    angle = 0.01 * (step + 1)
    columns = [np.cos(angle), np.sin(angle), 0, -np.sin(angle), np.cos(angle), 0]
    return np.array([seed, step, 1, *columns, 0.9 if step % 2 else 0.1], np.float32)


class Watcher:
    """Predicts what the robot expects, and fails where its payload is not what it should be.

    Stacks and previous outputs must be those of the payload's own episode and step. At its end it
    prints how many payloads it predicted together, each number with how often.

    Args:
        backend: Whose arrays it takes and gives.
        corner: The function that predicts.
        prompt: The text that it expects.
    """

    def __init__(self, backend: str = "numpy", corner: str = "predict", prompt: str = TASK) -> None:
        self.array = from_numpy(backend)
        self.prompt = prompt
        self.sizes: Counter[int] = Counter()
        self.payloads: List[Any] = []
        setattr(self, corner, getattr(self, f"_{corner}"))

    def close(self) -> None:
        print(sorted(self.sizes.items()), flush=True)

    def _predict(self, payload: Any, context: Any) -> Any:
        return self.array(self.act(payload, context, 1)[0])

    def _predict_chunk(self, payload: Any, context: Any) -> Any:
        return self.array(self.act(payload, context, 4))

    def _predict_batch(self, payloads: Any, contexts: List[Any]) -> Any:
        return self.array(self.act_all(payloads, contexts, 1)[:, 0])

    def _predict_chunk_batch(self, payloads: Any, contexts: List[Any]) -> Any:
        return self.array(self.act_all(payloads, contexts, 4))

    def act_all(self, payloads: Any, contexts: List[Any], count: int) -> Any:
        self.sizes[len(contexts)] += 1
        rows = [
            {name: column[i] for name, column in payloads.items()} for i in range(len(contexts))
        ]
        return np.stack([self.act(*row, count) for row in zip(rows, contexts)])

    def act(self, payload: Any, context: Any, count: int) -> Any:
        """Return the next `count` outputs."""
        seen = {
            name: part if isinstance(part, str) else to_numpy(part)
            for name, part in payload.items()
        }
        self.payloads.append(seen)
        step, seed = context.step, seen["clock"][-1, 1]
        assert seen["clock"].tolist() == [[max(step - ago, 0), seed] for ago in HISTORY]
        if context.episode_seed is not None:
            assert seed == context.episode_seed
        assert seen["previous"].tolist() == ([seed, step - 1, 1] if step else [0, 0, 0])
        assert seen["prompt"] == self.prompt
        assert seen["image"].shape == (3, 24, 24), seen["image"].shape
        assert seen["rotation"].shape == (6,)
        return np.stack([output(seed, step + i) for i in range(count)])


def watching_model(backend: str = "numpy", corner: str = "predict", prompt: str = TASK) -> Any:
    """Return a model with `SPEC`, and its source as its attribute `watcher`."""
    package = rlmesh if backend == "native" else import_module(f"rlmesh.{backend}")
    # An adapter computes with NumPy for native models.
    watcher = Watcher("numpy" if backend == "native" else backend, corner, prompt)
    model = package.Model(watcher, spec=SPEC)
    model.watcher = watcher
    return model
