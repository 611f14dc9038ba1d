"""Whatever an env says and a model wants: it fails when it is resolved, or it works.

`python test_fuzz.py 10000` tries more than the tests do.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
import warnings
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

import gymnasium.spaces as gs
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import rlmesh.adapters as adapt
from rlmesh import Tensor
from rlmesh._values.registry import import_backend
from rlmesh.adapters._checks import history_of
from rlmesh.adapters.curves import KNOWN
from rlmesh.adapters.roles import CANONICAL_WIDTHS
from rlmesh.adapters.stages import FITS, RESAMPLES
from rlmesh.spaces import as_space

ENCODINGS = (
    "quat_xyzw",
    "quat_wxyz",
    "axis_angle",
    "axis_angle_2pi",
    "rot6d",
    "rot6d_rowmajor",
    "euler_xyz",
    "matrix",
)
WIDTHS = dict(zip(ENCODINGS, (4, 4, 3, 3, 6, 6, 3, 9)))
FLOATS = ("float16", "float32", "float64")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
CAMERAS = (adapt.IMAGE_PRIMARY, adapt.IMAGE_WRIST, "my/camera")
VECTORS = (adapt.JOINT_POS, adapt.JOINT_VEL, adapt.GRIPPER_POS, "my/vector")
CARTESIAN = (adapt.EEF_POS, adapt.BASE_ANG_VEL)
ROTATIONS = (adapt.EEF_ROT, adapt.BASE_ROT, "my/rotation")
MOVES = (adapt.ACTION_JOINT_POS, adapt.ACTION_GRIPPER, adapt.ACTION_JOINT_VEL, "my/move")
TURNS = (adapt.ACTION_DELTA_ROT, adapt.ACTION_EEF_ROT)
STEPS = 3

MIRRORED = adapt.CustomEncoding(
    "quat_xyzw", from_base=lambda x: -x, to_base=lambda x: -x, name="mirrored"
)


class Triple(NamedTuple):
    """An env and a model."""

    tags: adapt.EnvTags
    observation_space: gs.Space
    action_space: gs.Space
    spec: adapt.ModelSpec


class Vector(NamedTuple):
    """What an env's vector is, as far as a model may have to know."""

    role: str
    part: Optional[str]
    width: int
    encoding: Any
    labels: Optional[List[str]]


class Fuzz:
    """Draws a triple of which about half go together.

    Args:
        seed: Of the random numbers.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.cameras: List[Tuple[str, Optional[str], Tuple[int, int], int]] = []
        self.vectors: List[Vector] = []
        self.texts: List[str] = []

    def maybe(self, chance: float = 0.5) -> bool:
        return self.random.random() < chance

    def one(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def some(self, chance: float, draw: Callable[[], Any], otherwise: Any = None) -> Any:
        return draw() if self.maybe(chance) else otherwise

    def number(self, low: float = -3.0, high: float = 3.0) -> Any:
        value = self.random.uniform(low, high)
        return self.one(value, round(value), np.float32(value), float(round(value, 2)))

    def numbers(self, width: int, low: float = -3.0, high: float = 3.0) -> Any:
        if self.maybe(0.3):
            return self.number(low, high)
        values = [self.number(low, high) for _ in range(width if self.maybe(0.98) else width + 1)]
        return self.one(values, np.array(values, np.float32), tuple(values))

    def pair(self) -> Tuple[float, float]:
        low = self.number()
        return low, low + self.random.uniform(0.5, 4)

    def stats(self, width: int) -> adapt.Stats:
        def low() -> Any:
            return [self.random.uniform(-2, 0) for _ in range(width)]

        def high() -> Any:
            return [self.random.uniform(0.1, 2) for _ in range(width)]

        more: Dict[str, Any] = {
            "mask": self.some(0.3, lambda: [self.maybe() for _ in range(width)]),
            "eps": self.some(0.3, lambda: 1e-6, 0.0),
            "zero_span": self.one(None, "zero", "keep"),
        }
        if self.maybe():
            std = [0.0] * width if more["zero_span"] and self.maybe(0.2) else high()
            return adapt.Stats(mean=self.one(0.5, low()), std=self.one(2, std), **more)
        ends = self.one(-1, low()), self.one(1.5, high())
        return adapt.Stats(**dict(zip(self.one(("q01", "q99"), ("low", "high")), ends)), **more)

    # The env's side.

    def triple(self) -> Triple:
        leaves: Dict[str, Tuple[Any, Any]] = {}
        for i in range(self.random.randint(1, 5)):
            leaves[f"leaf{i}"] = self.leaf()
        tags: Any
        space: gs.Space
        shape = self.one("dict", "dict", "tuple", "bare", "nested")
        if shape == "dict":
            space = gs.Dict({key: part for key, (_, part) in leaves.items()})
            tags = {key: tag for key, (tag, _) in leaves.items() if tag is not None}
        elif shape == "tuple":
            space = gs.Tuple([part for _, part in leaves.values()])
            tags = tuple(tag for tag, _ in leaves.values())
        elif shape == "nested":
            (first, *others) = leaves.values()
            inside = gs.Tuple([part for _, part in others] or [gs.Discrete(2)])
            space = gs.Dict({"a": first[1], "b": gs.Dict({"c": inside})})
            tags = {"a": first[0], "b": {"c": tuple(tag for tag, _ in others) or (None,)}}
        else:
            (tags, space) = next(iter(leaves.values()))
            self._forget_all_but(tags)
        action_space, action, output = self.actions()
        spec = adapt.ModelSpec(input=self.payload(output), output=output)
        return Triple(adapt.EnvTags(tags or None, action), space, action_space, spec)

    def _forget_all_but(self, tag: Any) -> None:
        roles = {getattr(one, "role", None) for one in getattr(tag, "fields", [tag])}
        self.cameras = [one for one in self.cameras if one[0] in roles]
        self.vectors = [one for one in self.vectors if one.role in roles]
        self.texts = [one for one in self.texts if one in roles]

    def leaf(self) -> Tuple[Any, gs.Space]:
        kind = self.random.choices(("image", "state", "split", "text", "none"), (4, 6, 2, 2, 1))[0]
        if kind == "image":
            return self.camera()
        if kind == "text":
            role = self.one(adapt.INSTRUCTION, "text/hint", "my/text")
            self.texts.append(role)
            return adapt.TextTag(role), gs.Text(self.random.randint(1, 20))
        if kind == "state":
            return self.state()
        if kind == "split":
            return self.split()
        return None, self.one(gs.Discrete(3), gs.Box(-1, 1, (2, 2)), gs.Text(5), gs.MultiBinary(2))

    def camera(self) -> Tuple[Any, gs.Space]:
        role, part = self.one(*CAMERAS), self.some(0.15, lambda: self.one("left", "right"))
        height, width = (self.one(1, 2, 3, 7, 16, 24, 31) for _ in range(2))
        channels = self.one(1, 3, 3, 4)
        layout = self.one("hwc", "chw")
        shape = (channels, height, width) if layout == "chw" else (height, width, channels)
        if channels == 1 and self.maybe():
            shape = (height, width)
        low, high = self.one((0, 255), (0, 255), (3, 200))
        self.cameras.append((role, part, (height, width), min(channels, 3)))
        more = {"channel_order": "bgr" if self.maybe(0.3) and channels > 1 else "rgb"}
        more["channels"] = self.some(0.3, lambda: channels)
        tag = adapt.ImageTag(role, layout, upside_down=self.maybe(0.3), part=part, **more)
        dtype = np.uint8 if self.maybe(0.98) else np.int16
        return tag, gs.Box(low, high, shape, dtype)

    def about(self, width: int, kind: str) -> Dict[str, Any]:
        """Return the fields that a `StateTag` and a `Field` share, for a vector of a width."""
        part = self.some(0.15, lambda: self.one("left", "right"))
        if kind == "rotation":
            encoding = next(name for name in self._shuffled() if WIDTHS[name] == width)
            if width == 4 and self.maybe(0.1):
                encoding = MIRRORED
            elif width == 3 and self.maybe(0.1):
                encoding = "gravity_xyz"
            fields = {"role": self.one(*ROTATIONS), "encoding": encoding}
        elif kind == "cartesian":
            fields = {"role": self.one(*CARTESIAN)}
        else:
            fields = {"role": self.one(*VECTORS)}
            labels = self.some(0.25, lambda: [f"joint{i}" for i in range(width)])
            fields["labels"] = labels
        fields["frame"] = self.some(0.2, lambda: self.one("world", "robot_base", "tool"))
        fields["part"] = part
        self.vectors.append(
            Vector(fields["role"], part, width, fields.get("encoding"), fields.get("labels"))
        )
        return fields

    def _shuffled(self) -> List[str]:
        return self.random.sample(ENCODINGS, len(ENCODINGS))

    def width_of(self, kind: str) -> int:
        if kind == "rotation":
            return WIDTHS[self.one(*ENCODINGS)]
        return 3 if kind == "cartesian" else self.random.randint(1, 8)

    def state(self) -> Tuple[Any, gs.Space]:
        kind = self.one("rotation", "cartesian", "vector", "vector", "odd")
        if kind == "odd":
            space: gs.Space = self.one(
                gs.Discrete(4),
                gs.Discrete(3, start=-2),
                gs.MultiBinary(3),
                gs.MultiBinary([2, 2]),
                gs.MultiDiscrete([3, 4]),
                gs.MultiDiscrete(np.array([[2, 3], [4, 5]])),
                gs.Box(-1, 1, (), np.float32),
                gs.Box(-5, 5, (), np.int64),
                gs.Box(0, 1, (2,), np.bool_),
                gs.Box(-1, 1, (0,)),
            )
            width = int(np.prod(space.shape)) if space.shape else 1
            return adapt.StateTag(**self.about(width, "vector")), space
        width = self.width_of(kind)
        fields = self.about(width, kind)
        space = self.box(width, is_rotation=kind == "rotation")
        if kind != "rotation" and self.maybe(0.2):
            fields["range"] = self.one(self.pair(), (-1, 1), (0, 1))
        return adapt.StateTag(**fields), space

    def split(self) -> Tuple[Any, gs.Space]:
        fields, total = [], 0
        for _ in range(self.random.randint(1, 4)):
            kind = self.one("rotation", "cartesian", "vector", "skip")
            width = self.width_of("vector" if kind == "skip" else kind)
            more = {} if kind == "skip" else self.about(width, kind)
            if kind == "vector" and self.maybe(0.2):
                more["range"] = self.one((-1, 1), (0, 1))
            fields.append(adapt.Field(dim=width, **more))
            total += width
        return adapt.Split(*fields), self.box(total if self.maybe(0.97) else total + 1)

    def box(self, width: int, is_rotation: bool = False) -> gs.Box:
        shape: Tuple[int, ...] = (width,)
        if width % 2 == 0 and self.maybe(0.1):
            shape = (2, width // 2)
        if is_rotation or self.maybe(0.7):
            dtype = self.one("float32", "float32", "float64", "float64", "float16")
            low, high = self.one((-1, 1), (-np.inf, np.inf), (-10, 10), (0, 1), (-np.inf, 5))
            if self.maybe(0.2):
                flat = [self.random.uniform(-2, 0) for _ in range(width)]
                low = np.array(flat, dtype).reshape(shape)
                high = (low + self.random.uniform(0.5, 2)).astype(dtype)
            if self.maybe(0.05):
                low, high = -np.finfo(dtype).max, np.finfo(dtype).max
            return gs.Box(low, high, None if isinstance(low, np.ndarray) else shape, dtype)
        dtype = self.one(*INTEGERS, "bool")
        if dtype == "bool":
            return gs.Box(0, 1, shape, np.bool_)
        limits = np.iinfo(dtype)
        low, high = self.one((limits.min, limits.max), (0, 100), (1, 2), (0, limits.max))
        return gs.Box(low, high, shape, dtype)

    # Both sides of the action.

    def actions(self) -> Tuple[gs.Space, adapt.Action, adapt.Action]:
        if self.maybe(0.1):
            if self.maybe():
                n = self.one(2, 5, 10**6, 2**40)
                space: gs.Space = gs.Discrete(n, start=self.one(0, -3))
            else:
                space = self.one(gs.MultiDiscrete([4]), gs.MultiDiscrete([[9]], start=[[-3]]))
            env = adapt.Actuator(self.one(*MOVES), dim=1, invert=self.maybe(0.2))
            return space, adapt.Action(env), adapt.Action(self.driver(env))
        drawn: List[adapt.Actuator] = []
        for _ in range(self.random.randint(1, 4)):
            actuator = self.actuator()
            if actuator.role is None or actuator.role not in [one.role for one in drawn]:
                drawn.append(actuator)
        clip = self.some(0.3, self.pair)
        env_action = adapt.Action(*drawn, clip=clip)
        drivers = [self.driver(one) for one in drawn if one.role and self.maybe(0.95)]
        if self.maybe(0.15):
            drivers.append(adapt.Actuator(self.one(None, "my/idle"), dim=2, optional=True))
        self.random.shuffle(drivers)
        output = adapt.Action(*(drivers or [adapt.Actuator(dim=1)]), clip=self.some(0.2, self.pair))
        return self.action_box(env_action.width), env_action, output

    def action_box(self, width: int) -> gs.Space:
        if self.maybe(0.02):
            return self.one(gs.MultiBinary(width), gs.Dict(a=gs.Discrete(2)), gs.Box(-1, 1, (1, 2)))
        if self.maybe(0.98):
            dtype = self.one("float32", "float32", "float64", "float16", *INTEGERS, "bool")
            if dtype in FLOATS:
                low, high = self.one((-1, 1), (-np.inf, np.inf), (-10, 10), (-2, np.inf))
                return gs.Box(low, high, (width,), dtype)
            if dtype == "bool":
                return gs.Box(0, 1, (width,), np.bool_)
            limits = np.iinfo(dtype)
            whole = (limits.min, limits.max)
            low, high = self.one(whole, whole, (0, 10), (0, limits.max), (limits.min, 7))
            return gs.Box(low, high, (width,), dtype)
        return gs.Box(-1, 1, (width + 1,))

    def shaping(self, width: int) -> Dict[str, Any]:
        """Return the fields that shape an actuator's values."""
        return {
            "scale": self.some(0.2, lambda: self.numbers(width)),
            "offset": self.some(0.2, lambda: self.numbers(width)),
            "invert": self.maybe(0.15),
            **self.two_values(),
        }

    def two_values(self) -> Dict[str, Any]:
        binary = self.maybe(0.15)
        return {
            "binary": binary,
            "threshold": self.some(0.5, self.number) if binary else None,
            "sticky": self.some(0.5 if binary else 0.01, lambda: self.one(1, 2, 15)),
        }

    def curve(self) -> adapt.Curve:
        inverse = self.maybe(0.3)
        if self.maybe(0.3):
            return adapt.Curve(self.one(*KNOWN), inverse=inverse)
        xs = sorted(self.random.sample(range(-40, 40), self.random.randint(2, 5)))
        ys = sorted(self.random.uniform(-3, 3) for _ in xs)
        name = self.one(None, "mine")
        return adapt.Curve(name, xs, self.one(ys, ys[::-1]), inverse=inverse)

    def actuator(self) -> adapt.Actuator:
        fields: Dict[str, Any] = {"optional": self.maybe(0.3), "fill": self.number()}
        seen = [one for one in self.vectors if one.role.replace("proprio/", "action/") in MOVES]
        if seen and self.maybe(0.2):
            known = self.one(*seen)
            return adapt.Actuator(known.role.replace("proprio/", "action/"), dim=known.width)
        kind = self.one("turn", "position", "move", "move", "opaque")
        if kind == "turn":
            encoding = self.one(*ENCODINGS, MIRRORED)
            fields.update(role=self.one(*TURNS), encoding=encoding)
            fields["frame"] = self.some(0.2, lambda: self.one("world", "tool"))
            fields["reference"] = self.some(0.2, lambda: self.one("current", "target"))
            return adapt.Actuator(**fields)
        if kind == "position":
            fields.update(role=adapt.ACTION_DELTA_POS, **self.shaping(3))
            width = 3
        else:
            width = self.random.randint(1, 5)
            role = None if kind == "opaque" else self.one(*MOVES)
            joints = [one for one in self.vectors if one.role == adapt.JOINT_POS]
            if role and joints and self.maybe():
                role, width = adapt.ACTION_JOINT_POS, joints[0].width
            fields.update(role=role, dim=width, **self.shaping(width))
            fields["curve"] = self.some(0.15, self.curve)
            if role:
                fields["part"] = self.some(0.1, lambda: "left")
                fields["labels"] = self.some(0.2, lambda: [f"joint{i}" for i in range(width)])
        if self.maybe(0.3):
            fields["range"] = self.one((-1, 1), (0, 1), self.pair())
            fields["clip"] = self.maybe()
        return adapt.Actuator(**fields)

    def driver(self, env: adapt.Actuator) -> adapt.Actuator:
        """Return the model's actuator that drives one of the env's."""
        fields: Dict[str, Any] = {"role": env.role, "part": env.part if self.maybe(0.9) else None}
        if env.encoding is not None:
            fields["encoding"] = self.one(*ENCODINGS, env.encoding)
            if self.maybe(0.2):
                width = adapt.Actuator(encoding=fields["encoding"]).width
                fields["stats"] = self.stats(width)
            fields["frame"] = env.frame if self.maybe(0.95) else "robot_base"
            fields["reference"] = env.reference if self.maybe(0.95) else "target"
            return adapt.Actuator(**fields)
        if self.maybe(0.2):
            return adapt.Actuator(env.role, dim=env.dim, part=env.part)
        fields.update(dim=env.dim if self.maybe(0.98) else env.width + 1)
        if env.role in CANONICAL_WIDTHS:
            fields.update(dim=env.dim)
        width = fields["dim"]
        fields.update(self.shaping(width))
        fields["stats"] = self.some(0.3, lambda: self.stats(width))
        fields["range"] = self.some(0.3, lambda: self.one((-1, 1), (0, 1)))
        fields["optional"] = self.maybe(0.1)
        is_known = any(one.role == adapt.JOINT_POS for one in self.vectors)
        if env.role == adapt.ACTION_JOINT_POS and self.maybe(0.6 if is_known else 0.1):
            fields.update(delta=self.one("from_state", "cumulative"), binary=False)
            fields.update(threshold=None, sticky=None, range=None)
            fields["mask"] = self.some(
                0.5, lambda: [True, *(self.maybe() for _ in range(width - 1))]
            )
        if env.labels is not None and self.maybe(0.8) and width == env.width:
            fields["labels"] = self.random.sample(env.labels, len(env.labels))
        return adapt.Actuator(**fields)

    # The model's payload.

    def payload(self, output: adapt.Action) -> Any:
        leaves = [self.input(output) for _ in range(self.random.randint(1, 4))]
        shape = self.one("dict", "tuple", "bare", "nested")
        if shape == "dict":
            return {f"kind{i}": leaf for i, leaf in enumerate(leaves)}
        if shape == "tuple":
            return tuple(leaves)
        if shape == "nested":
            return {"items": {"kind": leaves[0]}, "others": tuple(leaves[1:]) or leaves[0]}
        return leaves[0]

    def input(self, output: adapt.Action) -> Any:
        kinds: List[Callable[[], Any]] = [self.custom, lambda: self.text()]
        kinds += [self.picture] * (6 if self.cameras or self.maybe(0.05) else 0)
        kinds += [lambda: self.vector()] * (5 if self.vectors or self.maybe(0.05) else 0)
        kinds += [self.concat] * (3 if self.vectors else 0)
        driven = [one for one in output.actuators if one.role]
        if driven:
            kinds.append(lambda: self.previous(self.one(*driven)))
            kinds.append(lambda: self.pending(self.one(*driven)))
        kinds.append(lambda: self.presence(driven))
        return self.one(*kinds)()

    def custom(self) -> adapt.Custom:
        if self.maybe(0.9):
            return adapt.Custom(transform=lambda observation: 7)
        return adapt.Custom(entrypoint="builtins:" + self.one("type", "no_such_function"))

    def text(self) -> adapt.Text:
        role = self.one(*self.texts, adapt.INSTRUCTION) if self.texts else adapt.INSTRUCTION
        fill = self.some(0.9, lambda: self.one("", "pick"))
        template = self.some(0.3, lambda: "In: {text}\nOut:")
        return adapt.Text(role, container=self.one("str", "list"), fill=fill, template=template)

    def history(self) -> Dict[str, Any]:
        if self.maybe(0.7):
            return {}
        pad = self.one("repeat", "fill")
        if self.maybe(0.3):
            return {"offsets": self.one([2, 0], [3, 1], (0,), [1]), "stack_pad": pad}
        return {"stack": self.one(1, 2, 3), "stride": self.one(1, 1, 2), "stack_pad": pad}

    def picture(self) -> adapt.Image:
        known = self.one(*self.cameras) if self.cameras else (CAMERAS[0], None, (8, 8), 3)
        role, part, (height, width), channels = known
        fields: Dict[str, Any] = {"role": role, "part": part if self.maybe(0.9) else None}
        if self.maybe(0.05):
            fields.update(role="my/missing", optional=True, channels=3, size=(4, 5))
        elif self.maybe(0.85):
            fields["size"] = self.one(
                (height, width), (1, 1), 5, (4, 9), 24, (max(height // 2, 1), 3)
            )
            fields["channels"] = self.one(None, channels, channels, 3, 1)
        fields["fit"] = fit = self.one(*FITS, list(FITS), ["pad", "stretch"], "crop", None)
        if fit == "pad":
            fields["pad_align"] = self.one("center", "top_left", "bottom_right")
            fields["pad_first"] = self.maybe()
        fields["then"] = self.some(0.2, self.stages, ())
        fields["jpeg"] = self.some(0.1, lambda: self.one(1, 50, 95, 100))
        fields["allow_upscale"] = self.maybe(0.8)
        fields["resample"] = self.one(*RESAMPLES)
        crop = self.one(0.9, 0.5, 0.03, 1, np.float32(0.7))
        fields.update(self.one({}, {}, {"crop": crop}, {"crop_area": crop}))
        fields["crop_mode"] = self.one("zoom", "slice")
        fields["convert_channels"] = self.maybe(0.8)
        fields["layout"] = self.one("hwc", "chw")
        fields["upside_down"] = self.maybe(0.3)
        fields["channel_order"] = self.one("rgb", "bgr")
        fields["lead_dims"] = self.one(0, 0, 1, 2)
        fields["fill"] = self.one(0, 128, 255)
        if self.maybe():
            fields["dtype"] = self.one(*FLOATS, "bfloat16")
            few = fields.get("channels") or channels
            normal = [False, True, (-1, 1), (0, 2.5), self.stats(few)]
            fields["normalize"] = self.one(*normal)
        else:
            fields["dtype"] = self.one("uint8", "uint8", *INTEGERS)
        return adapt.Image(**fields, **self.history())

    def stages(self) -> Any:
        """Return one or two stages after the first."""
        stage = adapt.Stage(
            crop_area=self.one(None, 0.9),
            crop_mode=self.one("zoom", "slice"),
            size=self.one(None, 5, (4, 6)),
            fit=self.one(*FITS),
            resample=self.one(*RESAMPLES),
            allow_upscale=self.maybe(0.8),
        )
        return self.one(stage, [stage, adapt.Stage(crop=0.8)])

    def vector(self, in_concat: bool = False) -> adapt.State:
        if not self.vectors or self.maybe(0.05):
            fill, dim = self.number(), self.random.randint(1, 4)
            return adapt.State("my/missing", optional=self.maybe(0.8), dim=dim, fill=fill)
        known = self.one(*self.vectors)
        fields: Dict[str, Any] = {"role": known.role}
        fields["part"] = known.part if self.maybe(0.9) else None
        width = known.width
        if known.encoding is not None:
            names = (*ENCODINGS, "gravity_xyz", MIRRORED)
            fields["encoding"] = self.one(None, *names, known.encoding, [self.one(*names), "rot6d"])
            if fields["encoding"] is not None:
                offsets = (None, None, (0.0, 0.6, 0.0, 0.8), (0, 0, 1, 0, 1, 0, -1, 0, 0))
                fields["rotation_offset"] = self.one(*offsets)
        else:
            if width > 1 and self.maybe(0.2) and known.role not in CANONICAL_WIDTHS:
                fields["dim"] = width = self.random.randint(1, width)
            if self.maybe(0.1):
                fields["index"] = self.random.randint(0, width)
            elif known.labels and "dim" not in fields and self.maybe():
                count = self.random.randint(1, width)
                fields["labels"] = self.random.sample(known.labels, count)
            fields["range"] = self.some(0.25, lambda: self.one((-1, 1), (0, 1), self.pair()))
        after = width
        if "index" in fields:
            after = 1
        elif "labels" in fields:
            after = len(fields["labels"])
        elif fields.get("encoding") in ENCODINGS:
            after = WIDTHS[fields["encoding"]]
        if known.encoding is None:
            fields["curve"] = self.some(0.1, self.curve)
        fields["scale"] = self.some(0.15, lambda: self.numbers(after))
        fields["offset"] = self.some(0.15, lambda: self.numbers(after))
        if self.maybe(0.1) and fields.get("encoding") in (None, "euler_xyz"):
            fields["sincos"] = True
            after *= 2
        fields["stats"] = self.some(0.2, lambda: self.stats(after))
        return adapt.State(**fields, **self.ending(after, in_concat))

    def ending(self, width: int, in_concat: bool = False) -> Dict[str, Any]:
        """Return the fields of a vector's last steps."""
        fields: Dict[str, Any] = {"clip": self.some(0.2, self.pair)}
        if self.maybe(0.15):
            fields["pad_to"] = width = width + self.random.randint(0, 3)
        if in_concat:
            return fields
        fields["dtype"] = self.one("float32", "float32", *FLOATS, *INTEGERS, "bfloat16", "bool")
        fields["container"] = self.one("array", "array", "list")
        fields["reshape"] = self.some(
            0.15, lambda: self.one((1, width), (width, 1), [width], (2, 3))
        )
        return {**fields, **self.history()}

    def concat(self) -> adapt.Concat:
        parts: List[Any] = []
        for _ in range(self.random.randint(1, 4)):
            if self.maybe(0.1):
                parts.append(adapt.Presence(self.one(*self.vectors).role))
            elif self.maybe(0.2):
                parts.append(adapt.Constant(self.random.randint(1, 3), self.number()))
            elif self.maybe(0.3):
                parts.append(self.one(*self.vectors).role)
            else:
                parts.append(self.vector(in_concat=True))
        fields = self.ending(40)
        kept = {name: fields[name] for name in ("clip", "dtype", "container")}
        if self.maybe(0.3):
            kept["pad_to"] = self.one(24, 36, 4)
            kept["reshape"] = self.one(None, (4, 6), (2, 3, 6), (1, 24))
        return adapt.Concat(*parts, **kept)

    def previous(self, actuator: adapt.Actuator) -> adapt.State:
        encoding = None if actuator.encoding is None else self.one(None, *ENCODINGS)
        width = actuator.width if encoding is None else WIDTHS[encoding]
        more = self.ending(width)
        part = actuator.part
        role: Any = actuator.role
        counterpart = role.replace("action/", "proprio/")
        fits = any((one.role, one.width) == (counterpart, actuator.width) for one in self.vectors)
        if self.maybe(0.9 if fits else 0.1) and role.startswith("action/"):
            more["initial"] = "state"
        return adapt.State(role, encoding=encoding, part=part, source="action", **more)

    def pending(self, actuator: adapt.Actuator) -> Any:
        more = {"part": actuator.part, "source": "pending_actions"}
        if self.maybe(0.3):
            return adapt.Presence(actuator.role, dtype=self.one("bool", "int32"), **more)
        state = adapt.State(actuator.role, stack=5, **more)
        return self.one(state, adapt.Concat(state, state, container=self.one("array", "list")))

    def presence(self, driven: List[adapt.Actuator]) -> adapt.Presence:
        known = [one[:2] for one in (*self.cameras, *self.vectors)] or [("my/missing", None)]
        role, part = self.one(*known, ("my/missing", None))
        history = self.history()
        history.pop("stack_pad", None)
        dtype = self.one("bool", "bool", "float32", "int32")
        return adapt.Presence(role, dtype=dtype, part=part if self.maybe(0.9) else None, **history)


FRAMEWORKS: Dict[str, Callable[[Any], Any]] = {
    "numpy": np.asarray,
    "torch": lambda value: torch.from_numpy(np.array(value)),
    "jax": jnp.asarray,
}


def sample(space: gs.Space) -> Any:
    """Return a sample, also of spaces whose bounds Gymnasium cannot subtract."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return moderate(space.sample())
        except (ValueError, OverflowError):
            return moderate(as_space(space).sample())


def moderate(value: Any) -> Any:
    """Return a sample with NumPy's arrays; bounds of 1e30 and more say that there are none."""
    if isinstance(value, dict):
        return {key: moderate(part) for key, part in value.items()}
    if isinstance(value, tuple):
        return tuple(map(moderate, value))
    array = np.array(value) if isinstance(value, Tensor) else value
    is_float = isinstance(array, np.ndarray) and array.dtype.kind == "f"
    return np.clip(array, -1e4, 1e4, dtype=array.dtype) if is_float else array


def convert(value: Any, framework: str) -> Any:
    """Return an observation with its arrays in a framework."""
    if isinstance(value, dict):
        return {key: convert(part, framework) for key, part in value.items()}
    if isinstance(value, tuple):
        return tuple(convert(part, framework) for part in value)
    if isinstance(value, np.integer):
        return int(value)
    return value if isinstance(value, str) else FRAMEWORKS[framework](value)


def as_numpy(value: Any) -> Any:
    if isinstance(value, torch.Tensor) and value.dtype == torch.bfloat16:
        return value.float().numpy()
    return np.asarray(value)


def check_payload(spec: Any, value: Any, framework: str) -> None:
    """Check that a payload has the containers, dtypes and axes that its spec says."""
    if isinstance(spec, dict):
        assert type(value) is dict
        assert list(value) == list(spec)
        for key, part in spec.items():
            check_payload(part, value[key], framework)
    elif isinstance(spec, tuple):
        assert type(value) is tuple
        assert len(value) == len(spec)
        for part, one in zip(spec, value):
            check_payload(part, one, framework)
    elif isinstance(spec, adapt.Text):
        assert isinstance(value[0] if spec.container == "list" else value, str) or value == ""
    elif isinstance(spec, adapt.Custom):
        assert value == 7 or spec.transform is None
    else:
        _check_array(spec, value, framework)


def _check_array(spec: Any, value: Any, framework: str) -> None:
    if getattr(spec, "container", "array") == "list":
        assert isinstance(value, list)
        array = np.array(value)
    else:
        array = as_numpy(value)
        dtype = str(value.dtype).rpartition(".")[2]
        expected = spec.dtype
        if framework == "jax":
            expected = expected.replace("64", "32") if expected.endswith("64") else expected
        assert dtype == expected, (dtype, expected)
        assert isinstance(
            value, {"numpy": np.ndarray, "torch": torch.Tensor}.get(framework, jnp.ndarray)
        )
    is_pending = getattr(spec, "source", None) == "pending_actions"
    is_pending |= isinstance(spec, adapt.Concat) and spec.is_pending
    if is_pending:
        assert array.shape[:-1] == (() if isinstance(spec, adapt.Presence) else (5,))
        return
    history = () if isinstance(spec, adapt.Concat) else history_of(spec)
    if isinstance(spec, adapt.Presence):
        assert array.shape == ((len(history),) if history else ())
        return
    if isinstance(spec, adapt.Image):
        assert array.ndim == 3 + bool(history) + spec.lead_dims
        assert array.shape[: spec.lead_dims] == (1,) * spec.lead_dims
        if spec.last_size is not None:
            plane = array.shape[-2:] if spec.layout == "chw" else array.shape[-3:-1]
            assert plane == spec.last_size, (plane, spec.last_size)
    else:
        single = array.shape[1:] if history else array.shape
        if spec.reshape is not None:
            assert single == spec.reshape
        else:
            assert len(single) == 1
            if spec.pad_to is not None:
                assert single == (spec.pad_to,)
    if history:
        assert array.shape[spec.lead_dims if isinstance(spec, adapt.Image) else 0] == len(history)
    assert np.isfinite(array.astype(np.float64)).all(), f"{spec}: {array}"


def check_action(space: gs.Space, action: Any, leading: Tuple[int, ...], framework: str) -> None:
    """Check that actions have the space's dtype and shape, and are finite."""
    if isinstance(space, gs.Discrete):
        if not leading:
            assert type(action) is int
            assert space.contains(action), action
            return
        array = as_numpy(action)
        assert array.shape == leading
        assert array.dtype.kind == "i"
        assert all(space.contains(int(one)) for one in array.reshape(-1))
        return
    array = as_numpy(action)
    expected = str(space.dtype)
    if framework == "jax":
        expected = {"int64": "int32", "uint64": "uint32", "float64": "float32"}.get(
            expected, expected
        )
    assert str(array.dtype) == expected, (array.dtype, expected)
    assert array.shape == (*leading, *space.shape)
    assert np.isfinite(array.astype(np.float64)).all()
    if isinstance(space, gs.MultiDiscrete):
        rows = array.reshape(-1, *space.shape).astype(space.dtype)
        assert all(space.contains(one) for one in rows), (array, space)
    elif space.dtype.kind in "iub" and framework != "jax":
        assert (array >= space.low).all(), (array, space)
        assert (array <= space.high).all(), (array, space)


def check_journey(triple: Triple) -> None:
    """Check that declarations come back from JSON, unless they hold functions."""
    for declaration in (triple.tags, triple.spec):
        try:
            text = declaration.to_json()
        except adapt.AdapterResolutionError:
            continue
        assert type(declaration).from_json(text) == declaration


def attempt(seed: int, framework: str) -> bool:
    """Return whether a triple goes together; if it does, check that it works."""
    try:
        triple = Fuzz(seed).triple()
        check_journey(triple)
        resolved = adapt.resolve(*triple, trust_entrypoints=seed % 2 == 0)
        # An observation without arrays does not tell a framework.
        backend = import_backend(framework).Model._backend
        adapter = adapt.Adapter(resolved._plan, backend)
    except adapt.AdapterResolutionError:
        return False
    assert adapter.explain()
    rng = np.random.default_rng(seed)
    space, width = triple.action_space, triple.spec.output.width
    triple.observation_space.seed(seed)
    for step in range(STEPS):
        observation = sample(triple.observation_space)
        payload = adapter.transform_obs(convert(observation, framework))
        check_payload(triple.spec.input, payload, framework)
        batch = () if resolved._plan.action.sticky else ((2, 3),)  # which are several episodes
        for leading in [[(3,)], [()], [(4,), *batch, ()]][step]:
            size = 10.0 ** float(rng.choice([-2, 0, 0, 1, 3, 10, 19, 30]))
            dtype = ("float32", "float64", "float16", "int64", "list")[seed % 5]
            output = rng.normal(size=(*leading, width)) * (
                size if dtype[-2:] in ("32", "64") else 1
            )
            if dtype == "list":
                action = adapter.transform_action(output.tolist())
            else:
                output = np.clip(output, -1e18, 1e18) if dtype == "int64" else output
                action = adapter.transform_action(convert(output.astype(dtype), framework))
            check_action(space, action, leading, framework)
        adapter.observe(convert(sample(triple.observation_space), framework))
        if step == 1:
            adapter.reset()
    return True


def attempt_all(seeds: Any, framework: str) -> Tuple[int, List[str]]:
    """Return how many triples went together, and the failures of the others that should have."""
    resolved, failures = 0, []
    for seed in seeds:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="gymnasium")
            warnings.filterwarnings("error", category=RuntimeWarning)
            try:
                resolved += attempt(seed, framework)
            except Exception as exc:
                failures.append(f"{framework}, seed {seed}: {type(exc).__name__}: {exc}")
    return resolved, failures


@pytest.mark.parametrize(("framework", "count"), [("numpy", 1200), ("torch", 150), ("jax", 25)])
def test_whatever_resolves_works(framework: str, count: int) -> None:
    resolved, failures = attempt_all(range(count), framework)
    assert not failures, "\n".join(failures)
    assert 0.2 < resolved / count < 0.75


def fields_in(value: Any) -> Iterator[Tuple[str, str]]:
    """Yield kind and name of each field that is other than by default."""
    if isinstance(value, dict):
        for part in value.values():
            yield from fields_in(part)
    elif isinstance(value, tuple):
        for part in value:
            yield from fields_in(part)
    elif hasattr(value, "to_json"):
        for field in dataclasses.fields(value):
            part = getattr(value, field.name)
            if part != field.default:
                yield value.kind, field.name
                yield from fields_in(part)


def test_every_field_of_every_declaration_is_among_those_that_work() -> None:
    tried = set()
    for seed in range(1500):
        try:
            triple = Fuzz(seed).triple()
            adapt.resolve(*triple, trust_entrypoints=True)
        except adapt.AdapterResolutionError:
            continue
        tried.update(fields_in((triple.tags, triple.spec)))
    kinds = [kind for kind in map(adapt.__dict__.get, adapt.__all__) if hasattr(kind, "to_json")]
    fields = {(kind.kind, field.name) for kind in kinds for field in dataclasses.fields(kind)}
    # Height and width become the size.
    assert fields - tried == {("image", "height"), ("image", "width")}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=10000, help="number of triples")
    parser.add_argument("--first", type=int, default=0, help="seed of the first triple")
    parser.add_argument("--framework", choices=FRAMEWORKS, default="numpy")
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.count)
    resolved, failures = attempt_all(seeds, arguments.framework)
    print("\n".join(failures))
    print(f"{resolved} of {arguments.count} resolved, {len(failures)} failed")
