"""Envs without any framework, whose rewards and infos show what reached them."""

from __future__ import annotations

import zlib
from typing import Any, ClassVar, Dict, List, Mapping, Optional, Sequence, Tuple

from rlmesh import spaces
from rlmesh._values.dtypes import DTYPES, DType
from rlmesh._values.tensor import Tensor
from rlmesh._values.trees import map_arrays

Step = Tuple[Any, float, bool, bool, Dict[str, Any]]


class Sampling:
    """Shows samples of a space; an action's reward is a checksum of its structure and bits.

    Attributes:
        shown: The episode's observations.
        received: Its actions.
    """

    def __init__(self, space: spaces.Space[Any], steps: int = 4) -> None:
        self.observation_space = self.action_space = space
        self.steps = steps
        self.shown: List[Any] = []
        self.received: List[Any] = []

    def reset(
        self, *, seed: Optional[int] = None, options: Optional[Mapping[str, Any]] = None
    ) -> Tuple[Any, Dict[str, Any]]:
        """Start an episode."""
        self.observation_space.seed(seed)
        self.shown, self.received = [], []
        return self._show(), {}

    def step(self, action: Any) -> Step:
        """Take any action; it is a success if it is the last observation."""
        self.received.append(action)
        info = {"success": action == self.shown[-1]}
        return self._show(), checksum(action), len(self.received) == self.steps, False, info

    def close(self) -> None:
        """Nothing is held."""

    def _show(self) -> Any:
        self.shown.append(self.observation_space.sample())
        return self.shown[-1]


class SamplingVector:
    """A vector env that shows samples of a space; sub-env `i` ends its episodes at step `i + 1`.

    It resets them in the same step.

    Attributes:
        shown: Its observations.
        finals: The last observations of finished episodes, per step.
        rewards: Its rewards.
        received: Its actions.
    """

    metadata: ClassVar[Dict[str, Any]] = {"autoreset_mode": "SameStep"}

    def __init__(self, space: spaces.Space[Any], num_envs: int = 2) -> None:
        self.num_envs = num_envs
        self.single_observation_space = self.single_action_space = space
        self.observation_space = self.action_space = space.batched(num_envs)
        self.shown: List[Any] = []
        self.finals: List[List[Any]] = []
        self.rewards: List[Tensor] = []
        self.received: List[Any] = []

    def reset(
        self, *, seed: Any = None, options: Optional[Mapping[str, Any]] = None
    ) -> Tuple[Any, Dict[str, Any]]:
        """Start all episodes; only the first seed counts."""
        self.single_observation_space.seed(seed[0])
        return self._show(), {}

    def step(self, actions: Any) -> Tuple[Any, Tensor, List[bool], List[bool], Dict[str, Any]]:
        """Take any actions."""
        self.received.append(actions)
        done = [len(self.received) % (i + 1) == 0 for i in range(self.num_envs)]
        last = [self.single_observation_space.sample() if one else None for one in done]
        self.finals.append(last)
        self.rewards.append(Tensor.from_values([float(one) for one in done], "float32"))
        infos = {"final_obs": last, "_final_obs": Tensor.from_values(done, "bool")}
        return self._show(), self.rewards[-1], done, [False] * self.num_envs, infos

    def close(self) -> None:
        """Nothing is held."""

    def _show(self) -> Any:
        space = self.single_observation_space
        self.shown.append(space.stack_values([space.sample() for _ in range(self.num_envs)]))
        return self.shown[-1]


class Counting:
    """Shows the number of steps in arrays whose memory it uses again for each observation."""

    SIZES = (3, 20_000)

    def __init__(self) -> None:
        boxes = {str(size): spaces.Box(0, 255, (size,), "uint8") for size in self.SIZES}
        self.observation_space = spaces.Dict(boxes)
        self.action_space = spaces.Discrete(2)
        self._memory = {key: bytearray(box.shape[0]) for key, box in boxes.items()}
        self._count = 0

    def reset(
        self, *, seed: Optional[int] = None, options: Optional[Mapping[str, Any]] = None
    ) -> Tuple[Any, Dict[str, Any]]:
        """Start at 0."""
        self._count = -1
        return self._show(), {}

    def step(self, action: Any) -> Step:
        """Count."""
        return self._show(), 0.0, self._count == 4, False, {}

    def close(self) -> None:
        """Nothing is held."""

    def _show(self) -> Any:
        self._count += 1
        for memory in self._memory.values():
            memory[:] = bytes([self._count]) * len(memory)
        return {
            key: Tensor(memory, "uint8", (len(memory),)) for key, memory in self._memory.items()
        }


def checksum(value: Any) -> float:
    """Return a number that depends on every bit of a native value."""
    plain = map_arrays(value, lambda part: isinstance(part, Tensor), _plain)
    return float(zlib.crc32(repr(plain).encode()))


def _plain(tensor: Tensor) -> Tuple[str, Tuple[int, ...], bytes]:
    return tensor.dtype, tensor.shape, bytes(tensor.data)


def every_space(dtypes: Sequence[str]) -> spaces.Dict:
    """Return a space with every kind of space in it, and with arrays of these dtypes."""
    integer = next(name for name in dtypes if DTYPES[name].is_integer)
    box = spaces.Box(*_bounds(DTYPES[integer]), (2,), integer)
    return spaces.Dict(
        arrays=spaces.Dict({name: boxes(DTYPES[name]) for name in dtypes}),
        large=spaces.Box(*_bounds(DTYPES[integer]), (130, 129), integer),
        empty=spaces.Box(0, 1, (0, 3), integer),
        number=spaces.Discrete(5, start=-2),
        text=spaces.Text(20),
        switches=spaces.MultiBinary([2, 3]),
        choices=spaces.MultiDiscrete([[3, 4], [5, 6]]),
        history=spaces.Sequence(spaces.Dict(a=box, b=spaces.Discrete(3))),
        stacked=spaces.Sequence(box, stack=True),
        graph=spaces.Graph(box, spaces.Discrete(4)),
        either=spaces.OneOf([spaces.Discrete(2), box]),
    )


def boxes(dtype: DType) -> spaces.Tuple:
    """Return a space of a scalar and of an array."""
    low, high = _bounds(dtype)
    return spaces.Tuple([spaces.Box(low, high, shape, dtype.name) for shape in ((), (2, 3))])


def _bounds(dtype: DType) -> Tuple[float, float]:
    return dtype.limits if dtype.kind in "biu" else (float("-inf"), float("inf"))
