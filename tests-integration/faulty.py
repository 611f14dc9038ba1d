"""An env that misbehaves as it is told, and what it may put into `info`."""

from __future__ import annotations

import datetime
import enum
import pathlib
from types import MappingProxyType
from typing import Any, Callable, Dict, Optional, Tuple

import gymnasium
import numpy as np
from gymnasium import spaces


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


def raises(error: BaseException) -> Callable[[Dict[str, Any]], Any]:
    def fault(observation: Dict[str, Any]) -> Any:
        raise error

    return fault


def fails_deep_inside(observation: Dict[str, Any]) -> Any:
    try:
        {}["table"]
    except KeyError as exc:
        raise ValueError("the arm hit the table: äöü 漢字") from exc


# What becomes of the observation.
FAULTS: Dict[str, Callable[[Dict[str, Any]], Any]] = {
    "none": lambda o: o,
    "raises": fails_deep_inside,
    "raises unprintable": raises(UnprintableError()),
    "raises huge": raises(ValueError("x" * 10_000_000)),
    "raises surrogate": raises(ValueError("\ud800")),
    "shape": lambda o: {**o, "image": np.zeros((4, 5), np.uint8)},
    "ndim": lambda o: {**o, "image": np.zeros((3, 4, 1), np.uint8)},
    "dtype": lambda o: {**o, "state": o["state"].astype(np.float64)},
    "integers": lambda o: {**o, "state": np.array([1, 2])},
    "objects": lambda o: {**o, "state": np.array([1, None])},
    "text": lambda o: {**o, "state": "left"},
    "missing": lambda o: {"image": o["image"]},
    "extra": lambda o: {**o, "more": 1},
    "array": lambda o: o["image"],
    "nothing": lambda o: None,
    "word": lambda o: {**o, "word": 5},
    "surrogate": lambda o: {**o, "word": "\ud800"},
    "fraction": lambda o: {**o, "count": 1.5},
    "beyond dtype": lambda o: {**o, "count": 2**63},
    "nan": lambda o: {**o, "state": np.array([np.nan, np.inf], np.float32)},
    "out of bounds": lambda o: {**o, "state": np.array([9, -9], np.float32), "count": 77},
    "read-only": lambda o: {**o, "image": np.broadcast_to(np.uint8(7), (3, 4))},
    "strided": lambda o: {**o, "image": np.full((6, 8), 7, np.uint8)[::2, ::-2]},
    "big-endian": lambda o: {**o, "state": np.array([0.5, 1], ">f4")},
    "list": lambda o: {**o, "state": [0.5, 1]},
}


class Colour(str, enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Unrepresentable:
    def __repr__(self) -> str:
        raise RuntimeError("no words")

    @property
    def dtype(self) -> Any:
        raise RuntimeError("no dtype")


def cyclic() -> Any:
    """Return a list that holds itself more than once, and a dict that does."""
    parts: Any = [1]
    mapping: Dict[str, Any] = {"parts": parts}
    parts += [parts, parts, mapping, mapping]
    mapping.update(a=mapping, b=mapping, c=parts)
    return mapping


def nested(depth: int, value: Any = "bottom") -> Any:
    for _ in range(depth):
        value = [value]
    return value


class Equals:
    """Compares equal to whatever passes a test."""

    def __init__(self, test: Callable[[Any], bool]) -> None:
        self._test = test

    def __eq__(self, other: object) -> bool:
        return self._test(other)

    __hash__ = None  # type: ignore[assignment]


ANY_TEXT = Equals(lambda other: isinstance(other, str))
MOMENT = datetime.datetime(2024, 2, 29, 12, 30)

# For each name, what the env puts into info, and what arrives.
INFOS: Dict[str, Tuple[Callable[[], Any], Any]] = {
    "plain": (
        lambda: [None, True, 1, 1.5, "text", b"bytes"],
        [None, True, 1, 1.5, "text", b"bytes"],
    ),
    "unicode": (lambda: "äöü 漢字 🤖 \ud800", "äöü 漢字 🤖 \ud800"),
    "tuple": (lambda: (1, (2, 3)), [1, [2, 3]]),
    "set": (lambda: {5}, [5]),
    "int limits": (lambda: [2**64 - 1, -(2**63)], [2**64 - 1, -(2**63)]),
    "huge int": (lambda: [10**400, -(2**63) - 1], [str(10**400), str(-(2**63) - 1)]),
    "floats": (lambda: [float("inf"), -0.0, 5e-324], [float("inf"), -0.0, 5e-324]),
    "int keys": (lambda: {1: "a", -2: "b", b"c": "d"}, {1: "a", -2: "b", b"c": "d"}),
    "odd keys": (lambda: {1.5: 1, None: 2, (1, 2): 3}, {"1.5": 1, "None": 2, "(1, 2)": 3}),
    "numpy scalars": (
        lambda: [np.float32(1.5), np.int8(-3), np.bool_(True), np.str_("s"), np.uint64(2**64 - 1)],
        [1.5, -3, True, "s", 2**64 - 1],
    ),
    "0-d array": (lambda: np.array(2.5), 2.5),
    "text enum": (lambda: [Colour.RED, {Colour.RED: 1}], ["red", {"red": 1}]),
    "int enum": (lambda: Level.HIGH, 3),
    "datetime": (lambda: MOMENT, repr(MOMENT)),
    "numpy datetime": (lambda: np.datetime64("2024-02-29"), repr(datetime.date(2024, 2, 29))),
    "path": (lambda: pathlib.PurePosixPath("/x"), "PurePosixPath('/x')"),
    "complex": (lambda: 1 + 2j, "(1+2j)"),
    "object": (object, ANY_TEXT),
    "class": (lambda: Colour, ANY_TEXT),
    "function": (lambda: nested, ANY_TEXT),
    "unrepresentable": (Unrepresentable, ANY_TEXT),
    "unrepresentable key": (
        lambda: {Unrepresentable(): 1},
        Equals(lambda o: list(o.values()) == [1]),
    ),
    "space": (lambda: spaces.Box(0, 1, (2,)), ANY_TEXT),
    "text array": (lambda: np.array(["a", "b"]), ["a", "b"]),
    "object array": (lambda: np.array([1, "b", None], dtype=object), [1, "b", None]),
    "struct array": (lambda: np.zeros(2, [("a", "i4"), ("b", "f4")]), [[0, 0.0], [0, 0.0]]),
    "mapping": (lambda: MappingProxyType({"a": (1,)}), {"a": [1]}),
    "depth 30": (lambda: nested(30), nested(30)),
    "depth 100": (lambda: nested(100), nested(31, "...")),
    "depth 100000": (lambda: nested(100_000), nested(31, "...")),
    "cycle": (cyclic, Equals(lambda o: o["parts"][0] == 1)),
    "long text": (lambda: "x" * 1_000_000, "x" * 1_000_000),
    "many": (lambda: list(range(60_000)), list(range(60_000))),
    "too many": (lambda: list(range(100_000)), [*range(65_535), "..."]),
}


class Faulty(gymnasium.Env[Any, Any]):
    """Does to its next observations, rewards and infos what the options of `reset` say.

    Options: `when` ("reset" or "step"), and the names of a `fault`, `info`, `reward` or `result`.
    """

    observation_space = spaces.Dict(
        {
            "image": spaces.Box(0, 255, (3, 4), np.uint8),
            "state": spaces.Box(-1, 1, (2,), np.float32),
            "word": spaces.Text(5),
            "count": spaces.Discrete(5),
        }
    )
    action_space = spaces.Box(-1, 1, (2,), np.float32)

    REWARDS: Dict[str, Callable[[], Any]] = {  # noqa: RUF012
        "float32": lambda: np.float32(0.1),
        "int": lambda: 3,
        "bool": lambda: True,
        "nan": lambda: float("nan"),
        "0-d": lambda: np.array(1.5),
        "size 1": lambda: np.array([1.5]),
        "size 2": lambda: np.array([1.5, 2.5]),
        "none": lambda: None,
        "text": lambda: "high",
        "long double": lambda: np.longdouble(1.5),
        "infinity": lambda: np.float32(np.inf),
        "digits": lambda: np.str_("1e999"),
        "complex": lambda: np.complex64(1j),
        "huge": lambda: 10**400,
    }
    RESULTS: Dict[str, Callable[[Any], Any]] = {  # noqa: RUF012
        "two": lambda o: (o, 1.0),
        "six": lambda o: (o, 1.0, False, False, {}, 6),
        "nothing": lambda o: None,
        "number": lambda o: 5,
        "flags": lambda o: (o, 1.0, np.bool_(True), np.array([0]), {}),
        "float flags": lambda o: (o, 1.0, np.float32(1), np.array(0.0), {}),
        "nan flag": lambda o: (o, 1.0, False, np.float64("nan"), {}),
        "text flag": lambda o: (o, 1.0, np.str_("False"), False, {}),
        "bad flags": lambda o: (o, 1.0, np.array([True, False]), False, {}),
        "no info": lambda o: (o, 1.0, False, False, None),
        "info list": lambda o: (o, 1.0, False, False, [1, 2]),
        "info array": lambda o: (o, 1.0, False, False, np.array([1, 2])),
        "info mapping": lambda o: (o, 1.0, False, False, MappingProxyType({"a": 1})),
    }

    def reset(
        self, *, seed: Optional[int] = None, options: Optional[Dict[str, Any]] = None
    ) -> Tuple[Any, Dict[str, Any]]:
        self.options = options or {}
        return self._observe("reset"), self._info("reset")

    def step(self, action: Any) -> Any:
        observation = self._observe("step")
        if "result" in self.options:
            return self.RESULTS[self.options["result"]](observation)
        reward = self.REWARDS[self.options["reward"]]() if "reward" in self.options else 1.0
        return observation, reward, False, False, self._info("step")

    def render(self) -> Any:
        return self._observe("render")

    def _observe(self, when: str) -> Any:
        observation = {
            "image": np.full((3, 4), 7, np.uint8),
            "state": np.array([0.5, 1], np.float32),
            "word": "go",
            "count": 3,
        }
        chosen = self.options.get("fault", "none") if self.options.get("when") == when else "none"
        return FAULTS[chosen](observation)

    def _info(self, when: str) -> Dict[str, Any]:
        if self.options.get("when") != when or "info" not in self.options:
            return {}
        return {"value": INFOS[self.options["info"]][0]()}
